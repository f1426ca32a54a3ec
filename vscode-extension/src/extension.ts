// Composes the extension: makes the parts, connects them, and lets go of them in order. Nothing else happens here.
import * as vscode from "vscode";
import { besideMiddleware } from "./beside";
import { SELECTOR, Server } from "./client";
import { Commands } from "./commands";
import { Errors } from "./errors";
import { Figures } from "./figures";
import { Heartbeat } from "./heartbeat";
import { hoverMiddleware } from "./hover";
import { Hints } from "./hints";
import { InlineResults } from "./inline";
import { InputBoxes } from "./input";
import { Interpreter } from "./interpreter";
import { Lenses } from "./lenses";
import { Log } from "./log";
import { DECIDING } from "./others";
import { objectCommands } from "./objects";
import { OUTPUT_SCHEME, OutputDocuments } from "./outputDocument";
import { Panel, PANEL_VIEW } from "./panel";
import { RemoteSources } from "./remoteSource";
import { Runs } from "./runs";
import { readSettings } from "./settings";
import { StackDocuments } from "./stacks";
import { StatusBar } from "./status";
import { VariablesView } from "./variables";
import { Window } from "./window";

/** The editor itself asks within a second of a file's coming into sight, if it does. */
const LENSES_AFTER = 1500;

/** What `deactivate` has to end; the editor gives it no other way than the module. */
let ending: (() => Promise<void>) | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = new Log(vscode.window.createOutputChannel("Yonder", { log: true }));
  const status = new StatusBar();
  const interpreter = new Interpreter();
  const inline = new InlineResults();
  const hints = new Hints();
  const window = new Window(context, interpreter, log);
  const server = new Server({
    log,
    command: (report) => window.command(report),
    initOptions: () => window.initOptions(),
    middleware: {
      ...besideMiddleware(),
      ...hoverMiddleware(),
      provideInlayHints: hints.provide,
      provideCodeLenses: (document, token, next) => {
        lenses.asked(document.uri.toString());
        return next(document, token);
      },
    },
  });
  const pythons = (): readonly vscode.TextDocument[] =>
    vscode.window.visibleTextEditors.map((editor) => editor.document).filter((document) => vscode.languages.match(SELECTOR, document) > 0);
  const lenses = new Lenses({
    visible: () => pythons().map((document) => document.uri.toString()),
    refresh: () => pythons().slice(0, 1).forEach((document) => server.refreshLenses(document)), // one provider has them all
    later: (act) => setTimeout(act, LENSES_AFTER),
  });
  const runs = new Runs(
    (since) => server.request("yonder/runs", { since }),
    (error) => log.error("asking for the runs", error),
  );
  const panel = new Panel(context.extensionUri, server, runs);
  const errors = new Errors(server, log);
  const outputs = new OutputDocuments((params) => server.request("yonder/output", params));
  const stacks = new StackDocuments(server);
  const sources = new RemoteSources(
    (uri) => server.request("yonder/source", { uri }),
    (error) => log.error("asking for a session's source", error),
  );
  const inputs = new InputBoxes((id, text) =>
    server.request("yonder/answer", { id, text }).then(
      () => undefined,
      (error: unknown) => errors.show(error),
    ),
  );
  const figures = new Figures(server);
  const variables = new VariablesView(server, figures);
  const objects = objectCommands({ server, figures, view: variables });
  const commands = new Commands({ server, inline, figures, panel, runs, errors, status, outputs, stacks, log, objects });
  const heartbeat = new Heartbeat(() => server.notify("yonder/heartbeat", {}));

  runs.onDelta((delta) => inline.apply(delta));
  server.on("yonder/runsChanged", () => void runs.changed());
  server.on("yonder/statusChanged", (news) => {
    status.status(news);
    panel.status(news);
    variables.status(news);
  });
  server.on("yonder/inputRequested", (question) => inputs.ask(question));
  server.on("yonder/inputClosed", ({ id }) => inputs.close(id));
  server.on("yonder/notice", (notice) => void errors.notice(notice));
  server.on("yonder/log", (line) => log.server(line));
  server.onPhase((phase) => status.phase(phase));
  server.onUp(() => {
    lenses.anew();
    sources.again();
    void heartbeat.now();
    void runs.refresh();
    server.request("yonder/status", {}).then(
      (news) => {
        status.status(news);
        panel.status(news);
        variables.status(news);
      },
      (error: unknown) => log.error("asking for the status", error),
    );
  });

  const configure = async (): Promise<void> => {
    const folder = window.folder;
    server.notify("yonder/settings", { python: await interpreter.path(folder), settings: readSettings(folder) });
  };
  const start = (): void => {
    // the reason is in the status bar and in the log; the next Run asks again and then says it aloud
    server.start().catch(() => undefined);
  };
  // later ones go first: what listens to the server before the server, the log at the very end
  context.subscriptions.push(
    log.channel,
    status,
    interpreter,
    server,
    inline,
    figures,
    variables,
    hints,
    inputs,
    heartbeat,
    commands.register(),
    vscode.window.registerWebviewViewProvider(PANEL_VIEW, panel),
    sources.register(),
    stacks.register(),
    vscode.workspace.registerTextDocumentContentProvider(OUTPUT_SCHEME, outputs),
    vscode.workspace.onDidOpenTextDocument(() => inline.apply({ reset: false, runs: runs.all })),
    vscode.window.onDidChangeVisibleTextEditors(() => lenses.look()),
    vscode.workspace.onDidCloseTextDocument((document) => lenses.closed(document.uri.toString())),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("yonder.server.python")) void server.restart().catch(() => undefined); // the status bar says why
      else if (["yonder", ...DECIDING].some((name) => event.affectsConfiguration(name))) void configure();
    }),
    vscode.extensions.onDidChange(() => void configure()),
    interpreter.onChanged(() => void configure()),
    vscode.workspace.onDidGrantWorkspaceTrust(start),
  );
  ending = async () => {
    window.release(); // first: a reloaded window is already asking for the id
    await server.stop();
  };
  if (vscode.workspace.isTrusted) start();
  else status.phase({ kind: "restricted" });
}

export async function deactivate(): Promise<void> {
  await ending?.();
  ending = undefined;
}
