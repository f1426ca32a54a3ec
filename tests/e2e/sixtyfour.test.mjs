// The example with sixty-four executors: their curves grow in a panel that goes on drawing while they train. How many
// milliseconds a frame took is printed, not judged.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

import { ROOT } from '../../scripts/commands.mjs';
import { until } from '../../scripts/processes.mjs';
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
  const half = await until(() => window.panel.chart('loss'), (chart) => chart.curves >= VARIANTS / 2, { seconds: 180, every: 300 });
  const gaps = (await window.panel.frameGaps(3000)).sort((one, other) => one - other);
  const runs = await window.panel.runs();
  assert.deepEqual(runs.map((run) => run.state), ['running'], 'the frames were looked at while the executors trained');
  assert.ok(half.curves >= VARIANTS / 2 && half.drawn > 400, `curves while they trained: ${JSON.stringify(half)}`);
  const at = (/** @type {number} */ share) => gaps[Math.floor((gaps.length - 1) * share)];
  process.stdout.write(`sixtyfour: ${half.curves} curves, ${gaps.length} frames in 3 s: median ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms\n`);
  await stage.picture(window, 'training');
  await window.panel.drawn('loss', VARIANTS, 180);
  const lenses = window.page.locator('.codelens-decoration a', { hasText: 'Run' });
  assert.ok((await lenses.count()) > 0, 'lenses, though the text lost the focus before the editor asked for them');
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'ok'), 'the file done', 240);
  await window.panel.drawn('accuracy', VARIANTS);
  await stage.picture(window, 'done');
}));
