// Failures as the person meets them: a sentence and what can be pressed.
// What belongs here: showing them and doing what the button says. What it must not know: why a request failed.
import * as vscode from "vscode";
import { ResponseError } from "vscode-languageclient/node";
import type { Server } from "./client";
import type { Log } from "./log";
import type { Notice, Remedy } from "./protocol.gen";
import { Once, buttons, remedyOf, sentenceOf, type Action } from "./remedies";

export class Errors {
  readonly #once = new Once();

  constructor(
    private readonly server: Server,
    private readonly log: Log,
  ) {}

  /** Shows what failed; `again` is done after a remedy that makes another try worth it. */
  async show(error: unknown, again?: () => Promise<void>): Promise<void> {
    const remedy = error instanceof ResponseError ? remedyOf(error.data) : undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.log.error(message, error instanceof ResponseError ? undefined : error);
    await this.#ask("error", message, remedy, again);
  }

  /** A sentence of the server. */
  async notice(notice: Notice): Promise<void> {
    const kind = notice.remedy?.code === "code_kept" ? "code_kept" : "";
    const shown = await this.#once.show(kind, () => this.#ask(notice.level, notice.sentence, notice.remedy ?? undefined, undefined));
    if (!shown) this.log.info(notice.sentence);
  }

  async #ask(level: Notice["level"], message: string, remedy: Remedy | undefined, again: (() => Promise<void>) | undefined): Promise<void> {
    const offered = level === "error" || remedy !== undefined ? buttons(remedy) : [];
    const text = sentenceOf(message, remedy);
    const titles = offered.map((button) => button.title);
    const shown = { error: vscode.window.showErrorMessage, warning: vscode.window.showWarningMessage, info: vscode.window.showInformationMessage }[level];
    const title = await shown(text, ...titles);
    const chosen = offered.find((button) => button.title === title);
    if (chosen !== undefined) await this.#do(chosen.action, again);
  }

  async #do(action: Action, again: (() => Promise<void>) | undefined): Promise<void> {
    switch (action) {
      case "install":
      case "without":
        await this.#provide(action, again);
        break;
      case "interpreter":
        await this.#selectInterpreter();
        break;
      case "settings":
        await vscode.commands.executeCommand("workbench.action.openSettings", "yonder");
        break;
      case "log":
        this.log.channel.show(true);
        break;
      case "session":
        await vscode.commands.executeCommand("yonder.restartSession");
        break;
      case "restart":
        await this.server.restart();
        break;
      case "kill":
        await this.server.request("yonder/interrupt", { kill: true });
        break;
    }
  }

  async #provide(choice: "install" | "without", again: (() => Promise<void>) | undefined): Promise<void> {
    try {
      const title = choice === "install" ? "Installing yonder" : "Preparing the executor core";
      const { sentence } = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, () =>
        this.server.request("yonder/provide", { choice }),
      );
      this.log.info(sentence);
    } catch (error) {
      await this.show(error);
      return;
    }
    await again?.();
  }

  async #selectInterpreter(): Promise<void> {
    const known = await vscode.commands.getCommands(true);
    const command = known.includes("python.setInterpreter") ? ["python.setInterpreter"] : ["workbench.action.openSettings", "yonder.python"];
    const [name = "", ...args] = command;
    await vscode.commands.executeCommand(name, ...args);
  }
}
