// What a person can ask for.
// What belongs here: one function per command, each ending in words when it fails. What it must not know: how it is drawn or carried out.
import * as vscode from "vscode";
import type { Server } from "./client";
import { Downloads } from "./downloads";
import type { Errors } from "./errors";
import type { InlineResults } from "./inline";
import type { Figures } from "./figures";
import { guess, isRange, type Where } from "./lines";
import type { Log } from "./log";
import type { OutputDocuments } from "./outputDocument";
import type { Panel } from "./panel";
import type { Range } from "./protocol.gen";
import { REMOTE_SCHEME, showSource } from "./remoteSource";
import type { Runs } from "./runs";
import type { StackDocuments } from "./stacks";
import type { StatusBar } from "./status";

/** What an interrupt comes to when the worker does not hear it. */
const IN_C_CODE = "in_c_code";

type Arguments = readonly unknown[];

export interface CommandParts {
  readonly server: Server;
  readonly inline: InlineResults;
  readonly figures: Figures;
  readonly panel: Panel;
  readonly runs: Runs;
  readonly errors: Errors;
  readonly status: StatusBar;
  readonly outputs: OutputDocuments;
  readonly stacks: StackDocuments;
  readonly log: Log;
  /** The commands of objects.ts. */
  readonly objects: Readonly<Record<string, (...args: Arguments) => Promise<void>>>;
}

function plain(range: vscode.Range | Range): Range {
  const { start, end } = range;
  return { start: { line: start.line, character: start.character }, end: { line: end.line, character: end.character } };
}

export class Commands {
  readonly #downloads: Downloads;

  constructor(private readonly parts: CommandParts) {
    this.#downloads = new Downloads(parts.server, parts.runs);
  }

  /** Every command under its name, all with the same way to fail. */
  register(): vscode.Disposable {
    const table: Readonly<Record<string, (...args: Arguments) => Promise<void>>> = {
      "yonder.run": () => this.#runHere("auto"),
      "yonder.runFile": (uri) => this.#runHere("file", uri),
      "yonder.runToCursor": () => this.#runHere("toCursor"),
      "yonder.runAbove": () => this.#runHere("above"),
      "yonder.runCell": (uri, range) => this.#runCell(uri, range),
      "yonder.interrupt": (run) => this.#interrupt(typeof run === "string" ? run : ""),
      "yonder.showStacks": () => this.parts.stacks.show(""),
      "yonder.restartSession": () => this.#restartSession(),
      "yonder.stopCluster": () => this.#stopCluster(),
      "yonder.showMetrics": (run) => this.parts.panel.show(typeof run === "string" ? run : undefined, "metrics"),
      "yonder.showOutput": (run) => this.parts.panel.show(typeof run === "string" ? run : undefined, "output"),
      "yonder.openOutput": (run) => this.#openOutput(run),
      "yonder.showLog": () => this.#showLog(),
      "yonder.evaluate": (uri, range) => this.#evaluate(uri, range),
      ...this.parts.objects,
      "yonder.showSource": (uri, range) => showSource(this.parts.server, uri, range),
      "yonder.clearRuns": () => this.#clearRuns(),
      "yonder.clearInline": () => this.#clearInline(),
      "yonder.restartServer": () => this.parts.server.restart(),
      "yonder.menu": () => this.parts.status.menu(),
      "yonder.openAt": (uri, line) => this.#openAt(uri, line),
      "yonder.downloadFile": (run, executor, path) => this.#downloads.one(run, executor, path),
      "yonder.downloadAll": (run) => this.#downloads.all(run),
      "yonder.openFile": (path) => this.#downloads.open(path),
    };
    const made = Object.entries(table).map(([name, act]) =>
      vscode.commands.registerCommand(name, async (...args: Arguments) => {
        await act(...args).catch((error: unknown) => this.parts.errors.show(error));
      }),
    );
    return vscode.Disposable.from(...made);
  }

  #editor(uri?: unknown): vscode.TextEditor {
    const wanted = uri instanceof vscode.Uri ? uri.toString() : undefined;
    const editors = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors];
    const found = editors.find((editor) => editor?.document.languageId === "python" && editor.document.uri.scheme !== REMOTE_SCHEME && (wanted === undefined || editor.document.uri.toString() === wanted));
    if (found === undefined) throw new Error("Open a Python file first: Yonder runs the selection, the cell or the statement at its cursor.");
    return found;
  }

  async #runHere(where: Where, uri?: unknown): Promise<void> {
    const editor = this.#editor(uri);
    await this.#run(editor.document, plain(editor.selection), where);
  }

  async #runCell(uri: unknown, range: unknown): Promise<void> {
    if (typeof uri !== "string" || !isRange(range)) return this.#runHere("cell");
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
    await this.#run(document, { start: range.start, end: range.start }, "cell");
  }

  /** One expression as it stands; its value comes after the line. */
  async #evaluate(uri: unknown, range: unknown): Promise<void> {
    if (typeof uri !== "string" || !isRange(range)) return;
    const document = vscode.workspace.textDocuments.find((one) => one.uri.toString() === uri);
    if (document !== undefined) await this.#run(document, plain(range), "expression");
  }

  /** The mark first, then the question: nobody waits to see that the key was heard. */
  async #run(document: vscode.TextDocument, selection: Range, where: Where): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      const choice = await vscode.window.showWarningMessage("Yonder runs no code in Restricted Mode.", "Manage Workspace Trust");
      if (choice !== undefined) await vscode.commands.executeCommand("workbench.trust.manage");
      return;
    }
    const lines = document.getText().split(/\r\n|\r|\n/);
    const key = this.parts.inline.pend(document, guess(lines, selection, where));
    try {
      const started = await this.parts.server.request("yonder/run", { uri: document.uri.toString(), where, selection });
      this.parts.inline.began(key, document, started);
      this.parts.panel.follow(started.run);
    } catch (error) {
      this.parts.inline.dropped(key);
      await this.parts.errors.show(error, () => this.#run(document, selection, where));
    }
  }

  async #interrupt(run: string): Promise<void> {
    const uri = run === "" ? (vscode.window.activeTextEditor?.document.uri.toString() ?? "") : "";
    const { outcome, sentence } = await this.parts.server.request("yonder/interrupt", { uri, run });
    if (outcome === "interrupted" || outcome === "idle") {
      vscode.window.setStatusBarMessage(`Yonder: ${sentence}`, 4000);
      return;
    }
    await this.#unheard(uri, run, sentence, outcome === IN_C_CODE ? ["Show Stack"] : []);
  }

  /** An interrupt that came to nothing. Who has looked at the stack can still decide. */
  async #unheard(uri: string, run: string, sentence: string, look: readonly string[]): Promise<void> {
    const choice = await vscode.window.showWarningMessage(sentence, ...look, "Kill Worker", "Wait");
    if (choice === "Show Stack") {
      await this.parts.stacks.show(uri);
      await this.#unheard(uri, run, sentence, look);
    }
    if (choice === "Kill Worker") {
      const killed = await this.parts.server.request("yonder/interrupt", { uri, run, kill: true });
      void vscode.window.showInformationMessage(killed.sentence);
    }
  }

  async #restartSession(): Promise<void> {
    const uri = vscode.window.activeTextEditor?.document.uri.toString() ?? "";
    const { sentence } = await this.parts.server.request("yonder/restartSession", { uri });
    vscode.window.setStatusBarMessage(`Yonder: ${sentence}`, 5000);
  }

  async #stopCluster(): Promise<void> {
    const result = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: "Yonder: stopping the cluster" }, () =>
      this.parts.server.request("yonder/stopCluster", {}),
    );
    void (result.left > 0 ? vscode.window.showWarningMessage(result.sentence) : vscode.window.showInformationMessage(result.sentence));
  }

  async #clearRuns(): Promise<void> {
    await this.parts.server.request("yonder/clearRuns", {});
    await this.parts.runs.refresh();
  }

  #showLog(): Promise<void> {
    this.parts.log.channel.show(true);
    return Promise.resolve();
  }

  #clearInline(): Promise<void> {
    this.parts.inline.clear(this.#editor().document);
    this.parts.figures.clear(this.#editor().document);
    return Promise.resolve();
  }

  async #openOutput(run: unknown): Promise<void> {
    if (typeof run !== "string") return;
    await this.parts.outputs.open(run, this.parts.runs.get(run)?.title ?? "");
  }

  async #openAt(uri: unknown, line: unknown): Promise<void> {
    if (typeof uri !== "string" || typeof line !== "number") return;
    const target = uri.startsWith("/") ? vscode.Uri.file(uri) : vscode.Uri.parse(uri);
    const at = new vscode.Range(line, 0, line, 0);
    await vscode.window.showTextDocument(target, { selection: at, preserveFocus: false });
  }
}
