// How a window can end, and what each ending leaves: a reload everything, a close nothing after the linger, a vanished
// window nothing after the silence. What is left is asked of the process table.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { LINE } from './harness/play.mjs';
import { onStage } from './harness/stage.mjs';

/** @param {import('./harness/workbench.mjs').Workbench} window */
async function session(window) {
  await window.open('play.py');
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 90);
  await window.runCellAt(LINE.who);
  return window.inline(/\(\d+, 42\)/);
}

/** @param {import('./harness/workbench.mjs').Workbench} window */
async function busy(window) {
  await window.showPanel();
  await window.runCellAt(LINE.busy);
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'running'), 'a running cell');
}

// A slow machine takes seconds to reload: here the linger is as long as it is for people.
test('a reload keeps the session, its variables and the running cell', { timeout: 240_000 }, onStage('reload', { settings: { 'yonder.linger': 20 } }, async (stage) => {
  const window = await stage.window();
  const before = await session(window);
  await busy(window);
  const hub = stage.place.having('hub').map((found) => found.pid);

  await window.page.reload();
  await window.ready();
  await window.showPanel();
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'running'), 'the running cell after the reload');
  const seen = await window.panel.outputSays(/tick \d+/);
  const last = Math.max(...[...seen.matchAll(/tick (\d+)/g)].map((match) => Number(match[1])));
  await window.panel.outputSays(new RegExp(`tick ${last + 5}\\b`));
  await stage.picture(window, 'running-after-reload');

  await window.command('Yonder: Interrupt');
  await window.panel.runsBecome((runs) => runs.every((run) => run.state !== 'running'), 'no running cell');
  await window.open('play.py');
  await window.runCellAt(LINE.who);
  const after = await until(() => window.inlineTexts(), (texts) => texts.some((text) => text.includes(before.match(/\(\d+, 42\)/)?.[0] ?? '?')));
  assert.ok(after.some((text) => text.includes(before.match(/\(\d+, 42\)/)?.[0] ?? '?')), `same process and variables as ${before}, there is ${after.join(' | ')}`);
  assert.deepEqual(stage.place.having('hub').map((found) => found.pid), hub, 'the same hub');
}));

test('an orderly close ends everything after the linger, also in the middle of a run', { timeout: 240_000 }, onStage('close', {}, async (stage) => {
  const window = await stage.window();
  await session(window);
  await busy(window);
  assert.ok(stage.place.having('executor').length > 0);
  const closed = Date.now();
  await window.page.close();
  const left = await stage.place.emptied(40);
  assert.deepEqual(left.map((found) => found.command), []);
  assert.ok(Date.now() - closed >= 2_000, 'the linger was kept: a reload would have found its session');
}));

test('a vanished window ends everything after the silence', { timeout: 240_000 }, onStage('vanished', {}, async (stage) => {
  const window = await stage.window();
  await session(window);
  await busy(window);
  await stage.vanish();
  assert.ok(stage.place.having('executor').length > 0, 'nobody has said goodbye yet');
  const left = await stage.place.emptied(90);
  assert.deepEqual(left.map((found) => found.command), []);
}));

test('Stop Cluster ends everything at once and says so', { timeout: 240_000 }, onStage('stop', { settings: { 'yonder.linger': 600 } }, async (stage) => {
  const window = await stage.window();
  await session(window);
  await window.command('Yonder: Stop Cluster');
  const left = await stage.place.emptied(30);
  assert.deepEqual(left.map((found) => found.command), []);
  await window.statusBecomes(/off/i);
  await stage.picture(window, 'stopped');
}));
