// The panel's place in the editor: a webview that asks, and the extension's answers.
// What belongs here: its page with a strict policy, the handshake, a closed set of questions. What it must not know: how anything is drawn.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { FromPanel, PanelAct, Tab, ToPanel } from "../webview/messages";
import type { Server } from "./client";
import type { StatusResult } from "./protocol.gen";
import type { Runs } from "./runs";

export const PANEL_VIEW = "yonder.panel";

const COMMANDS: Record<PanelAct, string> = {
  run: "yonder.run",
  interrupt: "yonder.interrupt",
  openOutput: "yonder.openOutput",
  openAt: "yonder.openAt",
  clearRuns: "yonder.clearRuns",
  showLog: "yonder.showLog",
  download: "yonder.downloadFile",
  downloadAll: "yonder.downloadAll",
  openFile: "yonder.openFile",
};

export class Panel implements vscode.WebviewViewProvider {
  #view: vscode.WebviewView | undefined;
  /** The page has said that it listens; before that a message would be lost. */
  #ready = false;
  #status: StatusResult | undefined;
  #selected: { readonly run: string; readonly tab: Tab | "" } | undefined;
  readonly #revealed = new Set<string>();
  readonly #mine = new Set<string>();

  constructor(
    private readonly home: vscode.Uri,
    private readonly server: Server,
    private readonly runs: Runs,
  ) {
    runs.onDelta((delta) => {
      this.#post({ kind: "runs", ...delta });
      for (const run of delta.runs) if (run.metrics.length > 0 || run.displays > 0) this.#reveal(run.run, run.metrics.length > 0 ? "metrics" : "figures");
    });
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    this.#ready = false;
    const dist = vscode.Uri.joinPath(this.home, "dist");
    view.webview.options = { enableScripts: true, localResourceRoots: [dist] };
    view.webview.onDidReceiveMessage((message: FromPanel) => void this.#heard(message));
    view.onDidDispose(() => {
      this.#view = undefined;
      this.#ready = false;
    });
    view.webview.html = page(view.webview, dist);
  }

  status(status: StatusResult): void {
    this.#status = status;
    this.#post({ kind: "status", status });
  }

  /** A run of this person has begun: the panel shows it if it is open. */
  follow(run: string): void {
    this.#mine.add(run);
    this.#select(run, "");
  }

  /** Opens the panel, at a run and one of its sides if named. */
  async show(run: string | undefined, tab: Tab): Promise<void> {
    this.#select(run ?? "", tab);
    await vscode.commands.executeCommand(`${PANEL_VIEW}.focus`);
  }

  /** Once per run that was started here: it has something to see. The focus stays where it is. */
  #reveal(run: string, tab: Tab): void {
    if (!this.#mine.has(run) || this.#revealed.has(run)) return;
    this.#revealed.add(run);
    if (vscode.workspace.getConfiguration("yonder").get<string>("revealPanel", "metrics") === "never") return;
    this.#select(run, tab);
    if (this.#view === undefined) void vscode.commands.executeCommand(`${PANEL_VIEW}.focus`, { preserveFocus: true });
    else this.#view.show(true);
  }

  #select(run: string, tab: Tab | ""): void {
    this.#selected = { run, tab };
    this.#post({ kind: "select", run, tab });
  }

  #post(message: ToPanel): void {
    if (this.#ready) void this.#view?.webview.postMessage(message);
  }

  async #heard(message: FromPanel): Promise<void> {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#post({ kind: "runs", reset: true, runs: this.runs.all });
        if (this.#status !== undefined) this.#post({ kind: "status", status: this.#status });
        if (this.#selected !== undefined) this.#post({ kind: "select", ...this.#selected });
        break;
      case "ask":
        await this.#answer(message);
        break;
      case "act":
        await vscode.commands.executeCommand(COMMANDS[message.act], ...message.args);
        break;
    }
  }

  async #answer(message: Extract<FromPanel, { kind: "ask" }>): Promise<void> {
    try {
      const result = await this.server.request(message.method, message.params);
      this.#post({ kind: "answer", id: message.id, result });
    } catch (error) {
      this.#post({ kind: "failed", id: message.id, sentence: error instanceof Error ? error.message : String(error) });
    }
  }
}

function page(webview: vscode.Webview, dist: vscode.Uri): string {
  const nonce = randomBytes(16).toString("base64");
  const at = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(dist, name)).toString();
  const policy = ["default-src 'none'", `script-src 'nonce-${nonce}'`, `style-src ${webview.cspSource} 'nonce-${nonce}'`, "img-src data:"].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" nonce="${nonce}" href="${at("panel.css")}">
<title>Yonder</title>
</head>
<body>
<div id="yonder" data-testid="yonder-panel"></div>
<script nonce="${nonce}" src="${at("panel.js")}"></script>
</body>
</html>`;
}
