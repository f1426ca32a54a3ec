// Makes yonder-<version>.vsix: Yonder's own wheel and the pure wheels it needs, the bundles, the licence.
// What belongs here: collecting. The few compiled dependencies come from the person's package index on first use.
//   YONDER_PYTHON: the Python that builds (default: the clone's .venv)
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(home);
const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));

function fail(sentence) {
  process.stderr.write(`package: ${sentence}\n`);
  process.exit(1);
}

function run(program, args, cwd = root) {
  const done = spawnSync(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  if (done.status !== 0) fail(`${[program, ...args].join(" ")} failed\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error ?? ""}`);
  return done.stdout;
}

const python = process.env.YONDER_PYTHON ?? [join(root, ".venv", "bin", "python"), join(root, ".venv", "Scripts", "python.exe")].find(existsSync);
if (python === undefined) fail("there is no .venv yet: run `npm run setup` first, or name a Python in YONDER_PYTHON.");
if (!existsSync(join(root, "LICENSE"))) fail("LICENSE is missing at the root of the repository.");

/** Requirements of an installed or built distribution, for this Python. */
const REQUIREMENTS = `
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["lsp"], sep="\\n")
`;

/** Everything in a folder whose wheels run on every Python and platform. */
const pure = (folder) => readdirSync(folder).filter((name) => name.endsWith("-none-any.whl"));

const work = mkdtempSync(join(tmpdir(), "yonder-wheels-"));
const wheels = join(home, "wheels");
try {
  // copied, so that a build never writes into the clone
  const source = join(work, "source");
  mkdirSync(source);
  const sources = run("git", ["ls-files", "-co", "--exclude-standard", "pyproject.toml", "README.md", "LICENSE", "executor", "lsp-server"]).trim().split("\n");
  for (const file of sources.filter((name) => existsSync(join(root, name)))) {
    mkdirSync(dirname(join(source, file)), { recursive: true });
    copyFileSync(join(root, file), join(source, file));
  }
  const [own, others] = [join(work, "own"), join(work, "others")];
  run(python, ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--wheel-dir", own, source]);
  const built = pure(own).find((name) => name.startsWith(`yonder-${version}-`));
  if (built === undefined) fail(`the wheel's version is not the extension's ${version}: change pyproject.toml and package.json together.`);
  const requirements = run(python, ["-c", REQUIREMENTS, join(root, "pyproject.toml")]).trim().split("\n");
  run(python, ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--prefer-binary", "--dest", others, ...requirements]);
  const strange = readdirSync(others).filter((name) => /^yonder[-_]/i.test(name));
  if (strange.length > 0) fail(`a requirement of the editor names yonder itself, and the registry gave ${strange.join(', ')}: name what it needs instead.`);
  const fresh = join(work, "wheels");
  mkdirSync(fresh);
  copyFileSync(join(own, built), join(fresh, built));
  for (const name of pure(others)) copyFileSync(join(others, name), join(fresh, name));
  rmSync(wheels, { recursive: true, force: true });
  mkdirSync(wheels);
  for (const name of readdirSync(fresh)) copyFileSync(join(fresh, name), join(wheels, name));
} finally {
  rmSync(work, { recursive: true, force: true });
}

copyFileSync(join(root, "LICENSE"), join(home, "LICENSE"));
rmSync(join(home, "dist"), { recursive: true, force: true });
run(process.execPath, [join(home, "scripts", "bundle.mjs"), "--production"], home);
const out = join(home, `yonder-${version}.vsix`);
const vsce = [join(root, "node_modules", "@vscode", "vsce", "vsce"), join(home, "node_modules", "@vscode", "vsce", "vsce")].find(existsSync);
if (vsce === undefined) fail("vsce is not installed: run `npm ci` at the root first.");
run(process.execPath, [vsce, "package", "--no-dependencies", "--allow-missing-repository", "--out", `${out}.new`], home);
renameSync(`${out}.new`, out);
process.stdout.write(`${out}\n${readdirSync(wheels).length} wheels\n`);
