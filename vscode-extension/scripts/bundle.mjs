// Bundles the extension (CommonJS, for the extension host) and the panel's webview (one script, one style sheet).
// `--watch` rebuilds on change, `--production` minifies.
import { build, context } from "esbuild";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const production = process.argv.includes("--production");
const common = {
  absWorkingDir: home,
  bundle: true,
  minify: production,
  sourcemap: production ? false : "linked",
  logLevel: "warning",
  legalComments: "eof",
};
const targets = [
  { ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", platform: "node", format: "cjs", target: "node20", external: ["vscode"] },
  { ...common, entryPoints: ["webview/main.ts"], outfile: "dist/panel.js", platform: "browser", format: "iife", target: "chrome120" },
];

if (process.argv.includes("--watch")) {
  for (const target of targets) await (await context(target)).watch();
} else {
  await Promise.all(targets.map((target) => build(target)));
}
