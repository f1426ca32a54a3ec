// `input()` of a run, asked in the editor.
// What belongs here: one box per question, in order. What it must not know: the session that waits.
import * as vscode from "vscode";
import type { InputRequested } from "./protocol.gen";

export class InputBoxes implements vscode.Disposable {
  readonly #open = new Map<string, vscode.CancellationTokenSource>();
  #queue: Promise<void> = Promise.resolve();

  constructor(private readonly answer: (id: string, text: string | null) => Promise<void>) {}

  /** Asks when the questions before it are answered; Escape answers with nothing (the run sees the end of its input). */
  ask(question: InputRequested): void {
    const source = new vscode.CancellationTokenSource();
    this.#open.set(question.id, source);
    this.#queue = this.#queue.then(() => this.#show(question, source));
  }

  async #show(question: InputRequested, source: vscode.CancellationTokenSource): Promise<void> {
    if (source.token.isCancellationRequested) return;
    const options = { title: "Yonder: the run asks", prompt: question.prompt, password: question.secret, ignoreFocusOut: true };
    const text = await vscode.window.showInputBox(options, source.token);
    const wanted = this.#open.delete(question.id) && !source.token.isCancellationRequested;
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
