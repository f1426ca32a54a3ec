// One metric as a chart: uPlot has the axes, the scales and the pointer; the curves are drawn here.
// What belongs here: one canvas. What it must not know: runs, the extension, the other charts (they share a focus by callback).
// Why the curves are not uPlot's series: 64 curves with 64 different sets of steps would have to be joined into one table.
import uPlot from "uplot";
import { aired, extent, nearest, short, type Extent, type Hit, type Line } from "./curves";
import { h, setText } from "./dom";

export interface Theme {
  readonly light: boolean;
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly font: string;
}

export interface ChartOptions {
  readonly metric: string;
  readonly theme: Theme;
  readonly sync: string;
  readonly logarithmic: boolean;
  readonly xName: "step" | "time";
  readonly colourOf: (line: Line) => string;
  readonly focus: (call: string | undefined) => void;
  readonly zoom: (range: readonly [number, number] | undefined) => void;
}

const REACH_PX = 40;
const HEADER_PX = 26;

export class Chart {
  readonly element: HTMLElement;
  readonly #value = h("span", { class: "value" });
  readonly #tip = h("div", { class: "tip", attr: { hidden: "" } });
  readonly #plot: uPlot;
  #lines: readonly Line[] = [];
  #box: Extent | undefined;
  #focused: string | undefined;

  constructor(
    private readonly options: ChartOptions,
    width: number,
    height: number,
  ) {
    const place = h("div", { class: "plot" });
    this.element = h(
      "section",
      { class: "chart", data: { testid: "chart", metric: options.metric, curves: "0" } },
      h("header", {}, h("span", { class: "name", text: options.metric, title: options.metric }), this.#value),
      place,
      this.#tip,
    );
    this.#plot = new uPlot(this.#described(width, height), [[0, 1]], place);
  }

  #described(width: number, height: number): uPlot.Options {
    const { theme, xName, logarithmic, sync } = this.options;
    const axis: uPlot.Axis = {
      stroke: theme.faint,
      font: `11px ${theme.font}`,
      grid: { stroke: theme.grid, width: 1 },
      ticks: { show: false },
      gap: 4,
    };
    const words = (_plot: uPlot, values: readonly (number | null)[]): string[] => values.map((value) => (value === null ? "" : short(value)));
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- uPlot's enum exists in its types only: 3 is logarithmic
    const distr: uPlot.Scale.Distr = logarithmic ? 3 : 1;
    return {
      width,
      height: Math.max(80, height - HEADER_PX),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync, setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { show: false } },
      select: { show: true, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: false, auto: false }, y: { auto: false, distr, range: (_plot, min, max) => [min, max] } },
      axes: [
        { ...axis, size: 22, space: 70, values: xName === "time" ? (_plot, values) => values.map(seconds) : words },
        { ...axis, scale: "y", size: 52, space: 28, values: words },
      ],
      series: [{}],
      hooks: {
        draw: [(plot) => this.#draw(plot)],
        setCursor: [(plot) => this.#pointed(plot)],
        setSelect: [(plot) => this.#selected(plot)],
        ready: [
          (plot) => {
            plot.over.addEventListener("dblclick", () => this.options.zoom(undefined));
            plot.over.addEventListener("mouseleave", () => {
              this.#tip.hidden = true;
              this.options.focus(undefined);
            });
          },
        ],
      },
    };
  }

  show(lines: readonly Line[], zoom: readonly [number, number] | undefined): void {
    this.#lines = lines;
    this.element.dataset["curves"] = String(lines.length);
    setText(this.#value, summary(lines));
    const found = extent(lines, this.options.logarithmic);
    this.#box = found === undefined ? undefined : aired(found, this.options.logarithmic);
    const box = this.#box ?? { xMin: 0, xMax: 1, yMin: this.options.logarithmic ? 1 : 0, yMax: this.options.logarithmic ? 10 : 1 };
    const [xMin, xMax] = zoom ?? [box.xMin, box.xMax];
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: xMin, max: xMax });
      this.#plot.setScale("y", { min: box.yMin, max: box.yMax });
    });
    this.#plot.redraw(false, true);
  }

  focus(call: string | undefined): void {
    if (call === this.#focused) return;
    this.#focused = call;
    this.#plot.redraw(false, false);
  }

  resize(width: number, height: number): void {
    const wanted = Math.max(80, height - HEADER_PX);
    if (this.#plot.width !== width || this.#plot.height !== wanted) this.#plot.setSize({ width, height: wanted });
  }

  #draw(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const [px, py] = [this.#toPixels(plot, "x"), this.#toPixels(plot, "y")];
    const many = this.#lines.length > 12;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 2 * ratio, bbox.width + 6 * ratio, bbox.height + 4 * ratio);
    ctx.clip();
    ctx.lineJoin = "round";
    ctx.lineCap = "round";
    const ordered = this.#focused === undefined ? this.#lines : [...this.#lines].sort((a, b) => Number(a.call === this.#focused) - Number(b.call === this.#focused));
    for (const line of ordered) {
      const focused = line.call === this.#focused;
      ctx.globalAlpha = this.#focused === undefined ? (many ? 0.8 : 1) : focused ? 1 : 0.15;
      ctx.lineWidth = (focused ? 2.2 : many ? 1.1 : 1.6) * ratio;
      ctx.strokeStyle = ctx.fillStyle = this.options.colourOf(line);
      stroke(ctx, line, px, py, this.options.logarithmic);
      if (!many || focused || line.xs.length === 1) dot(ctx, px(line.xs.at(-1) ?? NaN), py(line.ys.at(-1) ?? NaN), 2.4 * ratio);
    }
    ctx.restore();
  }

  /** uPlot's own mapping is a call per point; for tens of thousands of points a straight line is enough. */
  #toPixels(plot: uPlot, scale: "x" | "y"): (value: number) => number {
    const { min, max } = plot.scales[scale] ?? {};
    const [low, high] = [min ?? 0, max ?? 1];
    const [from, to] = [plot.valToPos(low, scale, true), plot.valToPos(high, scale, true)];
    if (scale === "y" && this.options.logarithmic) {
      const [a, b] = [Math.log(low), Math.log(high)];
      return (value) => from + ((Math.log(value) - a) / (b - a)) * (to - from);
    }
    return (value) => from + ((value - low) / (high - low)) * (to - from);
  }

  #pointed(plot: uPlot): void {
    if (!plot.over.matches(":hover")) return; // another chart's pointer, shown here by the shared crosshair
    const { left = -1, top = -1 } = plot.cursor;
    const ratio = devicePixelRatio;
    const [px, py] = [this.#toPixels(plot, "x"), this.#toPixels(plot, "y")];
    const pointer = { left: left * ratio + plot.bbox.left, top: top * ratio + plot.bbox.top };
    const hit = left < 0 ? undefined : nearest(this.#lines, plot.posToVal(left, "x"), pointer, px, py);
    const near = hit !== undefined && hit.distance <= REACH_PX * ratio ? hit : undefined;
    this.options.focus(near?.line.call);
    this.#tip.hidden = near === undefined;
    if (near !== undefined) this.#tell(near, plot, left, top);
  }

  #tell(hit: Hit, plot: uPlot, left: number, top: number): void {
    const { line, at } = hit;
    const x = line.xs[at] ?? 0;
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = this.options.colourOf(line);
    const where = this.options.xName === "time" ? seconds(x) : `step ${short(x)}`;
    this.#tip.replaceChildren(
      h("div", { class: "who" }, swatch, h("span", { text: line.label })),
      h("div", { class: "what" }, h("b", { text: short(line.ys[at] ?? NaN) }), h("span", { text: where })),
    );
    const { clientWidth: width, clientHeight: height } = this.#tip;
    const at0 = plot.over.offsetLeft + left;
    const flip = at0 + width + 24 > this.element.clientWidth;
    this.#tip.style.left = `${Math.max(4, flip ? at0 - width - 12 : at0 + 14)}px`;
    this.#tip.style.top = `${HEADER_PX + Math.max(0, Math.min(plot.over.clientHeight - height, top - height / 2))}px`;
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width > 4) this.options.zoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
    if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  destroy(): void {
    this.#plot.destroy();
    this.element.remove();
  }
}

function stroke(ctx: CanvasRenderingContext2D, line: Line, px: (x: number) => number, py: (y: number) => number, logarithmic: boolean): void {
  const { xs, ys } = line;
  let pen = false;
  ctx.beginPath();
  for (let at = 0; at < xs.length; at += 1) {
    const y = ys[at] ?? NaN;
    if (!Number.isFinite(y) || (logarithmic && y <= 0)) {
      pen = false; // a hole in the values is a hole in the line
      continue;
    }
    if (pen) ctx.lineTo(px(xs[at] ?? 0), py(y));
    else ctx.moveTo(px(xs[at] ?? 0), py(y));
    pen = true;
  }
  ctx.stroke();
}

function dot(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  if (!Number.isFinite(x) || !Number.isFinite(y)) return;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

function summary(lines: readonly Line[]): string {
  const values = lines.map((line) => line.last).filter((value) => Number.isFinite(value));
  if (values.length === 0) return "";
  if (values.length === 1) return short(values[0] ?? NaN);
  return `${short(Math.min(...values))} … ${short(Math.max(...values))}`;
}

function seconds(value: number): string {
  if (value < 60) return `${short(value)} s`;
  const minutes = Math.floor(value / 60);
  return `${minutes}:${String(Math.floor(value % 60)).padStart(2, "0")}`;
}
