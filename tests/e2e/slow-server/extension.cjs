// A Python server as Yonder may meet it: it knows what a text tells (names, a class's members, a function's signature),
// nothing of what runs, and takes its time. What it was asked, and when, is in `asked.jsonl` beside the workspace's files.
const { appendFileSync } = require('node:fs');
const { join } = require('node:path');
const vscode = require('vscode');

const LATE = 1500;
const MEMBERS = ['shape', 'backward', 'only_theirs'];
const NAMES = ['layer', 'frame', 'fit'];
const SIGNATURE = 'fit(model, rate: float = 0.1, *, epochs: int = 3) -> float';

function said(what, at) {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '.';
  appendFileSync(join(folder, 'asked.jsonl'), `${JSON.stringify({ what, at })}\n`);
}

/** What `answer` gives, late; the place asked for and both times are written down. */
async function late(what, document, position, answer) {
  const asked = Date.now();
  await new Promise((resolve) => setTimeout(resolve, LATE));
  const before = document.lineAt(position.line).text.slice(0, position.character);
  said(`${what} ${before}`, { asked, answered: Date.now() });
  return answer(before);
}

exports.activate = (context) => {
  const python = { language: 'python' };
  const item = (kind) => (label) => new vscode.CompletionItem(label, kind);
  context.subscriptions.push(
    vscode.languages.registerCompletionItemProvider(python, {
      provideCompletionItems: (document, position) => late('completion', document, position, (before) => {
        if (/\["?\w*$/.test(before)) return ['"lr"', '"theirs"'].map(item(vscode.CompletionItemKind.Constant));
        return before.includes('.') ? MEMBERS.map(item(vscode.CompletionItemKind.Method)) : NAMES.map(item(vscode.CompletionItemKind.Variable));
      }),
    }, '.', '[', '"', "'"),
    vscode.languages.registerHoverProvider(python, {
      provideHover: (document, position) => late('hover', document, position, () =>
        new vscode.Hover(new vscode.MarkdownString().appendCodeblock('(variable) their_card: Tensor', 'python'))),
    }),
    vscode.languages.registerSignatureHelpProvider(python, {
      provideSignatureHelp: (document, position) => late('signature', document, position, (before) => {
        if (!before.includes('fit(')) return undefined;
        const help = new vscode.SignatureHelp();
        help.signatures = [new vscode.SignatureInformation(SIGNATURE, 'Theirs.')];
        return help;
      }),
    }, '(', ','),
  );
};
