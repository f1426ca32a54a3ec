// How often the language server has died lately, and whether it is worth starting again.
// What belongs here: the counting. What it must not know: the language client, messages.

const WINDOW_MS = 3 * 60 * 1000;
const LIMIT = 5;

/** Five deaths in three minutes are enough: then a person decides. */
export class Crashes {
  #times: number[] = [];

  /** One more death at `now` (milliseconds); true while another start makes sense. */
  again(now: number): boolean {
    this.#times = [...this.#times.filter((time) => now - time < WINDOW_MS), now];
    return this.#times.length < LIMIT;
  }

  forget(): void {
    this.#times = [];
  }
}
