// A block is found again by its hash.
import assert from "node:assert/strict";
import { test } from "node:test";
import { anchored, textHash } from "../../src/anchor";
import { lines } from "./summaries";

const CELL = ["# %% two", "y = 2", "y"];
const HASH = textHash(CELL);

test("the hash is what the server computes", () => {
  assert.equal(textHash(["x = 1", ""]), "8ff436def1451285"); // fixed on both sides: tests/lsp/test_cells.py
  assert.equal(textHash(["", "x = 1  "]), "8ff436def1451285");
});

test("text that moved while nobody watched is found, the nearest of two", () => {
  assert.deepEqual(anchored(CELL, lines(0, 2), HASH), { range: lines(0, 2), stale: false });
  assert.deepEqual(anchored(["a", "", ...CELL], lines(0, 2), HASH), { range: lines(2, 4), stale: false });
  assert.deepEqual(anchored([...CELL, "", "", "", ...CELL], lines(5, 7), HASH)?.range, lines(6, 8));
});

test("another text in its place is stale, nothing in its place is nothing", () => {
  assert.deepEqual(anchored(["# %% two", "y = 3", "y"], lines(0, 2), HASH), { range: lines(0, 2), stale: true });
  assert.equal(anchored(["a", "b", ""], lines(0, 2), HASH), undefined);
  assert.equal(anchored(["a"], lines(0, 2), HASH), undefined);
});

test("a block of a suite ran at the left edge", () => {
  assert.deepEqual(anchored(["if a:", "    x = 1"], lines(1, 1), textHash(["x = 1"]))?.stale, false);
});
