// Files that runs wrote on executors elsewhere, fetched because a person asks for them.
// What belongs here: which file, where to, how far it is. What it must not know: how pieces travel, how lists are drawn.
import * as path from "node:path";
import * as vscode from "vscode";
import type { Server } from "./client";
import type { FileRow } from "./protocol.gen";
import type { Runs } from "./runs";
import { bytes } from "./words";

interface There {
  readonly run: string;
  readonly file: FileRow;
}

export class Downloads {
  constructor(
    private readonly server: Server,
    private readonly runs: Runs,
  ) {}

  /** The file that is named, else one that the person picks of all that can be fetched. */
  async one(run: unknown, executor: unknown, file: unknown): Promise<void> {
    const found = await this.#there(typeof run === "string" ? run : undefined);
    const named = found.find((each) => each.file.executor === executor && each.file.path === file);
    const wanted = named ?? (await pick(found));
    if (wanted === undefined) return;
    const to = await vscode.window.showSaveDialog({ defaultUri: vscode.Uri.joinPath(home(), path.posix.basename(wanted.file.path)), saveLabel: "Download" });
    if (to !== undefined) await this.#fetch([{ ...wanted, to: to.fsPath }]);
  }

  async all(run: unknown): Promise<void> {
    if (typeof run !== "string") return;
    const found = (await this.#there(run)).filter(({ file }) => file.local === "");
    const [to] = (await vscode.window.showOpenDialog({ defaultUri: home(), canSelectFiles: false, canSelectFolders: true, openLabel: `Download ${found.length} Files` })) ?? [];
    if (to !== undefined) await this.#fetch(found.map((each) => ({ ...each, to: path.join(to.fsPath, ...each.file.path.split("/")) })));
  }

  async open(file: unknown): Promise<void> {
    if (typeof file === "string") await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(file));
  }

  async #there(run: string | undefined): Promise<readonly There[]> {
    const runs = this.runs.all.filter((each) => each.files > 0 && (run === undefined || each.run === run));
    const lists = await Promise.all(runs.map(async (each) => (await this.server.request("yonder/files", { run: each.run })).files.map((file) => ({ run: each.run, file }))));
    return lists.flat().filter(({ file }) => file.there);
  }

  async #fetch(wanted: readonly (There & { readonly to: string })[]): Promise<void> {
    const kept: string[] = [];
    await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: "Yonder: downloading" }, async (progress) => {
      for (const { run, file, to } of wanted) {
        progress.report({ message: `${file.path} (${bytes(file.size)})`, increment: 0 });
        const fetched = await this.server.request("yonder/fetch", { run, executor: file.executor, path: file.path, to });
        kept.push(fetched.path);
        progress.report({ increment: 100 / wanted.length });
      }
    });
    const [first] = kept;
    if (first === undefined) return;
    const open = "Open";
    const choice = await vscode.window.showInformationMessage(kept.length === 1 ? `Downloaded to ${first}` : `${kept.length} files downloaded.`, ...(kept.length === 1 ? [open] : []));
    if (choice === open) await this.open(first);
  }
}

function home(): vscode.Uri {
  return vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file("/");
}

async function pick(found: readonly There[]): Promise<There | undefined> {
  if (found.length === 0) {
    void vscode.window.showInformationMessage("No run has written files on an executor elsewhere that is still there. What runs on this machine writes is in your folder.");
    return undefined;
  }
  const items = found.map((each) => ({ label: each.file.path, description: `${bytes(each.file.size)} · ${each.file.executor}`, each }));
  return (await vscode.window.showQuickPick(items, { title: "Download a file from an executor", matchOnDescription: true }))?.each;
}
