// The example with sixty-four executors: as many curves, drawn while they grow, in a panel that stays alive. How smooth
// it is is measured and printed, not judged: machines differ.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { ROOT } from '../../scripts/commands.mjs';
import { onStage } from './harness/stage.mjs';

const NAME = 'digits_sweep.py';
const VARIANTS = 64;

test('sixty-four executors draw sixty-four curves', { timeout: 400_000 }, onStage('sixtyfour', {
  settings: { 'yonder.silence': 120, 'yonder.tool': { pools: { default: { max: VARIANTS } } } },
  prepare: (place) => {
    const text = readFileSync(join(ROOT, 'examples', NAME), 'utf8');
    writeFileSync(join(place.workspace, NAME), text.replace(/^EPOCHS = \d+/m, 'EPOCHS = 2'));
  },
}, async (stage) => {
  const window = await stage.window();
  await window.open(NAME);
  await window.command('Yonder: Run File on Cluster');
  await window.showPanel();
  await window.panel.drawn('loss', VARIANTS, 180);
  const gaps = await window.panel.frameGaps(3_000);
  console.log(`frames of the panel while 64 curves grow: ${gaps.length}, median ${median(gaps)} ms, longest ${Math.max(...gaps)} ms`);
  assert.ok(gaps.length > 0, 'the panel draws frames');
  const lenses = window.page.locator('.codelens-decoration a', { hasText: 'Run' });
  assert.ok((await lenses.count()) > 0, 'lenses, though the text lost the focus before the editor asked for them');
  await stage.picture(window, 'growing');
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'ok'), 'the file done', 240);
  await window.panel.drawn('accuracy', VARIANTS);
  await stage.picture(window, 'done');
}));

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
