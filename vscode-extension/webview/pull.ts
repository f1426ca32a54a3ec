// Asking again and again, but never too often and never twice at once.
// What belongs here: the pace, pure over a clock. What it must not know: what is asked.
// Overlap policy: while a question is open any number of wishes becomes one more question.

export interface Clock {
  now(): number;
  later(ms: number, act: () => void): void;
}

export class Pull {
  #open = false;
  #wanted = false;
  #scheduled = false;
  #notBefore = 0;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly everyMs: number,
    private readonly clock: Clock,
  ) {}

  /** Something is newer. */
  poke(): void {
    this.#wanted = true;
    this.#go();
  }

  #go(): void {
    if (this.#open || this.#scheduled || !this.#wanted) return;
    const wait = this.#notBefore - this.clock.now();
    if (wait > 0) {
      this.#scheduled = true;
      this.clock.later(wait, () => {
        this.#scheduled = false;
        this.#go();
      });
      return;
    }
    this.#wanted = false;
    this.#open = true;
    const began = this.clock.now();
    const over = (): void => {
      this.#open = false;
      // a slow answer slows the questions: at most a third of the time is spent on them
      this.#notBefore = Math.max(began + this.everyMs, began + 3 * (this.clock.now() - began));
      this.#go();
    };
    this.work().then(over, over); // a failed question is asked again when something is newer
  }
}

export const browserClock: Clock = {
  now: () => performance.now(),
  later: (ms, act) => void setTimeout(act, ms),
};
