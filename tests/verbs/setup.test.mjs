// The clone's verbs: what is done once is done once, what changed is noticed, and trouble says what to do.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { ask, statusOf, Trouble, which } from '../../scripts/commands.mjs';
import { cacheFolder, digest, findPython, once, refuseLink } from '../../scripts/setup.mjs';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'yonder-verbs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * A program that says one line.
 * @param {string} name
 * @param {string} line
 */
function program(name, line) {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho '${line}'\n`);
  chmodSync(path, 0o755);
  return path;
}

/**
 * @template T
 * @param {Record<string, string | undefined>} changes
 * @param {() => T} act
 */
function withEnvironment(changes, act) {
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, process.env[name]]));
  const set = (/** @type {Record<string, string | undefined>} */ values) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  set(changes);
  try {
    return act();
  } finally {
    set(before);
  }
}

describe('once', () => {
  test('does the work when there is no stamp, then not again', async () => {
    const stamp = join(folder, 'stamp');
    let made = 0;
    const make = async () => void (made += 1);
    assert.equal(await once(stamp, 'a', make), true);
    assert.equal(await once(stamp, 'a', make), false);
    assert.equal(made, 1);
    assert.equal(await once(stamp, 'b', make), true);
    assert.equal(made, 2);
  });

  test('leaves no stamp when the work fails, so the next call tries again', async () => {
    const stamp = join(folder, 'stamp');
    await once(stamp, 'a', async () => undefined);
    await assert.rejects(once(stamp, 'b', async () => Promise.reject(new Trouble('no network'))), /no network/);
    assert.equal(existsSync(stamp), false);
    assert.equal(await once(stamp, 'a', async () => undefined), true);
    assert.equal(readFileSync(stamp, 'utf8'), 'a');
  });
});

describe('digest', () => {
  test('changes with contents, names and salt, not with what builds leave', () => {
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src', 'a.py'), 'x = 1');
    const first = digest(['src'], '', folder);
    for (const made of ['out', '__pycache__', 'node_modules', 'yonder.egg-info']) {
      mkdirSync(join(folder, 'src', made));
      writeFileSync(join(folder, 'src', made, 'file'), String(Math.random()));
    }
    assert.equal(digest(['src'], '', folder), first);
    assert.notEqual(digest(['src'], 'salt', folder), first);
    writeFileSync(join(folder, 'src', 'a.py'), 'x = 2');
    assert.notEqual(digest(['src'], '', folder), first);
  });

  test('a missing path is nothing, not trouble', () => {
    assert.equal(digest(['nowhere'], '', folder), digest([], '', folder));
  });
});

describe('findPython', () => {
  test('refuses a named interpreter that is too old, with its version and a remedy', () => {
    const old = program('old-python', '3.9');
    withEnvironment({ YONDER_PYTHON: old }, () => {
      assert.throws(() => findPython(), (error) => error instanceof Trouble && error.message.includes('3.9') && error.message.includes('→'));
    });
  });

  test('takes the named one when it is new enough, whatever else is on PATH', () => {
    const fine = program('fine-python', '3.13');
    assert.equal(withEnvironment({ YONDER_PYTHON: fine }, () => findPython()), fine);
  });

  test('passes over old ones on PATH and names them when nothing else is there', () => {
    program('python3', '3.8');
    withEnvironment({ YONDER_PYTHON: undefined, PATH: folder }, () => {
      assert.throws(() => findPython(), /python3 is 3\.8/);
      program('python3.12', '3.12');
      assert.equal(findPython(), 'python3.12');
    });
  });
});

describe('commands', () => {
  test('a status is an answer, a missing program is trouble with a remedy', async () => {
    assert.equal(await statusOf('sh', ['-c', 'exit 3']), 3);
    await assert.rejects(statusOf('no-such-program-here', [], { remedy: 'install it' }), /could not be started[\s\S]*install it/);
  });

  test('ask gives the output, or nothing when it fails', () => {
    assert.equal(ask('sh', ['-c', 'echo " seven "']), 'seven');
    assert.equal(ask('sh', ['-c', 'echo seven; exit 1']), undefined);
  });

  test('which finds files, not folders', () => {
    const path = program('thing', 'x');
    mkdirSync(join(folder, 'folder'));
    withEnvironment({ PATH: folder }, () => {
      assert.equal(which('thing'), path);
      assert.equal(which('folder'), undefined);
    });
  });

  test('the cache is where the person says', () => {
    assert.equal(withEnvironment({ YONDER_CACHE: '/elsewhere' }, cacheFolder), '/elsewhere');
    assert.equal(withEnvironment({ YONDER_CACHE: undefined, XDG_CACHE_HOME: '/caches' }, cacheFolder), '/caches/yonder-ci');
  });
});

test('a linked node_modules is not filled: that would empty what it leads to', () => {
  const [real, link] = [join(folder, 'real'), join(folder, 'link')];
  mkdirSync(real);
  symlinkSync(real, link);
  assert.throws(() => refuseLink(link), /is a link[^]*rm .*link/);
  refuseLink(real);
  refuseLink(join(folder, 'nothing'));
});
