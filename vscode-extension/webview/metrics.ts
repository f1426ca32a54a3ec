// The metrics of one run: all its charts, one legend, one zoom, one focus.
// What belongs here: when to ask for curves and how the charts share the room. What it must not know: drawing, the other sides of the panel.
import type { RunSummary } from "../src/protocol.gen";
import { Chart, type Theme } from "./chart";
import { byMetric, colour, decoded, type Line } from "./curves";
import { h } from "./dom";
import type { Host } from "./host";
import { browserClock, Pull } from "./pull";

const LEGEND_LIMIT = 12;
const EVERY_MS = 100;
const MIN_WIDTH = 225;
/** The grid's own padding at its sides, as in the style sheet. */
const MARGIN = 12;

export class MetricsView {
  readonly element = h("div", { class: "metrics" });
  readonly #bar = h("div", { class: "bar" });
  readonly #legend = h("div", { class: "legend" });
  readonly #grid = h("div", { class: "grid" });
  readonly #empty = h("p", { class: "quiet" });
  readonly #charts = new Map<string, Chart>();
  readonly #hidden = new Set<string>();
  readonly #pull: Pull;
  #lines: readonly Line[] = [];
  #order: readonly string[] = [];
  #run: RunSummary | undefined;
  #visible = false;
  #asked = "";
  #zoom: readonly [number, number] | undefined;
  #x: "step" | "time";
  #log: boolean;

  constructor(
    private readonly host: Host,
    private theme: Theme,
  ) {
    this.#x = host.memory.x ?? "step";
    this.#log = host.memory.log ?? false;
    this.#pull = new Pull(() => this.#ask(), EVERY_MS, browserClock);
    this.element.append(h("div", { class: "above" }, this.#legend, this.#bar), this.#grid, this.#empty);
    new ResizeObserver(() => this.#arrange()).observe(this.#grid);
    this.#buttons();
  }

  /** The run to show (again), and whether anybody sees it: unseen charts ask for nothing. */
  update(run: RunSummary | undefined, visible: boolean): void {
    if (run?.run !== this.#run?.run) this.#reset();
    this.#run = run;
    this.#visible = visible;
    const none = run === undefined || run.metrics.length === 0;
    this.#empty.hidden = !none;
    this.#empty.textContent = run === undefined ? "" : "No metrics in this run. Log some with yonder.log(step=step, loss=loss).";
    this.element.classList.toggle("none", none);
    if (!none && visible && this.#key(run) !== this.#asked) this.#pull.poke();
  }

  retheme(theme: Theme): void {
    this.theme = theme;
    this.#rebuild();
  }

  #key(run: RunSummary): string {
    return [run.run, run.revision, this.#x, this.#zoom?.join("-") ?? "", this.#pixels()].join("|");
  }

  #pixels(): number {
    const { columns, width } = this.#room(Math.max(1, this.#run?.metrics.length ?? 1));
    return columns === 0 ? 300 : Math.max(100, Math.round((width - 70) * Math.min(2, devicePixelRatio)));
  }

  #room(count: number): { readonly columns: number; readonly width: number; readonly height: number } {
    const all = Math.max(0, this.#grid.clientWidth - 2 * MARGIN);
    const columns = Math.max(1, Math.min(count, Math.floor((all + 10) / (MIN_WIDTH + 10))));
    const rows = Math.ceil(count / columns);
    const height = Math.floor((this.#grid.clientHeight - MARGIN - 6 - (rows - 1) * 10) / rows) - 2;
    return { columns: all === 0 ? 0 : columns, width: Math.floor((all - (columns - 1) * 10) / columns) - 2, height: Math.max(128, Math.min(340, height)) };
  }

  async #ask(): Promise<void> {
    const run = this.#run;
    if (run === undefined || !this.#visible || document.hidden) return;
    const asked = this.#key(run);
    const [xMin, xMax] = this.#zoom ?? [null, null];
    const answer = await this.host.ask("yonder/series", { run: run.run, names: [], x: this.#x, xMin, xMax, pixels: this.#pixels() });
    if (run.run !== this.#run?.run) return;
    this.#asked = asked;
    this.#lines = answer.curves.map(decoded);
    const calls = new Set(this.#lines.map((line) => line.call));
    this.#order = [...this.#order.filter((call) => calls.has(call)), ...[...calls].filter((call) => !this.#order.includes(call))];
    this.#render();
  }

  #render(): void {
    const groups = byMetric(this.#lines);
    for (const [name, chart] of this.#charts) {
      if (groups.has(name)) continue;
      chart.destroy();
      this.#charts.delete(name);
    }
    const room = this.#room(groups.size);
    for (const [metric, lines] of groups) {
      const chart = this.#charts.get(metric) ?? this.#made(metric, room.width, room.height);
      chart.show(lines.filter((line) => !this.#hidden.has(line.call)), this.#zoom);
    }
    this.#arrange();
    this.#showLegend();
  }

  #made(metric: string, width: number, height: number): Chart {
    const chart = new Chart(
      {
        metric,
        theme: this.theme,
        sync: "yonder",
        logarithmic: this.#log,
        xName: this.#x,
        colourOf: (line) => this.#colour(line.call),
        focus: (call) => this.#focus(call),
        zoom: (range) => this.#zoomed(range),
      },
      width,
      height,
    );
    this.#charts.set(metric, chart);
    this.#grid.append(chart.element);
    return chart;
  }

  #colour(call: string): string {
    return colour(Math.max(0, this.#order.indexOf(call)), this.#order.length, this.theme.light);
  }

  #focus(call: string | undefined): void {
    for (const chart of this.#charts.values()) chart.focus(call);
    for (const chip of this.#legend.children) if (chip instanceof HTMLElement) chip.classList.toggle("focused", call !== undefined && chip.dataset["call"] === call);
  }

  #zoomed(range: readonly [number, number] | undefined): void {
    this.#zoom = range;
    this.#buttons();
    this.#render();
    this.#pull.poke();
  }

  #arrange(): void {
    const { columns, width, height } = this.#room(this.#charts.size);
    if (columns === 0) return;
    this.#grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const chart of this.#charts.values()) chart.resize(width, height);
    if (this.#run !== undefined && this.#visible && this.#asked !== "" && this.#key(this.#run) !== this.#asked) this.#pull.poke();
  }

  #showLegend(): void {
    const labels = new Map(this.#lines.map((line) => [line.call, line.label]));
    if (this.#order.length <= 1) {
      this.#legend.replaceChildren();
    } else if (this.#order.length > LEGEND_LIMIT) {
      const ramp = h("span", { class: "ramp" });
      ramp.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => colour(Math.round(part * (this.#order.length - 1)), this.#order.length, this.theme.light)).join(", ")})`;
      this.#legend.replaceChildren(ramp, h("span", { class: "quiet", text: `${this.#order.length} curves · point at one to see whose it is` }));
    } else {
      this.#legend.replaceChildren(...this.#order.map((call) => this.#chip(call, labels.get(call) ?? call)));
    }
  }

  #chip(call: string, label: string): HTMLElement {
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = this.#colour(call);
    const off = this.#hidden.has(call);
    const chip = h(
      "button",
      {
        class: `chip${off ? " off" : ""}`,
        title: `${label}\nClick to ${off ? "show" : "hide"}`,
        data: { call },
        attr: { "aria-pressed": String(!off) },
        click: () => {
          if (!this.#hidden.delete(call)) this.#hidden.add(call);
          this.#render();
        },
      },
      swatch,
      h("span", { text: label }),
    );
    chip.addEventListener("mouseenter", () => this.#focus(call));
    chip.addEventListener("mouseleave", () => this.#focus(undefined));
    return chip;
  }

  #buttons(): void {
    const toggle = (text: string, title: string, on: boolean, click: () => void): HTMLElement => h("button", { class: `toggle${on ? " on" : ""}`, text, title, attr: { "aria-pressed": String(on) }, click });
    const x = (value: "step" | "time"): void => {
      this.#x = value;
      this.#zoom = undefined;
      this.host.remember({ x: value });
      this.#rebuild();
    };
    const reset = this.#zoom === undefined ? undefined : toggle("Reset zoom", "Show everything (or double-click a chart)", false, () => this.#zoomed(undefined));
    const log = toggle("Log", "Logarithmic values", this.#log, () => {
      this.#log = !this.#log;
      this.host.remember({ log: this.#log });
      this.#rebuild();
    });
    const pair = h("span", { class: "pair" }, toggle("Step", "Over steps", this.#x === "step", () => x("step")), toggle("Time", "Over seconds since the run began", this.#x === "time", () => x("time")));
    this.#bar.replaceChildren(...[reset, log, pair].filter((each) => each !== undefined));
  }

  #rebuild(): void {
    this.#clearCharts();
    this.#buttons();
    this.#asked = "";
    if (this.#lines.length > 0) this.#render();
    this.#pull.poke();
  }

  #clearCharts(): void {
    for (const chart of this.#charts.values()) chart.destroy();
    this.#charts.clear();
  }

  #reset(): void {
    this.#clearCharts();
    this.#hidden.clear();
    [this.#lines, this.#order, this.#asked, this.#zoom] = [[], [], "", undefined];
    this.#legend.replaceChildren();
    this.#buttons();
  }
}
