// `npm run setup`, and the first step of every other verb: from a fresh clone to something that runs.
// Three pieces, each with a stamp of what it was made from, so a second call costs milliseconds:
//   .venv/           the clone's Python with `yonder` installed from here (editable)
//   node_modules/    what package-lock.json says
//   the extension    vscode-extension/out and the .vsix, made from its sources
// Must not need node_modules itself: it may not exist yet.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';

import { ask, ROOT, run, say, statusOf, Trouble, verb, which } from './commands.mjs';

/** The clone's Python; exists after `python()`. */
export const PYTHON = join(ROOT, '.venv', 'bin', 'python');
/** The packaged extension; exists after `extension()`. */
export const VSIX = join(ROOT, 'vscode-extension', 'yonder-0.1.0.vsix');

/** Where Python code is; documents show code as prose wants it, not as a formatter does. */
export const PYTHON_FOLDERS = ['executor', 'lsp-server', 'tests', 'scripts', 'examples'];

// Named exactly and first, so that no other requirement picks another build of the largest package there is.
const TORCH = 'torch==2.13.0';
const CANDIDATES = ['python3.11', 'python3.12', 'python3.13', 'python3.14', 'python3', 'python'];

/** Where things live that outlast a clone (an editor for the tests, private profiles). */
export function cacheFolder() {
  return process.env.YONDER_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'yonder-ci');
}

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) {
    throw new Trouble(`Node ${process.versions.node} is too old, Yonder's clone needs 20 or newer`, 'install Node 20+ and run this again');
  }
}

/**
 * The oldest supported interpreter wins: it is what the code is written for.
 * @returns {string}
 */
export function findPython() {
  const named = process.env.YONDER_PYTHON;
  const looked = [];
  for (const name of named ? [named] : CANDIDATES) {
    const version = ask(name, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === 3 && minor >= 11) return name;
    looked.push(`${name} is ${version}`);
  }
  const found = looked.length > 0 ? ` (${looked.join(', ')})` : '';
  throw new Trouble(
    named ? `YONDER_PYTHON=${named} is no Python 3.11 or newer${found}` : `no Python 3.11 or newer on PATH${found}`,
    'install Python 3.11+ with its venv module, or name one: YONDER_PYTHON=/path/to/python npm run setup',
  );
}

/**
 * A digest of files' names and contents; folders are walked.
 * @param {string[]} paths relative to the root
 * @param {string} [salt]
 * @param {string} [root]
 */
export function digest(paths, salt = '', root = ROOT) {
  const hash = createHash('sha256').update(salt);
  for (const path of paths) {
    for (const file of filesUnder(join(root, path))) {
      hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

const MADE = new Set(['node_modules', 'out', 'dist', 'build', 'wheels', '__pycache__']);

/**
 * @param {string} path
 * @returns {string[]}
 */
function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const kept = readdirSync(path).filter((name) => !MADE.has(name) && !/\.(vsix|pyc|egg-info|log)$/.test(name));
  return kept.sort().flatMap((name) => filesUnder(join(path, name)));
}

/**
 * @param {string} stamp
 * @param {string} wanted
 */
function current(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
}

/**
 * Do `make` unless the stamp says it was done from the same things.
 * @param {string} stamp file
 * @param {string} wanted
 * @param {() => Promise<void>} make
 * @returns {Promise<boolean>} whether it was done
 */
export async function once(stamp, wanted, make) {
  if (current(stamp, wanted)) return false;
  rmSync(stamp, { force: true });
  await make();
  writeFileSync(stamp, wanted);
  return true;
}

/** The clone's Python environment. */
export async function python() {
  const venv = join(ROOT, '.venv');
  const wanted = digest(['pyproject.toml'], TORCH);
  const remedy = 'look at the lines above; with a half-made environment: rm -r .venv, then run this again';
  await once(join(venv, '.yonder-stamp'), wanted, async () => {
    const started = Date.now();
    if (!usable(venv)) {
      const base = findPython();
      say(`making .venv with ${base}`);
      rmSync(venv, { recursive: true, force: true });
      await run(base, ['-m', 'venv', venv], { remedy: 'Debian and Ubuntu keep it apart: apt-get install python3-venv' });
    }
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-warn-script-location'];
    if (ask(PYTHON, ['-c', 'import torch; print(torch.__version__.split("+")[0])']) !== TORCH.split('==')[1]) {
      say(`installing ${TORCH} (the examples train with it; the largest download)`);
      // Not quiet: on a person's machine this shows a progress bar for minutes.
      await run(PYTHON, [...pip, TORCH], { remedy });
    }
    say('installing yonder from this clone, its tools and what the examples use');
    await run(PYTHON, [...pip, '-qq', '-e', '.[dev,examples]'], { remedy });
    say(`.venv is ready (${seconds(started)})`);
  });
}

/** What the bench measures beside us. Without it the bench goes on: who is not there is skipped, in words. */
export async function peers() {
  const wanted = digest(['pyproject.toml'], 'peers');
  await once(join(ROOT, '.venv', '.yonder-peers-stamp'), wanted, async () => {
    say('installing what the bench measures beside yonder (Dask, Ray, loky, ipyparallel)');
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-warn-script-location'];
    const status = await statusOf(PYTHON, [...pip, '-qq', '-e', '.[bench]']);
    if (status !== 0) say('they could not all be installed (the lines above say why); the bench goes on with those that are there');
  });
}

/**
 * @param {string} venv
 * @returns {boolean}
 */
function usable(venv) {
  const version = ask(join(venv, 'bin', 'python'), ['-c', 'import sys, pip; print(sys.version_info >= (3, 11))']);
  return version === 'True';
}

/**
 * npm ci empties the folder that it fills: through a link that would be another clone's.
 * @param {string} folder
 */
export function refuseLink(folder) {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw new Trouble(`${folder} is a link, and npm ci would empty the folder that it leads to`, `remove the link and run this again: rm ${folder}`);
}

/** node_modules as the lock says. */
export async function packages() {
  const modules = join(ROOT, 'node_modules');
  const wanted = digest(['package.json', 'package-lock.json', 'vscode-extension/package.json'], process.versions.node);
  const stamp = join(modules, '.yonder-stamp');
  if (!current(stamp, wanted)) refuseLink(modules);
  await once(stamp, wanted, async () => {
    const started = Date.now();
    say('installing the editor side (npm ci)');
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { remedy: 'look at the lines above; the lock and package.json must agree' });
    mkdirSync(modules, { recursive: true });
    say(`node_modules is ready (${seconds(started)})`);
  });
}

/** The .vsix, as a user would install it. */
export async function extension() {
  const stamp = join(ROOT, 'node_modules', '.yonder-vsix-stamp');
  if (!existsSync(VSIX)) rmSync(stamp, { force: true });
  const wanted = digest(['vscode-extension', 'executor', 'lsp-server', 'pyproject.toml', 'package-lock.json']);
  await once(stamp, wanted, async () => {
    const started = Date.now();
    say('packaging the extension');
    rmSync(VSIX, { force: true });
    await run('npm', ['run', '--silent', 'package', '-w', 'vscode-extension'], { quiet: true });
    if (!existsSync(VSIX)) throw new Trouble(`packaging left no ${relative(ROOT, VSIX)}`);
    say(`${relative(ROOT, VSIX)} is ready (${seconds(started)})`);
  });
}

/** @param {number} started */
function seconds(started) {
  return `${((Date.now() - started) / 1000).toFixed(0)} s`;
}

/**
 * What a verb needs. The demo wants Python only; the rest is made when asked for.
 * @param {{node?: boolean, vsix?: boolean}} [wants]
 */
export async function setup({ node = true, vsix = false } = {}) {
  checkNode();
  if (process.platform === 'win32') {
    throw new Trouble('the clone is set up on Linux and macOS', 'on Windows use WSL: https://learn.microsoft.com/windows/wsl');
  }
  await python();
  if (node || vsix) await packages();
  if (vsix) await extension();
}

/**
 * The environment for the clone's Python programs: nothing of another environment leaks in.
 * @returns {NodeJS.ProcessEnv}
 */
export function pythonEnvironment() {
  const { PYTHONHOME: _home, PYTHONPATH: _path, ...rest } = process.env;
  return { ...rest, VIRTUAL_ENV: join(ROOT, '.venv') };
}

/** @returns {string | undefined} the browser for the tests */
export function findChromium() {
  const named = process.env.YONDER_CHROMIUM;
  if (named) return existsSync(named) ? named : undefined;
  return which('chromium') ?? which('chromium-browser') ?? which('google-chrome');
}

await verb(import.meta.url, async () => {
  await setup({ vsix: true });
  say('ready: npm run demo · npm test · npm start');
});
