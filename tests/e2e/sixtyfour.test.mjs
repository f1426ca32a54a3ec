// The example with sixty-four executors: in the end as many curves are drawn. Whether the panel stays smooth while they
// grow is not shown here: on two cores the curves were complete only when the run was over.
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
  const lenses = window.page.locator('.codelens-decoration a', { hasText: 'Run' });
  assert.ok((await lenses.count()) > 0, 'lenses, though the text lost the focus before the editor asked for them');
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'ok'), 'the file done', 240);
  await window.panel.drawn('accuracy', VARIANTS);
  await stage.picture(window, 'done');
}));
