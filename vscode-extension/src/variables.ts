// The Variables view: the live names of the session, expanded as far as a person wants.
// What belongs here: the tree's looks and when it asks again. What it must not know: how rows are found (variableTree.ts), the wire.
import * as vscode from "vscode";
import { SELECTOR, type Server } from "./client";
import { homeOf, type Figures } from "./figures";
import type { StatusResult } from "./protocol.gen";
import { described, VariableTree, type Node, type Row } from "./variableTree";

export const VARIABLES_VIEW = "yonder.variables";
/** While a run is on. */
const AGAIN_MS = 2000;

const ICONS: Readonly<Record<string, string>> = { c: "symbol-class", f: "symbol-field", k: "symbol-constant", M: "symbol-namespace", m: "symbol-method", p: "symbol-property" };
const VALUES: Readonly<Record<string, string>> = {
  bool: "symbol-boolean",
  dict: "symbol-object",
  float: "symbol-number",
  int: "symbol-number",
  list: "symbol-array",
  str: "symbol-string",
  tuple: "symbol-array",
};

export class VariablesView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #news = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.#news.event;
  readonly tree: VariableTree;
  readonly #view: vscode.TreeView<Node>;
  readonly #subscriptions: vscode.Disposable[];
  #uri = "";
  #epoch = "";
  #values = "";
  #running = false;
  /** Something was new while a question was under way. */
  #missed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly server: Server,
    private readonly figures: Figures,
  ) {
    this.tree = new VariableTree(
      (params) => server.request("yonder/variables", params),
      () => this.uri,
    );
    this.#view = vscode.window.createTreeView(VARIABLES_VIEW, { treeDataProvider: this, showCollapseAll: true });
    this.#subscriptions = [
      this.#view.onDidChangeVisibility(({ visible }) => (visible ? this.refresh() : undefined)),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.#looksAt(editor)),
      figures.onNew(() => this.refresh()),
    ];
    this.#looksAt(vscode.window.activeTextEditor);
  }

  /** Any document of the session whose names are shown. */
  get uri(): string {
    return this.#uri === "" ? (vscode.workspace.workspaceFolders?.[0]?.uri.toString() ?? "untitled:") : this.#uri;
  }

  /** What the cluster is now: a new generation is asked for, and a run that is on every two seconds. */
  status(status: StatusResult): void {
    const epoch = JSON.stringify([status.cluster, status.live, ...status.sessions.map((one) => [one.id, one.pid, one.generation, one.state])]);
    const values = JSON.stringify(status.sessions.map((one) => [one.id, one.pid, one.generation]));
    if (values !== this.#values) this.figures.forget();
    this.#values = values;
    this.#running = status.sessions.some((one) => one.state === "busy");
    if (epoch !== this.#epoch) this.refresh();
    this.#epoch = epoch;
    this.#later();
  }

  /** Asks again what is shown; nothing while nobody looks, and after the question that is under way. */
  refresh(): void {
    this.#missed = this.#view.visible && this.tree.asking;
    if (this.#view.visible && !this.tree.asking) this.#news.fire(undefined);
    this.#later();
  }

  filter(text: string): void {
    this.tree.anew(text);
    this.#view.description = text === "" ? "" : `filter: ${text}`;
    void vscode.commands.executeCommand("setContext", "yonder.variablesFiltered", text !== "");
    this.#news.fire(undefined);
  }

  #later(): void {
    const wanted = this.#running && this.#view.visible;
    if (wanted === (this.#timer !== undefined)) return;
    if (wanted) {
      this.#timer = setInterval(() => this.refresh(), AGAIN_MS);
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #looksAt(editor: vscode.TextEditor | undefined): void {
    if (editor === undefined || vscode.languages.match(SELECTOR, editor.document) === 0) return;
    const uri = editor.document.uri.toString();
    if (uri === this.#uri) return;
    if (this.#uri !== "" && homeOf(uri) !== homeOf(this.#uri)) this.tree.elsewhere();
    this.#uri = uri;
    this.refresh(); // another folder's documents have another session
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node !== undefined && node.kind !== "row") return [];
    if (node === undefined && !this.server.running) return this.#said("Run a block and its variables appear here.");
    const nodes = await this.tree.children(node);
    if (this.#missed && !this.tree.asking) this.refresh();
    if (node === undefined) this.#said(this.#message(nodes));
    return [...nodes];
  }

  #message(nodes: readonly Node[]): string {
    const { last } = this.tree;
    const said = last?.sentence ?? "";
    if (last === undefined || said !== "" || nodes.length > 0) return said;
    return this.tree.filter === "" ? "The session has no variables yet." : `No name or type has “${this.tree.filter}” in it.`;
  }

  #said(sentence: string): [] {
    this.#view.message = sentence;
    return [];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    if (node.kind === "row") return this.#item(node);
    const item = new vscode.TreeItem(node.kind === "more" ? node.text : "");
    item.id = node.id;
    if (node.kind === "note") item.description = node.text;
    else item.command = { command: "yonder.moreVariables", title: "Show More", arguments: [node] };
    return item;
  }

  #item(row: Row): vscode.TreeItem {
    const { variable } = row;
    const none = variable.children === 0 || row.path.length === 0;
    const item = new vscode.TreeItem(variable.name, none ? vscode.TreeItemCollapsibleState.None : vscode.TreeItemCollapsibleState.Collapsed);
    const icon = ICONS[variable.kind] ?? VALUES[variable.type] ?? "symbol-variable";
    item.id = row.id;
    item.description = described(variable, this.figures.of(this.uri, row.path));
    item.iconPath = new vscode.ThemeIcon(icon, row.changed ? new vscode.ThemeColor("charts.orange") : undefined);
    item.contextValue = ["variable", row.path.length > 0 ? "path" : "", variable.statistics ? "statistics" : "", variable.kind === "v" ? "value" : ""].join(" ");
    item.accessibilityInformation = { label: `${variable.name}, ${variable.type}, ${variable.short}${row.changed ? ", changed" : ""}` };
    return item;
  }

  /** The card comes when somebody points at the row. Nothing in it is a link. */
  async resolveTreeItem(item: vscode.TreeItem, node: Node, token: vscode.CancellationToken): Promise<vscode.TreeItem> {
    if (node.kind !== "row" || node.path.length === 0) return item;
    const card = this.server.request("yonder/card", { uri: this.uri, path: node.path }, token);
    const { markdown } = await card.catch(() => ({ markdown: "" })); // a tooltip is no place for a failure
    item.tooltip = markdown === "" ? `${node.variable.name}: ${node.variable.type}` : new vscode.MarkdownString(markdown);
    return item;
  }

  dispose(): void {
    clearInterval(this.#timer);
    this.#view.dispose();
    this.#news.dispose();
    for (const each of this.#subscriptions) each.dispose();
  }
}
