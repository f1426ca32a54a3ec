// Completion beside another Python language server: an item that the others offer as well is shown once.
// What belongs here: asking the others and leaving out ours with an equal label. What it must not know: how ours are found.
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { otherLanguageServer } from "./settings";

const ACCESS = /[\w\])]\s*\.\s*\w*$|\[\s*["']?\w*$/;

function label(item: vscode.CompletionItem): string {
  return typeof item.label === "string" ? item.label : item.label.label;
}

/** The middleware; `executeCompletionItemProvider` asks us, too, and that inner question must not ask again. */
export function completionMiddleware(): Middleware {
  let inner = false;
  return {
    provideCompletionItem: async (document, position, context, token, next) => {
      if (inner) return undefined;
      const line = document.lineAt(position.line).text.slice(0, position.character);
      const ours = Promise.resolve(next(document, position, context, token));
      if (!ACCESS.test(line) || !otherLanguageServer()) return ours;
      inner = true;
      const asking = Promise.resolve(
        vscode.commands.executeCommand<vscode.CompletionList | undefined>("vscode.executeCompletionItemProvider", document.uri, position, context.triggerCharacter),
      ).finally(() => {
        inner = false;
      });
      const [mine, theirs] = await Promise.all([ours, asking.catch(() => undefined)]); // their failure costs us nothing but doubles
      const taken = new Set((theirs?.items ?? []).map(label));
      if (mine === undefined || mine === null || taken.size === 0) return mine;
      if (Array.isArray(mine)) return mine.filter((item) => !taken.has(label(item)));
      return new vscode.CompletionList(mine.items.filter((item) => !taken.has(label(item))), mine.isIncomplete ?? false);
    },
  };
}
