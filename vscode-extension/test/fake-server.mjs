// A language server with a script instead of a cluster: it answers every `yonder/*` method with moving data.
// What belongs here: enough to look at the extension without Python. It is no test of the server.
//   YONDER_FAKE=calls:8  how many calls a run has;  the block's text decides what happens (see `script`).
import { readFileSync } from "node:fs";

const CALLS = Number((process.env.YONDER_FAKE ?? "calls:8").split(":")[1]);
const started = Date.now() / 1000;
const documents = new Map();
const runs = new Map();
let revision = 0;
let number = 0;

function send(message) {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  process.stdout.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
const now = () => Date.now() / 1000;
const range = (first, last, width) => ({ start: { line: first, character: 0 }, end: { line: last, character: width } });

function block(lines, selection, where) {
  if (where === "file") return range(0, lines.length - 1, lines.at(-1).length);
  const marked = (line) => /^\s*#\s*%%/.test(line);
  let first = selection.start.line;
  while (first > 0 && !marked(lines[first])) first -= 1;
  let last = selection.start.line + 1;
  while (last < lines.length && !marked(lines[last])) last += 1;
  last -= 1;
  while (last > first && lines[last].trim() === "") last -= 1;
  return range(first, last, lines[last].length);
}

function script(text) {
  if (/1 \/ 0|raise /.test(text)) return "error";
  if (/pool\.map|sweep/.test(text)) return "sweep";
  if (/plt\.|figure/.test(text)) return "figure";
  if (/input\(/.test(text)) return "input";
  if (/missing/.test(text)) return "missing";
  return "value";
}

function touch(run, part) {
  revision += 1;
  Object.assign(run, part, { revision });
  send({ method: "yonder/runsChanged", params: { revision } });
}

function begin({ uri, selection, where = "auto" }) {
  const lines = (documents.get(uri) ?? readFileSync(new URL(uri), "utf8")).split("\n");
  const at = block(lines, selection, where);
  const text = lines.slice(at.start.line, at.end.line + 1).join("\n");
  const kind = script(text);
  if (kind === "missing") throw { code: -32001, message: "The Python of this project does not have yonder.", data: { code: "core_missing", command: ".venv/bin/python -m pip install yonder==0.1.0", detail: ".venv" } };
  number += 1;
  const title = /%%\s*(.+)/.exec(lines[at.start.line])?.[1] ?? lines[at.start.line].trim().slice(0, 40);
  const run = { run: `r${number}`, revision: 0, session: "main", uri, title, hash: "", range: at, kind: "block", state: "queued", detail: "", created: now(), started: 0, ended: 0, short: "", text: "", rich: {}, errorType: "", trace: [], metrics: [], displays: 0, calls: 0, callsDone: 0, output: 0, stale: false, code: "", files: 0, script: kind, pieces: [] };
  runs.set(run.run, run);
  touch(run, {});
  setTimeout(() => touch(run, { state: "booting", detail: "booting an executor" }), 150);
  setTimeout(() => play(run, uri, at), 500);
  return { run: run.run, session: "main", range: at, title };
}

function print(run, text, call = "", fd = 1) {
  run.pieces.push({ n: run.pieces.length + 1, call, fd, text, after: false });
  touch(run, { output: run.pieces.length });
}

function play(run, uri, at) {
  touch(run, { state: "running", detail: "", started: now() });
  const end = (part) => touch(run, { ended: now(), ...part });
  if (run.script === "value") setTimeout(() => end({ state: "ok", short: "tensor(0.9731)", text: "tensor(0.9731)\nshape () · float32" }), 300);
  if (run.script === "error") {
    print(run, "Traceback (most recent call last):\n", "", 2);
    const text = `Traceback (most recent call last):\n  File "${new URL(uri).pathname}", line ${at.end.line + 1}, in <module>\n    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero`;
    const trace = [{ file: new URL(uri).pathname, line: at.end.line + 1, function: "<module>", source: "1 / 0", user: true }];
    setTimeout(() => end({ state: "error", short: "ZeroDivisionError: division by zero", text, errorType: "ZeroDivisionError", trace }), 300);
  }
  if (run.script === "figure") setTimeout(() => end({ state: "ok", displays: 2 }), 300);
  if (run.script === "input") send({ method: "yonder/inputRequested", params: { id: run.run, run: run.run, prompt: "What is your name? ", secret: false } });
  if (run.script === "sweep") sweep(run, end);
}

function sweep(run, end) {
  touch(run, { metrics: ["loss", "accuracy", "learning_rate"], calls: CALLS });
  print(run, "\u001b[1mDigits\u001b[0m: 1797 images, \u001b[32mready\u001b[0m\n");
  let step = 0;
  const timer = setInterval(() => {
    step += 1;
    if (step % 10 === 0) print(run, `\repoch ${step / 10}: ${"█".repeat(step / 10)}`, `c${step % CALLS}`);
    if (step % 10 === 0 && step > 30) print(run, "\n", `c${step % CALLS}`);
    touch(run, { callsDone: Math.max(0, Math.min(CALLS, Math.round((step / 160 - 0.5) * 2 * CALLS))) });
    if (step < 160) return;
    clearInterval(timer);
    print(run, "UserWarning: lr_scheduler was stepped before the optimizer\n", "c1", 2);
    end({ state: "ok", callsDone: CALLS, files: FILES.length + 3, short: "[Result(lr=0.003, accuracy=0.981), Result(lr=0.01, accuracy=0.974), Result(lr=0.03, accuracy=0.962), …]", text: "[Result(lr=0.003, accuracy=0.981),\n Result(lr=0.01, accuracy=0.974),\n Result(lr=0.03, accuracy=0.962)]", displays: 1 });
  }, 100);
}

const FILES = [["checkpoints/best.pt", 184_300_000, "local-0", ""], ["checkpoints/last.pt", 184_300_000, "local-1", ""], ["confusion.csv", 4_210, "local-0", "/home/ada/digits/outputs/confusion.csv"], ["log/events.jsonl", 921_000, "ended-7", ""]];
const files = ({ run }) => ({ files: runs.get(run).files > 0 ? FILES.map(([path, size, executor, local]) => ({ executor, path, size, at: now(), call: "", local, there: executor.startsWith("local") })) : [], more: runs.get(run).files > 0 ? 3 : 0 });

const label = (at) => `lr=${[0.001, 0.003, 0.01, 0.03][at % 4]} width=${[16, 32, 64][at % 3]} #${at}`;
const steps = (run) => Math.min(1000, Math.round(((run.ended || now()) - run.started) * 60));
function curveValue(name, at, step) {
  const speed = 0.004 + (at % 7) * 0.002;
  const noise = Math.sin(step * 12.9898 + at * 78.233) * 43758.5453;
  const jitter = (noise - Math.floor(noise) - 0.5) * 0.08;
  if (name === "loss") return 2.3 * Math.exp(-step * speed) + 0.05 + (at % 5) * 0.03 + jitter * Math.exp(-step * speed * 0.5) * 2;
  if (name === "accuracy") return Math.min(0.99, 1 - 0.9 * Math.exp(-step * speed * 1.4)) - (at % 5) * 0.012 + jitter * 0.3;
  return 0.003 * (at + 1) * 0.5 * (1 + Math.cos((Math.PI * step) / 1000));
}

function series({ run: id, pixels, xMin, xMax }) {
  const run = runs.get(id);
  const curves = [];
  const count = steps(run);
  const stride = Math.max(1, Math.floor(count / pixels));
  for (const name of run.metrics) {
    for (let at = 0; at < CALLS; at += 1) {
      const xs = [];
      for (let step = 0; step < count; step += stride) if ((xMin ?? -1) <= step && step <= (xMax ?? Infinity)) xs.push(step);
      const ys = xs.map((step) => curveValue(name, at, step));
      const b64 = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");
      curves.push({ name, call: `c${at}`, label: label(at), points: count, last: ys.at(-1) ?? 0, xs: b64(xs), ys: b64(ys) });
    }
  }
  return { revision: run.revision, curves };
}

function calls({ run: id }) {
  const run = runs.get(id);
  if (run.calls === 0) return { calls: [], progress: [] };
  const rows = Array.from({ length: CALLS }, (_, at) => {
    const done = Math.min(1000, Math.round(steps(run) * (0.6 + (at % 5) * 0.15)));
    return { call: `c${at}`, label: label(at), pool: "default", executor: `local-${at % 8}`, state: done >= 1000 || run.ended ? "ok" : "running", started: run.started, seconds: (run.ended || now()) - run.started, summary: "", metrics: Object.fromEntries(run.metrics.map((name) => [name, curveValue(name, at, done)])), progressLabel: "", done, total: 1000 };
  });
  return { calls: rows, progress: [{ label: "sweep", done: run.callsDone, total: CALLS }] };
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="300" viewBox="0 0 480 300"><rect width="480" height="300" fill="white"/><path d="M40 20V260H460" stroke="#333" fill="none"/><path d="M40 250C120 240 140 80 240 60S380 40 460 36" stroke="#1f77b4" stroke-width="3" fill="none"/><path d="M40 240C160 230 180 130 260 110S400 90 460 80" stroke="#ff7f0e" stroke-width="3" fill="none"/><text x="210" y="290" font-family="sans-serif" font-size="14">step</text></svg>';
const displays = ({ run, since }) => {
  const all = Array.from({ length: runs.get(run).displays }, (_, at) => ({ n: at + 1, call: "", mime: "image/svg+xml", data: SVG, alt: `Accuracy ${at + 1}` }));
  return { displays: all.slice(since), next: all.length };
};

function output({ run, since, limit }) {
  const all = runs.get(run).pieces.filter((piece) => piece.n > since);
  return { pieces: all, next: all.at(-1)?.n ?? since, skipped: 0, total: runs.get(run).pieces.length, limit };
}

function status() {
  const live = [...runs.values()].filter((run) => run.started && !run.ended);
  const on = runs.size > 0;
  const busy = live.some((run) => run.calls > 0) ? CALLS : 0;
  const executors = Array.from({ length: on ? Math.max(busy, 2) : 0 }, (_, at) => ({ id: `local-${at}`, pool: "default", backend: "local", state: at < busy ? "busy" : "ready", pid: 4000 + at, since: started, doing: at < busy ? label(at) : "", cpuPercent: at < busy ? 97 : 0.4, memory: 430e6 }));
  const pools = [{ name: "default", backend: "local", executors: executors.length, booting: 0, busy, max: Math.max(8, CALLS), queued: 0, why: busy > 0 ? `${busy} calls are running` : "" }];
  const sessions = [{ id: "main", state: live.length > 0 ? "running" : "idle", generation: 1, python: "", pid: 3999, run: live[0]?.run ?? "", queued: 0, folder: "" }];
  return { cluster: on ? "on" : "off", python: "/home/ada/digits/.venv/bin/python", pythonVersion: "3.11.2", problem: "", live: "ok", pools, executors, sessions: on ? sessions : [], hubPid: 1, peak: busy };
}

function strip(run) {
  const { script: _script, pieces: _pieces, ...summary } = run;
  return summary;
}

const methods = {
  initialize: () => ({ capabilities: { textDocumentSync: 1, codeLensProvider: {}, executeCommandProvider: undefined }, serverInfo: { name: "fake" } }),
  shutdown: () => null,
  "yonder/run": begin,
  "yonder/interrupt": ({ run }) => {
    const found = runs.get(run) ?? [...runs.values()].find((each) => !each.ended);
    if (found) touch(found, { state: "cancelled", ended: now() });
    return { outcome: found ? "interrupted" : "idle", sentence: found ? "Interrupted." : "Nothing is running." };
  },
  "yonder/restartSession": () => ({ sentence: "The session is fresh: its variables are gone." }),
  "yonder/stopCluster": () => ({ executors: 2, peak: 8, left: 0, sentence: "The cluster is stopped: 2 executors ended, none left." }),
  "yonder/status": status,
  "yonder/runs": ({ since }) => ({ revision, runs: [...runs.values()].filter((run) => run.revision > since).map(strip) }),
  "yonder/output": output,
  "yonder/series": series,
  "yonder/calls": calls,
  "yonder/displays": displays,
  "yonder/files": files,
  "yonder/fetch": ({ to }) => ({ path: to }),
  "yonder/variables": () => ({ variables: [{ name: "model", type: "Net", short: "Net(21,322 parameters)" }, { name: "x", type: "Tensor", short: "float32[1797, 64]" }] }),
  "yonder/answer": ({ id, text }) => (touch(runs.get(id), { state: "ok", ended: now(), short: `'${text}'`, text: `'${text}'` }), {}),
  "yonder/provide": ({ choice }) => ({ sentence: choice }),
  "yonder/clearRuns": () => (runs.clear(), (revision += 1), {}),
  "textDocument/codeLens": ({ textDocument }) => {
    const lines = (documents.get(textDocument.uri) ?? "").split("\n");
    return lines.flatMap((line, at) => (/^\s*#\s*%%/.test(line) ? [{ range: range(at, at, line.length), command: { title: "▶ Run cell", command: "yonder.runCell", arguments: [textDocument.uri, range(at, at, line.length)] } }] : []));
  },
};
const notifications = {
  "textDocument/didOpen": ({ textDocument }) => documents.set(textDocument.uri, textDocument.text),
  "textDocument/didChange": ({ textDocument, contentChanges }) => documents.set(textDocument.uri, contentChanges.at(-1).text),
  "textDocument/didClose": ({ textDocument }) => documents.delete(textDocument.uri),
  exit: () => process.exit(0),
};

function handle(message) {
  if (message.id === undefined) return notifications[message.method]?.(message.params);
  if (message.method === undefined) return undefined;
  const method = methods[message.method];
  if (method === undefined) return send({ id: message.id, error: { code: -32601, message: `no method ${message.method}` } });
  try {
    return send({ id: message.id, result: method(message.params ?? {}) });
  } catch (error) {
    return send({ id: message.id, error: { code: error.code ?? -32603, message: error.message, data: error.data } });
  }
}

let buffer = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const head = buffer.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffer.subarray(0, head).toString())[1]);
    if (buffer.length < head + 4 + length) return;
    const message = JSON.parse(buffer.subarray(head + 4, head + 4 + length).toString());
    buffer = buffer.subarray(head + 4 + length);
    handle(message);
  }
});
process.stdin.on("end", () => process.exit(0));
setInterval(() => send({ method: "yonder/statusChanged", params: status() }), 500);
