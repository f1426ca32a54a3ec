// The example as a person opens it: a lens per cell, the file run whole, curves of every variant, the figure, the table.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { ROOT } from '../../scripts/commands.mjs';
import { until } from '../../scripts/processes.mjs';
import { onStage } from './harness/stage.mjs';

const NAME = 'digits_sweep.py';
const VARIANTS = 4;

test('the example draws a curve per variant, its figure and its table', { timeout: 300_000 }, onStage('example', {
  settings: { 'workbench.colorTheme': 'Default Dark Modern', 'yonder.tool': { pools: { default: { max: VARIANTS } } } },
  prepare: (place) => {
    const text = readFileSync(join(ROOT, 'examples', NAME), 'utf8');
    const quick = text.replace(/^EPOCHS = \d+/m, 'EPOCHS = 4');
    assert.notEqual(quick, text, 'the example still names its epochs');
    writeFileSync(join(place.workspace, NAME), quick);
  },
}, async (stage) => {
  const window = await stage.window();
  await window.open(NAME);
  const lenses = window.page.locator('.codelens-decoration a', { hasText: 'Run' });
  assert.ok((await until(() => lenses.count(), (count) => count > 0, { seconds: 60 })) > 0, 'a lens above a cell');
  await lenses.first().click();
  await window.showPanel();
  await window.panel.runsBecome((runs) => runs.some((run) => run.state === 'ok'), 'the first cell done', 90);
  await stage.picture(window, 'first-cell');

  await window.page.keyboard.press('Control+1');
  await window.command('Yonder: Run File on Cluster');
  await window.panel.runsBecome((runs) => runs.length >= 2, 'the run of the file');
  await window.panel.drawn('loss', VARIANTS, 120);
  await stage.picture(window, 'training');
  const policy = await window.panel.policy();
  assert.match(policy, /^default-src 'none';/, 'the panel loads nothing that is not named');
  assert.match(policy, /; script-src 'nonce-[\w+/=]+';/, 'and runs no script without its nonce');
  await window.panel.runsBecome((runs) => runs.filter((run) => run.state === 'ok').length >= 2, 'the file done', 180);
  await window.panel.drawn('accuracy', VARIANTS);
  await stage.picture(window, 'done');
  const output = await window.panel.outputSays(/variants trained/);
  assert.match(output, /optimizer/);
  await window.panel.tab('Figures');
  const width = await until(() => window.panel.figureWidth(), (found) => found > 100);
  assert.ok(width > 100, 'the matplotlib figure, drawn');
  await stage.picture(window, 'figure');
}));
