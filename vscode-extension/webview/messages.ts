// What the panel and the extension say to each other.
// What belongs here: the shapes, one closed set per direction. No code, no DOM, no editor.
import type { Requests, RunSummary, StatusResult } from "../src/protocol.gen";

/** The questions that the panel may ask the server, through the extension. All of them only look. */
export type PanelMethod = "yonder/series" | "yonder/output" | "yonder/calls" | "yonder/displays" | "yonder/files";

/** What the panel may have done; the extension knows the commands behind them. */
export type PanelAct = "run" | "interrupt" | "openOutput" | "openAt" | "clearRuns" | "showLog" | "download" | "downloadAll" | "openFile";

export type Tab = "metrics" | "executors" | "output" | "figures" | "files";

export type FromPanel =
  | { readonly kind: "ready" }
  | { [M in PanelMethod]: { readonly kind: "ask"; readonly id: number; readonly method: M; readonly params: Requests[M]["params"] } }[PanelMethod]
  | { readonly kind: "act"; readonly act: PanelAct; readonly args: readonly (string | number)[] };

export type ToPanel =
  | { readonly kind: "runs"; readonly reset: boolean; readonly runs: readonly RunSummary[] }
  | { readonly kind: "status"; readonly status: StatusResult }
  | { readonly kind: "answer"; readonly id: number; readonly result: Requests[PanelMethod]["result"] }
  | { readonly kind: "failed"; readonly id: number; readonly sentence: string }
  | { readonly kind: "select"; readonly run: string; readonly tab: Tab | "" };
