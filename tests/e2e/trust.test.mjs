// A folder nobody has trusted yet: Yonder activates, starts nothing, and says so. Trust given, it works.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LINE } from './harness/play.mjs';
import { onStage } from './harness/stage.mjs';

test('Restricted Mode: nothing is started until the folder is trusted', { timeout: 240_000 }, onStage('trust', {
  trust: true,
  settings: { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'always' },
}, async (stage) => {
  const window = await stage.window();
  await window.open('play.py');
  await window.statusBecomes(/Restricted Mode/i);
  await window.runCellAt(LINE.setup);
  await stage.picture(window, 'restricted');
  assert.deepEqual(stage.place.having('server').map((found) => found.command), [], 'no language server');
  assert.deepEqual(stage.place.cluster().map((found) => found.command), [], 'no hub, no executor');

  await window.command('Workspaces: Manage Workspace Trust');
  await window.press('Trust');
  await window.open('play.py');
  await window.statusBecomes(/^(?!.*Restricted).*Yonder/is, 60);
  await window.runCellAt(LINE.setup);
  await window.inline(/42/, 90);
  await stage.picture(window, 'trusted');
}));
