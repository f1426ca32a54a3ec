// VS Code's server in a place: install the packaged extension as a user would, start, stop with everything below.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { freePort, NO_GALLERY, QUIET } from '../../../scripts/code-server.mjs';
import { ROOT } from '../../../scripts/commands.mjs';
import { until } from '../../../scripts/processes.mjs';
import { VSIX } from '../../../scripts/setup.mjs';

/** @returns {string} */
function entry() {
  const path = process.env.YONDER_E2E_CODE_SERVER;
  if (path === undefined) throw new Error('YONDER_E2E_CODE_SERVER is not set: run these through `npm test -- e2e`');
  return path;
}

export class EditorServer {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;

  /** @param {import('./place.mjs').Place} place */
  constructor(place) {
    this.place = place;
    this.port = 0;
    this.said = '';
  }

  #where() {
    return ['--user-data-dir', this.place.user, '--extensions-dir', this.place.extensions];
  }

  /**
   * The .vsix into this place's extensions, and extensions of our own beside it.
   * @param {readonly string[]} [beside] folders of tests/e2e
   */
  install(beside = []) {
    for (const vsix of [VSIX, ...beside.map((name) => this.#packed(name))]) this.#installed(vsix);
  }

  /** @param {string} name */
  #packed(name) {
    const out = join(this.place.root, `${name}.vsix`);
    const vsce = join(ROOT, 'node_modules', '@vscode', 'vsce', 'vsce');
    const args = [vsce, 'package', '--no-dependencies', '--allow-missing-repository', '--skip-license', '--out', out];
    const found = spawnSync(process.execPath, args, { cwd: join(ROOT, 'tests', 'e2e', name), encoding: 'utf8' });
    if (found.status !== 0) throw new Error(`${name} could not be packed:\n${found.stdout}${found.stderr}`);
    return out;
  }

  /** @param {string} vsix */
  #installed(vsix) {
    const found = spawnSync(process.execPath, [entry(), ...this.#where(), '--install-extension', vsix, '--force'], {
      env: { ...this.place.env, EXTENSIONS_GALLERY: NO_GALLERY },
      encoding: 'utf8',
    });
    if (found.status !== 0) throw new Error(`${vsix} could not be installed:\n${found.stdout}${found.stderr}`);
  }

  /** @param {{trust?: boolean}} [options] trust: ask for workspace trust as a user's editor does */
  async start({ trust = false } = {}) {
    this.port = await freePort();
    const args = [entry(), '--bind-addr', `127.0.0.1:${this.port}`, '--auth', 'none', ...QUIET, ...this.#where()];
    if (!trust) args.push('--disable-workspace-trust');
    const child = spawn(process.execPath, [...args, this.place.workspace], {
      env: { ...this.place.env, EXTENSIONS_GALLERY: NO_GALLERY },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    child.stdout.on('data', (piece) => (this.said += piece));
    child.stderr.on('data', (piece) => (this.said += piece));
    const up = await until(() => this.said.includes('HTTP server listening') || child.exitCode !== null, Boolean, { seconds: 20 });
    if (!up || child.exitCode !== null) throw new Error(`code-server did not start:\n${this.said}`);
  }

  address() {
    return `http://127.0.0.1:${this.port}/?folder=${encodeURIComponent(this.place.workspace)}`;
  }

  /** End the server and its process group; extension hosts that outlive it are the place's to count. */
  async stop() {
    const child = this.#child;
    if (child?.pid === undefined) return;
    this.#child = undefined;
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      return; // The whole group is gone already.
    }
    await until(() => child.exitCode !== null || child.signalCode !== null, Boolean, { seconds: 5 });
  }

  /** The extension's own log, newest window last: what a failing test shows. */
  log() {
    const folder = join(this.place.user, 'logs');
    if (!existsSync(folder)) return '';
    const files = readdirSync(folder, { recursive: true }).map(String).filter((name) => /yonder.*\.log$/i.test(name));
    return files.sort().map((name) => `── ${name}\n${readFileSync(join(folder, name), 'utf8').slice(-8000)}`).join('\n');
  }
}
