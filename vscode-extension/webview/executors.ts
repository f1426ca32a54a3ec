// Who works: the executors as squares, the calls of a run as a table.
// What belongs here: rows and their order. What it must not know: the curves, how calls are placed.
import type { CallRow, CallsResult, ProgressRow, RunSummary, StatusResult } from "../src/protocol.gen";
import { duration } from "../src/words";
import { short } from "./curves";
import { h, mark, setText } from "./dom";
import type { Host } from "./host";
import { browserClock, Pull } from "./pull";

const EVERY_MS = 250;
const LIMIT = 500;
const METRICS = 5;

interface Order {
  readonly column: string;
  readonly down: boolean;
}

function size(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GB` : `${Math.round(bytes / 2 ** 20)} MB`;
}

export class ExecutorsView {
  readonly element = h("div", { class: "executors" });
  readonly #pools = h("div", { class: "pools" });
  readonly #bars = h("div", { class: "bars" });
  readonly #place = h("div", { class: "scroll" });
  readonly #pull: Pull;
  #run: RunSummary | undefined;
  #result: CallsResult = { calls: [], progress: [] };
  #asked = "";
  #order: Order | undefined;
  #labels: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly host: Host,
    private readonly changed: () => void,
  ) {
    this.#pull = new Pull(() => this.#ask(), EVERY_MS, browserClock);
    this.element.append(this.#pools, this.#bars, this.#place);
  }

  /** The calls' labels by id, for those who name calls. */
  get labels(): ReadonlyMap<string, string> {
    return this.#labels;
  }

  update(run: RunSummary | undefined): void {
    if (run?.run !== this.#run?.run) {
      [this.#result, this.#asked, this.#order, this.#labels] = [{ calls: [], progress: [] }, "", undefined, new Map()];
      this.#render();
    }
    this.#run = run;
    if (run !== undefined && `${run.run}|${run.revision}` !== this.#asked) this.#pull.poke();
  }

  async #ask(): Promise<void> {
    const run = this.#run;
    if (run === undefined || document.hidden) return;
    const result = await this.host.ask("yonder/calls", { run: run.run });
    if (run.run !== this.#run?.run) return;
    this.#asked = `${run.run}|${run.revision}`;
    this.#result = result;
    this.#labels = new Map(result.calls.map((call) => [call.call, call.label === "" ? call.call : call.label]));
    this.#render();
    this.changed();
  }

  status(status: StatusResult): void {
    const squares = status.executors.map((executor) =>
      h("i", {
        class: `square ${executor.state}`,
        title: [`${executor.id} · ${executor.state}`, executor.doing, `pid ${executor.pid} · ${Math.round(executor.cpuPercent)} % CPU · ${size(executor.memory)}`].filter((part) => part !== "").join("\n"),
      }),
    );
    const words = status.pools.map((pool) =>
      h(
        "span",
        { class: "pool", title: pool.why },
        h("b", { text: pool.name }),
        ` ${pool.executors}/${pool.max} ${pool.backend}`,
        pool.queued > 0 ? h("span", { class: "quiet", text: ` · ${pool.queued} waiting` }) : undefined,
        pool.why === "" ? undefined : h("span", { class: "quiet", text: ` · ${pool.why}` }),
      ),
    );
    this.#pools.replaceChildren(h("div", { class: "words" }, ...words), h("div", { class: "squares" }, ...squares));
  }

  #render(): void {
    const { calls, progress } = this.#result;
    this.#bars.replaceChildren(...progress.map((row) => bar(row)));
    if (calls.length === 0) {
      this.#place.replaceChildren(h("p", { class: "quiet", text: this.#run === undefined ? "" : "No pool calls in this run. pool.map(function, variants) spreads work over executors." }));
      return;
    }
    const metrics = [...new Set(calls.flatMap((call) => Object.keys(call.metrics)))].slice(0, METRICS);
    const rows = this.#sorted(calls);
    const more = rows.length > LIMIT ? h("p", { class: "quiet", text: `${rows.length - LIMIT} more calls are not shown.` }) : undefined;
    const { scrollTop } = this.#place;
    this.#place.replaceChildren(h("table", {}, this.#head(metrics), h("tbody", {}, ...rows.slice(0, LIMIT).map((call) => row(call, metrics)))), ...(more === undefined ? [] : [more]));
    this.#place.scrollTop = scrollTop;
  }

  #head(metrics: readonly string[]): HTMLElement {
    const cell = (column: string, text: string, kind: string): HTMLElement => {
      const arrow = this.#order?.column === column ? (this.#order.down ? " ↓" : " ↑") : "";
      return h("th", { class: kind, text: text + arrow, title: "Click to sort", click: () => this.#sortBy(column) });
    };
    return h(
      "thead",
      {},
      h(
        "tr",
        {},
        cell("label", "Call", "wide"),
        cell("progress", "Progress", ""),
        ...metrics.map((name) => cell(`metric ${name}`, name, "number")),
        cell("executor", "Executor", ""),
        cell("seconds", "Time", "number"),
      ),
    );
  }

  #sortBy(column: string): void {
    const now = this.#order?.column === column ? this.#order : undefined; // down, then up, then as they came
    this.#order = now === undefined ? { column, down: true } : now.down ? { column, down: false } : undefined;
    this.#render();
  }

  #sorted(calls: readonly CallRow[]): readonly CallRow[] {
    const order = this.#order;
    if (order === undefined) return calls;
    const value = (call: CallRow): number | string => {
      if (order.column === "label") return call.label;
      if (order.column === "executor") return call.executor;
      if (order.column === "seconds") return call.seconds;
      if (order.column === "progress") return call.total === 0 ? call.done : call.done / call.total;
      return call.metrics[order.column.slice("metric ".length)] ?? -Infinity;
    };
    const compare = (a: CallRow, b: CallRow): number => {
      const [x, y] = [value(a), value(b)];
      return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    };
    return [...calls].sort((a, b) => (order.down ? compare(b, a) : compare(a, b)));
  }
}

function row(call: CallRow, metrics: readonly string[]): HTMLElement {
  const share = call.total > 0 ? Math.min(1, call.done / call.total) : call.state === "ok" ? 1 : 0;
  const fill = h("i");
  fill.style.width = `${Math.round(share * 100)}%`;
  const words = call.total > 0 ? `${short(call.done)}/${short(call.total)}` : call.done > 0 ? short(call.done) : "";
  return h(
    "tr",
    { data: { testid: "call-row", state: call.state, call: call.call } },
    h("td", { class: "wide" }, mark(call.state), h("span", { class: "label", text: call.label === "" ? call.call : call.label, title: call.summary === "" ? call.label : call.summary })),
    h("td", { class: "progress", title: call.progressLabel }, h("span", { class: `track ${call.state}` }, fill), h("span", { class: "count", text: words })),
    ...metrics.map((name) => h("td", { class: "number", text: name in call.metrics ? short(call.metrics[name] ?? NaN) : "" })),
    h("td", { class: "executor", text: call.executor }),
    h("td", { class: "number", text: call.seconds > 0 ? duration(call.seconds) : "" }),
  );
}

function bar(progress: ProgressRow): HTMLElement {
  const fill = h("i");
  fill.style.width = progress.total > 0 ? `${Math.round((100 * progress.done) / progress.total)}%` : "100%";
  const count = h("span", { class: "count" });
  setText(count, progress.total > 0 ? `${short(progress.done)}/${short(progress.total)}` : short(progress.done));
  return h("div", { class: "bar-row" }, h("span", { class: "label", text: progress.label === "" ? "progress" : progress.label }), h("span", { class: "track running" }, fill), count);
}
