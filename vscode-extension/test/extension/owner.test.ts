// One owner id per window: kept over a reload, never shared by two living windows, taken from dead and mute ones.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Owner, type Memory } from "../../src/owner";

function place(context: TestContext): { folder: string; memory: Memory } {
  const folder = mkdtempSync(join(tmpdir(), "yonder-owners-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  let kept: readonly string[] | undefined;
  const memory: Memory = {
    get: () => kept,
    update: (_key, value) => {
      kept = value;
      return Promise.resolve();
    },
  };
  return { folder, memory };
}

const lives = (): Promise<boolean> => Promise.resolve(true);
const mute = (): Promise<boolean> => Promise.resolve(false);

test("a reloaded window is the same owner", async (context) => {
  const options = { ...place(context), windowAnswers: lives };
  const first = await Owner.take(options);
  first.release();
  const second = await Owner.take(options);
  assert.equal(second.id, first.id);
  second.release();
  assert.deepEqual(readdirSync(options.folder), []);
});

test("a reload that begins before the old window has let go waits for it", async (context) => {
  const options = { ...place(context), windowAnswers: mute, patienceMs: 20_000 };
  const first = await Owner.take(options);
  const next = Owner.take(options);
  setImmediate(() => first.release());
  const second = await next;
  assert.equal(second.id, first.id);
  second.release();
});

test("a second window on the same folder is a second owner, and both come back", async (context) => {
  const options = { ...place(context), windowAnswers: lives, patienceMs: 20_000 };
  const [first, second] = [await Owner.take(options), await Owner.take(options)];
  assert.notEqual(second.id, first.id);
  second.release();
  const again = await Owner.take(options);
  assert.equal(again.id, second.id);
  first.release();
  again.release();
});

test("a host whose window has vanished loses the id, and does not take it down at its end", async (context) => {
  const options = { ...place(context), windowAnswers: mute, patienceMs: 100 };
  const left = await Owner.take(options);
  const taken = await Owner.take({ ...options, windowAnswers: lives });
  assert.equal(taken.id, left.id);
  left.release();
  assert.deepEqual(readdirSync(options.folder), [`${taken.id}.lock`]);
  taken.release();
});

test("a dead window's lock is no lock", async (context) => {
  const { folder, memory } = place(context);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(join(folder, "abc.lock"), `${dead} 1`);
  await memory.update("", ["abc"]);
  const owner = await Owner.take({ folder, memory, windowAnswers: lives, patienceMs: 60_000 });
  assert.equal(owner.id, "abc");
  owner.release();
});
