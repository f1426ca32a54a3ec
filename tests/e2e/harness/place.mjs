// One test's private corner of this machine: home, editor profile, workspace, and the folders in which Yonder keeps
// sockets and state, so that a test's owners, hubs and executors are its own and can be counted.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { carrying, role, until } from '../../../scripts/processes.mjs';
import { PYTHON } from '../../../scripts/setup.mjs';

const PLAY = join(dirname(dirname(fileURLToPath(import.meta.url))), 'play');

/**
 * @typedef {object} PlaceOptions
 * @property {Record<string, unknown>} [settings] the user's settings on top of the usual ones
 * @property {boolean} [ownServer] let the extension make the tool's Python itself, as on a user's machine
 * @property {Record<string, string | undefined>} [env]
 */

export class Place {
  /** @param {PlaceOptions} [options] */
  constructor(options = {}) {
    // Short: socket paths are bounded at about 104 bytes.
    this.root = mkdtempSync(join(tmpdir(), 'ye2e-'));
    this.home = this.#folder('home');
    this.user = this.#folder('user');
    this.extensions = this.#folder('ext');
    this.workspace = this.#folder('ws');
    this.runtime = this.#folder('run');
    chmodSync(this.runtime, 0o700);
    cpSync(PLAY, this.workspace, { recursive: true });
    this.env = this.#environment(options.env ?? {});
    this.settle(options.ownServer === true ? {} : { 'yonder.server.python': PYTHON }, options.settings ?? {});
  }

  /** @param {string} name */
  #folder(name) {
    const path = join(this.root, name);
    mkdirSync(path);
    return path;
  }

  /** @param {Record<string, string | undefined>} extra */
  #environment(extra) {
    const kept = Object.entries(process.env).filter(([name]) => !/^(YONDER_(?!CI_RUN)|VIRTUAL_ENV|PYTHON|CONDA|XDG_|VSCODE_|NODE_TEST)/.test(name));
    return {
      ...Object.fromEntries(kept),
      HOME: this.home,
      XDG_RUNTIME_DIR: this.runtime,
      XDG_STATE_HOME: join(this.root, 'state'),
      XDG_CACHE_HOME: join(this.root, 'cache'),
      XDG_CONFIG_HOME: join(this.root, 'config'),
      XDG_DATA_HOME: join(this.root, 'data'),
      // The project's Python for a folder without an environment of its own.
      VIRTUAL_ENV: dirname(dirname(PYTHON)),
      // Tests of two cores: one thread per library, or eight executors fight over them.
      OMP_NUM_THREADS: '1',
      ...extra,
    };
  }

  /**
   * The user's settings.json: short clocks, no surprises on the screen.
   * @param {Record<string, unknown>[]} layers
   */
  settle(...layers) {
    const settings = {
      'workbench.startupEditor': 'none',
      'workbench.tips.enabled': false,
      'editor.minimap.enabled': false,
      'editor.hover.delay': 100,
      'extensions.ignoreRecommendations': true,
      'files.autoSave': 'off',
      'yonder.linger': 3,
      'yonder.silence': 15,
    };
    mkdirSync(join(this.user, 'User'), { recursive: true });
    writeFileSync(join(this.user, 'User', 'settings.json'), JSON.stringify(Object.assign(settings, ...layers), null, 2));
  }

  /** Every process that runs in this place, whatever it is called. */
  processes() {
    return carrying('XDG_RUNTIME_DIR', this.runtime);
  }

  /** @param {'hub' | 'server' | 'executor' | 'editor' | 'other'} wanted */
  having(wanted) {
    return this.processes().filter((found) => role(found) === wanted);
  }

  /** Hubs and executors (with all their children): what must be gone after an ending. */
  cluster() {
    return this.processes().filter((found) => found.env.YONDER_OWNER !== undefined || ['hub', 'executor'].includes(role(found)));
  }

  /** @param {number} seconds */
  async emptied(seconds) {
    return until(() => this.cluster(), (list) => list.length === 0, { seconds, every: 200 });
  }

  /** End whatever is left (by id) and remove the folders. Returns what had to be ended. */
  async remove() {
    const left = await until(() => this.processes(), (list) => list.length === 0, { seconds: 2 });
    for (const found of left) {
      try {
        process.kill(found.pid, 'SIGKILL');
      } catch {
        // It ended by itself in between.
      }
    }
    await until(() => this.processes(), (list) => list.length === 0, { seconds: 5 });
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    return left;
  }
}
