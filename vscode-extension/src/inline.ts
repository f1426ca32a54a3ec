// Results, errors and marks after the last line of what ran.
// What belongs here: drawing the blocks of blocks.ts as decorations. What it must not know: how blocks move, what the server is.
import * as vscode from "vscode";
import { anchored } from "./anchor";
import { Blocks, settled, type Block, type Change } from "./blocks";
import type { Range, RunStarted } from "./protocol.gen";
import type { RunsDelta } from "./runs";
import { inlineText } from "./words";

type Look = "busy" | "ok" | "error" | "stale";

const COLOURS: Record<Look, string> = {
  busy: "yonder.inline.busy",
  ok: "yonder.inline.result",
  error: "yonder.inline.error",
  stale: "yonder.inline.stale",
};

const HOVER_LIMIT = 20_000;

function look(block: Block): Look {
  if (!settled(block.state)) return "busy";
  if (block.stale) return "stale";
  return block.state === "ok" ? "ok" : block.state === "cancelled" ? "stale" : "error";
}

function linesOf(document: vscode.TextDocument): readonly string[] {
  return document.getText().split(/\r\n|\r|\n/);
}

function toRange(range: Range): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}

export class InlineResults implements vscode.Disposable {
  readonly #blocks = new Blocks(anchored);
  readonly #types: Record<Look, vscode.TextEditorDecorationType>;
  readonly #bar: vscode.TextEditorDecorationType;
  readonly #subscriptions: vscode.Disposable[];
  #ticker: NodeJS.Timeout | undefined;

  constructor() {
    const type = (kind: Look): vscode.TextEditorDecorationType =>
      vscode.window.createTextEditorDecorationType({
        rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
        after: { color: new vscode.ThemeColor(COLOURS[kind]), margin: "0 0 0 2.5em", fontStyle: kind === "ok" ? "normal" : "italic" },
      });
    this.#types = { busy: type("busy"), ok: type("ok"), error: type("error"), stale: type("stale") };
    this.#bar = vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      borderStyle: "solid",
      borderWidth: "0 0 0 2px",
      borderColor: new vscode.ThemeColor("progressBar.background"),
      overviewRulerColor: new vscode.ThemeColor("progressBar.background"),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    });
    this.#subscriptions = [
      vscode.workspace.onDidChangeTextDocument((event) => this.#edited(event)),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#render()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("yonder.inlineResults")) this.#render();
      }),
    ];
  }

  /** The mark that stands at once; its key is for `began` or `dropped`. */
  pend(document: vscode.TextDocument, range: Range): string {
    const key = this.#blocks.pend(document.uri.toString(), range, linesOf(document), Date.now() / 1000);
    this.#render();
    return key;
  }

  began(key: string, document: vscode.TextDocument, started: RunStarted): void {
    this.#blocks.begin(key, started.run, started.range, linesOf(document));
    this.#render();
  }

  dropped(key: string): void {
    this.#blocks.drop(key);
    this.#render();
  }

  /** New summaries of runs; all of them when a document was opened. */
  apply(delta: RunsDelta): void {
    const open = new Map(vscode.workspace.textDocuments.map((document) => [document.uri.toString(), document]));
    this.#blocks.apply(delta.runs, (uri) => {
      const document = open.get(uri);
      return document === undefined ? undefined : linesOf(document);
    });
    this.#render();
  }

  clear(document: vscode.TextDocument): void {
    this.#blocks.clear(document.uri.toString());
    this.#render();
  }

  #edited(event: vscode.TextDocumentChangeEvent): void {
    const uri = event.document.uri.toString();
    if (event.contentChanges.length === 0 || this.#blocks.of(uri).length === 0) return;
    const changes: Change[] = event.contentChanges.map(({ range, text }) => ({ range, text }));
    this.#blocks.edit(uri, changes, linesOf(event.document));
    this.#render();
  }

  #render(): void {
    const shown = vscode.workspace.getConfiguration("yonder").get<boolean>("inlineResults", true);
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.languageId !== "python") continue;
      this.#draw(editor, shown ? this.#blocks.of(editor.document.uri.toString()) : []);
    }
    this.#tick();
  }

  #draw(editor: vscode.TextEditor, blocks: readonly Block[]): void {
    const now = Date.now() / 1000;
    const options: Record<Look, vscode.DecorationOptions[]> = { busy: [], ok: [], error: [], stale: [] };
    for (const block of blocks) {
      const { line } = block.range.end;
      const end = new vscode.Position(line, editor.document.lineAt(Math.min(line, editor.document.lineCount - 1)).text.length);
      const hoverMessage = hover(block);
      options[look(block)].push({
        range: new vscode.Range(end, end),
        renderOptions: { after: { contentText: inlineText(block, now) } },
        ...(hoverMessage === undefined ? {} : { hoverMessage }),
      });
    }
    for (const kind of ["busy", "ok", "error", "stale"] as const) editor.setDecorations(this.#types[kind], options[kind]);
    editor.setDecorations(this.#bar, blocks.filter((block) => !settled(block.state)).map((block) => toRange(block.range)));
  }

  /** The seconds of running blocks go on by themselves, only while there are any. */
  #tick(): void {
    if (this.#blocks.live === (this.#ticker !== undefined)) return;
    if (this.#ticker === undefined) {
      this.#ticker = setInterval(() => this.#render(), 1000);
    } else {
      clearInterval(this.#ticker);
      this.#ticker = undefined;
    }
  }

  dispose(): void {
    clearInterval(this.#ticker);
    for (const each of [...this.#subscriptions, ...Object.values(this.#types), this.#bar]) each.dispose();
  }
}

/** The whole value or traceback, and the way to its run in the panel. */
function hover(block: Block): vscode.MarkdownString | undefined {
  if (block.full === "" || !settled(block.state)) return undefined;
  const text = new vscode.MarkdownString();
  text.appendCodeblock(block.full.slice(0, HOVER_LIMIT), block.state === "ok" ? "python" : "text");
  if (block.stale) text.appendMarkdown("\n*The text was edited since it ran.*\n");
  text.appendMarkdown(`\n[Show in panel](command:yonder.showMetrics?${encodeURIComponent(JSON.stringify([block.key]))})`);
  text.isTrusted = { enabledCommands: ["yonder.showMetrics"] };
  return text;
}
