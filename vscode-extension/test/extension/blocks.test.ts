// Marks stand at once, move with the text, go grey when it is another text, and find it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { anchored, textHash } from "../../src/anchor";
import { Blocks, find, moved, stateOf, type Change } from "../../src/blocks";
import { lines, summary } from "./summaries";

const URI = "file:///a.py";
const TEXT = ["# %% one", "x = 1", "", "# %% two", "y = 2", "y"];

function change(first: number, from: number, last: number, to: number, text: string): Change {
  return { range: { start: { line: first, character: from }, end: { line: last, character: to } }, text };
}

/** A document that is edited the way the editor says it. */
class Doc {
  readonly blocks = new Blocks(anchored);
  lines: readonly string[] = TEXT;

  edit(...changes: readonly Change[]): this {
    let text = this.lines.join("\n");
    const at = (line: number, character: number): number => this.lines.slice(0, line).join("\n").length + (line > 0 ? 1 : 0) + character;
    for (const { range, text: inserted } of [...changes].sort((a, b) => b.range.start.line - a.range.start.line)) {
      text = text.slice(0, at(range.start.line, range.start.character)) + inserted + text.slice(at(range.end.line, range.end.character));
    }
    this.lines = text.split("\n");
    this.blocks.edit(URI, changes, this.lines);
    return this;
  }

  ran(run = "r1"): this {
    const key = this.blocks.pend(URI, lines(3, 5), this.lines, 1);
    this.blocks.begin(key, run, lines(3, 5), this.lines);
    this.apply(run);
    return this;
  }

  apply(run: string, part: Parameters<typeof summary>[1] = {}): void {
    this.blocks.apply([summary(run, { range: lines(3, 5), short: "2", ...part })], () => this.lines);
  }

  get shown(): string {
    return this.blocks.of(URI).map((block) => `${block.range.start.line}-${block.range.end.line} ${block.state}${block.stale ? " stale" : ""}`).join(", ");
  }
}

test("the mark stands before the server has answered, and goes when it refuses", () => {
  const doc = new Doc();
  const key = doc.blocks.pend(URI, lines(3, 5), TEXT, 1);
  assert.equal(doc.shown, "3-5 pending");
  doc.blocks.drop(key);
  assert.equal(doc.shown, "");
});

test("the server's range is the true one", () => {
  const doc = new Doc();
  const key = doc.blocks.pend(URI, lines(3, 5), TEXT, 1);
  doc.blocks.begin(key, "r1", lines(4, 5), TEXT);
  assert.equal(doc.shown, "4-5 queued");
});

test("a summary that is faster than the answer is not undone by it", () => {
  const doc = new Doc();
  const key = doc.blocks.pend(URI, lines(3, 5), TEXT, 1);
  doc.blocks.apply([summary("r1", { range: lines(3, 5), created: 1.5, started: 1.5 })], () => TEXT);
  doc.blocks.begin(key, "r1", lines(3, 5), TEXT);
  assert.equal(doc.shown, "3-5 ok");
});

test("lines above move it", () => {
  assert.equal(new Doc().ran().edit(change(0, 0, 0, 0, "import a\nimport b\n")).shown, "5-7 ok");
  assert.equal(new Doc().ran().edit(change(0, 0, 2, 0, "")).shown, "1-3 ok");
});

test("a line pushed in exactly before it moves it", () => assert.equal(new Doc().ran().edit(change(3, 0, 3, 0, "a\n")).shown, "4-6 ok"));
test("Enter at its end leaves it", () => assert.equal(new Doc().ran().edit(change(5, 1, 5, 1, "\nz")).shown, "3-5 ok"));

test("another text is stale, the same text again is not", () => {
  const doc = new Doc().ran().edit(change(4, 4, 4, 5, "3"));
  assert.equal(doc.shown, "3-5 ok stale");
  assert.equal(doc.edit(change(4, 4, 4, 5, "2")).shown, "3-5 ok");
});

test("a line inside stretches it", () => assert.equal(new Doc().ran().edit(change(4, 5, 4, 5, "\nq = 4")).shown, "3-6 ok stale"));

test("a formatter that replaces the whole document does not lose it", () => {
  const doc = new Doc().ran();
  assert.equal(doc.edit(change(0, 0, 5, 1, '"""doc"""\n\n# %% one\nx = 1\n\n\n# %% two\ny = 2\ny\n')).shown, "6-8 ok");
});

test("deleted text takes its mark along", () => assert.equal(new Doc().ran().edit(change(3, 0, 5, 1, "")).shown, ""));

test("several cursors at once", () => {
  assert.equal(new Doc().ran().edit(change(0, 0, 0, 0, "a\n"), change(1, 0, 1, 0, "b\n")).shown, "5-7 ok");
});

test("a newer run of the same lines takes the place", () => {
  const doc = new Doc().ran();
  doc.blocks.pend(URI, lines(3, 5), TEXT, 5);
  assert.equal(doc.shown, "3-5 pending");
  doc.apply("r0", { created: 0.5, started: 0.5 });
  assert.equal(doc.shown, "3-5 pending");
});

test("runs of another time come back with a reopened document", () => {
  const doc = new Doc();
  doc.blocks.apply([summary("r1", { range: lines(3, 5), stale: true }), summary("r2", { range: lines(0, 1), created: 3 })], (uri) => (uri === URI ? TEXT : undefined));
  assert.equal(doc.shown, "3-5 ok stale, 0-1 ok");
  const edited = new Doc();
  edited.blocks.apply([summary("r1", { range: lines(3, 5), stale: true })], () => TEXT);
  assert.equal(edited.edit(change(0, 0, 0, 0, "\n")).shown, "4-6 ok stale"); // an edit elsewhere makes no old text new
});

test("runs of another time are found where their text stands now, the newest of equal ones", () => {
  const doc = new Doc();
  const hash = textHash(TEXT.slice(3, 6));
  doc.blocks.apply([summary("r1", { range: lines(1, 3), hash, stale: true }), summary("r2", { range: lines(3, 5), hash, created: 3, started: 3 })], () => TEXT);
  assert.deepEqual(doc.blocks.of(URI).map((block) => block.key), ["r2"]);
  assert.equal(doc.shown, "3-5 ok");
});

test("a document that is not open has no marks yet", () => {
  const doc = new Doc();
  doc.blocks.apply([summary("r1")], () => undefined);
  assert.equal(doc.shown, "");
});

test("cleared marks stay away; what still runs is not cleared", () => {
  const doc = new Doc().ran();
  const key = doc.blocks.pend(URI, lines(0, 1), TEXT, 9);
  doc.blocks.begin(key, "r2", lines(0, 1), TEXT);
  doc.blocks.clear(URI);
  assert.equal(doc.shown, "0-1 queued");
  doc.apply("r1");
  assert.equal(doc.shown, "0-1 queued");
  assert.ok(doc.blocks.live);
});

test("the nearest of two equal places is taken", () => {
  assert.equal(find(["a", "b", "a", "b", "a"], "a\nb", 3), 2);
  assert.equal(find(["a"], "c", 0), undefined);
});

test("a change that begins before and ends inside pulls the beginning", () => {
  assert.deepEqual(moved(lines(3, 5), change(1, 0, 4, 0, "")), lines(1, 2, 1));
});

test("a state of a newer server is shown as running", () => {
  assert.equal(stateOf("booting"), "booting");
  assert.equal(stateOf("levitating"), "running");
});

test("a run that was replaced after its lines had moved does not come back to where they were", () => {
  const doc = new Doc().ran("old").edit(change(0, 0, 0, 0, "\n\n\n\n"));
  const key = doc.blocks.pend(URI, lines(7, 9), doc.lines, 5);
  doc.blocks.begin(key, "new", lines(7, 9), doc.lines);
  doc.apply("old", { stale: true });
  assert.deepEqual(doc.blocks.of(URI).map((block) => block.key), ["new"]);
});
