// Checks of the clone's own words: links between documents lead somewhere, and no committed file names this machine.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { ask, ROOT } from './commands.mjs';

/**
 * The files git knows or would add.
 * @param {string} root
 */
function files(root) {
  const listed = ask('git', ['-C', root, 'ls-files', '--cached', '--others', '--exclude-standard']) ?? '';
  return listed.split('\n').filter((name) => name && existsSync(join(root, name)) && statSync(join(root, name)).isFile());
}

/**
 * Relative links and pictures in Markdown that lead nowhere.
 * @param {string} [root]
 * @returns {string[]}
 */
export function brokenLinks(root = ROOT) {
  const problems = [];
  for (const name of files(root).filter((file) => file.endsWith('.md'))) {
    const text = readFileSync(join(root, name), 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target === undefined || /^(https?:|mailto:|#)/.test(target)) continue;
      const path = join(root, dirname(name), decodeURI(target.split('#')[0] ?? ''));
      if (!existsSync(path)) problems.push(`${name}: the link ${target} leads nowhere`);
    }
  }
  return problems;
}

/**
 * Paths of the machine the clone lies on: the clone's own folder and a home folder (not `/root`, which is every
 * container's and nobody's).
 * @param {string} [root]
 * @param {string[]} [forbidden]
 * @returns {string[]}
 */
export function machinePaths(root = ROOT, forbidden = [ROOT, homedir()].filter((path) => path.split('/').length > 2)) {
  const problems = [];
  for (const name of files(root)) {
    if (/\.(png|gif|ico|woff2?)$/.test(name)) continue;
    const text = readFileSync(join(root, name), 'utf8');
    for (const path of forbidden) {
      if (text.includes(path)) problems.push(`${name}: names this machine (${path})`);
    }
  }
  return problems;
}
