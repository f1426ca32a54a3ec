// What the person reads: one line after the block, the status bar, durations.
// What belongs here: sentences out of facts, pure. What it must not know: the editor, colours, where the words are shown.
import type { Block } from "./blocks";
import type { StatusResult } from "./protocol.gen";

export const INLINE_LIMIT = 100;

/** At most `limit` characters (as people count them) of the first line. */
export function clip(text: string, limit: number): string {
  const line = text.trim().replaceAll(/\s*\n\s*/g, " ⏎ ");
  const letters = Array.from(line);
  return letters.length <= limit ? line : `${letters.slice(0, limit - 1).join("")}…`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A size as it is said. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(count) / 3), units.length);
  const value = count / 1000 ** power;
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[power - 1] ?? ""}`;
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" · ");
}

/** What came out, and on which code: old code must not look like new. */
function withCode(text: string, code: string): string {
  const words = clip(code, INLINE_LIMIT / 2);
  return joined(clip(text, INLINE_LIMIT - (words === "" ? 0 : Array.from(words).length + 3)), words);
}

/** The text after the last line of a block. `now` in seconds. */
export function inlineText(block: Block, now: number): string {
  const took = block.ended > 0 && block.started > 0 ? duration(block.ended - block.started) : "";
  switch (block.state) {
    case "pending":
      return "⋯ sending";
    case "queued":
      return clip(joined("⋯ queued", block.detail), INLINE_LIMIT);
    case "creating":
    case "booting":
      return clip(joined("⋯ starting an executor", block.detail), INLINE_LIMIT);
    case "running":
      return clip(joined("● running", now - block.started >= 1 ? duration(now - block.started) : "", block.detail), INLINE_LIMIT);
    case "ok":
      return withCode(block.short === "" ? joined("✓", took).replace(" · ", " ") : `→ ${block.short}`, block.code);
    case "error":
      return withCode(`✗ ${block.short === "" ? "failed" : block.short}`, block.code);
    case "lost":
      return clip(`✗ lost: ${block.short === "" ? "the session ended" : block.short}`, INLINE_LIMIT);
    case "cancelled":
      return clip(joined("■ interrupted", took), INLINE_LIMIT);
  }
}

export type Phase =
  | { readonly kind: "restricted" }
  | { readonly kind: "preparing"; readonly step: string }
  | { readonly kind: "connecting" }
  | { readonly kind: "failed"; readonly sentence: string }
  | { readonly kind: "ready"; readonly status: StatusResult | undefined };

export type ClusterState = "off" | "starting" | "idle" | "running" | "away" | "stopping" | "lost";

/** States of an executor that came up; before them a backend says in its own words how far it is. */
const UP: readonly string[] = ["ready", "busy", "draining"];

/** The processes beside the pools: those of sessions and of files. */
function own(status: StatusResult): StatusResult["executors"] {
  return status.executors.filter((one) => one.pool === "" && one.state !== "gone");
}

/** One word for the cluster: what the status bar and the panel say. A file that runs whole has no session and no pool. */
export function clusterState(status: StatusResult): ClusterState {
  if (status.cluster !== "on") return status.cluster;
  const pools = status.pools.some((pool) => pool.busy > 0 || pool.queued > 0);
  const sessions = status.sessions.some((session) => session.run !== "" || session.queued > 0);
  return pools || sessions || own(status).some((one) => one.doing !== "" || !UP.includes(one.state)) ? "running" : "idle";
}

function several(count: number, one: string): string {
  return count <= 0 ? "" : count === 1 ? one : `${count} ${one}s`;
}

/** What costs: "4/8 + session". Executors of pools, of how many there may be; processes of sessions and files; or "". */
export function executorCount(status: StatusResult): string {
  const sum = (pick: (pool: StatusResult["pools"][number]) => number): number => status.pools.reduce((total, pool) => total + pick(pool), 0);
  const sessions = status.sessions.filter((session) => session.pid > 0).length;
  const pooled = status.pools.length === 0 ? "" : `${sum((pool) => pool.executors)}/${sum((pool) => pool.max)}`;
  return [pooled, several(sessions, "session"), several(own(status).length - sessions, "file")].filter((part) => part !== "").join(" + ");
}

export interface BarText {
  readonly text: string;
  readonly tooltip: string;
  readonly alarm: boolean;
}

function environmentName(python: string): string {
  const parts = python.split(/[\\/]/).filter((part) => part !== "");
  const bin = parts.findIndex((part, at) => (part === "bin" || part === "Scripts") && at === parts.length - 2);
  const name = bin > 0 ? (parts[bin - 1] ?? "") : "";
  return name === "" || name === "usr" || name === "local" ? "" : name;
}

/** "Python 3.11 (.venv)", or "" when no interpreter is known. */
export function interpreterName(status: StatusResult): string {
  if (status.python === "") return "";
  const version = status.pythonVersion.split(".").slice(0, 2).join(".");
  const environment = environmentName(status.python);
  return [`Python ${version}`.trim(), environment === "" ? "" : `(${environment})`].filter((part) => part !== "").join(" ");
}

const ICON: Record<ClusterState, string> = {
  off: "$(circle-large-outline)",
  starting: "$(loading~spin)",
  idle: "$(circle-large-filled)",
  running: "$(sync~spin)",
  away: "$(debug-disconnect)",
  stopping: "$(loading~spin)",
  lost: "$(warning)",
};

/** What the status bar says; the cost (executors n/max) is visible whenever there is any. */
export function barText(phase: Phase): BarText {
  switch (phase.kind) {
    case "restricted":
      return { text: "$(shield) Yonder: off in Restricted Mode", tooltip: "Trust this workspace to run code with Yonder.", alarm: false };
    case "preparing":
      return { text: "$(loading~spin) Yonder: setting up", tooltip: phase.step, alarm: false };
    case "connecting":
      return { text: "$(loading~spin) Yonder", tooltip: "The language server is starting.", alarm: false };
    case "failed":
      return { text: "$(error) Yonder: not running", tooltip: phase.sentence, alarm: true };
    case "ready":
      return phase.status === undefined ? { text: "$(circle-large-outline) Yonder", tooltip: "Yonder", alarm: false } : readyText(phase.status);
  }
}

function readyText(status: StatusResult): BarText {
  const state = clusterState(status);
  const count = state === "off" || state === "lost" ? "" : executorCount(status);
  const slow = status.live === "slow" ? "live: slow" : "";
  const facts = [
    joined(`Cluster: ${state}`, count),
    status.where,
    status.python === "" ? "No Python interpreter found" : `${interpreterName(status)} — ${status.python}`,
    ...status.pools.map((pool) => joined(`Pool ${pool.name} (${pool.backend}): ${pool.busy} busy, ${pool.executors} of ${pool.max}`, pool.why)),
    status.problem,
  ];
  return {
    text: `${ICON[state]} ${joined(`Yonder: ${state}`, count, interpreterName(status), slow)}`,
    tooltip: facts.filter((fact) => fact !== "").join("\n"),
    alarm: state === "lost" || state === "away" || status.problem !== "",
  };
}
