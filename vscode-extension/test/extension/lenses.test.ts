// Lenses are asked for once, also when the editor drops its own question.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lenses } from "../../src/lenses";

function scene(answers: boolean) {
  const due: (() => void)[] = [];
  const seen = { visible: ["a"], refreshed: 0 };
  const lenses: Lenses = new Lenses({
    visible: () => seen.visible,
    refresh: () => {
      seen.refreshed += 1;
      if (answers) for (const uri of seen.visible) lenses.asked(uri);
    },
    later: (act) => due.push(act),
  });
  const settle = (): void => {
    for (let act = due.shift(); act !== undefined; act = due.shift()) act();
  };
  return { lenses, seen, settle };
}

test("a document whose question was dropped is asked about again", () => {
  const { lenses, seen, settle } = scene(true);
  lenses.anew();
  settle();
  assert.equal(seen.refreshed, 1);
});

test("an editor that asked by itself is left alone, until another server answers or a document is opened again", () => {
  const { lenses, seen, settle } = scene(true);
  lenses.asked("a");
  lenses.look();
  settle();
  assert.equal(seen.refreshed, 0);
  lenses.anew();
  settle();
  assert.equal(seen.refreshed, 1);
  lenses.closed("a");
  lenses.look();
  settle();
  assert.equal(seen.refreshed, 2);
});

test("an editor without lenses is not asked for ever", () => {
  const { lenses, seen, settle } = scene(false);
  lenses.look();
  lenses.look();
  settle();
  assert.equal(seen.refreshed, 5);
});
