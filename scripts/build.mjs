// `npm run build`: the .vsix with its wheels, whether or not something changed.
import { existsSync, rmSync } from 'node:fs';
import { relative } from 'node:path';

import { ROOT, say, verb } from './commands.mjs';
import { extension, setup, VSIX } from './setup.mjs';

await verb(import.meta.url, async () => {
  if (existsSync(VSIX)) rmSync(VSIX);
  await setup();
  await extension();
  say(`built ${relative(ROOT, VSIX)}`);
});
