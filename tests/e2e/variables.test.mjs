// The Variables view and what can be done with a live object, in a real VS Code while a cell runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { LINE } from './harness/play.mjs';
import { onStage } from './harness/stage.mjs';

test('variables, statistics and links while a cell runs', { timeout: 300_000 }, onStage('variables', {}, async (stage) => {
  const window = await stage.window();
  await window.open('play.py');
  await window.statusBecomes(/Yonder/);
  await window.command('Yonder: Show Variables');
  const view = window.page.locator('.pane', { hasText: 'Variables' }).last();
  assert.ok(await until(() => view.textContent(), (text) => /Run a block/.test(text ?? ''), { seconds: 30 }));
  await stage.picture(window, 'empty');

  const row = (/** @type {string} */ name) => window.page.locator(`.pane .monaco-list-row[aria-label^="${name}"]`).first();
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 90);
  await row('answer').waitFor({ timeout: 20_000 });
  await stage.picture(window, 'rows');

  // While a cell runs the rows are as they are now, and a row opens.
  await window.runCellAt(LINE.busy);
  await row('ticks').waitFor({ timeout: 20_000 });
  const value = async () => (await row('ticks').textContent()) ?? '';
  const first = await value();
  assert.notEqual(await until(value, (text) => text !== first, { seconds: 20 }), first);
  await row('tensor').click();
  await row('shape').waitFor({ timeout: 20_000 });
  await stage.picture(window, 'open-while-busy');

  // Statistics from the row, while the cell runs.
  await row('tensor').hover();
  await row('tensor').locator('.action-label[aria-label*="Statistics"]').first().click();
  assert.match(await until(() => row('tensor').textContent(), (text) => /mean 5.5/.test(text ?? ''), { seconds: 20 }) ?? '', /mean 5.5/);
  await row('tensor').hover();
  await stage.picture(window, 'statistics-in-the-row');

  // The hover's links, and the figures after the line.
  await window.goTo(LINE.complete);
  await window.hover('tensor', /Compute statistics/);
  await stage.picture(window, 'hover-links');
  await window.page.locator('.monaco-hover:not(.hidden) a', { hasText: 'Compute statistics' }).first().click();
  await window.inline(/tensor: min 0 · max 11 · mean 5.5/);
  await stage.picture(window, 'statistics-after-the-line');

  // Evaluate, when the run is over.
  await window.command('Yonder: Interrupt');
  await until(() => window.status(), (text) => /idle/.test(text), { seconds: 30 });
  await window.goTo(LINE.complete);
  await window.hover('tensor', /Compute statistics/);
  await window.page.locator('.monaco-hover:not(.hidden) a', { hasText: 'Evaluate' }).first().click();
  await window.inline(/→ tensor\(\[\[/);
  await window.goTo(LINE.complete);
  await window.page.keyboard.press('Control+.');
  await window.page.locator('.action-widget').waitFor();
  await stage.picture(window, 'actions');
  await window.page.keyboard.press('Escape');
  assert.deepEqual(await window.toasts(), []);
}));
