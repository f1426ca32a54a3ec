// kill -9 in a living window: of the language server, and of the worker in the middle of a run. The window goes on.
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { LINE } from './harness/play.mjs';
import { onStage } from './harness/stage.mjs';

/** @param {import('./harness/workbench.mjs').Workbench} window */
async function start(window) {
  await window.open('play.py');
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 90);
  await window.runCellAt(LINE.who);
  const who = await window.inline(/\(\d+, 42\)/);
  await window.showPanel();
  await window.runCellAt(LINE.busy);
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'running'), 'a running cell');
  return Number(/\((\d+), 42\)/.exec(who)?.[1]);
}

test('kill -9 of the language server: restarted, the session and the running cell are there', { timeout: 240_000 }, onStage('kill-server', { settings: { 'yonder.linger': 20 } }, async (stage) => {
  const window = await stage.window();
  const worker = await start(window);
  const servers = stage.place.having('server').map((found) => found.pid);
  assert.ok(servers.length > 0, 'a language server runs');
  for (const pid of servers) process.kill(pid, 'SIGKILL');
  const again = await until(() => stage.place.having('server').map((found) => found.pid), (pids) => pids.some((pid) => !servers.includes(pid)), { seconds: 20 });
  assert.ok(again.some((pid) => !servers.includes(pid)), 'the client started it again');

  const seen = await window.panel.outputSays(/tick \d+/);
  const last = Math.max(...[...seen.matchAll(/tick (\d+)/g)].map((match) => Number(match[1])));
  await window.panel.outputSays(new RegExp(`tick ${last + 20}\\b`));
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'running'), 'the running cell');
  await stage.picture(window, 'server-restarted');

  await window.command('Yonder: Interrupt');
  await window.panel.runsBecome((runs) => runs.every((run) => run.state !== 'running'), 'no running cell');
  await window.runCellAt(LINE.who);
  await window.inline(new RegExp(`\\(${worker}, 42\\)`));
}));

test('kill -9 of a worker in the middle of a run: the session says why and goes on', { timeout: 240_000 }, onStage('kill-worker', {}, async (stage) => {
  const window = await stage.window();
  const worker = await start(window);
  process.kill(worker, 'SIGKILL');
  await window.inline(/SIGKILL|signal 9|killed/i);
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'lost'), 'a lost run');
  await stage.picture(window, 'worker-killed');

  // The next run finds a fresh session, and the person is told that the variables are gone.
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 60);
  await window.toast(/variables/i);
  await stage.picture(window, 'fresh-session');
}));
