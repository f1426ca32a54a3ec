// Which other extension serves Python here: by what is enabled, and by what the person has turned off in it.
// Pure; what it must not know: what Yonder does beside it.

interface Other {
  readonly id: string;
  /** The setting that leaves it its diagnostics only. */
  readonly off?: string;
}

const PYTHON = "ms-python.python";
const PYLANCE = "ms-python.vscode-pylance";
const CHOSEN = "python.languageServer";

const OTHERS: readonly Other[] = [
  { id: "ms-pyright.pyright", off: "pyright.disableLanguageServices" },
  { id: "detachhead.basedpyright", off: "basedpyright.disableLanguageServices" },
  { id: "meta.pyrefly", off: "python.pyrefly.disableLanguageServices" },
  { id: "astral-sh.ty", off: "ty.disableLanguageServices" },
  { id: "anysphere.cursorpyright", off: "cursorpyright.disableLanguageServices" },
  { id: "anysphere.pyright" },
  { id: "codeium.windsurfpyright", off: "windsurfPyright.disableLanguageServices" },
  { id: "zuban.zubanls" },
  { id: "kylinideteam.kylin-python" },
];

/** The settings that decide it, for asking again when one changes. */
export const DECIDING: readonly string[] = [CHOSEN, ...OTHERS.flatMap((other) => other.off ?? [])];

/**
 * The extension that completes Python besides us, if there is one. Enabled counts, not active: it wakes with the same
 * file that woke us.
 */
export function otherServer(enabled: (id: string) => boolean, setting: (name: string) => unknown): string | undefined {
  const other = OTHERS.find(({ id, off }) => enabled(id) && (off === undefined || setting(off) !== true));
  if (other !== undefined) return other.id;
  // The Python extension brings one of two: Pylance, or (by choice, or without Pylance) jedi.
  const chosen = setting(CHOSEN) ?? "Default";
  if (chosen === "None") return undefined;
  if (enabled(PYLANCE) && chosen !== "Jedi") return PYLANCE;
  return enabled(PYTHON) ? PYTHON : undefined;
}
