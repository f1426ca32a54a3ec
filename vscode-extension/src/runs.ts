// The runs as the server tells them: pulled when something is newer, one question at a time.
// What belongs here: the pulling and the list. What it must not know: the editor, who shows the runs.
import type { RunSummary, RunsResult } from "./protocol.gen";

export interface RunsDelta {
  /** True: `runs` is all there is; what was known before is gone. */
  readonly reset: boolean;
  readonly runs: readonly RunSummary[];
}

export class Runs {
  readonly #known = new Map<string, RunSummary>();
  readonly #listeners: ((delta: RunsDelta) => void)[] = [];
  #revision = 0;
  #fresh = true;
  #wanted = 0;
  #pulling = false;

  constructor(
    private readonly ask: (since: number) => Promise<RunsResult>,
    private readonly failed: (error: unknown) => void,
  ) {}

  onDelta(listener: (delta: RunsDelta) => void): void {
    this.#listeners.push(listener);
  }

  /** All runs, oldest first. */
  get all(): readonly RunSummary[] {
    return [...this.#known.values()].sort((a, b) => a.created - b.created);
  }

  get(run: string): RunSummary | undefined {
    return this.#known.get(run);
  }

  /** Another server process answers from now on (or all runs were cleared): its revisions are not the old ones. */
  async refresh(): Promise<void> {
    this.#fresh = true;
    this.#wanted += 1;
    await this.#pull();
  }

  /** Something is newer. While a question is under way only one more is kept: the answer has everything since. */
  async changed(): Promise<void> {
    this.#wanted += 1;
    await this.#pull();
  }

  async #pull(): Promise<void> {
    if (this.#pulling) return;
    this.#pulling = true;
    try {
      for (let served = -1; served !== this.#wanted; ) {
        served = this.#wanted;
        const reset = this.#fresh;
        this.#fresh = false;
        this.#take(await this.ask(reset ? 0 : this.#revision), reset);
      }
    } catch (error) {
      this.#fresh = true;
      this.failed(error);
    } finally {
      this.#pulling = false;
    }
  }

  #take(result: RunsResult, reset: boolean): void {
    if (reset) this.#known.clear();
    this.#revision = result.revision;
    for (const run of result.runs) this.#known.set(run.run, run);
    if (reset || result.runs.length > 0) for (const listener of this.#listeners) listener({ reset, runs: result.runs });
  }
}
