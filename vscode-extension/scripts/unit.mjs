// Compiles the unit tests of the pure parts into out/ and runs them with node:test. No editor is needed or started.
import { spawn } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(home, "out");
const tests = ["extension", "webview"].flatMap((half) =>
  readdirSync(join(home, "test", half))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join("test", half, name)),
);
rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: home,
  entryPoints: tests,
  outdir: out,
  outbase: "test",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  logLevel: "warning",
});
const files = tests.map((name) => join(out, name.replace(/^test\//, "").replace(/\.ts$/, ".mjs")));
const child = spawn(process.execPath, ["--enable-source-maps", "--test", ...process.argv.slice(2), ...files], { stdio: "inherit" });
child.on("exit", (code) => process.exit(code ?? 1));
