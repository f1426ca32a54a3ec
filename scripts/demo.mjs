// `npm run demo`: set up what the demo needs (Python only), then the main job in the terminal.
import { join } from 'node:path';

import { ROOT, statusOf, verb } from './commands.mjs';
import { PYTHON, pythonEnvironment, setup } from './setup.mjs';

await verb(import.meta.url, async (args) => {
  await setup({ node: false });
  return statusOf(PYTHON, [join(ROOT, 'scripts', 'demo.py'), ...args], { env: pythonEnvironment() });
});
