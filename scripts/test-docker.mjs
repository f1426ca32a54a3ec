// `npm run test:docker`: every test with containers, on the engine that answers, else on one of our own, else it says why not.
//   npm run test:docker                            all of them
//   npm run test:docker -- tests/docker -k health  what follows goes to pytest
//   YONDER_DOCKER=require npm run test:docker      a missing engine is a failure
import { join } from 'node:path';

import { ROOT, statusOf, verb } from './commands.mjs';
import { PYTHON, pythonEnvironment, setup } from './setup.mjs';

/** Where tests with containers may be; the mark picks them. */
const FOLDERS = [join('tests', 'docker'), join('tests', 'contract')];

await verb(import.meta.url, async (args) => {
  await setup({ node: false });
  const pytest = [PYTHON, '-m', 'pytest', '-m', 'docker', ...(args.some((word) => word.startsWith('tests/')) ? [] : FOLDERS), ...args];
  return statusOf(PYTHON, [join(ROOT, 'scripts', 'engine.py'), 'with', '--', ...pytest], { env: pythonEnvironment() });
});
