// `npm run fuzz -- SECONDS [target …]`: the parsers under atheris, where it is installed (pip install 'yonder[fuzz]').
import { join } from 'node:path';

import { ROOT, statusOf, verb } from './commands.mjs';
import { PYTHON, pythonEnvironment, setup } from './setup.mjs';

await verb(import.meta.url, async (args) => {
  await setup({ node: false });
  return statusOf(PYTHON, [join(ROOT, 'tests', 'fuzz', 'fuzz_wire.py'), ...args], { env: pythonEnvironment() });
});
