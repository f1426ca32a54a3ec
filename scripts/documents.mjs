// Checks of the clone's own words: links between documents lead somewhere, and no committed file names this machine.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { ask, ROOT } from './commands.mjs';

/** @returns {string[]} the files git knows or would add */
function files() {
  const listed = ask('git', ['-C', ROOT, 'ls-files', '--cached', '--others', '--exclude-standard']) ?? '';
  return listed.split('\n').filter((name) => name && existsSync(join(ROOT, name)) && statSync(join(ROOT, name)).isFile());
}

/** Relative links and pictures in Markdown that lead nowhere. */
export async function brokenLinks() {
  const problems = [];
  for (const name of files().filter((file) => file.endsWith('.md'))) {
    const text = readFileSync(join(ROOT, name), 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target === undefined || /^(https?:|mailto:|#)/.test(target)) continue;
      const path = join(ROOT, dirname(name), decodeURI(target.split('#')[0] ?? ''));
      if (!existsSync(path)) problems.push(`${name}: the link ${target} leads nowhere`);
    }
  }
  return problems;
}

/** Paths of the machine the clone lies on: the clone's own folder and the home folder. */
export async function machinePaths() {
  const home = homedir();
  const forbidden = [ROOT, ...(home.split('/').length > 2 ? [home] : [])].filter((path) => path.length > 3);
  const problems = [];
  for (const name of files()) {
    if (/\.(png|gif|ico|woff2?)$/.test(name)) continue;
    const text = readFileSync(join(ROOT, name), 'utf8');
    for (const path of forbidden) {
      if (text.includes(path)) problems.push(`${name}: names this machine (${path})`);
    }
  }
  return problems;
}
