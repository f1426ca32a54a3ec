// The small pure parts: crashes, remedies, plain text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Crashes } from "../../src/crashes";
import { plainText, wholeText } from "../../src/plainText";
import { Once, buttons, remedyOf, sentenceOf } from "../../src/remedies";

test("the fifth death in three minutes is the last, slow deaths go on", () => {
  const crashes = new Crashes();
  assert.deepEqual([0, 1, 2, 3, 4].map((second) => crashes.again(second * 1000)), [true, true, true, true, false]);
  const slow = new Crashes();
  assert.ok([0, 60, 120, 180, 240, 300].every((second) => slow.again(second * 1000)));
  crashes.forget();
  assert.ok(crashes.again(5000));
});

test("a missing core offers both ways and shows the command", () => {
  const remedy = remedyOf({ code: "core_missing", command: "pip install yonder", detail: ".venv" });
  assert.deepEqual(buttons(remedy).map((button) => [button.title, button.action]), [["Install yonder into .venv", "install"], ["Run without installing", "without"]]);
  assert.equal(sentenceOf("yonder is missing.", remedy), "yonder is missing. (pip install yonder)");
});

test("code that was kept offers a clean session", () => {
  const remedy = remedyOf({ code: "code_kept" });
  assert.deepEqual(buttons(remedy).map((button) => [button.title, button.action]), [["Restart Session", "session"]]);
});

test("a notice of a kind that lies open already is not stacked on it", async () => {
  const once = new Once();
  const shown: string[] = [];
  const open: (() => void)[] = [];
  const lies = (): Promise<void> => new Promise((resolve) => (shown.push("lies"), open.push(resolve)));
  const goes = (): Promise<void> => Promise.resolve(void shown.push("goes"));
  const first = once.show("code_kept", lies);
  assert.equal(await once.show("code_kept", lies), false);
  assert.equal(await once.show("", goes), true);
  assert.equal(await once.show("", goes), true);
  open.forEach((close) => close());
  assert.equal(await first, true);
  await assert.rejects(once.show("code_kept", () => Promise.reject(new Error("no"))));
  assert.equal(await once.show("code_kept", goes), true);
  assert.deepEqual(shown, ["lies", "goes", "goes", "goes"]);
});

test("what is no remedy is no error", () => {
  for (const data of [undefined, null, 3, "x", {}, { code: 4 }]) assert.equal(remedyOf(data), undefined);
  assert.deepEqual(remedyOf({ code: "odd", command: 1 }), { code: "odd", command: "", detail: "" });
  assert.equal(buttons(undefined)[0]?.action, "log");
});

test("a document shows what a terminal would leave standing", () => {
  assert.equal(plainText("\u001b[1;31mred\u001b[0m\r\n10%\r20%\r100%\nlonger\rshort\nab\rc\n"), "red\n100%\nshortr\ncb\n");
});

test("the whole output says when it is not whole, and a line may lie in two pieces", () => {
  const pieces = [{ text: "on" }, { text: "e\ntwo\n" }];
  assert.equal(wholeText(pieces, 0), "one\ntwo\n");
  assert.match(wholeText(pieces, 3), /^\[The beginning is left out.*\]\none\n/);
});
