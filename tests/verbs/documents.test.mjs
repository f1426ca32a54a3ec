// The checks of the clone's own words find what they are for.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { brokenLinks, machinePaths } from '../../scripts/documents.mjs';

/**
 * @param {Record<string, string>} files
 * @param {(root: string) => void} look
 */
function inClone(files, look) {
  const root = mkdtempSync(join(tmpdir(), 'yonder-words-'));
  try {
    execFileSync('git', ['init', '--quiet', root]);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
    look(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('a link that leads nowhere is named; addresses, anchors and code are not links', () => {
  const text = '[a](there.md) [b](gone.md#part) [c](https://example.org/x) [d](#here)\n```\n[e](code.md)\n```\n![f](gone.png)';
  inClone({ 'README.md': text, 'there.md': '' }, (root) => {
    assert.deepEqual(brokenLinks(root), ['README.md: the link gone.md#part leads nowhere', 'README.md: the link gone.png leads nowhere']);
  });
});

test("the machine's own paths are found in files git would commit, not in ignored ones", () => {
  inClone({ 'a.py': 'open("/home/somebody/x")', '.gitignore': 'out.txt\n', 'out.txt': '/home/somebody' }, (root) => {
    assert.deepEqual(machinePaths(root, ['/home/somebody']), ['a.py: names this machine (/home/somebody)']);
  });
});
