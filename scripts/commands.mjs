// Starting other programs from the clone's verbs, and telling a person what happens.
// What belongs here: one way to run, one way to ask, one way to fail. What this file must not know: what the programs do.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The clone's root folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Something the person can act on: what happened, and what to do about it. Printed without a stack. */
export class Trouble extends Error {
  /**
   * @param {string} sentence
   * @param {string} [remedy]
   * @param {number} [code] the verb's exit status
   */
  constructor(sentence, remedy = '', code = 1) {
    super(remedy ? `${sentence}\n  → ${remedy}` : sentence);
    this.code = code;
  }
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`yonder: ${line}\n`);
}

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] replaces the environment
 * @property {string} [remedy] what to do when it fails
 * @property {boolean} [quiet] keep the output, show it only on failure
 */

/**
 * Run a program to its end, its output shown. Ctrl+C reaches it through the terminal; we wait for it.
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<void>}
 */
export async function run(program, args, options = {}) {
  const status = await statusOf(program, args, options);
  if (status !== 0) {
    throw new Trouble(`${program} ${args.join(' ')} ended with status ${status}`, options.remedy, status);
  }
}

/**
 * Like `run`, but a non-zero status is an answer, not trouble.
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<number>}
 */
export function statusOf(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? ROOT,
      env: options.env ?? process.env,
      stdio: options.quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    });
    const kept = /** @type {Buffer[]} */ ([]);
    child.stdout?.on('data', (piece) => kept.push(piece));
    child.stderr?.on('data', (piece) => kept.push(piece));
    // The child gets the terminal's Ctrl+C itself; without a listener we would die first and leave it orphaned.
    const stay = () => undefined;
    process.on('SIGINT', stay);
    child.once('error', (error) => {
      process.off('SIGINT', stay);
      reject(new Trouble(`${program} could not be started: ${error.message}`, options.remedy));
    });
    child.once('close', (code, signal) => {
      process.off('SIGINT', stay);
      if (code !== 0 && kept.length > 0) process.stderr.write(Buffer.concat(kept));
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}

/**
 * A program's standard output, or undefined when it is not there or fails.
 * @param {string} program
 * @param {string[]} args
 * @returns {string | undefined}
 */
export function ask(program, args) {
  const found = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/**
 * Where a program is on PATH.
 * @param {string} name
 * @returns {string | undefined}
 */
export function which(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder && existsSync(path) && statSync(path).isFile()) return path;
  }
  return undefined;
}

/**
 * A verb's main: run it when its file is what node was told to run, and turn trouble into a sentence and a status.
 * @param {string} url import.meta.url of the verb
 * @param {(args: string[]) => Promise<number | void>} main
 */
export async function verb(url, main) {
  const told = process.argv[1];
  if (told === undefined || fileURLToPath(url) !== realpathSync(told)) return;
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(error.message);
    process.exitCode = error.code;
  }
}
