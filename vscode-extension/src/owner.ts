// The window's owner id: the same after a reload, another one for a second window on the same folder.
// What belongs here: the list of ids in the workspace's memory and one lock file per id. What it must not know: the hub, the server.
//
//   newcomer: lock file there? → writes ID.ask → the holder's window answers?  yes: holder removes ID.ask → take the next id
//                                              lock file gone (a reload is letting go), holder dead or mute: take this id
//
// A holder answers only when its *window* answers, so an extension host that outlived its window loses the id at once.
import { randomBytes } from "node:crypto";
import { watch, type FSWatcher, unlinkSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const MEMORY_KEY = "yonder.owners";
const PATIENCE_MS = 2500;
const POLL_MS = 50;

/** The part of `vscode.Memento` that is needed. */
export interface Memory {
  get(key: string): readonly string[] | undefined;
  update(key: string, value: readonly string[]): PromiseLike<void>;
}

export interface OwnerOptions {
  readonly folder: string;
  readonly memory: Memory;
  /** Does this window's workbench answer? Never rejects, never takes long. */
  readonly windowAnswers: () => Promise<boolean>;
  readonly patienceMs?: number;
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function textOrNothing(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined; // gone while we looked: that is an answer, too
  }
}

export class Owner {
  readonly #watcher: FSWatcher;
  #released = false;

  private constructor(
    readonly id: string,
    private readonly mark: string,
    private readonly options: OwnerOptions,
  ) {
    this.#watcher = watch(options.folder, { persistent: false }, (_kind, name) => {
      if (name === `${this.id}.ask`) void this.#answer();
    });
  }

  /** The first id of this workspace that no living window holds; a new one when all are held. */
  static async take(options: OwnerOptions): Promise<Owner> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const known = options.memory.get(MEMORY_KEY) ?? [];
    for (const id of known) {
      if (!(await held(id, options))) {
        const mark = await lock(id, options.folder);
        if (mark !== undefined) return new Owner(id, mark, options);
      }
    }
    const id = randomBytes(12).toString("hex");
    const mark = await lock(id, options.folder);
    if (mark === undefined) throw new Error(`the lock of a new owner could not be made in ${options.folder}`);
    await options.memory.update(MEMORY_KEY, [...known, id].slice(-8));
    return new Owner(id, mark, options);
  }

  /** Lets go at once (synchronously: the editor gives little time at its end), but only of what is still ours. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#watcher.close();
    const path = join(this.options.folder, `${this.id}.lock`);
    try {
      if (readFileSync(path, "utf8") === this.mark) unlinkSync(path);
    } catch {
      // another window took it over and has already let go: nothing of ours is left
    }
  }

  async #answer(): Promise<void> {
    if (!this.#released && (await this.options.windowAnswers())) await rm(join(this.options.folder, `${this.id}.ask`), { force: true });
  }
}

async function held(id: string, options: OwnerOptions): Promise<boolean> {
  const lockPath = join(options.folder, `${id}.lock`);
  const ask = join(options.folder, `${id}.ask`);
  const seen = await textOrNothing(lockPath);
  if (seen === undefined) return false;
  await writeFile(ask, String(process.pid));
  try {
    const end = performance.now() + (options.patienceMs ?? PATIENCE_MS);
    while (performance.now() < end) {
      if ((await textOrNothing(ask)) === undefined) return true;
      const now = await textOrNothing(lockPath);
      if (now === undefined || !processLives(Number(now.split(" ")[0]))) break;
      await pause(POLL_MS);
    }
  } finally {
    await rm(ask, { force: true });
  }
  // only the lock we asked about: somebody else may have taken it meanwhile
  if ((await textOrNothing(lockPath)) === seen) await rm(lockPath, { force: true });
  return false;
}

async function lock(id: string, folder: string): Promise<string | undefined> {
  const mark = `${process.pid} ${randomBytes(8).toString("hex")}`;
  try {
    await writeFile(join(folder, `${id}.lock`), mark, { flag: "wx", mode: 0o600 });
    return mark;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw error;
  }
}
