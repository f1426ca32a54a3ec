// `npm run check`: everything that can be said about the source without running it. All checks run; the failing ones are
// shown in full at the end of the list, so one call tells all there is to repair.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT, say, statusOf, verb } from './commands.mjs';
import { brokenLinks, machinePaths } from './documents.mjs';
import { PYTHON, PYTHON_FOLDERS, pythonEnvironment, setup } from './setup.mjs';

/** @typedef {{name: string, program: string, args: string[]}} Check */

/** @returns {Check[]} */
function checks() {
  const python = (/** @type {string[]} */ ...args) => ({ program: PYTHON, args: ['-m', ...args] });
  const extension = (/** @type {string[]} */ ...args) => ({ program: 'npm', args: ['exec', '-w', 'vscode-extension', '--', ...args] });
  const projects = readdirSync(join(ROOT, 'vscode-extension')).filter((name) => /^tsconfig(?!\.base).*\.json$/.test(name));
  return [
    { name: 'ruff check', ...python('ruff', 'check', '.') },
    { name: 'ruff format', ...python('ruff', 'format', '--check', ...PYTHON_FOLDERS) },
    { name: 'mypy --strict', ...python('mypy') },
    { name: 'floors (import-linter)', program: join(ROOT, '.venv', 'bin', 'lint-imports'), args: ['--no-cache'] },
    { name: 'protocol.gen.ts is fresh', ...python('yonder_lsp.generate', '--check') },
    ...projects.map((name) => ({ name: `tsc ${name}`, ...extension('tsc', '--noEmit', '-p', name) })),
    { name: 'tsc scripts and e2e', program: 'npm', args: ['exec', '--', 'tsc', '-p', 'tests/e2e/tsconfig.json'] },
    { name: 'eslint', ...extension('eslint', '.', '--max-warnings', '0') },
  ];
}

/** The documents of the clone say nothing untrue about files, and nothing about this machine. */
function documents() {
  const problems = [...brokenLinks(), ...machinePaths()];
  for (const line of problems) process.stderr.write(`${line}\n`);
  return problems.length === 0;
}

await verb(import.meta.url, async () => {
  await setup();
  const env = pythonEnvironment();
  const failed = [];
  for (const check of checks()) {
    const started = Date.now();
    const status = await statusOf(check.program, check.args, { env, quiet: true });
    say(`${status === 0 ? 'ok  ' : 'FAIL'} ${check.name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    if (status !== 0) failed.push(check.name);
  }
  const documented = documents();
  say(`${documented ? 'ok  ' : 'FAIL'} documents`);
  if (!documented) failed.push('documents');
  if (!existsSync(join(ROOT, 'LICENSE'))) failed.push('LICENSE is missing');
  say(failed.length === 0 ? 'check: all passed' : `check: failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});
