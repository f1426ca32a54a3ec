// Texts of sessions' files: asked for once, and again when there was none.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceResult } from "../../src/protocol.gen";
import { RemoteTexts } from "../../src/remoteTexts";

const decoder = new TextDecoder();

function texts(answer: (uri: string) => Promise<SourceResult>): { readonly made: RemoteTexts; readonly asked: string[]; readonly logged: unknown[] } {
  const asked: string[] = [];
  const logged: unknown[] = [];
  const made = new RemoteTexts(
    (uri) => {
      asked.push(uri);
      return answer(uri);
    },
    (error) => logged.push(error),
  );
  return { made, asked, logged };
}

test("a text is asked for once, however often the editor reads it", async () => {
  const { made, asked } = texts((uri) => Promise.resolve({ text: `# é ${uri}`, kept: true }));
  const [first, second] = await Promise.all([made.get("a"), made.get("a")]);
  assert.equal(decoder.decode(first.bytes), "# é a");
  assert.equal(first, second);
  await made.get("a");
  assert.deepEqual(asked, ["a"]);
  assert.deepEqual(made.again(), []);
});

test("a text that is gone is a comment, asked for again when the server comes back, under a newer version", async () => {
  let kept = false;
  const { made, asked, logged } = texts(() => Promise.resolve({ text: kept ? "x = 1" : "# gone", kept }));
  const before = await made.get("a");
  assert.equal(decoder.decode(before.bytes), "# gone");
  kept = true;
  assert.equal(decoder.decode((await made.get("a")).bytes), "# gone");
  assert.deepEqual(made.again(), ["a"]);
  const after = await made.get("a");
  assert.equal(decoder.decode(after.bytes), "x = 1");
  assert.ok(after.version > before.version);
  assert.deepEqual(asked, ["a", "a"]);
  assert.deepEqual(made.again(), []);
  assert.deepEqual(logged, []);
});

test("without a server there is a comment, and the reason is in the log", async () => {
  const { made, logged } = texts(() => Promise.reject(new Error("off in Restricted Mode")));
  const { bytes } = await made.get("a");
  assert.match(decoder.decode(bytes), /^# Yonder's language server.*\n$/);
  assert.equal(logged.length, 1);
  assert.deepEqual(made.again(), ["a"]);
});

test("only the documents used last are remembered", async () => {
  const { made, asked } = texts(() => Promise.resolve({ text: "", kept: true }));
  for (let n = 0; n < 20; n += 1) await made.get(`${n}`);
  await made.get("0");
  await made.get("20");
  assert.equal(asked.length, 21);
  await made.get("0");
  assert.equal(asked.length, 21);
  await made.get("1");
  assert.equal(asked.length, 22);
});
