// Where the statistics stand that were computed for places in documents.
// What belongs here: the pure model: a mark moves with edits before it and goes with an edit of its line. What it must not know: the editor.
import { moved, type Change } from "./blocks";

export interface Mark {
  readonly line: number;
  readonly text: string;
  readonly details: string;
  readonly failed: boolean;
}

/** The marks after a change of the document, which is given in the coordinates of the text before it. */
export function shifted(marks: readonly Mark[], change: Change): readonly Mark[] {
  return marks.flatMap((mark) => {
    const { start, end } = change.range;
    const before = end.line < mark.line || (end.line === mark.line && end.character === 0 && change.text.endsWith("\n"));
    if (!before && start.line <= mark.line && end.line >= mark.line) return [];
    const at = { line: mark.line, character: 0 };
    return [{ ...mark, line: moved({ start: at, end: at }, change).start.line }];
  });
}

/** With a new mark, which takes the place of an older one on its line. */
export function marked(marks: readonly Mark[], mark: Mark): readonly Mark[] {
  return [...marks.filter((other) => other.line !== mark.line), mark];
}
