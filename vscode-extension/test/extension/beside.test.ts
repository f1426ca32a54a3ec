// Beside other Python servers, as far as it needs no editor: who they are, what is an echo, how long is waited.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bare, Echoes, Offered, within } from "../../src/echoes";
import { DECIDING, otherServer } from "../../src/others";

function found(ids: readonly string[], settings: Readonly<Record<string, unknown>> = {}): string | undefined {
  return otherServer((id) => ids.includes(id), (name) => settings[name])?.id;
}

test("who serves Python here is known by what is enabled", () => {
  assert.equal(found([]), undefined);
  assert.equal(found(["charliermarsh.ruff", "ms-python.debugpy"]), undefined);
  assert.equal(found(["astral-sh.ty"]), "astral-sh.ty");
  assert.equal(found(["ms-python.python", "ms-python.vscode-pylance"]), "ms-python.vscode-pylance");
  assert.equal(found(["ms-python.python"]), "ms-python.python", "without Pylance it brings jedi");
});

test("one that is turned off does not count", () => {
  for (const [id, off] of [
    ["astral-sh.ty", "ty.disableLanguageServices"],
    ["meta.pyrefly", "python.pyrefly.disableLanguageServices"],
    ["detachhead.basedpyright", "basedpyright.disableLanguageServices"],
  ] as const) {
    assert.equal(found([id], { [off]: true }), undefined);
    assert.equal(found([id], { [off]: false }), id);
    assert.ok(DECIDING.includes(off), "a change of it is heard");
  }
  const pair = ["ms-python.python", "ms-python.vscode-pylance"];
  assert.equal(found(pair, { "python.languageServer": "None" }), undefined);
  assert.equal(found(pair, { "python.languageServer": "Jedi" }), "ms-python.python");
  assert.equal(found(pair, { "python.languageServer": "Pylance" }), "ms-python.vscode-pylance");
  assert.ok(DECIDING.includes("python.languageServer"));
});

test("an echo is taken once, and a person's question is none", () => {
  const echoes = new Echoes();
  assert.equal(echoes.take("a 1:2"), false);
  const over = echoes.expect("a 1:2");
  assert.equal(echoes.take("a 1:3"), false, "elsewhere");
  assert.equal(echoes.take("a 1:2"), true);
  assert.equal(echoes.take("a 1:2"), false, "the person asks again while the others are still thinking");
  over();
  assert.equal(echoes.take("a 1:2"), false);
});

test("an echo that never came is not waited for", () => {
  const echoes = new Echoes();
  const over = echoes.expect("a");
  over();
  over();
  assert.equal(echoes.take("a"), false);
  const [first, second] = [echoes.expect("a"), echoes.expect("a")];
  first();
  assert.equal(echoes.take("a"), true, "the other question's");
  second();
  const third = echoes.expect("a");
  assert.equal(echoes.take("a"), true);
  const fourth = echoes.expect("a");
  third();
  assert.equal(echoes.take("a"), true, "one that is over takes no other's echo");
  fourth();
  assert.equal(echoes.take("a"), false);
});

test("what comes in time is had, what fails or never comes is not waited for", async () => {
  assert.equal(await within(Promise.resolve(3), 10_000), 3);
  assert.equal(await within(Promise.reject<number>(new Error("theirs")), 10_000), undefined);
  assert.equal(await within(Promise.race<number>([]), 1), undefined);
});

test("a key is the same with and without its quotes", () => {
  assert.deepEqual(['"lr"', "'lr'", "lr", `"lr'`, '"'].map(bare), ["lr", "lr", "lr", `"lr'`, '"']);
});

test("what the others offered is remembered for a while, a part of it only where nothing better is known", () => {
  const offered = new Offered(2);
  assert.deepEqual([...offered.keep("x.", ["shape", '"a"'], true)], ["shape", "a"]);
  assert.deepEqual([...(offered.at("x.", true) ?? [])], ["shape", "a"]);
  offered.keep("y.", ["mean"], false);
  assert.equal(offered.at("y.", true), undefined);
  assert.deepEqual([...(offered.at("y.", false) ?? [])], ["mean"]);
  offered.keep("z.", [], true);
  assert.equal(offered.at("x.", false), undefined, "the oldest has gone");
});
