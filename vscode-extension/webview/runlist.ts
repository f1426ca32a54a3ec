// The list of runs at the left.
// What belongs here: one row per run, newest first, and choosing one. What it must not know: what the other side shows of it.
import { settled, stateOf } from "../src/blocks";
import type { RunSummary } from "../src/protocol.gen";
import { duration } from "../src/words";
import { h, mark, setText } from "./dom";

const LIMIT = 300;

interface Row {
  readonly element: HTMLElement;
  readonly time: HTMLElement;
  readonly sub: HTMLElement;
  readonly bar: HTMLElement;
  readonly title: HTMLElement;
  icon: HTMLElement;
}

export class RunList {
  readonly element = h("div", { class: "runs", attr: { role: "listbox", "aria-label": "Runs", tabindex: "0" } });
  readonly #rows = new Map<string, Row>();
  #runs: readonly RunSummary[] = [];
  #selected = "";

  constructor(private readonly choose: (run: string) => void) {
    this.element.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const next = this.#runs[this.#runs.findIndex((run) => run.run === this.#selected) + step];
      if (step === 0 || next === undefined) return;
      event.preventDefault();
      this.choose(next.run);
    });
  }

  update(runs: readonly RunSummary[], selected: string, now: number): void {
    this.#runs = runs.slice(0, LIMIT);
    this.#selected = selected;
    const wanted = new Set(this.#runs.map((run) => run.run));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    this.#runs.forEach((run, at) => {
      const row = this.#rows.get(run.run) ?? this.#made(run);
      this.#fill(row, run, now);
      if (this.element.children[at] !== row.element) this.element.insertBefore(row.element, this.element.children[at] ?? null);
    });
  }

  #made(run: RunSummary): Row {
    const [title, time, sub, bar] = [h("span", { class: "title" }), h("span", { class: "time" }), h("span", { class: "sub" }), h("i")];
    const icon = mark(run.state);
    const element = h(
      "div",
      { class: "row", data: { testid: "run-row", run: run.run }, attr: { role: "option" }, click: () => this.choose(run.run) },
      icon,
      h("div", { class: "body" }, h("div", { class: "first" }, title, time), h("div", { class: "second" }, sub, h("span", { class: "track" }, bar))),
    );
    const row = { element, time, sub, bar, title, icon };
    this.#rows.set(run.run, row);
    return row;
  }

  #fill(row: Row, run: RunSummary, now: number): void {
    const chosen = run.run === this.#selected;
    if (row.element.dataset["state"] !== run.state) {
      row.element.dataset["state"] = run.state;
      const icon = mark(run.state);
      row.icon.replaceWith(icon);
      row.icon = icon;
    }
    row.element.classList.toggle("selected", chosen);
    row.element.setAttribute("aria-selected", String(chosen));
    row.element.title = run.title;
    setText(row.title, run.title === "" ? "block" : run.title);
    setText(row.time, elapsed(run, now));
    setText(row.sub, subtitle(run));
    const share = run.calls === 0 ? 0 : run.callsDone / run.calls;
    row.bar.parentElement?.toggleAttribute("hidden", run.calls === 0 || settled(stateOf(run.state)));
    row.bar.style.width = `${Math.round(share * 100)}%`;
  }
}

export function elapsed(run: RunSummary, now: number): string {
  if (run.started === 0) return "";
  return duration((run.ended === 0 ? now : run.ended) - run.started);
}

function subtitle(run: RunSummary): string {
  if (settled(stateOf(run.state))) return run.short === "" ? (run.calls > 0 ? `${run.calls} calls` : "") : run.short;
  if (run.calls > 0) return `${run.callsDone}/${run.calls} calls`;
  return run.detail === "" ? run.state : run.detail;
}
