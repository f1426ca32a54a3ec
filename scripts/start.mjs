// `npm start`: VS Code on examples/ with the extension from this clone, in a profile of its own.
// `code` on PATH if there is a screen for it, else VS Code in the browser on a loopback port behind a random password.
//   npm start -- --browser     the browser even if `code` is there
//   npm start -- --no-open     print the address only
// Everything started carries YONDER_START, so that at the end the process table can say what is left.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { codeServer, freePort, NO_GALLERY, QUIET } from './code-server.mjs';
import { ROOT, run, say, Trouble, verb, which } from './commands.mjs';
import { carrying, role, table, until } from './processes.mjs';
import { cacheFolder, PYTHON, pythonEnvironment, setup, VSIX } from './setup.mjs';

const OPTIONS = ['--browser', '--no-open'];

/** A profile per clone: the person's own editor, its settings and its extensions stay untouched. */
function profile() {
  const key = createHash('sha256').update(ROOT).digest('hex').slice(0, 12);
  const folder = join(cacheFolder(), 'start', key);
  const user = join(folder, 'user');
  mkdirSync(join(user, 'User'), { recursive: true, mode: 0o700 });
  const settings = join(user, 'User', 'settings.json');
  if (!existsSync(settings)) {
    const found = { 'workbench.startupEditor': 'none', 'yonder.server.python': PYTHON };
    writeFileSync(settings, `${JSON.stringify(found, null, 2)}\n`);
  }
  return { folder, user, extensions: join(folder, 'extensions') };
}

/**
 * @typedef {object} Start
 * @property {string} id
 * @property {NodeJS.ProcessEnv} env
 * @property {ReturnType<typeof profile>} at
 */

/**
 * The person's own VS Code, in a window of its own.
 * @param {string} code
 * @param {Start} start
 */
async function desktop(code, start) {
  const where = ['--user-data-dir', start.at.user, '--extensions-dir', start.at.extensions];
  await run(code, [...where, '--install-extension', VSIX, '--force'], { env: start.env, quiet: true });
  say('opening VS Code on examples/; close its window to end');
  const args = [...where, '--wait', '--new-window', join(ROOT, 'examples'), join(ROOT, 'examples', 'digits_sweep.py')];
  return spawn(code, args, { env: start.env, stdio: 'inherit', detached: true });
}

/**
 * VS Code in the browser. The password travels in the environment (never in argv) and is printed for the person.
 * @param {Start} start
 * @param {boolean} open
 */
async function browser(start, open) {
  const entry = await codeServer();
  const where = ['--user-data-dir', start.at.user, '--extensions-dir', start.at.extensions];
  const env = { ...start.env, EXTENSIONS_GALLERY: NO_GALLERY };
  await run(process.execPath, [entry, ...where, '--install-extension', VSIX, '--force'], { env, quiet: true });
  const port = await freePort();
  const password = randomBytes(12).toString('base64url');
  // An own, empty configuration: the person's code-server configuration could bind elsewhere or drop the password.
  const config = join(start.at.folder, 'config.yaml');
  writeFileSync(config, 'cert: false\n', { mode: 0o600 });
  const args = [entry, '--config', config, '--bind-addr', `127.0.0.1:${port}`, '--auth', 'password', ...QUIET, ...where];
  const child = spawn(process.execPath, [...args, join(ROOT, 'examples')], {
    env: { ...env, PASSWORD: password },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await listening(child);
  const address = `http://127.0.0.1:${port}/`;
  process.stdout.write(`\n  Yonder in VS Code   ${address}\n  password            ${password}\n\n  Open digits_sweep.py, press Ctrl+Alt+Enter in a cell.   Ctrl+C here ends everything.\n\n`);
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  if (open && which(opener) && (process.platform === 'darwin' || screen())) {
    spawn(opener, [address], { stdio: 'ignore', detached: true }).unref();
  }
  return child;
}

/** @param {import('node:child_process').ChildProcess} child */
function listening(child) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (piece) => {
      text += piece;
      if (text.includes('HTTP server listening')) resolve(undefined);
    });
    child.once('exit', (code) => reject(new Trouble(`code-server ended with status ${code} before it listened:\n${text}`)));
  });
}

function screen() {
  return process.platform === 'darwin' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

/**
 * Wait for Ctrl+C or for the editor's own end.
 * @param {import('node:child_process').ChildProcess} child
 */
function ended(child) {
  return new Promise((resolve) => {
    child.once('exit', resolve);
    // Heard for ever: npm passes Ctrl+C on, and a second one must not cut the ending short.
    for (const signal of /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, resolve);
  });
}

/**
 * End the editor, then the hubs it left lingering (a polite signal: they say goodbye to their executors), and ask.
 * @param {string} id
 */
async function finish(id) {
  const ours = () => carrying('YONDER_START', id);
  signal(ours().filter((found) => role(found) !== 'executor' && role(found) !== 'hub'));
  await until(ours, (list) => list.every((found) => role(found) === 'hub' || role(found) === 'executor'), { seconds: 10 });
  signal(ours().filter((found) => role(found) === 'hub'));
  const left = await until(ours, (list) => list.length === 0, { seconds: 15 });
  const executors = left.filter((found) => role(found) === 'executor').length;
  say(left.length === 0 ? 'ended; nothing is left running (asked of the process table)' : `ended; still running: ${executors} executors\n${table(left)}`);
  return left.length === 0 ? 0 : 1;
}

/** @param {import('./processes.mjs').Found[]} list */
function signal(list) {
  for (const found of list) {
    try {
      process.kill(found.pid, 'SIGTERM');
    } catch {
      // It was quicker.
    }
  }
}

await verb(import.meta.url, async (args) => {
  const wrong = args.filter((name) => !OPTIONS.includes(name));
  if (wrong.length > 0) throw new Trouble(`npm start knows no ${wrong.join(', ')}`, `options: ${OPTIONS.join(', ')}`);
  await setup({ vsix: true });
  const id = randomBytes(6).toString('hex');
  const start = { id, env: { ...pythonEnvironment(), YONDER_START: id }, at: profile() };
  const code = args.includes('--browser') || !screen() ? undefined : which('code');
  try {
    const child = code === undefined ? await browser(start, !args.includes('--no-open')) : await desktop(code, start);
    await ended(child);
  } finally {
    process.exitCode = await finish(id);
  }
  return Number(process.exitCode);
});
