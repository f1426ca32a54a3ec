// Yonder's panel as a person sees it: runs, charts, output, figures. It is a webview: a frame in a frame.
import { until } from '../../../scripts/processes.mjs';

const PATIENCE = 30;

export class Panel {
  /** @param {import('playwright-core').Page} page */
  constructor(page) {
    this.page = page;
  }

  /** The frame that holds the panel; other webviews (a welcome page, a README) have none of our marks. */
  async frame() {
    for (const frame of this.page.frames()) {
      if ((await frame.locator('[data-testid="yonder-panel"]').count().catch(() => 0)) > 0) return frame;
    }
    return undefined;
  }

  /** @param {number} [seconds] */
  async shown(seconds = PATIENCE) {
    const frame = await until(() => this.frame(), (found) => found !== undefined, { seconds });
    if (frame === undefined) throw new Error(`the panel is not there within ${seconds} s`);
    return frame;
  }

  /** @returns {Promise<{state: string, text: string}[]>} newest as the panel orders them */
  async runs() {
    const frame = await this.shown();
    return frame.locator('[data-testid="run-row"]').evaluateAll((rows) =>
      rows.map((row) => ({ state: row.getAttribute('data-state') ?? '', text: row.textContent ?? '' })));
  }

  /**
   * @param {(runs: {state: string, text: string}[]) => boolean} good
   * @param {string} what
   * @param {number} [seconds]
   */
  async runsBecome(good, what, seconds = PATIENCE) {
    const runs = await until(() => this.runs(), good, { seconds });
    if (!good(runs)) throw new Error(`the panel does not show ${what} within ${seconds} s but ${JSON.stringify(runs)}`);
    return runs;
  }

  /** @param {RegExp} title */
  async select(title) {
    const frame = await this.shown();
    await frame.locator('[data-testid="run-row"]').filter({ hasText: title }).first().click();
  }

  /** @param {string} name one of the panel's sections */
  async tab(name) {
    const frame = await this.shown();
    await frame.getByRole('tab', { name }).or(frame.getByRole('button', { name })).first().click();
  }

  /** The widest figure in sight, in its own pixels; 0 when none is loaded. */
  async figureWidth() {
    const frame = await this.shown();
    const widths = await frame.locator('[data-testid="figure"]:visible').evaluateAll((images) =>
      images.map((image) => (image instanceof HTMLImageElement ? image.naturalWidth : 0)));
    return Math.max(0, ...widths);
  }

  /**
   * A metric's chart: how many curves it says it has, and how many pixels of its canvas are drawn.
   * @param {string} metric
   */
  async chart(metric) {
    const frame = await this.shown();
    const chart = frame.locator(`[data-testid="chart"][data-metric="${metric}"]`).first();
    if ((await chart.count()) === 0) return { curves: 0, drawn: 0, colours: 0 };
    return chart.evaluate((element) => {
      const canvas = element.querySelector('canvas');
      const pixels = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
      let drawn = 0;
      const colours = new Set();
      for (let at = 0; at < pixels.length; at += 4) {
        if ((pixels[at + 3] ?? 0) < 128) continue;
        drawn += 1;
        const [red = 0, green = 0, blue = 0] = [pixels[at], pixels[at + 1], pixels[at + 2]];
        if (Math.max(red, green, blue) - Math.min(red, green, blue) > 60) colours.add(`${red >> 5},${green >> 5},${blue >> 5}`);
      }
      return { curves: Number(element.getAttribute('data-curves')), drawn, colours: colours.size };
    });
  }

  /**
   * @param {string} metric
   * @param {number} curves
   * @param {number} [seconds]
   */
  async drawn(metric, curves, seconds = 60) {
    const good = (/** @type {{curves: number, drawn: number, colours: number}} */ found) =>
      found.curves === curves && found.drawn > 400 && found.colours >= Math.min(curves, 3);
    const chart = await until(() => this.chart(metric), good, { seconds, every: 300 });
    if (!good(chart)) throw new Error(`the chart of ${metric} has not ${curves} drawn curves but ${JSON.stringify(chart)}`);
    return chart;
  }

  /**
   * Milliseconds between the panel's frames, watched for a while: a long gap is a moment in which it stood still.
   * @param {number} milliseconds
   * @returns {Promise<number[]>}
   */
  async frameGaps(milliseconds) {
    const frame = await this.shown();
    return frame.evaluate((span) => new Promise((resolve) => {
      /** @type {number[]} */
      const gaps = [];
      const began = performance.now();
      let before = began;
      const step = (/** @type {number} */ now) => {
        gaps.push(Math.round(now - before));
        before = now;
        if (now - began < span) requestAnimationFrame(step);
        else resolve(gaps.slice(1));
      };
      requestAnimationFrame(step);
    }), milliseconds);
  }

  /** What the panel's page may load and run, as its browser enforces it. */
  async policy() {
    const frame = await this.shown();
    return (await frame.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content')) ?? '';
  }

  /** The output shown for the selected run. */
  async output() {
    const frame = await this.shown();
    return (await frame.locator('[data-testid="output"]').allTextContents()).join('\n');
  }

  /**
   * @param {RegExp} pattern
   * @param {number} [seconds]
   */
  async outputSays(pattern, seconds = PATIENCE) {
    const text = await until(() => this.output(), (found) => pattern.test(found), { seconds });
    if (!pattern.test(text)) throw new Error(`the output does not say ${pattern} but "${text.slice(-500)}"`);
    return text;
  }

  /** @param {string} testid */
  async count(testid) {
    const frame = await this.shown();
    return frame.locator(`[data-testid="${testid}"]`).count();
  }
}
