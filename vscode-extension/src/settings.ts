// The editor's `yonder.*` settings as the server needs them.
// What belongs here: reading them. What it must not know: what they do.
import * as vscode from "vscode";
import type { Settings } from "./protocol.gen";

/** Extensions that already complete Python; beside them the static half of Yonder stays quiet. */
const OTHER_SERVERS = [
  "ms-python.vscode-pylance",
  "ms-pyright.pyright",
  "detachhead.basedpyright",
  "meta.pyrefly",
  "astral-sh.ty",
  "anysphere.cursorpyright",
  "KylinIdeTeam.kylin-python",
];

export function otherLanguageServer(): boolean {
  return OTHER_SERVERS.some((id) => vscode.extensions.getExtension(id) !== undefined);
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
