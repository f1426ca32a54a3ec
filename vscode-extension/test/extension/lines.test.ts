// Which lines Run probably means: text with a cursor (`|`) or a selection (`<` to `>`), the answer as "first-last".
import assert from "node:assert/strict";
import { test } from "node:test";
import { guess, textOf, type Where } from "../../src/lines";
import type { Position } from "../../src/protocol.gen";

function place(text: string, sign: string): Position | undefined {
  const at = text.indexOf(sign);
  if (at < 0) return undefined;
  const before = text.slice(0, at).split("\n");
  return { line: before.length - 1, character: before.at(-1)!.length };
}

function asked(text: string, where: Where = "auto"): string {
  const cursor = place(text, "|");
  const selection = cursor === undefined ? { start: place(text, "<")!, end: place(text.replace("<", ""), ">")! } : { start: cursor, end: cursor };
  const range = guess(text.replaceAll(/[|<>]/g, "").split("\n"), selection, where);
  return `${range.start.line}-${range.end.line}`;
}

const CELLS = "import a\n\n# %% one\nx = 1\n\n# %% two\ny| = 2\nz = 3\n\n\n# %%\nw = 4\n";

test("without a selection the cell is run, without its trailing blank lines", () => assert.equal(asked(CELLS), "5-7"));
test("the marker's own line belongs to its cell", () => assert.equal(asked("a\n# %% one|\nb\n# %% two\nc"), "1-2"));
test("what stands before the first marker is a cell", () => assert.equal(asked("im|port a\nb = 1\n\n# %% one\nx"), "0-1"));
test("without cells the statement is run", () => assert.equal(asked("a = 1\nfor i in b:\n    c|\n    d\n\ne"), "1-3"));
test("a bracket at the margin ends its statement", () => assert.equal(asked("a = [\n    1,|\n]\nb"), "0-2"));
test("else belongs to its if", () => assert.equal(asked("if a:\n    b\nelse:\n    c|\nd"), "0-3"));
test("a decorator belongs to what it decorates", () => assert.equal(asked("a\n@b\n@c\ndef d():\n    return| 1\n"), "1-4"));
test("a selection that ends at a line's beginning leaves that line out", () => assert.equal(asked("a\n<b\nc\n>d"), "1-2"));
test("a selection wins over the cell", () => assert.equal(asked("# %% one\na\n<b>\nc"), "2-2"));
test("the whole file", () => assert.equal(asked("\na\nb|\nc\n\n", "file"), "1-3"));
test("to the cursor", () => assert.equal(asked(CELLS, "toCursor"), "0-6"));
test("above the cell", () => assert.equal(asked(CELLS, "above"), "0-3"));
test("a cell although there are no markers", () => assert.equal(asked("a\nb|\n", "cell"), "0-1"));
test("an empty file", () => assert.equal(asked("|"), "0-0"));

test("trailing blanks and line ends do not make another text", () => {
  const range = { start: { line: 0, character: 0 }, end: { line: 2, character: 0 } };
  assert.equal(textOf(["a  ", "b", ""], range), textOf(["a", "b\t", " "], range));
});
