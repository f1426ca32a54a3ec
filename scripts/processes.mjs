// Questions to the operating system's process table: which processes are ours, and what are they?
// A process is found by something its environment carries (children inherit it, whatever they are called), so nothing
// that a test or `npm start` set in motion can hide behind a double fork or a name of its own.
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';

import { ask } from './commands.mjs';

/**
 * @typedef {object} Found
 * @property {number} pid
 * @property {number} parent
 * @property {string} command
 * @property {Record<string, string>} env
 */

/**
 * Every process of this user whose environment holds `NAME=value`, zombies not counted.
 * @param {string} name
 * @param {string} value
 * @returns {Found[]}
 */
export function carrying(name, value) {
  return processes().filter((found) => found.env[name] === value && found.pid !== process.pid);
}

/** @returns {Found[]} */
export function processes() {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

/** @returns {Found[]} */
function fromProc() {
  const found = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') continue;
      found.push({
        pid: Number(name),
        parent: Number(parent),
        command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
        env: environment(readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')),
      });
    } catch {
      // It ended while we looked, or belongs to somebody else.
    }
  }
  return found;
}

/** Elsewhere ps shows the environment after the command, words apart; good enough for names without spaces. */
function fromPs() {
  const lines = (ask('ps', ['-axEww', '-o', 'pid=,ppid=,command=']) ?? '').split('\n');
  return lines.flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    const words = (match[3] ?? '').split(' ');
    return [{ pid: Number(match[1]), parent: Number(match[2]), command: match[3] ?? '', env: environment(words) }];
  });
}

/**
 * @param {string[]} entries
 * @returns {Record<string, string>}
 */
function environment(entries) {
  const env = /** @type {Record<string, string>} */ ({});
  for (const entry of entries) {
    const at = entry.indexOf('=');
    // The first wins, as it does for getenv.
    if (at > 0) env[entry.slice(0, at)] ??= entry.slice(at + 1);
  }
  return env;
}

/**
 * What a process is in Yonder's words.
 * @param {Found} found
 * @returns {'hub' | 'server' | 'executor' | 'editor' | 'other'}
 */
export function role(found) {
  if (found.command.includes('yonder.hub.detached')) return 'hub';
  if (found.command.includes('yonder_lsp')) return 'server';
  if (found.env.YONDER_EXECUTOR !== undefined) return 'executor';
  if (found.command.includes('code-server') || found.command.includes('bootstrap-fork')) return 'editor';
  return 'other';
}

/**
 * @param {Found[]} list
 * @returns {string}
 */
export function table(list) {
  return list.map((found) => `  ${found.pid} ${role(found)}: ${found.command.slice(0, 120)}`).join('\n');
}

/**
 * Ask until the condition holds or the time is over; the last answer comes back either way.
 * @template T
 * @param {() => T | Promise<T>} question
 * @param {(answer: T) => boolean} good
 * @param {{seconds?: number, every?: number}} [options]
 * @returns {Promise<T>}
 */
export async function until(question, good, { seconds = 30, every = 100 } = {}) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (good(answer) || Date.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
