// What this window is to the server: its owner id, its folder, its Python, its storage.
// What belongs here: collecting the facts a language server is started with. What it must not know: what becomes of them.
import { join } from "node:path";
import * as vscode from "vscode";
import type { ServerCommand } from "./client";
import { windowAnswers } from "./heartbeat";
import type { Interpreter } from "./interpreter";
import type { Log } from "./log";
import { Owner } from "./owner";
import { runProgram } from "./program";
import type { InitOptions } from "./protocol.gen";
import { ToolPython } from "./python";
import { otherLanguageServer, readSettings } from "./settings";

export class Window {
  #owner: Promise<Owner> | undefined;
  #held: Owner | undefined;
  #released = false;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly interpreter: Interpreter,
    private readonly log: Log,
  ) {}

  get folder(): vscode.Uri | undefined {
    return vscode.workspace.workspaceFolders?.[0]?.uri;
  }

  get #wheels(): string {
    return join(this.context.extensionPath, "wheels");
  }

  release(): void {
    this.#released = true;
    this.#held?.release();
  }

  async command(report: (step: string) => void): Promise<ServerCommand> {
    const development = process.env["YONDER_SERVER_COMMAND"];
    if (development !== undefined && this.context.extensionMode !== vscode.ExtensionMode.Production) {
      const [command = "", ...args] = JSON.parse(development) as readonly string[];
      return { command, args };
    }
    const configured = vscode.workspace.getConfiguration("yonder").get<string>("server.python", "");
    const python = configured === "" ? await this.#toolPython(report) : configured;
    return { command: python, args: ["-P", "-m", "yonder_lsp"] };
  }

  async #toolPython(report: (step: string) => void): Promise<string> {
    const tool = new ToolPython({
      storage: this.context.globalStorageUri.fsPath,
      wheels: this.#wheels,
      version: (this.context.extension.packageJSON as { readonly version: string }).version,
      run: runProgram,
      log: (line) => this.log.info(line),
      windows: process.platform === "win32",
    });
    const selected = await this.interpreter.path(this.folder);
    const extra = selected === "" ? [] : [selected];
    let notice: { readonly say: (step: string) => void; readonly done: () => void } | undefined;
    try {
      // the notification comes with the first step only: usually everything is there and nobody is disturbed
      return await tool.ensure((step) => {
        report(step);
        notice ??= progressNotice();
        notice.say(step);
      }, extra);
    } finally {
      notice?.done();
    }
  }

  async initOptions(): Promise<InitOptions> {
    const folder = this.folder;
    this.#owner ??= this.#takeOwner();
    const [owner, python] = await Promise.all([this.#owner, this.interpreter.path(folder)]);
    return {
      owner: owner.id,
      folder: folder?.scheme === "file" ? folder.fsPath : "",
      storage: (this.context.storageUri ?? this.context.globalStorageUri).fsPath,
      python,
      wheels: this.context.extensionMode === vscode.ExtensionMode.Production ? this.#wheels : "",
      editor: `${vscode.env.appName} ${vscode.version}${otherLanguageServer() !== undefined ? " beside another Python server" : ""}`,
      commands: true,
      settings: readSettings(folder),
    };
  }

  async #takeOwner(): Promise<Owner> {
    const { workspaceState, globalStorageUri } = this.context;
    const memory = {
      get: (key: string) => workspaceState.get<readonly string[]>(key),
      update: (key: string, value: readonly string[]) => workspaceState.update(key, value),
    };
    const owner = await Owner.take({ folder: join(globalStorageUri.fsPath, "owners"), memory, windowAnswers });
    this.#held = owner;
    if (this.#released) owner.release();
    return owner;
  }
}

/** A progress notification that stays until `done`. */
function progressNotice(): { readonly say: (step: string) => void; readonly done: () => void } {
  const steps = new vscode.EventEmitter<string>();
  let done = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    done = resolve;
  });
  void vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: "Setting up Yonder (once)" }, async (progress) => {
    const listening = steps.event((message) => progress.report({ message }));
    await over;
    listening.dispose();
    steps.dispose();
  });
  return { say: (step) => steps.fire(step), done };
}
