// Which stale hints stand where in which document, by the server's latest answers.
// What belongs here: taking answers apart and keeping the places. What it must not know: the editor, how a hint is drawn.

export interface Hint {
  readonly line: number;
  readonly character: number;
  readonly label: string;
  readonly stale: boolean;
}

/** What is drawn: the label without the mark that other editors show. */
export interface Dimmed {
  readonly line: number;
  readonly character: number;
  readonly text: string;
}

const MARK = / \?$/;

export class Dim {
  readonly #of = new Map<string, readonly Dimmed[]>();

  of(uri: string): readonly Dimmed[] {
    return this.#of.get(uri) ?? [];
  }

  /** The server's hints for the lines first to last; what was known of other lines stays. */
  answered(uri: string, first: number, last: number, hints: readonly Hint[]): void {
    const others = this.of(uri).filter(({ line }) => line < first || line > last);
    const fresh = hints.filter(({ stale }) => stale).map(({ line, character, label }) => ({ line, character, text: label.replace(MARK, "") }));
    this.#put(uri, [...others, ...fresh]);
  }

  /** Text changed on this line: what stands there and below may stand elsewhere now, and is asked for again by the editor. */
  edited(uri: string, from: number): void {
    if (this.#of.has(uri)) this.#put(uri, this.of(uri).filter(({ line }) => line < from));
  }

  closed(uri: string): void {
    this.#of.delete(uri);
  }

  clear(): void {
    this.#of.clear();
  }

  #put(uri: string, dimmed: readonly Dimmed[]): void {
    if (dimmed.length === 0) this.#of.delete(uri);
    else this.#of.set(uri, dimmed);
  }
}
