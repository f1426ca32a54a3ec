// What each name is, drawn behind the line that bound it, in a real VS Code: live ones as inlay hints, stale ones dim.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { onStage } from './harness/stage.mjs';
import { drawn, typed } from './harness/suggest.mjs';

const NAME = 'hints.py';
const TEXT = `# %% make
import numpy as np

grid = np.zeros((3, 4))
count = 7
grid.shape

# %% more
count = np.arange(count)
`;

test('hints follow what ran, and are dim where the text was edited', { timeout: 300_000 }, onStage('hints', {
  settings: { 'workbench.colorTheme': 'Default Dark Modern' },
  prepare: (place) => writeFileSync(join(place.workspace, NAME), TEXT),
}, async (stage) => {
  const window = await stage.window();
  await window.open(NAME);
  await window.runCellAt(2);
  await window.inline(/\(3, 4\)/, 120);
  await drawn(window, /^grid: ndarray\[3, 4\] float64 = /);
  await drawn(window, /^count: int = 7/);
  await drawn(window, /^count = np\.arange/);

  await window.runCellAt(9);
  await drawn(window, /^count: ndarray\[7\] int64 = np\.arange/);
  await drawn(window, /^count = 7/);
  await stage.picture(window, 'live');

  await window.goTo(4);
  await typed(window, ' + 1');
  await drawn(window, /^grid = np\.zeros\(\(3, 4\)\) \+ 1/);
  assert.match(await window.inline(/ndarray\[3, 4\]/), /^: ndarray\[3, 4\] float64$/);
  await stage.picture(window, 'stale');
}));
