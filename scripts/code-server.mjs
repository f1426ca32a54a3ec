// A VS Code that runs in a browser, from the package registry, kept in a cache folder keyed by its version.
// What belongs here: installing it whole or not at all, and the arguments it is started with. What this file must not
// know: Yonder.
// The stock post-install fetches a search tool from elsewhere, hence --ignore-scripts and the machine's own ripgrep.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import process from 'node:process';

import { run, say, statusOf, Trouble, verb, which } from './commands.mjs';
import { cacheFolder, checkNode } from './setup.mjs';

/** VS Code 1.100.3, the last one that runs on Node 20. */
export const VERSION = '4.100.3';

/** An address no gallery answers at: the editor must not look for extensions on its own. */
export const NO_GALLERY = JSON.stringify({
  serviceUrl: 'http://127.0.0.1:9/none',
  itemUrl: 'http://127.0.0.1:9/none',
  resourceUrlTemplate: 'http://127.0.0.1:9/none',
});

/** Arguments every start shares. */
export const QUIET = ['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];

/**
 * The editor's entry point, installed on first use.
 * @returns {Promise<string>}
 */
export async function codeServer() {
  checkNode();
  const folder = join(cacheFolder(), `code-server-${VERSION}`);
  const entry = join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js');
  if (!existsSync(join(folder, '.complete'))) await install(folder);
  if (!existsSync(entry)) throw new Trouble(`${folder} is damaged`, `remove it and run this again: rm -r ${folder}`);
  return entry;
}

/**
 * Installed beside its final place and renamed when whole, so that an interrupted install is never taken for one.
 * @param {string} folder
 */
async function install(folder) {
  const started = Date.now();
  say(`installing VS Code for the browser (code-server ${VERSION}) into ${folder}; once, about a minute`);
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}.partial-`);
  try {
    await assemble(partial);
    writeFileSync(join(partial, '.complete'), '');
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  say(`code-server is ready (${((Date.now() - started) / 1000).toFixed(0)} s)`);
}

/** @param {string} folder */
async function assemble(folder) {
  const remedy = 'look at the lines above; building its native parts needs a C++ compiler, make and python3';
  const env = { ...process.env, npm_config_yes: 'true', npm_config_audit: 'false', npm_config_fund: 'false' };
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const npm = (/** @type {string} */ cwd, /** @type {string[]} */ ...args) => run('npm', args, { cwd, env, quiet: true, remedy });
  await npm(folder, 'install', `code-server@${VERSION}`, '--ignore-scripts');
  await npm(folder, 'rebuild', 'argon2');
  const vscode = join(folder, 'node_modules', 'code-server', 'lib', 'vscode');
  await npm(vscode, 'install', '--omit=dev', '--ignore-scripts');
  await npm(vscode, 'rebuild', '@vscode/spdlog', 'native-watchdog');
  // The terminal's native part: everything else works without it.
  await statusOf('npm', ['rebuild', 'node-pty'], { cwd: vscode, env, quiet: true });
  link('node_modules', join(vscode, 'node_modules.asar'));
  const ripgrep = which('rg');
  if (ripgrep !== undefined) {
    mkdirSync(join(vscode, 'node_modules', '@vscode', 'ripgrep', 'bin'), { recursive: true });
    link(ripgrep, join(vscode, 'node_modules', '@vscode', 'ripgrep', 'bin', 'rg'));
  }
  await npm(join(vscode, 'extensions'), 'install', '--omit=dev', '--ignore-scripts');
  link('code-linux.sh', join(vscode, 'bin', 'remote-cli', 'code-server'));
  link('browser-linux.sh', join(vscode, 'bin', 'helpers', 'browser.sh'));
}

/**
 * @param {string} target
 * @param {string} path
 */
function link(target, path) {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/**
 * A loopback port nobody listens on.
 * @returns {Promise<number>}
 */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

await verb(import.meta.url, async () => {
  process.stdout.write(`${await codeServer()}\n`);
});
