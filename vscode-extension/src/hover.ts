// Hovers of ours may hold links to a few of our commands, and to nothing else.
// What belongs here: which ones. What it must not know: what a card says (the server escapes everything a session told it).
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";

export const LINKED = ["yonder.evaluate", "yonder.statistics", "yonder.showSource"];

export function hoverMiddleware(): Middleware {
  return {
    provideHover: async (document, position, token, next) => {
      const hover = await next(document, position, token);
      for (const part of hover?.contents ?? []) if (part instanceof vscode.MarkdownString) part.isTrusted = { enabledCommands: LINKED };
      return hover;
    },
  };
}
