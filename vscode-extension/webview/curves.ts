// Curves as arrays: out of the wire's base64, their extent, the one next to the pointer, their colours.
// What belongs here: arithmetic on numbers. What it must not know: uPlot, the page.
import type { Curve } from "../src/protocol.gen";

export interface Line {
  readonly name: string;
  /** The call it comes from; "" is the run itself. */
  readonly call: string;
  readonly label: string;
  readonly last: number;
  readonly points: number;
  readonly xs: Float32Array;
  readonly ys: Float32Array;
}

export interface Extent {
  readonly xMin: number;
  readonly xMax: number;
  readonly yMin: number;
  readonly yMax: number;
}

/** Little-endian float32 whatever the machine is. */
export function floats(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => view.getFloat32(at * 4, true));
}

export function decoded(curve: Curve): Line {
  const { name, call, label, points } = curve;
  // a value that JSON cannot say (not a number, infinite) comes as null
  return { name, call, label: label === "" ? (call === "" ? "run" : call) : label, last: curve.last ?? NaN, points, xs: floats(curve.xs), ys: floats(curve.ys) };
}

/** The lines by metric, metrics in the order in which they first came. */
export function byMetric(lines: readonly Line[]): ReadonlyMap<string, readonly Line[]> {
  const groups = new Map<string, Line[]>();
  for (const line of lines) {
    const group = groups.get(line.name);
    if (group === undefined) groups.set(line.name, [line]);
    else group.push(line);
  }
  return groups;
}

/** The box around the finite points (above zero only for a logarithmic axis); undefined when there are none. */
export function extent(lines: readonly Line[], logarithmic: boolean): Extent | undefined {
  let [xMin, xMax, yMin, yMax] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { xs, ys } of lines) {
    for (let at = 0; at < ys.length; at += 1) {
      const [x, y] = [xs[at] ?? NaN, ys[at] ?? NaN];
      if (!Number.isFinite(x) || !Number.isFinite(y) || (logarithmic && y <= 0)) continue;
      if (x < xMin) xMin = x;
      if (x > xMax) xMax = x;
      if (y < yMin) yMin = y;
      if (y > yMax) yMax = y;
    }
  }
  return yMin <= yMax ? { xMin, xMax, yMin, yMax } : undefined;
}

/** The extent with some air, and never empty: a scale needs two ends. */
export function aired(box: Extent, logarithmic: boolean): Extent {
  const { xMin, yMin, yMax } = box;
  const xMax = box.xMax > xMin ? box.xMax : xMin + 1;
  if (logarithmic) return { xMin, xMax, yMin: yMin / 1.3, yMax: yMax * 1.3 };
  const air = yMax > yMin ? (yMax - yMin) * 0.06 : Math.max(Math.abs(yMax) * 0.1, 1e-9);
  return { xMin, xMax, yMin: yMin - air, yMax: yMax + air };
}

export interface Hit {
  readonly line: Line;
  readonly at: number;
  readonly distance: number;
}

/** Index of the point with the x nearest to `x`; xs ascend. */
export function nearestIndex(xs: Float32Array, x: number): number {
  let [low, high] = [0, xs.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && Math.abs((xs[low - 1] ?? 0) - x) <= Math.abs((xs[low] ?? 0) - x) ? low - 1 : low;
}

/** The line whose point near the pointer is closest on the screen; `px`, `py` map values to pixels. */
export function nearest(lines: readonly Line[], x: number, pointer: { readonly left: number; readonly top: number }, px: (x: number) => number, py: (y: number) => number): Hit | undefined {
  let best: Hit | undefined;
  for (const line of lines) {
    if (line.xs.length === 0) continue;
    const at = nearestIndex(line.xs, x);
    const [dx, dy] = [px(line.xs[at] ?? 0) - pointer.left, py(line.ys[at] ?? 0) - pointer.top];
    const distance = Math.hypot(dx / 2, dy); // between two sparse points the height counts more
    if (best === undefined || distance < best.distance) best = { line, at, distance };
  }
  return best;
}

/** Colour number `at` of `count`: far apart for a few, an even sweep of hues for many. `light`: for a light background. */
export function colour(at: number, count: number, light: boolean): string {
  const few = [255, 55, 155, 20, 310, 195, 90, 350, 230, 130, 285, 175];
  const hue = count <= few.length ? (few[at % few.length] ?? 0) : (260 + (at * 300) / Math.max(1, count - 1)) % 360;
  return light ? `oklch(0.56 0.17 ${hue.toFixed(0)})` : `oklch(0.76 0.14 ${hue.toFixed(0)})`;
}

/** A number as short as it stays readable. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace("e+", "e");
  if (Number.isInteger(value)) return String(value);
  return value.toPrecision(4).replace(/\.?0+$/, "");
}
