// The status bar item: interpreter, state, executors n/max; a click shows what can be done.
// What belongs here: showing. What it must not know: where the status comes from; the words are made in words.ts.
import * as vscode from "vscode";
import type { StatusResult } from "./protocol.gen";
import { barText, clusterState, type Phase } from "./words";

interface Entry extends vscode.QuickPickItem {
  readonly command: string;
}

const MENU: readonly Entry[] = [
  { label: "$(play) Run on Cluster", description: "Ctrl+Alt+Enter", command: "yonder.run" },
  { label: "$(run-all) Run File on Cluster", command: "yonder.runFile" },
  { label: "$(debug-stop) Interrupt", command: "yonder.interrupt" },
  { label: "$(debug-restart) Restart Session", description: "a fresh namespace", command: "yonder.restartSession" },
  { label: "$(circle-slash) Stop Cluster", description: "ends every executor", command: "yonder.stopCluster" },
  { label: "$(graph-line) Show Metrics", command: "yonder.showMetrics" },
  { label: "$(symbol-variable) Show Variables", command: "yonder.showVariables" },
  { label: "$(output) Show Log", command: "yonder.showLog" },
];

export class StatusBar implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("yonder.status", vscode.StatusBarAlignment.Left, 10);
  #phase: Phase = { kind: "ready", status: undefined };

  constructor() {
    this.#item.name = "Yonder";
    this.#item.command = "yonder.menu";
    this.#render();
    this.#item.show();
  }

  phase(phase: Phase): void {
    this.#phase = phase;
    this.#render();
  }

  status(status: StatusResult): void {
    this.phase({ kind: "ready", status });
    void vscode.commands.executeCommand("setContext", "yonder.running", clusterState(status) === "running");
  }

  #render(): void {
    const { text, tooltip, alarm } = barText(this.#phase);
    this.#item.text = text;
    this.#item.tooltip = tooltip;
    this.#item.backgroundColor = alarm ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
  }

  /** The menu behind a click. In Restricted Mode the only thing to do is to decide about trust. */
  async menu(): Promise<void> {
    if (this.#phase.kind === "restricted") {
      await vscode.commands.executeCommand("workbench.trust.manage");
      return;
    }
    const title = `Yonder — ${barText(this.#phase).tooltip.split("\n")[0] ?? ""}`;
    const entry = await vscode.window.showQuickPick(MENU, { title, placeHolder: "What do you want to do?" });
    if (entry !== undefined) await vscode.commands.executeCommand(entry.command);
  }

  dispose(): void {
    this.#item.dispose();
  }
}
