// Output as lines of coloured text: what a terminal would show of it, without being one.
// What belongs here: carriage returns, backspaces, the usual colours, one open line per source. What it must not know: the page.

export interface Span {
  readonly text: string;
  /** Class names of the style sheet, "" for plain text. */
  readonly style: string;
}

export interface TextLine {
  readonly source: string;
  readonly error: boolean;
  readonly spans: readonly Span[];
}

interface Cell {
  letter: string;
  style: string;
}

interface Draft {
  readonly source: string;
  error: boolean;
  cells: Cell[];
  column: number;
}

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

class Pen {
  #bold = false;
  #faint = false;
  #colour = "";

  get style(): string {
    return [this.#bold ? "bold" : "", this.#faint ? "faint" : "", this.#colour].filter((part) => part !== "").join(" ");
  }

  /** One `m` sequence; what is not known is left out, its parameters included. */
  apply(codes: readonly number[]): void {
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4;
      else this.#one(code);
    }
  }

  #one(code: number): void {
    if (code === 0) [this.#bold, this.#faint, this.#colour] = [false, false, ""];
    else if (code === 1) this.#bold = true;
    else if (code === 2) this.#faint = true;
    else if (code === 22) [this.#bold, this.#faint] = [false, false];
    else if (code >= 30 && code <= 37) this.#colour = `c-${COLOURS[code - 30] ?? ""}`;
    else if (code >= 90 && code <= 97) this.#colour = `c-${COLOURS[code - 90] ?? ""} bright`;
    else if (code === 39) this.#colour = "";
  }
}

const TOKENS = /\u001b\[([0-9;:?]*)([ -/]*[@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\-_]|[\r\n\b]|[^\u001b\r\n\b]+|\u001b/g;
const UNFINISHED = /\u001b(?:\[[0-9;:?]*|\][^\u0007\u001b]*)?$/;

export class Terminal {
  #lines: Draft[] = [];
  readonly #open = new Map<string, Draft>();
  readonly #pens = new Map<string, Pen>();
  readonly #rests = new Map<string, string>();
  #dropped = 0;
  #letGo = 0;
  #changed = 0;

  constructor(private readonly limit: number) {}

  /** Lines that were let go at the top because there were too many. */
  get dropped(): number {
    return this.#dropped;
  }

  get length(): number {
    return this.#lines.length;
  }

  /** Text of one source (a call, "" for the run itself). Sources write between each other's lines, never into them. */
  write(source: string, error: boolean, text: string): void {
    const all = (this.#rests.get(source) ?? "") + text;
    const rest = UNFINISHED.exec(all)?.[0] ?? "";
    this.#rests.set(source, rest.length > 200 ? "" : rest);
    const pen = this.#pens.get(source) ?? new Pen();
    this.#pens.set(source, pen);
    for (const match of all.slice(0, all.length - rest.length).matchAll(TOKENS)) this.#token(source, error, pen, match);
    this.#trim();
  }

  #token(source: string, error: boolean, pen: Pen, match: RegExpExecArray): void {
    const token = match[0];
    if (token.startsWith("\u001b")) {
      if (match[2] === "m") pen.apply((match[1] ?? "").split(/[;:]/).map(Number));
      else if (match[2] === "K") this.#erase(source);
    } else if (token === "\n") {
      this.#draft(source, error);
      this.#open.delete(source);
    } else if (token === "\r") {
      const draft = this.#open.get(source);
      if (draft !== undefined) draft.column = 0;
    } else if (token === "\b") {
      const draft = this.#open.get(source);
      if (draft !== undefined) draft.column = Math.max(0, draft.column - 1);
    } else {
      this.#put(this.#draft(source, error), token, pen.style);
    }
  }

  #draft(source: string, error: boolean): Draft {
    const open = this.#open.get(source);
    if (open !== undefined) {
      open.error ||= error;
      return open;
    }
    const made: Draft = { source, error, cells: [], column: 0 };
    this.#open.set(source, made);
    this.#lines.push(made);
    return made;
  }

  #put(draft: Draft, text: string, style: string): void {
    for (const letter of text) {
      draft.cells[draft.column] = { letter, style };
      draft.column += 1;
    }
    this.#touch(draft);
  }

  #erase(source: string): void {
    const draft = this.#open.get(source);
    if (draft === undefined) return;
    draft.cells.length = Math.min(draft.cells.length, draft.column);
    this.#touch(draft);
  }

  #touch(draft: Draft): void {
    const at = this.#lines.lastIndexOf(draft);
    if (at >= 0) this.#changed = Math.min(this.#changed, at);
  }

  #trim(): void {
    const extra = this.#lines.length - this.limit;
    if (extra <= 0) return;
    for (const draft of this.#lines.splice(0, extra)) if (this.#open.get(draft.source) === draft) this.#open.delete(draft.source);
    this.#dropped += extra;
    this.#letGo += extra;
    this.#changed = Math.max(0, this.#changed - extra);
  }

  /** What is new since the last `take`: first let go of `gone` lines at the top, then everything from line `from` on is `lines`. */
  take(): { readonly gone: number; readonly from: number; readonly lines: readonly TextLine[] } {
    const from = Math.min(this.#changed, this.#lines.length);
    const lines = this.#lines.slice(from).map(({ source, error, cells }) => ({ source, error, spans: spans(cells) }));
    const gone = this.#letGo;
    [this.#changed, this.#letGo] = [this.#lines.length, 0];
    return { gone, from, lines };
  }
}

function spans(cells: readonly Cell[]): readonly Span[] {
  const made: { text: string; style: string }[] = [];
  for (const { letter, style } of cells) {
    const last = made.at(-1);
    if (last?.style === style) last.text += letter;
    else made.push({ text: letter, style });
  }
  return made;
}
