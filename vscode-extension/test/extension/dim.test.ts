// Stale hints: by the latest answer of each stretch, gone when their place is not known any more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dim, type Hint } from "../../src/dim";

const hint = (line: number, stale = true): Hint => ({ line, character: 4, label: `: int${stale ? " ?" : ""}`, stale });
const lines = (dim: Dim, uri = "a"): number[] => dim.of(uri).map(({ line }) => line);

test("only stale hints are kept, without their question mark", () => {
  const dim = new Dim();
  dim.answered("a", 0, 10, [hint(1), hint(2, false), { ...hint(3), label: ": Tensor[?] ? ?" }]);
  assert.deepEqual(dim.of("a"), [
    { line: 1, character: 4, text: ": int" },
    { line: 3, character: 4, text: ": Tensor[?] ?" },
  ]);
});

test("an answer takes the place of what stood on its lines, and of nothing else", () => {
  const dim = new Dim();
  dim.answered("a", 0, 10, [hint(1), hint(10)]);
  dim.answered("a", 11, 20, [hint(11), hint(20)]);
  dim.answered("b", 0, 20, [hint(5)]);
  dim.answered("a", 10, 11, []);
  assert.deepEqual(lines(dim), [1, 20]);
  assert.deepEqual(lines(dim, "b"), [5]);
});

test("an edit forgets the places that it may have moved", () => {
  const dim = new Dim();
  dim.answered("a", 0, 20, [hint(1), hint(5), hint(9)]);
  dim.edited("a", 5);
  assert.deepEqual(lines(dim), [1]);
  dim.edited("b", 0);
  assert.deepEqual(lines(dim, "b"), []);
});

test("a closed document has none, and neither has any when hints are switched off", () => {
  const dim = new Dim();
  dim.answered("a", 0, 20, [hint(1)]);
  dim.answered("b", 0, 20, [hint(1)]);
  dim.closed("a");
  assert.deepEqual([lines(dim), lines(dim, "b")], [[], [1]]);
  dim.clear();
  assert.deepEqual(lines(dim, "b"), []);
});
