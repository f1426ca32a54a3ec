// What the editor offers while a person types: the list, its rows, the card beside it. Keys come as from fingers.
import { until } from '../../../scripts/processes.mjs';

/** Ten keys a second. */
const PACE = 100;
const ROWS = '.suggest-widget.visible .monaco-list-row';

/**
 * @param {import('./workbench.mjs').Workbench} window
 * @param {string} text
 */
export async function typed(window, text) {
  await window.page.keyboard.type(text, { delay: PACE });
}

/**
 * Take the last `count` characters away again, and whatever list there is.
 * @param {import('./workbench.mjs').Workbench} window
 * @param {number} count
 */
export async function untyped(window, count) {
  await window.page.keyboard.press('Escape');
  for (let left = count; left > 0; left -= 1) await window.page.keyboard.press('Backspace');
}

/**
 * The rows in sight, as they are read out: label, details.
 * @param {import('./workbench.mjs').Workbench} window
 * @returns {Promise<string[]>}
 */
export async function rows(window) {
  return window.page.locator(ROWS).evaluateAll((found) => found.map((row) => row.getAttribute('aria-label') ?? ''));
}

/**
 * The rows when they are there; nothing is pressed for them.
 * @param {import('./workbench.mjs').Workbench} window
 * @param {string} label that one of them must have
 * @param {number} [seconds]
 */
export async function offered(window, label, seconds = 20) {
  const has = (/** @type {string[]} */ found) => found.some((row) => labelOf(row) === label);
  const found = await until(() => rows(window), has, { seconds, every: 20 });
  if (!has(found)) throw new Error(`${label} is not offered within ${seconds} s but ${JSON.stringify(found)}`);
  return found;
}

/**
 * A line of the text as it is drawn, with the hints between its characters.
 * @param {import('./workbench.mjs').Workbench} window
 * @param {RegExp} pattern
 */
export async function drawn(window, pattern) {
  const read = async () => (await window.page.locator('.part.editor .view-line').allTextContents()).map((line) => line.replaceAll('\u00a0', ' '));
  const has = (/** @type {string[]} */ lines) => lines.some((line) => pattern.test(line));
  const lines = await until(read, has, { seconds: 20, every: 100 });
  if (!has(lines)) throw new Error(`no line is drawn like ${pattern} but ${JSON.stringify(lines)}`);
}

/** @param {string} row "backward, Method" is read out for the label `backward` */
export function labelOf(row) {
  return (/^[^,]*/.exec(row)?.[0] ?? '').trim();
}

/** @param {string[]} found labels that are there more than once */
export function twice(found) {
  const labels = found.map((row) => labelOf(row).replaceAll('"', ''));
  return labels.filter((label, at) => labels.indexOf(label) !== at);
}

/**
 * The signature popup's text, as soon as it says something like this.
 * @param {import('./workbench.mjs').Workbench} window
 * @param {RegExp} pattern
 */
export async function signature(window, pattern) {
  const popup = window.page.locator('.parameter-hints-widget.visible');
  const read = async () => ((await popup.count()) > 0 ? ((await popup.first().textContent()) ?? '').replaceAll('\u00a0', ' ') : '');
  const text = await until(read, (found) => pattern.test(found), { seconds: 20, every: 50 });
  if (!pattern.test(text)) throw new Error(`no signature like ${pattern} but "${text}"`);
  return text;
}
