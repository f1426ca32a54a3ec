// The editor's `yonder.*` settings as the server needs them.
// What belongs here: reading them. What it must not know: what they do.
import * as vscode from "vscode";
import { otherServer } from "./others";
import type { Settings } from "./protocol.gen";

/** Does another extension complete Python here? Beside it the static half of Yonder stays quiet. */
export function otherLanguageServer(): boolean {
  const settings = vscode.workspace.getConfiguration();
  return otherServer((id) => vscode.extensions.getExtension(id) !== undefined, (name) => settings.get(name)) !== undefined;
}

export function readSettings(scope: vscode.Uri | undefined): Settings {
  const yonder = vscode.workspace.getConfiguration("yonder", scope);
  return {
    python: yonder.get("python", ""),
    provide: yonder.get<NonNullable<Settings["provide"]>>("provide", "ask"),
    static: yonder.get<NonNullable<Settings["static"]>>("static", "auto"),
    looking: yonder.get<NonNullable<Settings["looking"]>>("looking", "limited"),
    linger: yonder.get("linger", 20),
    silence: yonder.get("silence", 600),
    codeLens: yonder.get("codeLens", true),
    otherLanguageServer: otherLanguageServer(),
    tool: yonder.get<Readonly<Record<string, unknown>>>("tool", {}),
  };
}
