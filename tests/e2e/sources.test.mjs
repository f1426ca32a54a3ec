// Where things are written, in a real VS Code: here what is here, read-only what the session has, also after a reload.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { onStage } from './harness/stage.mjs';

const NAME = 'jumps.py';
const TEXT = `# %% make
import json
text = json.dumps({"a": 1})
text

# %% look
json.dumps
`;
const LOOK = TEXT.split('\n').indexOf('json.dumps') + 1;
/** The editor in a browser writes down which tabs are open every five seconds, and says nothing of it. */
const STATE_KEPT_AFTER = 7000;

/** @param {import('./harness/workbench.mjs').Workbench} window the lines in sight of the editor in front */
async function lines(window) {
  const found = await window.page.locator('.part.editor .editor-instance .view-line').allTextContents();
  return found.map((line) => line.replaceAll('\u00a0', ' '));
}

/**
 * @param {import('./harness/workbench.mjs').Workbench} window
 * @param {RegExp} pattern
 */
async function shows(window, pattern) {
  const found = await until(() => lines(window), (all) => all.some((line) => pattern.test(line)), { seconds: 40 });
  assert.ok(found.some((line) => pattern.test(line)), `${pattern} among ${JSON.stringify(found.slice(0, 5))}`);
}

test('the source of a live object opens where it is, and on the cluster as a read-only document', { timeout: 300_000 }, onStage('sources', {
  settings: { 'workbench.colorTheme': 'Default Dark Modern' },
  prepare: (place) => writeFileSync(join(place.workspace, NAME), TEXT),
}, async (stage) => {
  const window = await stage.window();
  const tabs = window.page.locator('.tab[data-resource-name="__init__.py"]');
  await window.open(NAME);
  await window.runCellAt(2);
  await window.inline(/"a": 1/, 120);

  await window.goTo(LOOK);
  await window.page.keyboard.press('F12');
  await shows(window, /^def dumps\(/);
  assert.doesNotMatch((await tabs.first().getAttribute('aria-label')) ?? '', /read-only/i);
  await stage.picture(window, 'here');

  await window.open(NAME);
  await window.goTo(LOOK);
  await window.command('Yonder: Show Source on the Cluster');
  await shows(window, /^def dumps\(/);
  assert.ok((await window.page.locator('.view-line .mtk1, .view-line span[class^=mtk]').count()) > 20, 'it is coloured as Python');
  const card = await window.hover('JSONEncoder', /JSONEncoder\(/);
  assert.match(card, /live/);
  await stage.picture(window, 'on-the-cluster');
  assert.equal(await window.page.locator('.codelens-decoration a', { hasText: 'Run' }).count(), 0, 'nothing to run here');
  await window.page.keyboard.press('Escape');
  await window.page.locator('.part.editor .monaco-editor').first().click();
  await window.page.keyboard.type('x');
  await until(() => window.page.getByText(/read-only/i).count(), (count) => count > 0, { seconds: 10 });
  await stage.picture(window, 'read-only');

  await window.page.waitForTimeout(STATE_KEPT_AFTER);
  await window.page.reload();
  await window.ready();
  await shows(window, /^def dumps\(/);
  assert.match((await window.page.locator('.monaco-breadcrumbs').textContent()) ?? '', /[0-9a-f]{40}/, 'the tab of before');
  await stage.picture(window, 'after-a-reload');
}));
