// Where the threads of executors stand, as a read-only document (`yonder-stacks:`) whose files are links.
// What belongs here: asking which process, showing the text. What it must not know: how stacks are taken or spelled.
import * as vscode from "vscode";
import type { Server } from "./client";
import type { StackText } from "./protocol.gen";
import { fileLinks, stacksText } from "./stackText";

export const STACKS_SCHEME = "yonder-stacks";
/** Texts that are kept for tabs that lie open. */
const KEPT = 20;

export class StackDocuments implements vscode.TextDocumentContentProvider, vscode.DocumentLinkProvider {
  readonly #texts = new Map<string, string>();
  #count = 0;

  constructor(private readonly server: Server) {}

  register(): vscode.Disposable {
    return vscode.Disposable.from(
      vscode.workspace.registerTextDocumentContentProvider(STACKS_SCHEME, this),
      vscode.languages.registerDocumentLinkProvider({ scheme: STACKS_SCHEME }, this),
    );
  }

  /** Of the session of a document, or ("") of whatever runs; a person chooses where there are several. */
  async show(uri: string): Promise<void> {
    const { processes, sentence } = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: "Yonder: asking where the threads stand" }, () =>
      this.server.request("yonder/stacks", { uri }),
    );
    if (processes.length === 0) {
      void vscode.window.showInformationMessage(sentence);
      return;
    }
    const chosen = await this.#chosen(processes);
    if (chosen !== undefined) await this.#open(stacksText(chosen, sentence));
  }

  async #chosen(processes: readonly StackText[]): Promise<readonly StackText[] | undefined> {
    if (processes.length === 1) return processes;
    const all = { label: `All ${processes.length}`, processes };
    const items = [all, ...processes.map((one) => ({ label: one.title, processes: [one] }))];
    const choice = await vscode.window.showQuickPick(items, { placeHolder: "Whose stack?" });
    return choice?.processes;
  }

  async #open(text: string): Promise<void> {
    this.#count += 1;
    const uri = vscode.Uri.from({ scheme: STACKS_SCHEME, path: `/stacks ${this.#count}.txt` });
    this.#texts.set(uri.toString(), text);
    for (const oldest of this.#texts.keys()) {
      if (this.#texts.size <= KEPT) break;
      this.#texts.delete(oldest);
    }
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#texts.get(uri.toString()) ?? "This was a moment of a cluster that is over. Yonder: Show Stacks asks anew.\n";
  }

  async provideDocumentLinks(document: vscode.TextDocument): Promise<vscode.DocumentLink[]> {
    const links = await Promise.all(
      fileLinks(document.getText()).map(async ({ line, start, end, path, at }) => {
        const target = vscode.Uri.file(path);
        const here = await vscode.workspace.fs.stat(target).then(
          () => true,
          () => false, // it is only there
        );
        return here ? [new vscode.DocumentLink(new vscode.Range(line, start, line, end), target.with({ fragment: `L${at + 1}` }))] : [];
      }),
    );
    return links.flat();
  }
}
