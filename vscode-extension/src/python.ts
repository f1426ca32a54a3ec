// The tool's Python: a private environment with Yonder's language server and hub, made on first use.
// What belongs here: finding a Python to make it with, making it whole or not at all. What it must not know: the editor, the
// project's Python (it never changes that one).
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Starts a program and waits for it; a program that cannot be started is code 127. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<Outcome>;

export class PrepareFailed extends Error {
  override readonly name = "PrepareFailed";
}

export interface ToolPythonOptions {
  /** The extension's own storage folder. */
  readonly storage: string;
  /** The folder with the wheels inside the extension; it may be missing in development. */
  readonly wheels: string;
  readonly version: string;
  readonly run: RunProgram;
  readonly log: (line: string) => void;
  readonly windows: boolean;
}

const CANDIDATES = ["python3.13", "python3.12", "python3.14", "python3.11", "python3", "python"];
const PROBE = "import sys, venv, ensurepip; assert sys.version_info >= (3, 11)";
const KEEP_UNUSED_MS = 14 * 24 * 3600 * 1000;

/** What to tell a person about a failed install: the cause if it is one of the usual ones, with what to do. */
export function explain(output: string): string {
  if (/temporary failure in name resolution|failed to establish a new connection|network is unreachable|dns error|could not connect|connection refused/i.test(output)) {
    return "The package index could not be reached. Check the network or proxy, then run the command again.";
  }
  if (/no space left on device/i.test(output)) return "The disk is full. Make room, then run the command again.";
  if (/certificate verify failed|invalid peer certificate/i.test(output)) {
    return "The package index's certificate was not accepted. If a proxy inspects your traffic, tell pip its certificate (PIP_CERT), then run the command again.";
  }
  const last = output.trim().split("\n").at(-1) ?? "";
  return last === "" ? "See the Yonder log." : `The last line was: ${last}`;
}

export class ToolPython {
  constructor(private readonly options: ToolPythonOptions) {}

  /** The environment's Python, made now if it is not there. `extra`: more Pythons that may be used to make it. */
  async ensure(report: (step: string) => void, extra: readonly string[] = []): Promise<string> {
    const wheel = await this.#wheel();
    const home = join(this.options.storage, await this.#key(wheel));
    if (!existsSync(home)) await this.#make(home, wheel, report, extra);
    const now = new Date();
    await utimes(home, now, now);
    await this.#prune(home);
    return this.#python(home);
  }

  async #wheel(): Promise<string> {
    const names = existsSync(this.options.wheels) ? await readdir(this.options.wheels) : [];
    const name = names.find((each) => each.startsWith(`yonder-${this.options.version}-`) && each.endsWith(".whl"));
    if (name === undefined) {
      throw new PrepareFailed("This build of the extension carries no yonder wheel. Set yonder.server.python to a Python that has yonder[lsp].");
    }
    return join(this.options.wheels, name);
  }

  /** One environment per version and per content: a rebuilt extension does not run old code. */
  async #key(wheel: string): Promise<string> {
    const digest = createHash("sha256").update(await readFile(wheel)).digest("hex");
    return `env-${this.options.version}-${digest.slice(0, 10)}`;
  }

  #python(home: string): string {
    return this.options.windows ? join(home, "Scripts", "python.exe") : join(home, "bin", "python");
  }

  /** Built beside its place and moved there at the end: another window sees all of it or nothing. */
  async #make(home: string, wheel: string, report: (step: string) => void, extra: readonly string[]): Promise<void> {
    await mkdir(this.options.storage, { recursive: true });
    const partial = await mkdtemp(`${home}.making-`);
    try {
      const uv = (await this.options.run("uv", ["--version"])).code === 0;
      if (!(uv && (await this.#withUv(partial, wheel, report)))) await this.#withVenv(partial, wheel, report, extra);
      await this.#must([this.#python(partial), "-P", "-c", "import yonder_lsp, pygls"], "Yonder was installed but does not start.");
      await rename(partial, home).catch((error: unknown) => {
        if (!existsSync(home)) throw error; // else another window was faster: its environment is the same
      });
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  #requirement(wheel: string): readonly string[] {
    return ["--find-links", this.options.wheels, `yonder[lsp] @ ${pathToFileURL(wheel).href}`];
  }

  /** False when uv finds no fitting Python on this machine (it is not asked to download one). */
  async #withUv(partial: string, wheel: string, report: (step: string) => void): Promise<boolean> {
    report("Making a private environment with uv");
    const made = await this.#log(["uv", "venv", "--no-python-downloads", "--python", ">=3.11", "--allow-existing", partial]);
    if (made.code !== 0) return false;
    report("Installing Yonder's language server");
    await this.#must(["uv", "pip", "install", "--python", this.#python(partial), ...this.#requirement(wheel)], "Yonder's language server could not be installed.");
    return true;
  }

  async #withVenv(partial: string, wheel: string, report: (step: string) => void, extra: readonly string[]): Promise<void> {
    report("Looking for Python 3.11 or newer");
    const base = await this.#base([...CANDIDATES, ...extra]);
    report("Making a private environment");
    await this.#must([base, "-m", "venv", partial], "A private environment could not be made.");
    report("Installing Yonder's language server");
    const pip = [this.#python(partial), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--prefer-binary"];
    await this.#must([...pip, ...this.#requirement(wheel)], "Yonder's language server could not be installed.");
  }

  async #base(candidates: readonly string[]): Promise<string> {
    for (const candidate of candidates) {
      if ((await this.options.run(candidate, ["-I", "-c", PROBE])).code === 0) return candidate;
    }
    throw new PrepareFailed(
      "No Python 3.11+ that can make environments was found. Install one (on Debian or Ubuntu: apt install python3 python3-venv), or set yonder.server.python.",
    );
  }

  async #log(command: readonly string[]): Promise<Outcome> {
    const [program = "", ...args] = command;
    this.options.log(`$ ${command.join(" ")}`);
    const outcome = await this.options.run(program, args);
    for (const line of outcome.output.trim().split("\n")) this.options.log(`  ${line}`);
    return outcome;
  }

  async #must(command: readonly string[], sentence: string): Promise<void> {
    const outcome = await this.#log(command);
    if (outcome.code !== 0) throw new PrepareFailed(`${sentence} ${explain(outcome.output)}`);
  }

  /** Environments of earlier versions that nothing has used for two weeks, and halves left by a killed window. */
  async #prune(current: string): Promise<void> {
    for (const name of await readdir(this.options.storage)) {
      const path = join(this.options.storage, name);
      if (!/^env-[\w.]+-[0-9a-f]{10}(\.making-\w+)?$/.test(name) || path === current) continue;
      const age = Date.now() - (await stat(path)).mtimeMs;
      if (age > KEEP_UNUSED_MS) await rm(path, { recursive: true, force: true });
    }
  }
}
