// Lenses that are there without a click into the text: the editor forgets to ask for them when the text loses the focus
// just after a file was opened or the server came up (a palette, our own panel), and asks again with the next focus only.
// What belongs here: which documents in sight were never asked about. What it must not know: the editor, the lenses.

const TRIES = 5;

export interface LensParts {
  /** Documents in sight that lenses are made for. */
  readonly visible: () => readonly string[];
  /** Lets the editor ask again, for all of them. */
  readonly refresh: () => void;
  /** Does something a moment later, when the editor had time to ask by itself. */
  readonly later: (act: () => void) => void;
}

export class Lenses {
  readonly #asked = new Set<string>();
  #tries = 0;
  #waiting = false;

  constructor(private readonly parts: LensParts) {}

  /** The editor asked about this document. */
  asked(uri: string): void {
    this.#asked.add(uri);
  }

  closed(uri: string): void {
    this.#asked.delete(uri);
  }

  /** Another server answers from now on. */
  anew(): void {
    this.#asked.clear();
    this.look();
  }

  /** Other documents are in sight. An editor whose lenses are switched off never asks: the tries have an end. */
  look(): void {
    this.#tries = TRIES;
    if (!this.#waiting) this.#wait();
  }

  #wait(): void {
    this.#waiting = true;
    this.parts.later(() => {
      this.#waiting = false;
      if (this.#tries === 0 || this.parts.visible().every((uri) => this.#asked.has(uri))) return;
      this.#tries -= 1;
      this.parts.refresh();
      this.#wait();
    });
  }
}
