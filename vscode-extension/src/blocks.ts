// The blocks of text that were run, where they stand now, and what their run says.
// What belongs here: the pure model behind the inline results: it moves with edits, goes stale, finds itself again.
// What it must not know: the editor, decorations, the server. Lines come in as strings.
import type { anchored } from "./anchor";
import { textOf } from "./lines";
import type { Range, RunSummary } from "./protocol.gen";

export type BlockState = "pending" | "queued" | "creating" | "booting" | "running" | "ok" | "error" | "lost" | "cancelled";

export interface Block {
  /** The run's id; "pending-n" until the server has named it. */
  readonly key: string;
  readonly uri: string;
  readonly range: Range;
  /** The text that ran, as `textOf` gives it; what stands there now is compared with it. */
  readonly text: string;
  readonly state: BlockState;
  readonly short: string;
  readonly full: string;
  readonly detail: string;
  /** What the run did about newer code of the workspace. */
  readonly code: string;
  readonly started: number;
  readonly ended: number;
  readonly stale: boolean;
}

/** One change of a document, in the coordinates of the text before it. */
export interface Change {
  readonly range: Range;
  readonly text: string;
}

export type Anchor = typeof anchored;

const STATES: readonly BlockState[] = ["queued", "creating", "booting", "running", "ok", "error", "lost", "cancelled"];

/** The state by its name on the wire; a name of a newer server is shown as running rather than refused. */
export function stateOf(name: string): BlockState {
  return STATES.find((state) => state === name) ?? "running";
}

export function settled(state: BlockState): boolean {
  return state === "ok" || state === "error" || state === "lost" || state === "cancelled";
}

function overlaps(a: Range, b: Range): boolean {
  return a.start.line <= b.end.line && b.start.line <= a.end.line;
}

/** The lines `range` covers after `change`. A change inside it stretches or shrinks it, one before it moves it. */
export function moved(range: Range, change: Change): Range {
  const { start, end } = change.range;
  const added = change.text.split("\n").length - 1;
  const delta = added - (end.line - start.line);
  const [first, last] = [range.start.line, range.end.line];
  const before = end.line < first || (end.line === first && end.character === 0 && (start.line < first || change.text.endsWith("\n")));
  const after = start.line > last || (start.line === last && start.character >= range.end.character && change.text.startsWith("\n"));
  if (after) return range;
  if (before) return shifted(range, delta);
  const top = Math.min(first, start.line < first ? start.line + added : first);
  const bottom = end.line <= last ? last + delta : start.line + added;
  return { start: { line: top, character: 0 }, end: { line: Math.max(top, bottom), character: range.end.character } };
}

function shifted(range: Range, by: number): Range {
  return {
    start: { line: range.start.line + by, character: range.start.character },
    end: { line: range.end.line + by, character: range.end.character },
  };
}

/** Where `text` stands in `lines`, the place nearest to `near` if there are several. */
export function find(lines: readonly string[], text: string, near: number): number | undefined {
  const wanted = text.split("\n");
  let best: number | undefined;
  for (let at = 0; at + wanted.length <= lines.length; at += 1) {
    const here = wanted.every((line, offset) => (lines[at + offset] ?? "").trimEnd() === line);
    if (here && (best === undefined || Math.abs(at - near) < Math.abs(best - near))) best = at;
  }
  return best;
}

export class Blocks {
  readonly #blocks = new Map<string, Block>();
  /** Blocks that were cleared, lost their text or gave way to a newer run: their summaries come again, they do not. */
  readonly #dismissed = new Set<string>();
  /** Summaries that were faster than the answer to the run request: their block is still called "pending". */
  readonly #early = new Map<string, RunSummary>();
  #pending = 0;

  /** `anchored` comes from outside: the panel's page, which knows these states, has no hashes. */
  constructor(private readonly anchored: Anchor) {}

  of(uri: string): readonly Block[] {
    return [...this.#blocks.values()].filter((block) => block.uri === uri);
  }

  get uris(): ReadonlySet<string> {
    return new Set([...this.#blocks.values()].map((block) => block.uri));
  }

  get live(): boolean {
    return [...this.#blocks.values()].some((block) => !settled(block.state));
  }

  /** A person pressed Run: the mark stands before anybody was asked. */
  pend(uri: string, range: Range, lines: readonly string[], now: number): string {
    this.#pending += 1;
    const key = `pending-${this.#pending}`;
    const text = textOf(lines, range);
    this.#put({ key, uri, range, text, state: "pending", short: "", full: "", detail: "", code: "", started: now, ended: 0, stale: false });
    return key;
  }

  /** The server accepted: its range is the true one. */
  begin(key: string, run: string, range: Range, lines: readonly string[]): void {
    const block = this.#blocks.get(key);
    if (block === undefined) return;
    this.#blocks.delete(key);
    this.#put({ ...block, key: run, state: "queued", range, text: textOf(lines, range) });
    const already = this.#early.get(run);
    this.#early.clear();
    if (already !== undefined) this.apply([already], () => lines);
  }

  drop(key: string): void {
    this.#blocks.delete(key);
  }

  /** The person cleared the marks: what is settled stays away, also when its summary comes again. */
  clear(uri: string): void {
    for (const block of this.of(uri)) {
      if (!settled(block.state)) continue;
      this.#blocks.delete(block.key);
      this.#dismissed.add(block.key);
    }
  }

  /** New summaries. `linesOf` gives the open document's lines; runs of documents that are not open wait for `opened`. */
  apply(runs: readonly RunSummary[], linesOf: (uri: string) => readonly string[] | undefined): void {
    for (const run of [...runs].sort((a, b) => a.created - b.created)) {
      const known = this.#blocks.get(run.run);
      const lines = linesOf(run.uri);
      if (known === undefined && this.of(run.uri).some((block) => block.state === "pending")) this.#early.set(run.run, run);
      if (known === undefined && (lines === undefined || this.#dismissed.has(run.run))) continue;
      const place = known ?? this.anchored(lines ?? [], run.range, run.hash);
      if (place === undefined) this.#dismissed.add(run.run);
      if (place === undefined || (known === undefined && this.#covered(run, place.range))) continue;
      const { range } = place;
      const stale = known?.stale ?? (place.stale || (run.hash === "" && run.stale));
      this.#put({
        key: run.run,
        uri: run.uri,
        range,
        text: known?.text ?? (stale ? "" : textOf(lines ?? [], range)), // what ran is not known here, only that it was another text
        state: stateOf(run.state),
        short: run.short,
        full: run.text === "" ? run.short : run.text,
        detail: run.detail,
        code: run.code,
        started: run.started === 0 ? run.created : run.started,
        ended: run.ended,
        stale,
      });
    }
  }

  /** The document changed; `lines` is the text after all the changes. */
  edit(uri: string, changes: readonly Change[], lines: readonly string[]): void {
    const ordered = [...changes].sort((a, b) => b.range.start.line - a.range.start.line || b.range.start.character - a.range.start.character);
    for (const block of this.of(uri)) {
      const range = ordered.reduce(moved, block.range);
      const settledRange = this.#anchor(block, range, lines);
      if (settledRange === undefined) this.#blocks.delete(block.key);
      else this.#blocks.set(block.key, { ...block, ...settledRange });
    }
  }

  /** Where the block stands in the new text and whether it still says what ran; undefined when it was deleted. */
  #anchor(block: Block, range: Range, lines: readonly string[]): Pick<Block, "range" | "stale"> | undefined {
    const last = Math.min(Math.max(range.end.line, 0), lines.length - 1);
    const inside: Range = {
      start: { line: Math.min(range.start.line, last), character: range.start.character },
      end: { line: last, character: (lines[last] ?? "").length },
    };
    const now = textOf(lines, inside);
    if (now === block.text) return { range: inside, stale: false };
    const again = find(lines, block.text, inside.start.line);
    if (again !== undefined && block.text !== "") {
      const end = again + block.text.split("\n").length - 1;
      return { range: { start: { line: again, character: 0 }, end: { line: end, character: (lines[end] ?? "").length } }, stale: false };
    }
    return now === "" ? undefined : { range: inside, stale: true };
  }

  /** A newer run already stands on these lines. */
  #covered(run: RunSummary, range: Range): boolean {
    return this.of(run.uri).some((block) => overlaps(block.range, range) && (block.state === "pending" || block.started > run.created));
  }

  #put(block: Block): void {
    for (const other of this.of(block.uri)) {
      if (other.key === block.key || !overlaps(other.range, block.range) || other.started > block.started) continue;
      this.#blocks.delete(other.key);
      this.#dismissed.add(other.key);
    }
    this.#blocks.set(block.key, block);
  }
}
