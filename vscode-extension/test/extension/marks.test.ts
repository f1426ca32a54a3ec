// Statistics stand after their line, move with edits before it and go with an edit of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../../src/blocks";
import { marked, shifted, type Mark } from "../../src/marks";

function mark(line: number, text = "x"): Mark {
  return { line, text, details: "", failed: false };
}

function change(from: readonly [number, number], to: readonly [number, number], text: string): Change {
  return { range: { start: { line: from[0], character: from[1] }, end: { line: to[0], character: to[1] } }, text };
}

const lines = (marks: readonly Mark[]): readonly number[] => marks.map((one) => one.line);

test("an edit above moves, one below does not, one of the line takes it away", () => {
  assert.deepEqual(lines(shifted([mark(5)], change([1, 0], [1, 0], "a\nb\n"))), [7]);
  assert.deepEqual(lines(shifted([mark(5)], change([1, 0], [3, 0], ""))), [3]);
  assert.deepEqual(lines(shifted([mark(5)], change([6, 0], [6, 3], "z"))), [5]);
  assert.deepEqual(lines(shifted([mark(5)], change([5, 2], [5, 3], "z"))), []);
  assert.deepEqual(lines(shifted([mark(5)], change([4, 0], [6, 0], ""))), []);
  assert.deepEqual(lines(shifted([mark(5)], change([5, 0], [5, 0], "new\n"))), [6]);
});

test("one mark a line", () => {
  assert.deepEqual(marked([mark(1, "old"), mark(2)], mark(1, "new")).map((one) => one.text), ["x", "new"]);
});
