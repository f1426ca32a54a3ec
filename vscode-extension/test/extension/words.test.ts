// Sentences out of facts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Block, BlockState } from "../../src/blocks";
import type { PoolStatus, SessionStatus, StatusResult } from "../../src/protocol.gen";
import { barText, bytes, clip, duration, inlineText, interpreterName } from "../../src/words";
import { lines } from "./summaries";

function block(state: BlockState, part: Partial<Block> = {}): Block {
  return { key: "r", uri: "", range: lines(0, 0), text: "", state, short: "", full: "", detail: "", code: "", started: 100, ended: 0, stale: false, ...part };
}

const POOL: PoolStatus = { name: "default", backend: "local", executors: 4, booting: 1, busy: 0, max: 8, queued: 0, why: "" };
const SESSION: SessionStatus = { id: "main", state: "idle", generation: 1, python: "", pid: 1, run: "", queued: 0, folder: "" };

function status(part: Partial<StatusResult> = {}): StatusResult {
  return { cluster: "on", python: "/home/ada/p/.venv/bin/python", pythonVersion: "3.11.2", problem: "", live: "ok", pools: [POOL], executors: [], sessions: [SESSION], hubPid: 1, peak: 4, where: "", ...part };
}

const bar = (part: Partial<StatusResult>): string => barText({ kind: "ready", status: status(part) }).text;

test("what is shown after a line has at most 100 characters", () => {
  const text = inlineText(block("ok", { short: "é😀".repeat(100) }), 0);
  assert.equal(Array.from(text).length, 100);
  assert.ok(text.endsWith("…"));
});

test("values, errors and marks", () => {
  assert.equal(inlineText(block("ok", { short: "tensor(1.)" }), 0), "→ tensor(1.)");
  assert.equal(inlineText(block("ok", { ended: 101.25 }), 0), "✓ 1.3 s");
  assert.equal(inlineText(block("error", { short: "ValueError: no" }), 0), "✗ ValueError: no");
  assert.equal(inlineText(block("lost", { short: "killed by SIGKILL" }), 0), "✗ lost: killed by SIGKILL");
  assert.equal(inlineText(block("pending"), 0), "⋯ sending");
  assert.equal(inlineText(block("booting", { detail: "importing torch" }), 0), "⋯ starting an executor · importing torch");
  assert.equal(inlineText(block("running"), 100.5), "● running");
  assert.equal(inlineText(block("running"), 175), "● running · 1 min 15 s");
  assert.equal(inlineText(block("cancelled", { ended: 103 }), 0), "■ interrupted · 3.0 s");
});

test("a value says on which code it was made", () => {
  assert.equal(inlineText(block("ok", { short: "42", code: "old code of helper" }), 0), "→ 42 · old code of helper");
  assert.equal(inlineText(block("ok", { ended: 103, code: "reloaded helper" }), 0), "✓ 3.0 s · reloaded helper");
  assert.equal(inlineText(block("error", { short: "KeyError: 1", code: "reloaded helper" }), 0), "✗ KeyError: 1 · reloaded helper");
  const long = inlineText(block("ok", { short: "x".repeat(200), code: "old code of helper" }), 0);
  assert.equal(Array.from(long).length, 100);
  assert.ok(long.endsWith("… · old code of helper"));
});

test("a value of several lines stays on one", () => assert.equal(clip("a\n  b\n", 50), "a ⏎ b"));

test("durations", () => {
  assert.deepEqual([0.0004, 0.25, 9.99, 61, 7322, NaN, -1].map(duration), ["1 ms", "0.3 s", "9 s", "1 min 1 s", "2 h 2 min", "", ""]);
});

test("the status bar names state, cost and interpreter", () => {
  assert.equal(bar({}), "$(circle-large-filled) Yonder: idle · 4/8 + session · Python 3.11 (.venv)");
  assert.match(bar({ pools: [{ ...POOL, busy: 2 }] }), /Yonder: running · 4\/8 \+ session/);
  assert.match(bar({ sessions: [{ ...SESSION, run: "r1" }] }), /Yonder: running/);
  assert.match(bar({ sessions: [] }), /idle · 4\/8 · /);
  assert.match(bar({ sessions: [SESSION, SESSION] }), /4\/8 \+ 2 sessions/);
  assert.match(bar({ cluster: "off" }), /Yonder: off · Python/);
  assert.match(bar({ live: "slow" }), /live: slow/);
  assert.equal(barText({ kind: "restricted" }).text, "$(shield) Yonder: off in Restricted Mode");
});

test("a file that runs whole is no idle cluster, and no pool is no 0/0", () => {
  const process = { id: "f", pool: "", backend: "local", state: "ready", pid: 2, since: 0, doing: "", cpuPercent: 0, memory: 0 };
  const alone = { pools: [], sessions: [] };
  assert.match(bar({ ...alone, executors: [{ ...process, state: "booting" }] }), /running · file · Python/);
  assert.match(bar({ ...alone, executors: [{ ...process, doing: "r1" }] }), /running · file · Python/);
  assert.match(bar({ pools: [], executors: [process] }), /idle · session · Python/);
  assert.match(bar({ executors: [process, process, { ...process, pool: "default", doing: "c1" }] }), /idle · 4\/8 \+ session \+ file · /);
  assert.match(bar(alone), /Yonder: idle · Python/);
});

test("what is wrong is an alarm", () => {
  assert.ok(barText({ kind: "ready", status: status({ cluster: "lost" }) }).alarm);
  assert.ok(barText({ kind: "failed", sentence: "no" }).alarm);
  const away = barText({ kind: "ready", status: status({ cluster: "away", where: "The hub at gpu:7443 cannot be reached" }) });
  assert.ok(away.alarm && away.text.includes("Yonder: away") && away.tooltip.includes("gpu:7443"));
  const { tooltip, alarm } = barText({ kind: "ready", status: status({ problem: "pyproject.toml: unknown key pols" }) });
  assert.ok(alarm && tooltip.includes("unknown key pols"));
});

test("an interpreter of the system has no environment's name", () => {
  assert.equal(interpreterName(status({ python: "/usr/bin/python3" })), "Python 3.11");
  assert.equal(interpreterName(status({ python: "C:\\work\\env\\Scripts\\python.exe" })), "Python 3.11 (env)");
  assert.equal(interpreterName(status({ python: "" })), "");
});

test("sizes are said in the unit that fits", () => {
  assert.deepEqual([0, 999, 1000, 3_000_000, 99_960_000, 250_000_000_000, 5e15].map((count) => bytes(count)), ["0 B", "999 B", "1.0 kB", "3.0 MB", "100 MB", "250 GB", "5000 TB"]);
});
