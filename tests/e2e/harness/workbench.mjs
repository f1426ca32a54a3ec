// A VS Code window as a person sees it: files, commands, the editor's lines, marks and lists. What this file must not
// know: how Yonder works inside. Every wait has an end and says what it waited for.
import { until } from '../../../scripts/processes.mjs';
import { Panel } from './panel.mjs';

const PATIENCE = 30;

export class Workbench {
  /** @param {import('playwright-core').Page} page */
  constructor(page) {
    this.page = page;
    this.panel = new Panel(page);
  }

  async ready() {
    await this.page.waitForSelector('.monaco-workbench .part.editor', { timeout: 60_000 });
    await this.page.waitForSelector('.statusbar-item', { timeout: 60_000 });
  }

  /**
   * A file of the workspace in front: by its tab if it has one, else by name; again while the workbench is still busy
   * with something else.
   * @param {string} name
   */
  async open(name) {
    const tab = this.page.locator(`.tab[data-resource-name="${name}"]`).first();
    const active = () => this.page.locator(`.tab.active[data-resource-name="${name}"]`).count();
    const opened = await until(async () => {
      if ((await tab.count()) > 0) {
        await tab.click();
        return (await until(active, (count) => count > 0, { seconds: 3 })) > 0;
      }
      await this.page.keyboard.press('Control+P');
      await this.page.locator('.quick-input-widget input').first().fill(name);
      await this.page.locator(`.quick-input-list .monaco-list-row[aria-label*="${name}"]`).first().waitFor();
      await this.page.keyboard.press('Enter');
      return (await until(active, (count) => count > 0, { seconds: 3 })) > 0;
    }, Boolean, { seconds: PATIENCE });
    if (!opened) throw new Error(`${name} did not open`);
    await this.page.waitForSelector('.monaco-editor .view-line span[class^=mtk]');
  }

  /**
   * A command by its title in the palette; looked for again while extensions are still being registered.
   * @param {string} title
   */
  async command(title) {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
    const found = await until(async () => {
      await this.#palette(title);
      if (await until(() => row.isVisible(), Boolean, { seconds: 2 })) return true;
      await this.page.keyboard.press('Escape');
      return false;
    }, Boolean, { seconds: PATIENCE });
    if (!found) throw new Error(`the palette has no ${title}`);
    await row.click();
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }

  /** @param {string} text */
  async #palette(text) {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input').first();
    await input.waitFor();
    await input.fill(`>${text}`);
  }

  /**
   * The cursor to a line (1-based), at its end. A view that has just appeared may take the focus at any moment, and the
   * keys with it: the status bar says where the cursor really is, and if it is elsewhere we try again.
   * @param {number} line
   */
  async goTo(line) {
    const there = () => this.page.locator('.statusbar-item', { hasText: new RegExp(`Ln ${line},`) }).count();
    const tried = await until(async () => {
      await this.#jump(line);
      const arrived = await until(there, (count) => count > 0, { seconds: 1, every: 50 });
      const focused = await this.page.locator('.part.editor .monaco-editor.focused').count();
      return arrived > 0 && focused > 0;
    }, Boolean, { seconds: PATIENCE });
    if (!tried) throw new Error(`the cursor did not get to line ${line}`);
    await this.page.keyboard.press('End');
  }

  /** @param {number} line */
  async #jump(line) {
    const input = this.page.locator('.quick-input-widget input').first();
    await this.page.keyboard.press('Control+1');
    await this.page.keyboard.press('Control+G');
    if (!(await until(() => input.isVisible(), Boolean, { seconds: 2, every: 50 }))) return;
    await input.fill(`:${line}`);
    await this.page.keyboard.press('Enter');
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }

  /** Yonder's panel, and the moment it takes the focus for, behind us. */
  async showPanel() {
    await this.command('Yonder: Show Metrics');
    await this.panel.shown();
  }

  /**
   * Run the cell that `line` belongs to, with the key a person would press.
   * @param {number} line
   */
  async runCellAt(line) {
    await this.goTo(line);
    await this.page.keyboard.press('Control+Alt+Enter');
  }

  /** Texts that the extension draws after lines (decorations live in CSS, not in the document). */
  async inlineTexts() {
    return this.page.evaluate(() => {
      const spans = [...document.querySelectorAll('.monaco-editor .view-lines span')];
      const contents = spans.map((span) => getComputedStyle(span, '::after').content);
      const told = contents.filter((content) => content !== 'none' && content !== 'normal' && content !== '""');
      return told.map((content) => content.replace(/^"|"$/g, '').replace(/\\"/g, '"').replaceAll('\u00a0', ' '));
    });
  }

  /**
   * @param {RegExp} pattern
   * @param {number} [seconds]
   */
  async inline(pattern, seconds = PATIENCE) {
    const texts = await until(() => this.inlineTexts(), (found) => found.some((text) => pattern.test(text)), { seconds });
    const match = texts.find((text) => pattern.test(text));
    if (match === undefined) throw new Error(`no inline text ${pattern} within ${seconds} s; there are: ${JSON.stringify(texts)}`);
    return match;
  }

  /** The status bar item of Yonder, spoken form. */
  async status() {
    const item = this.page.locator('.statusbar-item[id*="yonder" i]').first();
    if ((await item.count()) === 0) return '';
    return `${(await item.getAttribute('aria-label')) ?? ''} ${(await item.textContent()) ?? ''}`.replaceAll('\u00a0', ' ');
  }

  /**
   * @param {RegExp} pattern
   * @param {number} [seconds]
   */
  async statusBecomes(pattern, seconds = PATIENCE) {
    const text = await until(() => this.status(), (found) => pattern.test(found), { seconds });
    if (!pattern.test(text)) throw new Error(`the status bar does not say ${pattern} within ${seconds} s but "${text}"`);
    return text;
  }

  /** What Control+Space offers at the cursor; nothing when no list comes up. */
  async completions() {
    await this.page.keyboard.press('Control+Space');
    const rows = this.page.locator('.suggest-widget.visible .monaco-list-row');
    await until(() => rows.count(), (count) => count > 0, { seconds: 2, every: 50 });
    return rows.evaluateAll((found) => found.map((row) => row.getAttribute('aria-label') ?? ''));
  }

  /**
   * The hover over the first place where `word` stands in the visible lines.
   * @param {string} word
   * @param {RegExp} pattern
   */
  async hover(word, pattern) {
    const place = this.page.locator('.view-line span[class^=mtk]', { hasText: word }).last();
    const read = async () => {
      await this.page.mouse.move(5, 5);
      await place.hover();
      const contents = this.page.locator('.monaco-hover:not(.hidden) .hover-contents');
      const shown = await until(() => contents.allTextContents(), (found) => pattern.test(found.join('\n')), { seconds: 2 });
      return shown.join('\n').replaceAll('\u00a0', ' ');
    };
    const text = await until(read, (found) => pattern.test(found), { seconds: PATIENCE });
    if (!pattern.test(text)) throw new Error(`the hover over ${word} does not say ${pattern} but "${text}"`);
    return text;
  }

  /** Messages in the corner. */
  async toasts() {
    return this.page.locator('.notification-list-item').allTextContents();
  }

  /**
   * @param {RegExp} pattern
   * @param {number} [seconds]
   */
  async toast(pattern, seconds = PATIENCE) {
    const texts = await until(() => this.toasts(), (found) => found.some((text) => pattern.test(text)), { seconds });
    const match = texts.find((text) => pattern.test(text));
    if (match === undefined) throw new Error(`no message ${pattern} within ${seconds} s; there are: ${JSON.stringify(texts)}`);
    return match;
  }

  /** @param {string} label a button in a message or a dialog */
  async press(label) {
    await this.page.getByRole('button', { name: label, exact: true }).first().click();
  }

  async squiggle(seconds = PATIENCE) {
    await this.page.locator('.squiggly-error').first().waitFor({ state: 'attached', timeout: seconds * 1000 });
  }
}
