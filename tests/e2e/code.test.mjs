// Code travels by itself: a helper is edited and not even saved, Run, and the session and the executors have the new code.
// Variables live on; what cannot be loaded again safely is said in words.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { onStage } from './harness/stage.mjs';

const WORK = `# %% keep
kept = 41

# %% ask
import yonder
import helper

with yonder.Pool(max=2) as pool:
    there = set(pool.map(helper.name, range(4)))
(helper.name(0), there, kept + 1)
`;
const HELPER = `def name(n):
    return 'first'
`;
const ASK = 9;

test('an edited helper is new code at the next run, saved or not', { timeout: 240_000 }, onStage('code', {
  prepare: (place) => {
    writeFileSync(join(place.workspace, 'work.py'), WORK);
    writeFileSync(join(place.workspace, 'helper.py'), HELPER);
  },
}, async (stage) => {
  const window = await stage.window();
  await window.open('work.py');
  await window.statusBecomes(/Yonder/);
  await window.runCellAt(2);
  await window.runCellAt(ASK);
  await window.inline(/'first', \{'first'\}, 42/, 90);

  await window.open('helper.py');
  await window.goTo(2);
  for (const _ of "first'") await window.page.keyboard.press('Backspace');
  await window.page.keyboard.type("second'");
  await window.open('work.py');
  await window.runCellAt(ASK);
  await window.inline(/'second', \{'second'\}, 42/, 60);
  await stage.picture(window, 'unsaved');
  assert.equal(readFileSync(join(stage.place.workspace, 'helper.py'), 'utf8'), HELPER, 'the file itself is as it was');

  // Another hand saves over it: what is on the disk counts once the buffer is given up.
  await window.open('helper.py');
  await window.command('File: Revert File');
  writeFileSync(join(stage.place.workspace, 'helper.py'), HELPER.replace('first', 'third'));
  await window.open('work.py');
  await window.runCellAt(ASK);
  await window.inline(/'third', \{'third'\}, 42/, 60);
  await window.showPanel();
  await stage.picture(window, 'from-disk');
}));
