// Summaries of runs for the tests.
import type { Range, RunSummary } from "../../src/protocol.gen";

export function lines(first: number, last: number, width = 1): Range {
  return { start: { line: first, character: 0 }, end: { line: last, character: width } };
}

export function summary(run: string, part: Partial<RunSummary> = {}): RunSummary {
  return {
    run,
    revision: 1,
    session: "main",
    uri: "file:///a.py",
    title: run,
    hash: "",
    range: lines(0, 0),
    kind: "block",
    state: "ok",
    detail: "",
    created: 1,
    started: 1,
    ended: 2,
    short: "",
    text: "",
    rich: {},
    errorType: "",
    trace: [],
    metrics: [],
    displays: 0,
    calls: 0,
    callsDone: 0,
    output: 0,
    stale: false,
    code: "",
    files: 0,
    ...part,
  };
}
