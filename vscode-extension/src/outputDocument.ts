// A run's whole output as a read-only document (`yonder-output:`).
// What belongs here: putting the pieces together, page by page. What it must not know: the panel, how output is shown there.
import * as vscode from "vscode";
import { plainText } from "./plainText";
import type { OutputParams, OutputResult } from "./protocol.gen";

export const OUTPUT_SCHEME = "yonder-output";
const PAGE = 1_000_000;
const BOUND = 50_000_000;

export class OutputDocuments implements vscode.TextDocumentContentProvider {
  constructor(private readonly ask: (params: OutputParams) => Promise<OutputResult>) {}

  async open(run: string, title: string): Promise<void> {
    const name = title.replaceAll(/[^\p{L}\p{N}_. -]/gu, "").trim();
    const uri = vscode.Uri.from({ scheme: OUTPUT_SCHEME, path: `/${name === "" ? "run" : name}.log`, query: run });
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    let [text, since, skipped] = ["", 0, 0];
    for (;;) {
      const page = await this.ask({ run: uri.query, call: "*", since, limit: PAGE });
      text += page.pieces.map((piece) => piece.text).join("");
      skipped += page.skipped;
      if (page.pieces.length === 0 || page.next <= since || text.length > BOUND) break;
      since = page.next;
    }
    const head = skipped > 0 ? `[${skipped} earlier pieces are not shown]\n` : "";
    return head + plainText(text);
  }
}
