// `input()` of a run, asked in the editor.
// What belongs here: one box per question, in order. What it must not know: the session that waits.
import * as vscode from "vscode";
import type { InputRequested } from "./protocol.gen";

const ANSWER = "Answer…";
const END = "End Its Input";

/** Resolves when the run no longer waits. */
function cancelled(token: vscode.CancellationToken): Promise<undefined> {
  return new Promise((resolve) => token.onCancellationRequested(() => resolve(undefined)));
}

export class InputBoxes implements vscode.Disposable {
  readonly #open = new Map<string, vscode.CancellationTokenSource>();
  #queue: Promise<void> = Promise.resolve();

  constructor(private readonly answer: (id: string, text: string | null) => Promise<void>) {}

  /** Asks when the questions before it are answered. A box goes away by Escape, but also by F1 or Ctrl+G: only who says so, or sends
   * the second question away as well, ends the run's input. */
  ask(question: InputRequested): void {
    const source = new vscode.CancellationTokenSource();
    this.#open.set(question.id, source);
    this.#queue = this.#queue.then(() => this.#show(question, source));
  }

  async #show(question: InputRequested, source: vscode.CancellationTokenSource): Promise<void> {
    const waits = (): boolean => !source.token.isCancellationRequested;
    if (!waits()) return;
    const options = { title: "Yonder: the run asks", prompt: question.prompt, password: question.secret, ignoreFocusOut: true };
    let text = await vscode.window.showInputBox(options, source.token);
    while (text === undefined && waits()) {
      const choice = await Promise.race([vscode.window.showInformationMessage("The run still waits for input.", ANSWER, END), cancelled(source.token)]);
      if (choice !== ANSWER) break;
      text = await vscode.window.showInputBox(options, source.token);
    }
    const wanted = this.#open.delete(question.id) && waits();
    source.dispose();
    if (wanted) await this.answer(question.id, text ?? null);
  }

  /** The run no longer waits (interrupted, lost). */
  close(id: string): void {
    this.#open.get(id)?.cancel();
    this.#open.delete(id);
  }

  dispose(): void {
    for (const source of this.#open.values()) source.cancel();
    this.#open.clear();
  }
}
