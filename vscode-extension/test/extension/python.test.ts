// The tool's Python is made whole or not at all, with uv or without, and says what is wrong in words.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram } from "../../src/program";
import { explain, PrepareFailed, ToolPython, type Outcome } from "../../src/python";

interface Scene {
  readonly storage: string;
  readonly wheels: string;
  readonly commands: string[];
  readonly tool: ToolPython;
  readonly steps: string[];
}

/** Programs are pretended: `answer` says how each command ends. */
function scene(context: TestContext, answer: (command: string) => number | Outcome, content = "wheel"): Scene {
  const home = mkdtempSync(join(tmpdir(), "yonder-tool-"));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const [storage, wheels] = [join(home, "storage"), join(home, "wheels")];
  mkdirSync(wheels);
  writeFileSync(join(wheels, "yonder-1.2.3-py3-none-any.whl"), content);
  const commands: string[] = [];
  const run = (program: string, args: readonly string[]): Promise<Outcome> => {
    const command = [program, ...args].join(" ");
    commands.push(command);
    const outcome = answer(command);
    return Promise.resolve(typeof outcome === "number" ? { code: outcome, output: "" } : outcome);
  };
  const tool = new ToolPython({ storage, wheels, version: "1.2.3", run, log: () => undefined, windows: false });
  return { storage, wheels, commands, tool, steps: [] };
}

const withoutUv = (command: string): number => (command.startsWith("uv") ? 127 : 0);

test("made once, found the next time", async (context) => {
  const { tool, commands, storage } = scene(context, withoutUv);
  const steps: string[] = [];
  const python = await tool.ensure((step) => steps.push(step));
  assert.equal(steps.length, 3);
  const before = commands.length;
  assert.equal(await tool.ensure(() => assert.fail("nothing is to be done")), python);
  assert.equal(commands.length, before);
  assert.deepEqual(readdirSync(storage).length, 1);
  assert.ok(python.startsWith(join(storage, "env-1.2.3-")) && python.endsWith("/bin/python"));
});

test("yonder comes from its own wheel, not from a namesake in an index", async (context) => {
  const { tool, commands, wheels } = scene(context, withoutUv);
  await tool.ensure(() => undefined);
  const install = commands.find((command) => command.includes("pip install"))!;
  assert.match(install, /yonder\[lsp\] @ file:\/\/.*yonder-1\.2\.3-py3-none-any\.whl/);
  assert.ok(install.includes(`--find-links ${wheels}`));
});

test("with uv when it is there, without downloading a Python", async (context) => {
  const { tool, commands } = scene(context, () => 0);
  await tool.ensure(() => undefined);
  assert.ok(commands.some((command) => command.startsWith("uv venv --no-python-downloads")));
  assert.ok(!commands.some((command) => command.includes("-m venv")));
});

test("uv without a fitting Python gives way to venv", async (context) => {
  const { tool, commands } = scene(context, (command) => (command.startsWith("uv venv") ? 2 : 0));
  await tool.ensure(() => undefined);
  assert.ok(commands.some((command) => command.includes("-m venv")));
});

test("a failed install leaves nothing behind and says why", async (context) => {
  const offline = { code: 1, output: "WARNING: Retrying: [Errno -3] Temporary failure in name resolution" };
  const { tool, storage } = scene(context, (command) => (command.startsWith("uv") ? 127 : command.includes("pip install") ? offline : 0));
  await assert.rejects(tool.ensure(() => undefined), (error: Error) => error instanceof PrepareFailed && error.message.includes("could not be reached"));
  assert.deepEqual(readdirSync(storage), []);
});

test("no Python at all names what to do", async (context) => {
  const { tool } = scene(context, () => 1);
  await assert.rejects(tool.ensure(() => undefined), /No Python 3\.11\+.*python3-venv/);
});

test("the selected interpreter may make the environment when no other can", async (context) => {
  const { tool, commands } = scene(context, (command) => (command.startsWith("/opt/py/bin/python") || command.includes("env-") ? 0 : 1));
  await tool.ensure(() => undefined, ["/opt/py/bin/python"]);
  assert.ok(commands.some((command) => command.startsWith("/opt/py/bin/python -m venv")));
});

test("a rebuilt wheel of the same version gets its own environment", async (context) => {
  const [one, two] = [scene(context, withoutUv, "one"), scene(context, withoutUv, "two")];
  const name = async (each: Scene): Promise<string> => (await each.tool.ensure(() => undefined)).slice(each.storage.length);
  assert.notEqual(await name(one), await name(two));
});

test("only environments of ours that nobody has used for long are removed", async (context) => {
  const { tool, storage } = scene(context, withoutUv);
  const names = ["env-1.2.2-0123456789", "env-1.2.1-0123456789", "owners", "env-mine"];
  for (const name of names) mkdirSync(join(storage, name), { recursive: true });
  const old = new Date(Date.now() - 30 * 24 * 3600 * 1000);
  for (const name of names.filter((each) => each !== "env-1.2.1-0123456789")) utimesSync(join(storage, name), old, old);
  await tool.ensure(() => undefined);
  assert.deepEqual(names.map((name) => existsSync(join(storage, name))), [false, true, true, true]);
});

test("an extension without wheels says so", async (context) => {
  const { tool, wheels } = scene(context, () => 0);
  rmSync(wheels, { recursive: true });
  await assert.rejects(tool.ensure(() => undefined), /yonder\.server\.python/);
});

test("usual failures are explained", () => {
  assert.match(explain("OSError: [Errno 28] No space left on device"), /disk is full/);
  assert.match(explain("SSLError: certificate verify failed"), /PIP_CERT/);
  assert.match(explain("first\nERROR: something odd\n"), /something odd/);
  assert.match(explain(""), /log/);
});

test("a program's words and its end are told, also when there is no such program", async () => {
  const talks = await runProgram(process.execPath, ["-e", "console.log('out'); console.error('err'); process.exit(3)"]);
  assert.equal(talks.code, 3);
  assert.ok(talks.output.includes("out") && talks.output.includes("err"));
  assert.equal((await runProgram("yonder-no-such-program", [])).code, 127);
});
