// What a person can press when something failed.
// What belongs here: from the server's Remedy to buttons, pure. What it must not know: the editor, how a button does its work.
import type { Remedy } from "./protocol.gen";

export type Action = "install" | "without" | "interpreter" | "settings" | "log" | "restart" | "kill" | "session";

export interface Button {
  readonly title: string;
  readonly action: Action;
}

/** The `data` of a failed request, if it is a Remedy. Anything else on the wire is no remedy, not an error. */
export function remedyOf(data: unknown): Remedy | undefined {
  if (typeof data !== "object" || data === null || !("code" in data) || typeof data.code !== "string") return undefined;
  const text = (key: string): string => {
    const value: unknown = (data as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" ? value : "";
  };
  return { code: data.code, command: text("command"), detail: text("detail") };
}

export function buttons(remedy: Remedy | undefined): readonly Button[] {
  switch (remedy?.code) {
    case undefined:
      return [{ title: "Show Log", action: "log" }];
    case "core_missing":
      return [
        { title: `Install yonder into ${remedy.detail === "" ? "this environment" : remedy.detail}`, action: "install" },
        { title: "Run without installing", action: "without" },
      ];
    case "python_too_old":
    case "no_python":
      return [
        { title: "Select Interpreter", action: "interpreter" },
        { title: "Open Settings", action: "settings" },
      ];
    case "code_kept":
      return [{ title: "Restart Session", action: "session" }];
    case "settings":
      return [{ title: "Open Settings", action: "settings" }];
    default:
      return [{ title: "Show Log", action: "log" }];
  }
}

/** What a session tells anew while the last such notice still lies there is not shown on top of it: one button does for both. */
export class Once {
  readonly #open = new Set<string>();

  /** Shows it, unless one of that kind ("": there are none) is open. Says whether it did. */
  async show(kind: string, shown: () => Promise<void>): Promise<boolean> {
    if (this.#open.has(kind)) return false;
    if (kind !== "") this.#open.add(kind);
    try {
      await shown();
    } finally {
      this.#open.delete(kind);
    }
    return true;
  }
}

/** The sentence with the command that the button would run, so that nothing is changed unseen. */
export function sentenceOf(message: string, remedy: Remedy | undefined): string {
  return remedy === undefined || remedy.command === "" || message.includes(remedy.command) ? message : `${message} (${remedy.command})`;
}
