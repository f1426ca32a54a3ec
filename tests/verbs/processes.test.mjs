// The process table answers for what was set in motion, whatever it is called and however often it forked.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { test } from 'node:test';

import { freePort } from '../../scripts/code-server.mjs';
import { carrying, role, table, until } from '../../scripts/processes.mjs';

test('a process that forked away from us is found by its environment, and gone when it is gone', async () => {
  const mark = randomBytes(6).toString('hex');
  // The shell ends at once, its child lives on under another parent.
  const shell = spawn('sh', ['-c', 'sleep 60 & exit 0'], { env: { ...process.env, YONDER_MARK: mark }, stdio: 'ignore' });
  await new Promise((resolve) => shell.once('exit', resolve));
  const ours = () => carrying('YONDER_MARK', mark);
  const [found, ...more] = await until(ours, (list) => list.some((entry) => entry.command === 'sleep 60'));
  assert.ok(found);
  assert.deepEqual(more, []);
  assert.match(table([found]), /other: sleep 60/);
  process.kill(found.pid, 'SIGKILL');
  assert.deepEqual(await until(ours, (list) => list.length === 0, { seconds: 5 }), []);
  assert.deepEqual(carrying('YONDER_MARK', 'another'), []);
});

test('roles in the words of the design', () => {
  const found = (/** @type {string} */ command, /** @type {Record<string, string>} */ env = {}) => ({ pid: 1, parent: 0, command, env });
  assert.equal(role(found('python -P -m yonder.hub.detached --owner x')), 'hub');
  assert.equal(role(found('python -m yonder_lsp')), 'server');
  assert.equal(role(found('python -P -c …', { YONDER_EXECUTOR: 'e1' })), 'executor');
  assert.equal(role(found('node …/lib/vscode/out/bootstrap-fork --type=extensionHost')), 'editor');
  assert.equal(role(found('sleep 60')), 'other');
});

test('until gives the last answer when the time is over', async () => {
  let asked = 0;
  assert.equal(await until(() => (asked += 1), (answer) => answer > 2, { every: 1 }), 3);
  assert.equal(await until(() => 'no', (answer) => answer === 'yes', { seconds: 0.01, every: 1 }), 'no');
});

test('a free port is free', async () => {
  const port = await freePort();
  assert.ok(port > 1023 && port < 65536);
});
