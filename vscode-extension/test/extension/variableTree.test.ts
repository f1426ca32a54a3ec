// The rows of the Variables view: pages, one question at a time, what has changed, how a path is written.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Variable, VariablesParams, VariablesResult } from "../../src/protocol.gen";
import { described, expressionOf, isPath, PAGE, VariableTree, type Node, type Row } from "../../src/variableTree";

function variable(name: string, more: Partial<Variable> = {}): Variable {
  return { name, kind: "v", type: "int", short: "1", step: { kind: "name", value: name }, children: 0, size: -1, statistics: false, ...more };
}

/** A session with these names (or rows inside), which counts what it is asked. */
function scene(rows: (params: VariablesParams) => readonly Variable[], generation = (): number => 1): { tree: VariableTree; asked: VariablesParams[]; most: () => number } {
  const asked: VariablesParams[] = [];
  let [open, most] = [0, 0];
  const ask = async (params: VariablesParams): Promise<VariablesResult> => {
    asked.push(params);
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setImmediate(resolve));
    open -= 1;
    const all = rows(params);
    const offset = params.offset ?? 0;
    return { variables: all.slice(offset, offset + (params.limit ?? 0)), total: all.length, generation: generation(), state: "live", sentence: "" };
  };
  return { tree: new VariableTree(ask, () => "file:///a.py"), asked, most: () => most };
}

function rowsOf(nodes: readonly Node[]): readonly Row[] {
  return nodes.filter((node): node is Row => node.kind === "row");
}

test("a row leads to what is inside it", async () => {
  const { tree, asked } = scene((params) => ((params.path ?? []).length === 0 ? [variable("cfg", { children: 1 })] : [variable("'lr'", { step: { kind: "key", value: "lr" } })]));
  const [cfg] = rowsOf(await tree.children(undefined));
  assert.equal(cfg?.expression, "cfg");
  const [rate] = rowsOf(await tree.children(cfg));
  assert.equal(rate?.expression, "cfg['lr']");
  assert.deepEqual(asked[1]?.path, [{ kind: "name", value: "cfg" }]);
  assert.notEqual(cfg.id, rate.id);
});

test("more rows come when they are asked for", async () => {
  const names = Array.from({ length: 2 * PAGE + 50 }, (_, at) => variable(`n${at}`));
  const { tree, asked } = scene(() => names);
  const first = await tree.children(undefined);
  const more = first.at(-1);
  assert.equal(first.length, PAGE + 1);
  assert.ok(more?.kind === "more");
  assert.equal(more.text, "show 100 more of 150…");
  tree.more(more);
  const second = await tree.children(undefined);
  assert.equal(rowsOf(second).length, 2 * PAGE);
  assert.equal(second.at(-1)?.kind, "more");
  if (second.at(-1)?.kind === "more") tree.more(more);
  const third = await tree.children(undefined);
  assert.equal(rowsOf(third).length, names.length);
  assert.equal(third.length, names.length);
  assert.deepEqual(asked.slice(-3).map((params) => params.offset), [0, PAGE, 2 * PAGE]);
  tree.anew("n1");
  assert.equal(rowsOf(await tree.children(undefined)).length, PAGE);
  assert.equal(asked.at(-1)?.filter, "n1");
});

test("one question is under way at a time, and it says so", async () => {
  const { tree, most } = scene(() => [variable("a", { children: 1 }), variable("b", { children: 1 })]);
  const rows = rowsOf(await tree.children(undefined));
  const all = Promise.all([tree.children(undefined), ...rows.map((row) => tree.children(row))]);
  assert.ok(tree.asking);
  await all;
  assert.equal(most(), 1);
  assert.ok(!tree.asking);
});

test("rows without a step have ids of their own and stay closed", async () => {
  const { tree } = scene(() => [variable("<redacted>", { step: null }), variable("<redacted>", { step: null })]);
  const [one, two] = rowsOf(await tree.children(undefined));
  assert.notEqual(one?.id, two?.id);
  assert.deepEqual(one?.path, []);
});

test("what has changed since the run before is marked, for as long as that run is the last", async () => {
  let [short, generation] = ["1", 1];
  const { tree } = scene(
    () => [variable("x", { short })],
    () => generation,
  );
  const changed = async (): Promise<boolean | undefined> => rowsOf(await tree.children(undefined))[0]?.changed;
  assert.equal(await changed(), false);
  [short, generation] = ["2", 2];
  assert.equal(await changed(), true);
  assert.equal(await changed(), true);
  generation = 3;
  assert.equal(await changed(), false);
  [short, generation] = ["9", 1];
  assert.equal(await changed(), false, "another session has nothing to compare with");
});

test("a failure is a row, and the next question is asked", async () => {
  let fails = true;
  const tree = new VariableTree(
    () => (fails ? Promise.reject(new Error("the server was stopped")) : Promise.resolve({ variables: [], total: 0, generation: 1, state: "none", sentence: "Run a block" })),
    () => "",
  );
  assert.deepEqual(await tree.children(undefined), [{ kind: "note", id: "!", text: "the server was stopped" }]);
  fails = false;
  assert.deepEqual(await tree.children(undefined), []);
  assert.equal(tree.last?.sentence, "Run a block");
});

test("paths are written as Python reads them", () => {
  const written = (value: string | number): string => expressionOf([{ kind: "name", value: "d" }, { kind: typeof value === "number" ? "index" : "key", value }]);
  assert.equal(written("a"), "d['a']");
  assert.equal(written("it's"), `d["it's"]`);
  assert.equal(written(`it's "x"`), `d['it\\'s "x"']`);
  assert.equal(written("a\\\n"), "d['a\\\\\\n']");
  assert.equal(written(-1), "d[-1]");
  assert.equal(expressionOf([{ kind: "name", value: "net" }, { kind: "attr", value: "weight" }]), "net.weight");
});

test("the type stands behind a value that does not tell it", () => {
  assert.equal(described(variable("x"), ""), "1 · int");
  assert.equal(described(variable("x", { type: "torch.Tensor", short: "Tensor(3, float32, cpu)" }), ""), "Tensor(3, float32, cpu)");
  assert.equal(described(variable("x"), "min 1"), "min 1 · 1 · int");
});

test("a path that comes with a command is looked at before it is used", () => {
  const name = { kind: "name", value: "x" };
  for (const good of [[name], [name, { kind: "index", value: -1 }], [name, { kind: "key", value: "a b" }]]) assert.ok(isPath(good));
  const bad: readonly unknown[] = [undefined, "x", {}, [], [null], [{ kind: "eval", value: "x" }], [{ kind: "name" }], [{ kind: "name", value: {} }], Array.from({ length: 101 }, () => name)];
  for (const each of bad) assert.ok(!isPath(each), JSON.stringify(each));
});

test("another session's value of a name is no change", async () => {
  let [short, generation] = ["1", 3];
  const { tree } = scene(() => [variable("x", { short })], () => generation);
  await tree.children(undefined);
  [short, generation] = ["2", 7];
  tree.elsewhere();
  assert.equal(rowsOf(await tree.children(undefined))[0]?.changed, false);
  [short, generation] = ["3", 8];
  assert.equal(rowsOf(await tree.children(undefined))[0]?.changed, true);
});
