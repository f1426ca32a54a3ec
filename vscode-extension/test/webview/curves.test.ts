// Arithmetic on curves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { aired, byMetric, colour, decoded, extent, floats, nearest, nearestIndex, short, type Line } from "../../webview/curves";

function line(call: string, ys: readonly number[], name = "loss"): Line {
  return { name, call, label: call, last: ys.at(-1) ?? NaN, points: ys.length, xs: Float32Array.from(ys.keys()), ys: Float32Array.from(ys) };
}

test("base64 of little-endian float32", () => {
  const base64 = Buffer.from(Float32Array.from([1, -2.5, 1e9]).buffer).toString("base64");
  assert.deepEqual([...floats(base64)], [1, -2.5, 1e9]);
  assert.deepEqual([...floats("")], []);
});

test("a curve without a label is named by its call, the run's own is the run", () => {
  const curve = { name: "loss", points: 0, last: 0, xs: "", ys: "" };
  assert.equal(decoded({ ...curve, call: "c7", label: "" }).label, "c7");
  assert.equal(decoded({ ...curve, call: "", label: "" }).label, "run");
});

test("metrics keep their order", () => {
  assert.deepEqual([...byMetric([line("a", [1], "loss"), line("a", [1], "acc"), line("b", [1], "loss")])].map(([name, group]) => [name, group.length]), [["loss", 2], ["acc", 1]]);
});

test("the extent leaves out what cannot be drawn", () => {
  const lines = [line("a", [1, NaN, 3]), line("b", [-1, Infinity, 2])];
  assert.deepEqual(extent(lines, false), { xMin: 0, xMax: 2, yMin: -1, yMax: 3 });
  assert.equal(extent(lines, true)?.yMin, 1);
  assert.equal(extent([line("a", [NaN])], false), undefined);
});

test("a flat line and a single point still have an axis", () => {
  const flat = aired({ xMin: 4, xMax: 4, yMin: 0, yMax: 0 }, false);
  assert.ok(flat.xMax > flat.xMin && flat.yMax > flat.yMin);
});

test("the nearest point and the nearest curve", () => {
  assert.deepEqual([-5, 0.4, 0.6, 99].map((x) => nearestIndex(Float32Array.from([0, 1, 2]), x)), [0, 0, 1, 2]);
  const same = (value: number): number => value;
  const hit = nearest([line("a", [0, 0, 0]), line("b", [9, 9, 9])], 1, { left: 1, top: 7 }, same, same);
  assert.deepEqual([hit?.line.call, hit?.at, hit?.distance], ["b", 1, 2]);
  assert.equal(nearest([line("a", [])], 1, { left: 0, top: 0 }, same, same), undefined);
});

test("sixty-four curves have sixty-four colours, in dark and light", () => {
  const different = (count: number, light: boolean): number => new Set(Array.from({ length: count }, (_, at) => colour(at, count, light))).size;
  for (const count of [1, 12, 13, 64]) assert.deepEqual([different(count, true), different(count, false)], [count, count]);
  assert.notEqual(colour(0, 3, true), colour(0, 3, false));
});

test("numbers are short", () => {
  assert.deepEqual([0, 3, 0.5, 0.123456, 1e-5, 2_500_000, NaN, -Infinity, 1e6, 100].map(short), ["0", "3", "0.5", "0.1235", "1.00e-5", "2.50e6", "nan", "−∞", "1.00e6", "100"]);
});
