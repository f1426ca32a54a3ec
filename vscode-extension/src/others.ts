// Which other extension serves Python here: by what is enabled, and by what the person has turned off in it.
// Pure; what it must not know: what Yonder does beside it.

export interface Other {
  readonly id: string;
  /** The setting that leaves it its diagnostics only. */
  readonly off?: string;
  /** Characters on which the editor asks it for completions, as far as that is known; all are asked on a dot. */
  readonly triggers: string;
}

const CHOSEN = "python.languageServer";
const PYRIGHTS = `.["'`;
const JEDIS = `."'`;
const PYTHON: Other = { id: "ms-python.python", triggers: JEDIS };
const PYLANCE: Other = { id: "ms-python.vscode-pylance", triggers: PYRIGHTS };

const OTHERS: readonly Other[] = [
  { id: "ms-pyright.pyright", off: "pyright.disableLanguageServices", triggers: PYRIGHTS },
  { id: "detachhead.basedpyright", off: "basedpyright.disableLanguageServices", triggers: PYRIGHTS },
  { id: "meta.pyrefly", off: "python.pyrefly.disableLanguageServices", triggers: "." },
  { id: "astral-sh.ty", off: "ty.disableLanguageServices", triggers: "." },
  { id: "anysphere.cursorpyright", off: "cursorpyright.disableLanguageServices", triggers: PYRIGHTS },
  { id: "anysphere.pyright", triggers: PYRIGHTS },
  { id: "codeium.windsurfpyright", off: "windsurfPyright.disableLanguageServices", triggers: PYRIGHTS },
  { id: "zuban.zubanls", triggers: "." },
  { id: "kylinideteam.kylin-python", triggers: JEDIS },
];

/** The settings that decide it, for asking again when one changes. */
export const DECIDING: readonly string[] = [CHOSEN, ...OTHERS.flatMap((other) => other.off ?? [])];

/**
 * The extension that completes Python besides us, if there is one. Enabled counts, not active: it wakes with the same
 * file that woke us.
 */
export function otherServer(enabled: (id: string) => boolean, setting: (name: string) => unknown): Other | undefined {
  const other = OTHERS.find(({ id, off }) => enabled(id) && (off === undefined || setting(off) !== true));
  if (other !== undefined) return other;
  // The Python extension brings one of two: Pylance, or (by choice, or without Pylance) jedi.
  const chosen = setting(CHOSEN) ?? "Default";
  if (chosen === "None") return undefined;
  if (enabled(PYLANCE.id) && chosen !== "Jedi") return PYLANCE;
  return enabled(PYTHON.id) ? PYTHON : undefined;
}
