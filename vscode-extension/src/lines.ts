// Text as lines: which lines a command will probably run, so that the mark is there before the server has answered.
// What belongs here: a quick guess on plain strings. What it must not know: the editor, and Python's grammar (the server
// has the last word and answers with the true range).
import type { Range, RunParams } from "./protocol.gen";

export type Where = NonNullable<RunParams["where"]>;

const MARKER = /^\s*#\s*%%/;
const CONTINUES = /^(?:[)\]}]|(?:else|elif|except|finally|case)\b)/;

/** A range as it comes with a command, which may be anything. */
export function isRange(value: unknown): value is Range {
  return typeof value === "object" && value !== null && "start" in value && isPosition(value.start) && "end" in value && isPosition(value.end);
}

function isPosition(value: unknown): boolean {
  return typeof value === "object" && value !== null && "line" in value && typeof value.line === "number" && "character" in value && typeof value.character === "number";
}

/** Whole lines `first`..`last` as a range that ends with the last line's text. */
export function wholeLines(lines: readonly string[], first: number, last: number): Range {
  return { start: { line: first, character: 0 }, end: { line: last, character: (lines[last] ?? "").length } };
}

/** The text of the range's lines, without what editors like to change behind people's backs (trailing blanks). */
export function textOf(lines: readonly string[], range: Range): string {
  return lines
    .slice(range.start.line, range.end.line + 1)
    .map((line) => line.trimEnd())
    .join("\n")
    .trim();
}

function blank(line: string | undefined): boolean {
  return line === undefined || line.trim() === "";
}

function trimmed(lines: readonly string[], first: number, last: number): Range {
  let [from, to] = [first, Math.min(last, lines.length - 1)];
  while (to > from && blank(lines[to])) to -= 1;
  while (from < to && blank(lines[from])) from += 1;
  return wholeLines(lines, from, to);
}

function cellStart(lines: readonly string[], line: number): number {
  for (let at = Math.min(line, lines.length - 1); at >= 0; at -= 1) if (MARKER.test(lines[at] ?? "")) return at;
  return 0;
}

function cell(lines: readonly string[], line: number): Range {
  const first = cellStart(lines, line);
  let last = first + 1;
  while (last < lines.length && !MARKER.test(lines[last] ?? "")) last += 1;
  return trimmed(lines, first, last - 1);
}

function topLevel(line: string): boolean {
  return !blank(line) && !/^\s/.test(line) && !CONTINUES.test(line);
}

function statement(lines: readonly string[], line: number): Range {
  let first = line;
  while (first > 0 && !topLevel(lines[first] ?? "")) first -= 1;
  while (first > 0 && (lines[first - 1] ?? "").startsWith("@")) first -= 1; // decorators belong to what they decorate
  let last = line + 1;
  while (last < lines.length && !topLevel(lines[last] ?? "")) last += 1;
  return trimmed(lines, first, last - 1);
}

function selected(lines: readonly string[], selection: Range): Range {
  const { start, end } = selection;
  const last = end.character === 0 && end.line > start.line ? end.line - 1 : end.line;
  return trimmed(lines, start.line, last);
}

/** Where the mark goes until the server says better. */
export function guess(lines: readonly string[], selection: Range, where: Where): Range {
  const { start, end } = selection;
  const empty = start.line === end.line && start.character === end.character;
  switch (where) {
    case "file":
      return trimmed(lines, 0, lines.length - 1);
    case "toCursor":
      return trimmed(lines, 0, end.line);
    case "above":
      return trimmed(lines, 0, Math.max(0, cellStart(lines, start.line) - 1));
    case "cell":
      return cell(lines, start.line);
    case "statement":
      return statement(lines, start.line);
    case "selection":
      return selected(lines, selection);
    case "expression":
      return selection;
    case "auto":
      if (!empty) return selected(lines, selection);
      return lines.some((line) => MARKER.test(line)) ? cell(lines, start.line) : statement(lines, start.line);
  }
}
