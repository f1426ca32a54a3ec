// What a person can do with a live object: from its hover, a code action, or its row in the Variables view.
// What belongs here: one function per command; arguments from links are checked. What it must not know: how rows are found or drawn.
import * as vscode from "vscode";
import { SELECTOR, type Server } from "./client";
import type { Figures } from "./figures";
import { isRange } from "./lines";
import { showSource } from "./remoteSource";
import type { VariablesView } from "./variables";
import { VARIABLES_VIEW } from "./variables";
import { expressionOf, isPath, type More, type Row } from "./variableTree";

type Act = (...args: readonly unknown[]) => Promise<void>;

export interface ObjectParts {
  readonly server: Server;
  readonly figures: Figures;
  readonly view: VariablesView;
}

/** The commands under their names. */
export function objectCommands({ server, figures, view }: ObjectParts): Readonly<Record<string, Act>> {
  return {
    "yonder.statistics": async (uri, path, range) => {
      if (typeof uri === "string" && isPath(path)) await figures.compute(uri, path, isRange(range) ? range : undefined);
    },
    "yonder.showVariables": async () => {
      await vscode.commands.executeCommand(`${VARIABLES_VIEW}.focus`);
    },
    "yonder.moreVariables": (node) => {
      if (isMore(node)) view.tree.more(node);
      view.refresh();
      return Promise.resolve();
    },
    "yonder.refreshVariables": () => {
      view.refresh();
      return Promise.resolve();
    },
    "yonder.filterVariables": async () => {
      const text = await vscode.window.showInputBox({ title: "Filter Variables", prompt: "Text in the name or type; empty shows all", value: view.tree.filter });
      if (text !== undefined) view.filter(text.trim());
    },
    "yonder.clearVariablesFilter": () => {
      view.filter("");
      return Promise.resolve();
    },
    "yonder.copyPath": async (node) => {
      if (isRow(node)) await vscode.env.clipboard.writeText(expressionOf(node.path));
    },
    "yonder.variableStatistics": async (node) => {
      if (isRow(node)) await figures.compute(view.uri, node.path, undefined);
    },
    "yonder.variableSource": async (node) => {
      if (isRow(node)) await showSource(server, view.uri, undefined, node.path);
    },
    "yonder.keepVariable": async (node) => {
      if (isRow(node)) await keep(server, node);
    },
  };
}

/** The edit is the server's; it goes behind the statement at the cursor. */
async function keep(server: Server, row: Row): Promise<void> {
  const editor = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors].find((one) => one !== undefined && vscode.languages.match(SELECTOR, one.document) > 0);
  if (editor === undefined) throw new Error("Open the Python file that is to keep it: the line is added after the statement at its cursor.");
  const { range, text } = await server.request("yonder/keeping", { uri: editor.document.uri.toString(), path: row.path, line: editor.selection.active.line });
  const edit = new vscode.WorkspaceEdit();
  edit.insert(editor.document.uri, new vscode.Position(range.start.line, range.start.character), text);
  await vscode.workspace.applyEdit(edit);
}

function isRow(node: unknown): node is Row {
  return typeof node === "object" && node !== null && "kind" in node && node.kind === "row" && "path" in node && isPath(node.path);
}

function isMore(node: unknown): node is More {
  return typeof node === "object" && node !== null && "kind" in node && node.kind === "more";
}
