// Two Pythons, as on a user's machine: the extension makes the tool's environment itself from what the .vsix carries,
// and the project's own environment knows nothing of Yonder. "Run without installing" works and leaves it untouched.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { ask } from '../../scripts/commands.mjs';
import { findPython } from '../../scripts/setup.mjs';
import { onStage } from './harness/stage.mjs';

const SCRIPT = `# %% which
import sys

numbers = [1, 2, 3]
(sys.prefix, sum(numbers))
`;

test('a project with its own environment, without yonder in it', { timeout: 400_000 }, onStage('pythons', {
  ownServer: true,
  env: { VIRTUAL_ENV: undefined },
  prepare: (place) => {
    writeFileSync(join(place.workspace, 'plain.py'), SCRIPT);
    const made = ask(findPython(), ['-m', 'venv', join(place.workspace, '.venv')]);
    assert.notEqual(made, undefined, 'the test could make an environment');
  },
}, async (stage) => {
  const venv = join(stage.place.workspace, '.venv');
  const packages = () => readdirSync(join(venv, 'lib'), { recursive: true }).map(String).filter((name) => name.endsWith('.dist-info')).sort();
  const before = packages();
  const window = await stage.window();
  await window.open('plain.py');
  await window.statusBecomes(/Yonder(?!.*(setting up|installing))/is, 240);
  await stage.picture(window, 'own-server');
  await window.runCellAt(4);
  await window.toast(/yonder/i, 120);
  await stage.picture(window, 'core-missing');
  await window.press('Run without installing');
  const result = await window.inline(/\.venv.*6/, 60);
  await stage.picture(window, 'without-installing');
  assert.ok(result.includes(venv.slice(-12)) || result.includes('.venv'), `the project's Python ran it: ${result}`);
  assert.deepEqual(packages(), before, 'nothing was installed into the project');
  assert.ok(!readFileSync(join(venv, 'pyvenv.cfg'), 'utf8').includes('yonder'));
  const servers = stage.place.having('server');
  assert.ok(servers.length > 0 && servers.every((found) => found.command.startsWith(stage.place.user)), `the tool's own Python: ${servers.map((found) => found.command).join(' | ')}`);
}));
