// The language server's other end: starts it, says when it is there, carries the `yonder/*` methods with their types.
// What belongs here: the language client's life. What it must not know: what the methods mean, who listens.
import * as vscode from "vscode";
import { CloseAction, CodeLensRequest, ErrorAction, LanguageClient, RevealOutputChannelOn, State, type Middleware } from "vscode-languageclient/node";
import { Crashes } from "./crashes";
import type { Log } from "./log";
import type { InitOptions, NotificationsToClient, NotificationsToServer, Requests } from "./protocol.gen";
import { PrepareFailed } from "./python";
import type { Phase } from "./words";

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export interface ServerOptions {
  readonly log: Log;
  /** How to start it; may take long the first time. */
  readonly command: (report: (step: string) => void) => Promise<ServerCommand>;
  readonly initOptions: () => Promise<InitOptions>;
  readonly middleware: Middleware;
}

export const SELECTOR = [
  { language: "python", scheme: "file" },
  { language: "python", scheme: "untitled" },
  { language: "python", scheme: "yonder-remote" }, // remoteSource.ts
  { language: "python", scheme: "vscode-notebook-cell" },
];

export class Server implements vscode.Disposable {
  readonly #phase = new vscode.EventEmitter<Phase>();
  readonly onPhase = this.#phase.event;
  readonly #up = new vscode.EventEmitter<void>();
  /** It runs (again): what was known of it is to be asked anew. */
  readonly onUp = this.#up.event;
  readonly #handlers: { readonly method: keyof NotificationsToClient; readonly handle: (params: never) => void }[] = [];
  readonly #crashes = new Crashes();
  #client: LanguageClient | undefined;
  #starting: Promise<void> | undefined;

  constructor(private readonly options: ServerOptions) {}

  /** Listens to one of the server's notifications, over all its restarts. To be called before `start`. */
  on<M extends keyof NotificationsToClient>(method: M, handle: (params: NotificationsToClient[M]) => void): void {
    this.#handlers.push({ method, handle });
  }

  get running(): boolean {
    return this.#client?.state === State.Running;
  }

  /** Starts it unless it is there; several callers wait for the same start. Rejects with the reason as a sentence. */
  start(): Promise<void> {
    if (this.running) return Promise.resolve();
    if (!vscode.workspace.isTrusted) return Promise.reject(new Error("Yonder is off in Restricted Mode: it starts nothing in a workspace that is not trusted."));
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    try {
      if (this.#client?.state === State.Starting) {
        await this.#client.start(); // it is being started again after a crash
        return;
      }
      const { command, args } = await this.options.log.phase("the tool's Python", () =>
        this.options.command((step) => this.#phase.fire({ kind: "preparing", step })),
      );
      const initializationOptions = await this.options.initOptions();
      this.#phase.fire({ kind: "connecting" });
      await this.#client?.dispose();
      this.#client = this.#made(command, args, initializationOptions);
      await this.options.log.phase("the language server", () => this.#client?.start() ?? Promise.resolve());
    } catch (error) {
      const sentence = error instanceof PrepareFailed ? error.message : "The language server did not start.";
      this.options.log.error(sentence, error);
      this.#phase.fire({ kind: "failed", sentence });
      throw new Error(sentence, { cause: error });
    }
  }

  #made(command: string, args: readonly string[], initializationOptions: InitOptions): LanguageClient {
    const client = new LanguageClient(
      "yonder",
      "Yonder",
      { command, args: [...args] },
      {
        documentSelector: SELECTOR,
        initializationOptions,
        outputChannel: this.options.log.channel,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        middleware: this.options.middleware,
        initializationFailedHandler: () => false,
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          closed: () => {
            this.#phase.fire({ kind: "connecting" });
            if (this.#crashes.again(Date.now())) return { action: CloseAction.Restart, handled: true };
            void this.#givenUp();
            return { action: CloseAction.DoNotRestart, handled: true };
          },
        },
      },
    );
    for (const { method, handle } of this.#handlers) client.onNotification(method, handle as (params: unknown) => void);
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) this.#up.fire();
    });
    return client;
  }

  async #givenUp(): Promise<void> {
    const sentence = "Yonder's language server stopped five times in three minutes. Your session and its runs are not lost.";
    this.#phase.fire({ kind: "failed", sentence });
    const choice = await vscode.window.showErrorMessage(sentence, "Restart", "Show Log");
    if (choice === "Show Log") this.options.log.channel.show(true);
    if (choice === "Restart") await this.restart();
  }

  /** A fresh server, perhaps of another Python. */
  async restart(): Promise<void> {
    this.#crashes.forget();
    await this.stop();
    await this.start();
  }

  /** The orderly goodbye; the server answers quickly and the hub owns the rest. */
  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    // a server that is just being started cannot be asked to stop; disposing ends its process
    await (client?.state === State.Running ? client.stop() : client?.dispose())?.catch((error: unknown) => this.options.log.error("stopping the language server", error));
  }

  /** One request; waits for the server if it is on its way. */
  async request<M extends keyof Requests>(method: M, params: Requests[M]["params"], token?: vscode.CancellationToken): Promise<Requests[M]["result"]> {
    await this.start();
    if (this.#client === undefined) throw new Error("The language server was stopped.");
    return token === undefined ? this.#client.sendRequest(method, params) : this.#client.sendRequest(method, params, token);
  }

  /** A notification; nothing when the server is not there (it asks for what it needs when it comes). */
  notify<M extends keyof NotificationsToServer>(method: M, params: NotificationsToServer[M]): void {
    if (!this.running) return;
    this.#client?.sendNotification(method, params).catch((error: unknown) => this.options.log.error(`sending ${method}`, error));
  }

  /** Lets the editor ask for the lenses of a document again. */
  refreshLenses(document: vscode.TextDocument): void {
    this.#client?.getFeature(CodeLensRequest.method).getProvider(document)?.onDidChangeCodeLensEmitter.fire();
  }

  dispose(): void {
    this.#phase.dispose();
    this.#up.dispose();
  }
}
