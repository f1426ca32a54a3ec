// The run list asks once at a time, forgets what an old server said, and is right after any order of events.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunsResult } from "../../src/protocol.gen";
import { Runs, type RunsDelta } from "../../src/runs";
import { summary } from "./summaries";

/** A server whose answers are given by hand. */
function scene(): { runs: Runs; asked: number[]; answer: (result: RunsResult) => Promise<void>; refuse: () => Promise<void>; deltas: RunsDelta[]; failures: unknown[] } {
  const asked: number[] = [];
  const open: { resolve: (result: RunsResult) => void; reject: (error: Error) => void }[] = [];
  const deltas: RunsDelta[] = [];
  const failures: unknown[] = [];
  const runs = new Runs(
    (since) => {
      asked.push(since);
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
    (error) => failures.push(error),
  );
  runs.onDelta((delta) => deltas.push(delta));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    runs,
    asked,
    deltas,
    failures,
    answer: (result) => (open.shift()!.resolve(result), turn()),
    refuse: () => (open.shift()!.reject(new Error("gone")), turn()),
  };
}

test("the first answer is everything, later ones are what is newer", async () => {
  const { runs, asked, answer, deltas } = scene();
  void runs.changed();
  await answer({ revision: 5, runs: [summary("b", { created: 2 }), summary("a", { created: 1 })] });
  void runs.changed();
  await answer({ revision: 6, runs: [summary("a", { created: 1, state: "error" })] });
  assert.deepEqual(asked, [0, 5]);
  assert.deepEqual(deltas.map((delta) => [delta.reset, delta.runs.length]), [[true, 2], [false, 1]]);
  assert.deepEqual(runs.all.map((run) => `${run.run} ${run.state}`), ["a error", "b ok"]);
});

test("many changes while a question is open become one more question", async () => {
  const { runs, asked, answer } = scene();
  for (let n = 0; n < 5; n += 1) void runs.changed();
  assert.equal(asked.length, 1);
  await answer({ revision: 1, runs: [] });
  await answer({ revision: 2, runs: [] });
  assert.deepEqual(asked, [0, 1]);
});

test("another server's revisions start anew", async () => {
  const { runs, asked, answer, deltas } = scene();
  void runs.changed();
  await answer({ revision: 900, runs: [summary("a")] });
  void runs.refresh();
  await answer({ revision: 3, runs: [summary("b")] });
  assert.deepEqual(asked, [0, 0]);
  assert.equal(deltas.at(-1)?.reset, true);
  assert.deepEqual(runs.all.map((run) => run.run), ["b"]);
});

test("after a failed question everything is asked for again", async () => {
  const { runs, asked, answer, refuse, failures } = scene();
  void runs.changed();
  await answer({ revision: 7, runs: [summary("a")] });
  void runs.changed();
  await refuse();
  assert.equal(failures.length, 1);
  void runs.changed();
  await answer({ revision: 8, runs: [] });
  assert.deepEqual(asked, [0, 7, 0]);
});
