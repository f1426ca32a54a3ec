// The main journey in a real VS Code, one window from opening a file to closing it: what a person sees at each step.
// Steps depend on each other as a person's do; the first that fails ends the journey.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { LINE } from './harness/play.mjs';
import { onStage } from './harness/stage.mjs';

test('from a keystroke to live curves and back to nothing', { timeout: 300_000 }, onStage('journey', {}, async (stage) => {
  const window = await stage.window();
  await window.open('play.py');
  await window.statusBecomes(/Yonder/);
  await stage.picture(window, 'opened');

  // A cell, its result after its last line.
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 90);
  await window.statusBecomes(/1|idle/i);
  await stage.picture(window, 'first-result');

  // A sweep in a cell: curves of four calls in the panel.
  await window.showPanel();
  await window.runCellAt(LINE.train);
  await window.panel.drawn('loss', 4);
  await window.panel.drawn('accuracy', 4);
  await window.inline(/^\W*4\b/, 60);
  await stage.picture(window, 'curves');
  assert.equal(await window.panel.count('call-row'), 4, 'one row per call');

  // While a cell runs: output streams, the live tensor completes and explains itself.
  await window.runCellAt(LINE.busy);
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'running'), 'a running cell');
  await window.panel.outputSays(/tick 3/);
  await window.goTo(LINE.complete);
  await window.page.keyboard.type('.requires_gr');
  const offered = await until(() => window.completions(), (names) => names.some((name) => name.startsWith('requires_grad')), { seconds: 20, every: 500 });
  await stage.picture(window, 'completion-while-busy');
  assert.ok(offered.some((name) => name.startsWith('requires_grad')), `a live tensor's members, offered: ${offered.join(' | ')}`);
  await window.page.keyboard.press('Escape');
  for (const _ of '.requires_gr') await window.page.keyboard.press('Backspace');
  const hover = await window.hover('tensor', /3.{1,4}4/);
  await stage.picture(window, 'hover-while-busy');
  assert.match(hover, /float32/);
  assert.match(hover, /live/i);

  // Interrupt: the run ends, the session stays.
  await window.command('Yonder: Interrupt');
  await window.panel.runsBecome((runs) => runs.every((run) => run.state !== 'running'), 'no running cell');
  await window.runCellAt(LINE.who);
  const who = await window.inline(/\(\d+, 42\)/);
  assert.match(who, /42/);

  // An error: said after the line and drawn under the guilty one.
  await window.runCellAt(LINE.broken);
  await window.inline(/ZeroDivisionError/);
  await window.squiggle();
  await stage.picture(window, 'error');

  // An orderly close leaves nothing.
  assert.ok(stage.place.having('executor').length > 0, 'there was something to end');
  await window.page.close();
  const left = await stage.place.emptied(40);
  assert.deepEqual(left.map((found) => found.command), [], 'no hub and no executor after the linger');
}));
