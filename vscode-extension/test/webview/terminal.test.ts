// Output as a terminal would leave it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminal } from "../../webview/terminal";

function shown(...pieces: readonly (string | readonly [string, string])[]): string[] {
  const terminal = new Terminal(100);
  for (const piece of pieces) terminal.write(typeof piece === "string" ? "" : piece[0], false, typeof piece === "string" ? piece : piece[1]);
  return terminal.take().lines.map((line) => line.spans.map((span) => (span.style === "" ? span.text : `<${span.style}>${span.text}</>`)).join(""));
}

test("lines", () => assert.deepEqual(shown("a\nb", "c\n\nd"), ["a", "bc", "", "d"]));
test("a progress bar overwrites its line", () => assert.deepEqual(shown("10%|#", "\r20%|##\r", "30%"), ["30%|##"]));
test("a carriage return before a line end is nothing", () => assert.deepEqual(shown("a\r\nb\r\n"), ["a", "b"]));
test("erased to the end of the line", () => assert.deepEqual(shown("long text\r\u001b[Kok"), ["ok"]));
test("backspace", () => assert.deepEqual(shown("abc\b\bX"), ["aXc"]));
test("colours", () => assert.deepEqual(shown("\u001b[1;32mok\u001b[0m no \u001b[91mbad\u001b[39m"), ["<bold c-green>ok</> no <c-red bright>bad</>"]));
test("colours that are not known leave the text alone", () => assert.deepEqual(shown("\u001b[38;5;208mx\u001b[48;2;1;2;3my\u001b[7mz"), ["xyz"]));
test("a sequence cut between two pieces", () => assert.deepEqual(shown("a\u001b[3", "1mb"), ["a<c-red>b</>"]));
test("a hyperlink's address is not text", () => assert.deepEqual(shown("\u001b]8;;http://x\u0007here\u001b]8;;\u0007"), ["here"]));
test("letters beyond the basic plane are one", () => assert.deepEqual(shown("😀x\r✓"), ["✓x"]));

test("sources write between each other's lines, not into them", () => {
  assert.deepEqual(shown(["a", "one "], ["b", "two\n"], ["a", "three\n"], ["b", "four"]), ["one three", "two", "four"]);
});

test("only what is new is told, changed lines again", () => {
  const terminal = new Terminal(100);
  terminal.write("", false, "a\nb");
  assert.deepEqual(terminal.take().from, 0);
  assert.deepEqual(terminal.take(), { gone: 0, from: 2, lines: [] });
  terminal.write("", true, "c\nd");
  const { from, lines } = terminal.take();
  assert.deepEqual([from, lines.map((line) => line.spans[0]?.text), lines[0]?.error], [1, ["bc", "d"], true]);
});

test("a flood keeps its end, and a page that follows it agrees", () => {
  const terminal = new Terminal(10);
  const page: string[] = [];
  for (let n = 0; n < 95; n += 1) {
    terminal.write("", false, `line ${n}\n`);
    if (n % 7 !== 0) continue;
    const { gone, from, lines } = terminal.take();
    page.splice(0, Math.min(gone, page.length));
    page.length = Math.min(page.length, from);
    page.push(...lines.map((line) => line.spans[0]?.text ?? ""));
  }
  assert.equal(terminal.dropped, 85);
  assert.deepEqual([page.length, page[0], page.at(-1)], [10, "line 82", "line 91"]);
});
