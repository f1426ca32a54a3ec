// The sign that a person's window is there.
// What belongs here: asking the workbench and passing its answer on. What it must not know: what the hub does without it.
// An extension host outlives a vanished window by hours, so the host's own life proves nothing: only the workbench's answer does.
import * as vscode from "vscode";

const EVERY_MS = 10_000;
const PATIENCE_MS = 1500;

/** Does the window answer? False after a short while, never an error. */
export async function windowAnswers(): Promise<boolean> {
  const asked = Promise.resolve(vscode.commands.getCommands(true)).then(
    () => true,
    () => false, // the connection to the window is gone: that is the answer
  );
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), PATIENCE_MS).unref());
  return Promise.race([asked, late]);
}

export class Heartbeat implements vscode.Disposable {
  readonly #timer: NodeJS.Timeout;
  #asking = false;

  constructor(private readonly beat: () => void) {
    this.#timer = setInterval(() => void this.now(), EVERY_MS);
  }

  /** One question; skipped while the last one is open. */
  async now(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      if (await windowAnswers()) this.beat();
    } finally {
      this.#asking = false;
    }
  }

  dispose(): void {
    clearInterval(this.#timer);
  }
}
