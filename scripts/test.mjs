// `npm test`: everything, from the pure core to a real VS Code in a browser. What cannot run here says so in words.
// Tests with containers have a verb of their own: `npm run test:docker`.
//   npm test                   all of it
//   npm test -- python node    only these parts (python, node, e2e)
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { codeServer } from './code-server.mjs';
import { ROOT, say, statusOf, Trouble, verb } from './commands.mjs';
import { extension, findChromium, PYTHON, pythonEnvironment, setup } from './setup.mjs';

const PARTS = ['python', 'node', 'e2e'];
const FOLDERS = ['core', 'contract', 'integration', 'links', 'fuzz', 'lsp'];

/** @returns {Promise<number>} */
async function python() {
  const folders = FOLDERS.map((name) => join('tests', name)).filter((path) => holdsTests(path));
  return statusOf(PYTHON, ['-m', 'pytest', '-m', 'not docker', ...folders], { env: pythonEnvironment() });
}

/** @param {string} path */
function holdsTests(path) {
  return readdirSync(join(ROOT, path), { recursive: true }).some((name) => /test_[^/]*\.py$/.test(String(name)));
}

/** @returns {Promise<number>} */
async function node() {
  const verbs = await statusOf(process.execPath, ['--test', '--test-reporter=spec', ...specs(join('tests', 'verbs'))]);
  const extension = await statusOf('npm', ['test', '-w', 'vscode-extension']);
  return verbs || extension;
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function specs(folder) {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.test.mjs'));
  return names.sort().map((name) => join(folder, name));
}

/** @returns {Promise<number | string>} a status, or why it was skipped */
async function e2e() {
  const chromium = findChromium();
  if (chromium === undefined) return 'no Chromium (install it, or name one in YONDER_CHROMIUM)';
  let entry;
  try {
    entry = await codeServer();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return `no code-server: ${error.message}`;
  }
  await extension();
  mkdirSync(join(ROOT, 'artifacts'), { recursive: true });
  return statusOf(process.execPath, ['--test', '--test-concurrency=1', '--test-reporter=spec', ...specs(join('tests', 'e2e'))], {
    env: { ...pythonEnvironment(), YONDER_E2E_CODE_SERVER: entry, YONDER_E2E_CHROMIUM: chromium },
  });
}

await verb(import.meta.url, async (args) => {
  const wrong = args.filter((name) => !PARTS.includes(name));
  if (wrong.length > 0) throw new Trouble(`npm test knows no part ${wrong.join(', ')}`, `parts: ${PARTS.join(', ')}`);
  const wanted = args.length > 0 ? args : PARTS;
  await setup();
  const results = /** @type {[string, number | string][]} */ ([]);
  for (const [name, part] of /** @type {[string, () => Promise<number | string>][]} */ ([['python', python], ['node', node], ['e2e', e2e]])) {
    if (!wanted.includes(name)) continue;
    say(`tests: ${name}`);
    results.push([name, await part()]);
  }
  for (const [name, result] of results) {
    say(typeof result === 'string' ? `${name}: skipped, ${result}` : `${name}: ${result === 0 ? 'passed' : `FAILED (status ${result})`}`);
  }
  return results.every(([, result]) => typeof result === 'string' || result === 0) ? 0 : 1;
});
