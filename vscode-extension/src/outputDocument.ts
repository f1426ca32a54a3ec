// A run's whole output as a read-only document (`yonder-output:`).
// What belongs here: putting the pieces together. What it must not know: the panel, how output is shown there.
import * as vscode from "vscode";
import { wholeText } from "./plainText";
import type { OutputParams, OutputResult } from "./protocol.gen";

export const OUTPUT_SCHEME = "yonder-output";
/** Letters; the editor itself takes no document much longer. */
const BOUND = 20_000_000;

export class OutputDocuments implements vscode.TextDocumentContentProvider {
  constructor(private readonly ask: (params: OutputParams) => Promise<OutputResult>) {}

  async open(run: string, title: string): Promise<void> {
    const name = title.replaceAll(/[^\p{L}\p{N}_. -]/gu, "").trim();
    const uri = vscode.Uri.from({ scheme: OUTPUT_SCHEME, path: `/${name === "" ? "run" : name}.log`, query: run });
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const { pieces, skipped } = await this.ask({ run: uri.query, call: "*", since: 0, limit: BOUND });
    return wholeText(pieces, skipped);
  }
}
