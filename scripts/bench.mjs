// `npm run bench [-- group …] [--quick]`: one JSON line per figure on stdout, a table on stderr.
import { join } from 'node:path';

import { ROOT, statusOf, verb } from './commands.mjs';
import { peers, PYTHON, pythonEnvironment, setup } from './setup.mjs';

await verb(import.meta.url, async (args) => {
  await setup({ node: false });
  await peers();
  return statusOf(PYTHON, [join(ROOT, 'tests', 'bench', 'run.py'), ...args], { env: pythonEnvironment() });
});
