// Beside another Python language server: what the others offer as well is shown once, and theirs stays.
// What belongs here: asking the others, leaving out ours with an equal label. What it must not know: how ours are found.
//
// The editor shows its list when every provider has answered, so waiting for the others costs nothing as long as they
// answer at all. They are asked by us only when we have something to say, and PATIENCE ends a wait that leads nowhere:
// then a name may be there twice, but the live ones are there.
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { bare, Echoes, Offered, within } from "./echoes";
import { pending, sleep, untilSomething } from "./late";
import { otherLanguageServer } from "./settings";

const PATIENCE = 2000; // milliseconds
const REMEMBERED = 50;
/** Members, keys, modules: there the others may know the same. Names of the file are left out by our server itself. */
const SHARED = /[\w\])"']\s*\.\s*\w*$|\[\s*["']?[^"'\]]*$|^\s*(?:from|import)\b/;

function label(item: vscode.CompletionItem): string {
  return typeof item.label === "string" ? item.label : item.label.label;
}

type Completions = vscode.CompletionItem[] | vscode.CompletionList | null | undefined;

function itemsOf(answer: Completions): readonly vscode.CompletionItem[] {
  return Array.isArray(answer) ? answer : (answer?.items ?? []);
}

/** The middleware; alone it only waits a while for a list that is late. */
export function besideMiddleware(): Middleware {
  const echoes = new Echoes();
  const offered = new Offered(REMEMBERED);
  /** Had we something to say at the last such place? Without a session we do not put the others to the trouble. */
  let fruitful = false;

  /** One question to all providers, ours answering it with nothing. */
  const ask = async <T>(what: string, command: string, document: vscode.TextDocument, position: vscode.Position, trigger: string | undefined): Promise<T | undefined> => {
    const over = echoes.expect(placeOf(what, document, position));
    try {
      return await vscode.commands.executeCommand<T | undefined>(command, document.uri, position, trigger);
    } finally {
      over();
    }
  };

  const names = async (document: vscode.TextDocument, position: vscode.Position, context: vscode.CompletionContext): Promise<ReadonlySet<string>> => {
    const start = document.getWordRangeAtPosition(position)?.start ?? position;
    const place = `${document.uri.toString()}\n${start.line}\n${document.lineAt(start.line).text.slice(0, start.character)}`;
    const again = context.triggerKind === vscode.CompletionTriggerKind.TriggerForIncompleteCompletions ? offered.at(place, true) : undefined;
    if (again !== undefined) return again;
    const asking = ask<vscode.CompletionList>("completion", "vscode.executeCompletionItemProvider", document, position, context.triggerCharacter).then((theirs) =>
      offered.keep(place, (theirs?.items ?? []).map(label), theirs?.isIncomplete !== true),
    );
    return (await within(asking, PATIENCE)) ?? offered.at(place, false) ?? new Set();
  };

  return {
    provideCompletionItem: async (document, position, context, token, next) => {
      if (echoes.take(placeOf("completion", document, position))) return undefined;
      const line = document.lineAt(position.line).text.slice(0, position.character);
      const ours = async (): Promise<Completions> => next(document, position, context, token);
      const typedOn = (): boolean => token.isCancellationRequested;
      const other = otherLanguageServer();
      if (other === undefined) return untilSomething(await ours(), ours, typedOn);
      const shared = SHARED.test(line);
      // On a character on which the editor does not ask the other, nobody would show what we left out for it.
      const heard = other.triggers.includes(context.triggerCharacter ?? "");
      const early = heard && shared && fruitful ? names(document, position, context) : undefined; // while the editor asks them, too
      const first = await ours();
      if (shared) fruitful = pending(first) || itemsOf(first).length > 0;
      const doubtful = shared ? fruitful : itemsOf(first).some((item) => label(item).endsWith("="));
      if (!heard || !doubtful) return first;
      let answered = false;
      const asking = (early ?? names(document, position, context)).finally(() => (answered = true));
      // No longer than they take themselves, and one deadline of our server: theirs must not wait for ours.
      const paused = async (milliseconds: number): Promise<unknown> => Promise.race([sleep(milliseconds), asking]);
      const latest = await untilSomething(first, ours, () => answered || typedOn(), paused);
      const theirs = await asking;
      const left = itemsOf(latest).filter((item) => !theirs.has(bare(label(item))));
      return latest instanceof vscode.CompletionList ? new vscode.CompletionList(left, latest.isIncomplete ?? false) : left;
    },
    // The first provider with an answer is the only one that is shown: ours must not take the place of one of theirs.
    provideSignatureHelp: async (document, position, context, token, next) => {
      if (echoes.take(placeOf("signature", document, position))) return undefined;
      const mine = await next(document, position, context, token);
      if (mine === undefined || mine === null || token.isCancellationRequested || otherLanguageServer() === undefined) return mine;
      const asking = ask<vscode.SignatureHelp>("signature", "vscode.executeSignatureHelpProvider", document, position, context.triggerCharacter);
      const theirs = await within(asking, PATIENCE);
      if (theirs === undefined || theirs.signatures.length === 0) return mine;
      return context.isRetrigger ? undefined : theirs; // with a popup up, they keep the overload that the person chose
    },
  };
}

function placeOf(what: string, document: vscode.TextDocument, position: vscode.Position): string {
  return `${what} ${document.uri.toString()} ${position.line}:${position.character}`;
}
