// A run's block found again in a text that changed while nobody watched: a reload, another tool, a file closed and opened.
// What belongs here: the hash that names a block's text (the server's recipe, cells.py) and the search for it. What it must
// not know: documents, blocks, how a result is drawn.
import { createHash } from "node:crypto";
import { wholeLines } from "./lines";
import type { Range } from "./protocol.gen";

/** As far as a block is looked for, in lines. */
const NEAR = 300;

/** 16 hex digits over the text without blanks at line ends and blank lines at both ends; indentation counts. */
export function textHash(rows: readonly string[]): string {
  const unified = rows.map((row) => row.replace(/[ \t\f\v]+$/, "")).join("\n").replace(/^\n+|\n+$/g, "");
  return createHash("sha256").update(unified, "utf8").digest("hex").slice(0, 16);
}

/** A block that was selected inside a suite ran at the left edge. */
function dedented(rows: readonly string[]): readonly string[] {
  const indent = /^[ \t]*/.exec(rows[0] ?? "")?.[0] ?? "";
  return rows.map((row) => (row.startsWith(indent) ? row.slice(indent.length) : row.trimStart()));
}

export interface Anchored {
  readonly range: Range;
  readonly stale: boolean;
}

/** Where the block that ran at `range` stands now; stale where its lines say something else; undefined where nothing is. */
export function anchored(lines: readonly string[], range: Range, hash: string): Anchored | undefined {
  const [first, height] = [range.start.line, range.end.line - range.start.line + 1];
  const here = (at: number): boolean => {
    const rows = lines.slice(at, at + height);
    return textHash(rows) === hash || (/^[ \t]/.test(rows[0] ?? "") && textHash(dedented(rows)) === hash);
  };
  if (hash === "" || here(first)) return { range, stale: false };
  for (let off = 1; off <= NEAR; off += 1) {
    for (const at of [first - off, first + off]) {
      if (at >= 0 && at + height <= lines.length && here(at)) return { range: wholeLines(lines, at, at + height - 1), stale: false };
    }
  }
  return (lines[range.end.line] ?? "").trim() === "" ? undefined : { range, stale: true };
}
