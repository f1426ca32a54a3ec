// `npm run fix`: what a tool can repair by itself: imports, format, the generated protocol, eslint's fixable rules.
import { run, statusOf, verb } from './commands.mjs';
import { PYTHON, PYTHON_FOLDERS, pythonEnvironment, setup } from './setup.mjs';

await verb(import.meta.url, async () => {
  await setup();
  const env = pythonEnvironment();
  // Status ignored: what is left after fixing is `npm run check`'s to tell.
  await statusOf(PYTHON, ['-m', 'ruff', 'check', '--fix', '--quiet', '.'], { env });
  await run(PYTHON, ['-m', 'ruff', 'format', '--quiet', ...PYTHON_FOLDERS], { env });
  await run(PYTHON, ['-m', 'yonder_lsp.generate'], { env });
  await statusOf('npm', ['exec', '-w', 'vscode-extension', '--', 'eslint', '--fix', '.'], { env });
});
