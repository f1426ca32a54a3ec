// Stacks as text, and which places of a text are files.
// What belongs here: putting texts together and finding `File "…", line N`, pure. What it must not know: the editor.
import type { StackText } from "./protocol.gen";

export interface FileLink {
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly path: string;
  /** From 0. */
  readonly at: number;
}

const FRAME = /^\s*File "(.+)", line (\d{1,9}), in /;

/** Frames whose file has a whole path; whether it is here is for the caller to see. */
export function fileLinks(text: string): readonly FileLink[] {
  return text.split("\n").flatMap((row, line) => {
    const found = FRAME.exec(row);
    const path = found?.[1] ?? "";
    if (!/^(\/|[A-Za-z]:[\\/])/.test(path)) return [];
    const start = row.indexOf('"') + 1;
    return [{ line, start, end: start + path.length, path, at: Math.max(0, Number(found?.[2]) - 1) }];
  });
}

/** All of it, and the sentence behind. */
export function stacksText(processes: readonly StackText[], sentence: string): string {
  return [...processes.map((one) => one.text), ...(sentence === "" ? [] : [sentence])].join("\n\n") + "\n";
}
