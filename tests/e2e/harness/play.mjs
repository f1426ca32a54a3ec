// Where things stand in the played file, found by their words: a formatter may move lines.
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../play/play.py', import.meta.url), 'utf8').split('\n');

/**
 * The line (1-based) that begins with `start`.
 * @param {string} start
 */
function line(start) {
  const at = text.findLastIndex((found) => found.startsWith(start));
  if (at < 0) throw new Error(`play.py has no line that begins with ${start}`);
  return at + 1;
}

export const LINE = {
  setup: line('answer = '),
  train: line('def train'),
  busy: line('for ticks'),
  broken: line('divide('),
  who: line('(os.getpid()'),
  complete: line('tensor'),
};
