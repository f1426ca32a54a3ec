import assert from "node:assert/strict";
import { test } from "node:test";
import { fileLinks, stacksText } from "../../src/stackText";

test("frames with a whole path are links, at their line", () => {
  const text = 'e.0 (pool p, pid 1), at f\n  main thread, most recent call first:\n    File "/home/a "b"/work.py", line 12, in f\n    File "<string>", line 1, in <module>\n    File "C:\\x\\y.py", line 0, in g\n    File "rel.py", line 3, in h\n    File "/x.py", line ?, in i';
  const links = fileLinks(text);
  assert.deepEqual(
    links.map(({ line, path, at }) => [line, path, at]),
    [
      [2, '/home/a "b"/work.py', 11],
      [4, "C:\\x\\y.py", 0],
    ],
  );
  const [first] = links;
  assert.equal(text.split("\n")[2]?.slice(first?.start, first?.end), '/home/a "b"/work.py');
});

test("the texts stand one after the other, and the sentence behind", () => {
  assert.equal(stacksText([{ title: "a", text: "A" }, { title: "b", text: "B" }], "2 more"), "A\n\nB\n\n2 more\n");
  assert.equal(stacksText([{ title: "a", text: "A" }], ""), "A\n");
});
