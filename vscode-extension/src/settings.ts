// The editor's `yonder.*` settings as the server needs them.
// What belongs here: reading them. What it must not know: what they do.
import * as vscode from "vscode";
import { otherServer, type Other } from "./others";
import type { Settings } from "./protocol.gen";

/** The extension that completes Python besides us. With one the static half of Yonder stays quiet. */
export function otherLanguageServer(): Other | undefined {
  const settings = vscode.workspace.getConfiguration();
  return otherServer((id) => vscode.extensions.getExtension(id) !== undefined, (name) => settings.get(name));
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
    inlayHints: yonder.get<NonNullable<Settings["inlayHints"]>>("inlayHints", "auto"),
    patience: yonder.get("patience", 1),
    codeLens: yonder.get("codeLens", true),
    otherLanguageServer: otherLanguageServer() !== undefined,
    tool: yonder.get<Readonly<Record<string, unknown>>>("tool", {}),
  };
}
