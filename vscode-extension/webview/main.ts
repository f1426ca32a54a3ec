// The panel: composes its views and hands them what comes from the extension.
// What belongs here: which run and which side is shown. What it must not know: how a side draws or asks.
import "uplot/dist/uPlot.min.css";
import "./panel.css";
import { settled, stateOf } from "../src/blocks";
import type { RunSummary, StatusResult } from "../src/protocol.gen";
import { clusterState, executorCount } from "../src/words";
import type { Theme } from "./chart";
import { h, mark, setText } from "./dom";
import { ExecutorsView } from "./executors";
import { FiguresView } from "./figures";
import { FilesView } from "./files";
import { Host } from "./host";
import type { Tab, ToPanel } from "./messages";
import { MetricsView } from "./metrics";
import { OutputView } from "./output";
import { elapsed, RunList } from "./runlist";

const TABS: readonly { readonly tab: Tab; readonly title: string; readonly count: (run: RunSummary) => number }[] = [
  { tab: "metrics", title: "Metrics", count: (run) => run.metrics.length },
  { tab: "executors", title: "Executors", count: (run) => run.calls },
  { tab: "output", title: "Output", count: () => 0 },
  { tab: "figures", title: "Figures", count: (run) => run.displays },
  { tab: "files", title: "Files", count: (run) => run.files },
];

function theme(): Theme {
  const style = getComputedStyle(document.body);
  const value = (name: string, otherwise: string): string => {
    const found = style.getPropertyValue(name).trim();
    return found === "" ? otherwise : found;
  };
  const light = document.body.classList.contains("vscode-light") || document.body.classList.contains("vscode-high-contrast-light");
  return {
    light,
    text: value("--vscode-foreground", "#cccccc"),
    faint: value("--vscode-descriptionForeground", "#888888"),
    grid: light ? "rgba(0,0,0,0.07)" : "rgba(255,255,255,0.07)",
    font: value("--vscode-font-family", "sans-serif"),
  };
}

class PanelPage {
  readonly #host = new Host();
  readonly #runs = new Map<string, RunSummary>();
  readonly #list = new RunList((run) => this.#choose(run));
  readonly #metrics = new MetricsView(this.#host, theme());
  readonly #executors = new ExecutorsView(this.#host, () => this.#showOutput());
  readonly #output = new OutputView(this.#host);
  readonly #figures = new FiguresView(this.#host);
  readonly #files = new FilesView(this.#host);
  /** Which executors there are: files go with them. */
  #living = "";
  readonly #head = { icon: h("span"), title: h("span", { class: "title" }), facts: h("span", { class: "facts" }), stop: h("button", { class: "stop", text: "Interrupt", title: "Interrupt this run" }) };
  readonly #cluster = h("span", { class: "cluster" });
  readonly #tabs = new Map<Tab, HTMLElement>();
  readonly #sides: Record<Tab, HTMLElement>;
  readonly #root: HTMLElement;
  #selected = "";
  /** The newest run is shown until a person picks an older one. */
  #following = true;
  /** The side a person has picked; undefined: the one with something to see. */
  #picked: Tab | undefined;

  constructor(place: HTMLElement) {
    this.#root = place;
    this.#picked = this.#host.memory.tab;
    this.#selected = this.#host.memory.run ?? "";
    this.#following = this.#selected === "";
    this.#sides = { metrics: this.#metrics.element, executors: this.#executors.element, output: this.#output.element, figures: this.#figures.element, files: this.#files.element };
    const tabs = h("nav", { attr: { role: "tablist" } }, ...TABS.map(({ tab, title }) => this.#tab(tab, title)));
    const { icon, title, facts, stop } = this.#head;
    stop.addEventListener("click", () => this.#host.act("interrupt", this.#selected));
    const side = h("main", {}, h("header", { class: "top" }, h("div", { class: "what" }, icon, title, facts, stop), tabs), ...Object.values(this.#sides));
    place.append(h("aside", {}, h("div", { class: "list-head" }, h("span", { text: "Runs" }), this.#cluster), this.#list.element), side, welcome(() => this.#host.act("run")));
    this.#watch();
    this.#host.listen((message) => this.#heard(message));
    this.#render();
  }

  #tab(tab: Tab, title: string): HTMLElement {
    const count = h("span", { class: "count" });
    const button = h("button", { data: { testid: `tab-${tab}` }, attr: { role: "tab" }, click: () => this.#pick(tab) }, title, count);
    this.#tabs.set(tab, button);
    return button;
  }

  #watch(): void {
    setInterval(() => this.#tick(), 500);
    document.addEventListener("visibilitychange", () => this.#render());
    new MutationObserver(() => this.#metrics.retheme(theme())).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  #heard(message: Exclude<ToPanel, { kind: "answer" | "failed" }>): void {
    switch (message.kind) {
      case "runs":
        if (message.reset) this.#runs.clear();
        for (const run of message.runs) this.#runs.set(run.run, run);
        break;
      case "status":
        this.#status(message.status);
        break;
      case "select":
        if (message.run !== "") this.#select(message.run, true);
        if (message.tab !== "") this.#pick(message.tab);
        break;
    }
    this.#render();
  }

  #status(status: StatusResult): void {
    const state = clusterState(status);
    const count = executorCount(status);
    setText(this.#cluster, state === "off" ? "cluster off" : count === "" ? state : count);
    this.#cluster.title = "Executors of the pools, of how many there may be, and those of sessions";
    this.#cluster.className = `cluster ${state}`;
    this.#executors.status(status);
    this.#living = status.executors.map((executor) => executor.id).join(" ");
  }

  #choose(run: string): void {
    this.#select(run, run === this.#ordered()[0]?.run);
    this.#render();
  }

  #select(run: string, following: boolean): void {
    this.#selected = run;
    this.#following = following;
    this.#host.remember({ run: following ? "" : run });
  }

  #pick(tab: Tab): void {
    this.#picked = tab;
    this.#host.remember({ tab });
    this.#render();
  }

  #ordered(): readonly RunSummary[] {
    return [...this.#runs.values()].sort((a, b) => b.created - a.created);
  }

  #side(run: RunSummary): Tab {
    const has: Record<Tab, boolean> = { metrics: run.metrics.length > 0, executors: run.calls > 0, output: true, figures: run.displays > 0, files: run.files > 0 };
    if (this.#picked !== undefined && has[this.#picked]) return this.#picked;
    return has.metrics ? "metrics" : has.figures ? "figures" : "output";
  }

  #render(): void {
    const runs = this.#ordered();
    if (this.#following && runs[0] !== undefined && !this.#runs.has(this.#selected)) this.#selected = runs[0].run;
    if (this.#following && runs[0] !== undefined) this.#selected = runs[0].run;
    const run = this.#runs.get(this.#selected) ?? runs[0];
    this.#root.classList.toggle("empty", run === undefined);
    this.#list.update(runs, run?.run ?? "", Date.now() / 1000);
    const shown = run === undefined ? "metrics" : this.#side(run);
    for (const [tab, element] of Object.entries(this.#sides) as [Tab, HTMLElement][]) element.toggleAttribute("hidden", tab !== shown);
    for (const { tab, count } of TABS) this.#showTab(tab, tab === shown, run === undefined ? 0 : count(run));
    this.#tabs.get("files")?.toggleAttribute("hidden", run === undefined || run.files === 0);
    this.#header(run);
    this.#metrics.update(run, shown === "metrics");
    this.#executors.update(run);
    this.#figures.update(run);
    this.#files.update(run, this.#living);
    this.#showOutput();
  }

  #showOutput(): void {
    const run = this.#runs.get(this.#selected) ?? this.#ordered()[0];
    this.#output.update(run, this.#executors.labels);
  }

  #showTab(tab: Tab, on: boolean, count: number): void {
    const button = this.#tabs.get(tab);
    button?.classList.toggle("on", on);
    button?.setAttribute("aria-selected", String(on));
    const badge = button?.querySelector<HTMLElement>(".count");
    if (badge instanceof HTMLElement) setText(badge, count > 0 ? String(count) : "");
  }

  #header(run: RunSummary | undefined): void {
    if (run === undefined) return;
    const { icon, title, facts, stop } = this.#head;
    if (!icon.classList.contains(run.state)) icon.replaceChildren(mark(run.state));
    icon.className = run.state;
    setText(title, run.title === "" ? "block" : run.title);
    stop.hidden = settled(stateOf(run.state));
    this.#facts(run, facts);
  }

  #facts(run: RunSummary, facts: HTMLElement): void {
    const calls = run.calls > 0 ? `${run.callsDone}/${run.calls} calls` : "";
    const done = settled(stateOf(run.state));
    setText(facts, [done && run.state === "ok" ? "" : run.state, elapsed(run, Date.now() / 1000), calls, done ? "" : run.detail, run.code].filter((part) => part !== "").join(" · "));
  }

  /** Only what the clock changes. */
  #tick(): void {
    if (document.hidden) return;
    const run = this.#runs.get(this.#selected);
    if (run !== undefined && !settled(stateOf(run.state))) this.#facts(run, this.#head.facts);
    if ([...this.#runs.values()].some((each) => !settled(stateOf(each.state)))) this.#list.update(this.#ordered(), run?.run ?? "", Date.now() / 1000);
  }
}

function welcome(run: () => void): HTMLElement {
  const mac = navigator.userAgent.includes("Mac");
  const keys = (mac ? ["⌘", "⌥", "⏎"] : ["Ctrl", "Alt", "Enter"]).map((key) => h("kbd", { text: key }));
  return h(
    "div",
    { class: "welcome" },
    h("div", { class: "horizon" }),
    h("h1", { text: "Nothing has run yet" }),
    h("p", {}, "Open a Python file and press ", h("span", { class: "keys" }, ...keys), " to run the selection, the ", h("code", { text: "# %%" }), " cell or the statement at the cursor."),
    h("p", { class: "quiet", text: "Metrics, figures and output appear here while it runs." }),
    h("button", { class: "primary", text: "Run on Cluster", click: run }),
  );
}

const place = document.getElementById("yonder");
if (place !== null) new PanelPage(place);
