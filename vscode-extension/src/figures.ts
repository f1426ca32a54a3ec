// Statistics that were asked for: computed beside the run, shown after the line and in the Variables view.
// What belongs here: asking, remembering, drawing. What it must not know: how they are computed.
import * as vscode from "vscode";
import type { Server } from "./client";
import { marked, shifted, type Mark } from "./marks";
import type { Range, StatisticsResult } from "./protocol.gen";
import { expressionOf, keyOf, type Path } from "./variableTree";
import { clip, INLINE_LIMIT } from "./words";

const REMEMBERED = 200;

export class Figures implements vscode.Disposable {
  readonly #known = new Map<string, string>();
  readonly #marks = new Map<string, readonly Mark[]>();
  readonly #new = new vscode.EventEmitter<void>();
  readonly onNew = this.#new.event;
  readonly #type = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    after: { color: new vscode.ThemeColor("yonder.inline.result"), margin: "0 0 0 2.5em" },
  });
  readonly #subscriptions = [
    vscode.workspace.onDidChangeTextDocument((event) => this.#edited(event)),
    vscode.workspace.onDidCloseTextDocument((document) => this.#marks.delete(document.uri.toString())),
    vscode.window.onDidChangeVisibleTextEditors(() => this.#render()),
  ];

  constructor(private readonly server: Server) {}

  /** The short line of what was computed last for a path in the session of this document, "" for none. */
  of(uri: string, path: Path): string {
    return this.#known.get(placeOf(uri, path)) ?? "";
  }

  /** A run has ended, or another process has begun: there may be other values under the same names. */
  forget(): void {
    this.#known.clear();
  }

  /** Computes them, and says so in the status bar meanwhile. With a range they are shown after its line. */
  async compute(uri: string, path: Path, range: Range | undefined): Promise<void> {
    const expression = expressionOf(path);
    const result = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: `Yonder: statistics of ${expression}` }, () =>
      this.server.request("yonder/statistics", { uri, path }),
    );
    const found = result.figures.length > 0;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(placeOf(uri, path), found ? result.short : result.sentence);
    if (range !== undefined) this.#mark(uri, { line: range.end.line, text: found ? `${expression}: ${result.short}` : result.sentence, details: details(expression, result), failed: !found });
    this.#new.fire();
  }

  clear(document: vscode.TextDocument): void {
    this.#marks.delete(document.uri.toString());
    this.#render();
  }

  #mark(uri: string, mark: Mark): void {
    this.#marks.set(uri, marked(this.#marks.get(uri) ?? [], mark));
    this.#render();
  }

  #edited(event: vscode.TextDocumentChangeEvent): void {
    const uri = event.document.uri.toString();
    const marks = this.#marks.get(uri);
    if (marks === undefined || event.contentChanges.length === 0) return;
    const changes = [...event.contentChanges].sort((a, b) => b.range.start.line - a.range.start.line);
    this.#marks.set(uri, changes.reduce<readonly Mark[]>((left, { range, text }) => shifted(left, { range, text }), marks));
    this.#render();
  }

  #render(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const marks = this.#marks.get(editor.document.uri.toString()) ?? [];
      editor.setDecorations(
        this.#type,
        marks.filter((mark) => mark.line < editor.document.lineCount).map((mark) => decoration(editor.document, mark)),
      );
    }
  }

  dispose(): void {
    for (const each of [...this.#subscriptions, this.#type, this.#new]) each.dispose();
  }
}

/** Where the documents are that have one session, as far as the editor knows: the same folder of the workspace. */
export function homeOf(uri: string): string {
  const document = vscode.Uri.parse(uri);
  const folder = vscode.workspace.getWorkspaceFolder(document) ?? vscode.workspace.workspaceFolders?.[0];
  if (folder !== undefined) return folder.uri.toString();
  return document.scheme === "file" ? vscode.Uri.joinPath(document, "..").toString() : "";
}

function placeOf(uri: string, path: Path): string {
  return `${homeOf(uri)}\n${keyOf(path)}`;
}

function decoration(document: vscode.TextDocument, mark: Mark): vscode.DecorationOptions {
  const { end } = document.lineAt(mark.line).range;
  const hoverMessage = new vscode.MarkdownString();
  hoverMessage.appendCodeblock(mark.details, "text");
  const look = mark.failed ? { fontStyle: "italic", color: new vscode.ThemeColor("yonder.inline.stale") } : {};
  return { range: new vscode.Range(end, end), hoverMessage, renderOptions: { after: { contentText: clip(`∑ ${mark.text}`, INLINE_LIMIT), ...look } } };
}

function details(expression: string, result: StatisticsResult): string {
  const width = Math.max(0, ...result.figures.map((one) => one.name.length));
  return [expression, ...result.figures.map((one) => `${one.name.padEnd(width)}  ${one.value}`), result.sentence].filter((line) => line !== "").join("\n");
}
