// What every e2e test stands on: a place, an editor server with the extension, a browser, and pictures of it all.
// A failing test leaves a picture and the logs in artifacts/e2e; a passing one leaves its pictures.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { chromium } from 'playwright-core';

import { ROOT } from '../../../scripts/commands.mjs';
import { role } from '../../../scripts/processes.mjs';
import { EditorServer } from './editor.mjs';
import { Place } from './place.mjs';
import { Workbench } from './workbench.mjs';

const PICTURES = join(ROOT, 'artifacts', 'e2e');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing outside is asked, whatever the workbench would like to know.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

export class Stage {
  /** @type {import('playwright-core').BrowserServer | undefined} */
  #browserServer;
  /** @type {import('playwright-core').Browser | undefined} */
  #browser;
  #pictures = 0;
  /** @type {Workbench[]} */
  #windows = [];

  /**
   * @param {string} name
   * @param {import('./place.mjs').PlaceOptions} [options]
   */
  constructor(name, options) {
    this.name = name;
    this.place = new Place(options);
    this.server = new EditorServer(this.place);
    mkdirSync(PICTURES, { recursive: true });
    // Pictures of an earlier time would be taken for this one's.
    for (const old of readdirSync(PICTURES)) if (old.startsWith(`${name}-`)) rmSync(join(PICTURES, old));
  }

  /** @param {{trust?: boolean, beside?: readonly string[]}} [options] beside: folders here that are other extensions */
  async up(options = {}) {
    this.server.install(options.beside);
    await this.server.start(options);
  }

  /**
   * A window on the workspace. Windows of one stage share the browser's storage, as a person's do.
   * @returns {Promise<Workbench>}
   */
  async window() {
    if (this.#browser === undefined) {
      this.#browserServer = await chromium.launchServer({ executablePath: process.env.YONDER_E2E_CHROMIUM, args: FLAGS });
      this.#browser = await chromium.connect(this.#browserServer.wsEndpoint());
    }
    const context = this.#browser.contexts()[0] ?? (await this.#browser.newContext({ viewport: { width: 1400, height: 900 } }));
    const workbench = new Workbench(await context.newPage());
    this.#windows.push(workbench);
    await workbench.page.goto(this.server.address());
    await workbench.ready();
    return workbench;
  }

  /** The browser dies as in a crash or a power cut: nobody says goodbye. */
  async vanish() {
    const child = this.#browserServer?.process();
    this.#browser = undefined;
    this.#windows = [];
    if (child?.pid !== undefined) process.kill(child.pid, 'SIGKILL');
    await this.#browserServer?.close().catch(() => undefined); // Its connection is gone already: that was the point.
    this.#browserServer = undefined;
  }

  /**
   * @param {Workbench} workbench
   * @param {string} what
   */
  async picture(workbench, what) {
    this.#pictures += 1;
    const number = String(this.#pictures).padStart(2, '0');
    await workbench.page.screenshot({ animations: 'disabled', path: join(PICTURES, `${this.name}-${number}-${what}.png`) });
  }

  /** For a failing test: what it looked like, and what the logs say. */
  async evidence() {
    for (const workbench of this.#windows) await this.picture(workbench, 'FAILED').catch(() => undefined); // The window may be what failed.
    const roles = this.place.processes().map((found) => `${found.pid} ${role(found)} ${found.command.slice(0, 160)}`);
    const text = [this.server.log(), this.#hubLogs(), '── processes', ...roles, '── code-server', this.server.said.slice(-4000)].join('\n');
    writeFileSync(join(PICTURES, `${this.name}-FAILED.log`), text);
    process.stderr.write(`\n── what the logs of "${this.name}" say (whole in artifacts/e2e/${this.name}-FAILED.log)\n${text.slice(0, 3000)}\n`);
  }

  #hubLogs() {
    const root = join(this.place.runtime, 'yonder');
    if (!existsSync(root)) return '── no hub was started';
    const logs = readdirSync(root, { recursive: true }).map(String).filter((name) => name.endsWith('hub.log'));
    return logs.map((name) => `── ${name}\n${readFileSync(join(root, name), 'utf8').slice(-6000)}`).join('\n');
  }

  async down() {
    for (const workbench of this.#windows) await workbench.page.close().catch(() => undefined); // A killed browser has none.
    await this.#browser?.close().catch(() => undefined); // The same.
    await this.#browserServer?.close().catch(() => undefined); // The same.
    await this.server.stop();
    await this.place.remove();
  }
}

/**
 * Run a test on a stage of its own; on failure keep the evidence, always take everything down.
 * @param {string} name
 * @param {import('./place.mjs').PlaceOptions & {trust?: boolean, beside?: readonly string[], prepare?: (place: Place) => void | Promise<void>}} options
 * @param {(stage: Stage) => Promise<void>} act
 */
export function onStage(name, options, act) {
  return async () => {
    const stage = new Stage(name, options);
    try {
      await options.prepare?.(stage.place);
      await stage.up({ trust: options.trust ?? false, beside: options.beside ?? [] });
      await act(stage);
    } catch (error) {
      await stage.evidence();
      throw error;
    } finally {
      await stage.down();
    }
  };
}
