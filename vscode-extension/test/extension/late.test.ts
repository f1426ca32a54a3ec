// Asking again for a list that is on its way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Listed, pending, untilSomething } from "../../src/late";

const LATE: Listed = { items: [], isIncomplete: true };
const WHOLE: Listed = { items: ["shape"], isIncomplete: false };
const soon = (): Promise<void> => Promise.resolve();

test("pending is: nothing there, and more to come", () => {
  assert.equal(pending(LATE), true);
  for (const answer of [WHOLE, { items: [], isIncomplete: false }, { items: ["last"], isIncomplete: true }, [], null, undefined]) assert.equal(pending(answer), false);
});

test("a list that is late is asked for until it is there", async () => {
  const answers = [LATE, LATE, WHOLE, LATE];
  assert.equal(await untilSomething(LATE, () => Promise.resolve(answers.shift() ?? LATE), () => false, soon), WHOLE);
  assert.equal(answers.length, 1, "and not again");
});

test("what is there at once is not asked for again", async () => {
  assert.equal(await untilSomething<Listed>(WHOLE, () => Promise.reject(new Error("asked")), () => false, soon), WHOLE);
});

test("a person who types on is not waited for, and a session that never answers not for long", async () => {
  let asked = 0;
  const never = (): Promise<Listed> => {
    asked += 1;
    return Promise.resolve(LATE);
  };
  assert.equal(await untilSomething(LATE, never, () => asked === 2, soon), LATE);
  assert.equal(asked, 2);
  assert.equal(await untilSomething(LATE, never, () => false, soon), LATE);
  assert.equal(asked, 11);
});
