// Inlay hints whose line was edited since it ran: taken out of the editor's own, which know no colour, and drawn dim.
// What belongs here: the middleware and the decoration. What it must not know: which hints are stale, and why.
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { Dim, type Hint } from "./dim";

type Provide = NonNullable<Middleware["provideInlayHints"]>;

function stale(hint: vscode.InlayHint): boolean {
  const { data } = hint as { readonly data?: unknown };
  return typeof data === "object" && data !== null && "stale" in data && data.stale === true;
}

function text(hint: vscode.InlayHint): string {
  return typeof hint.label === "string" ? hint.label : hint.label.map((part) => part.value).join("");
}

export class Hints implements vscode.Disposable {
  readonly #dim = new Dim();
  readonly #type = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    after: { color: new vscode.ThemeColor("editorGhostText.foreground"), fontStyle: "italic" },
  });
  readonly #subscriptions = [
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      for (const { range } of contentChanges) this.#dim.edited(document.uri.toString(), range.start.line);
    }),
    vscode.workspace.onDidCloseTextDocument((document) => this.#dim.closed(document.uri.toString())),
    vscode.window.onDidChangeVisibleTextEditors(() => this.#draw()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (!event.affectsConfiguration("editor.inlayHints") && !event.affectsConfiguration("yonder.inlayHints")) return;
      this.#dim.clear(); // the editor asks again, if it shows hints at all
      this.#draw();
    }),
  ];

  readonly provide: Provide = async (document, range, token, next) => {
    const { version } = document;
    const found = (await next(document, range, token)) ?? [];
    // an answer for a text that is gone says nothing of the places in this one; the editor has asked again
    if (token.isCancellationRequested || document.version !== version) return found.filter((hint) => !stale(hint));
    const hints: Hint[] = found.map((hint) => ({ line: hint.position.line, character: hint.position.character, label: text(hint), stale: stale(hint) }));
    this.#dim.answered(document.uri.toString(), range.start.line, range.end.line, hints);
    this.#draw();
    return found.filter((hint) => !stale(hint));
  };

  #draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const dimmed = this.#dim.of(editor.document.uri.toString());
      editor.setDecorations(
        this.#type,
        dimmed.map(({ line, character, text: contentText }) => ({
          range: new vscode.Range(line, character, line, character),
          renderOptions: { after: { contentText } },
          hoverMessage: "What it was when this line last ran; the line was edited since.",
        })),
      );
    }
  }

  dispose(): void {
    for (const each of [...this.#subscriptions, this.#type]) each.dispose();
  }
}
