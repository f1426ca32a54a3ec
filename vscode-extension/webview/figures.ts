// Figures and other displays of a run.
// What belongs here: pictures as they came, larger on a click. What it must not know: what drew them. HTML is never put into this page.
import type { DisplayItem, RunSummary } from "../src/protocol.gen";
import { h } from "./dom";
import type { Host } from "./host";
import { browserClock, Pull } from "./pull";

const EVERY_MS = 250;
const LIMIT = 200;

export class FiguresView {
  readonly element = h("div", { class: "figures" });
  readonly #empty = h("p", { class: "quiet" });
  readonly #grid = h("div", { class: "gallery" });
  readonly #pull: Pull;
  #run: RunSummary | undefined;
  #next = 0;

  constructor(private readonly host: Host) {
    this.#pull = new Pull(() => this.#ask(), EVERY_MS, browserClock);
    this.element.append(this.#grid, this.#empty);
  }

  update(run: RunSummary | undefined): void {
    if (run?.run !== this.#run?.run) {
      this.#next = 0;
      this.#grid.replaceChildren();
    }
    this.#run = run;
    this.#empty.hidden = run === undefined || run.displays > 0;
    this.#empty.textContent = "No figures in this run. Matplotlib figures appear here by themselves.";
    if (run !== undefined && run.displays > this.#grid.childElementCount) this.#pull.poke();
  }

  async #ask(): Promise<void> {
    const run = this.#run;
    if (run === undefined || document.hidden) return;
    const { displays, next } = await this.host.ask("yonder/displays", { run: run.run, since: this.#next });
    if (run.run !== this.#run?.run) return;
    this.#next = next;
    this.#grid.append(...displays.map((item) => shown(item)));
    while (this.#grid.childElementCount > LIMIT) this.#grid.firstElementChild?.remove();
  }
}

function shown(item: DisplayItem): HTMLElement {
  const source = imageSource(item);
  if (source === undefined) return h("figure", {}, h("pre", { text: item.mime.startsWith("text/") && item.mime !== "text/html" ? item.data : item.alt }));
  const image = h("img", { data: { testid: "figure" }, title: "Click to enlarge", attr: { src: source, alt: item.alt === "" ? `Figure ${item.n}` : item.alt } });
  return h("figure", { click: () => enlarge(source, item.alt) }, image, item.alt === "" ? undefined : h("figcaption", { text: item.alt }));
}

function imageSource(item: DisplayItem): string | undefined {
  if (item.mime === "image/svg+xml") {
    // as the address of an <img> an SVG runs no script and loads nothing
    const text = item.data.trimStart().startsWith("<") ? btoa(String.fromCodePoint(...new TextEncoder().encode(item.data))) : item.data;
    return `data:image/svg+xml;base64,${text}`;
  }
  return /^image\/(?:png|jpeg|gif|webp)$/.test(item.mime) ? `data:${item.mime};base64,${item.data}` : undefined;
}

function enlarge(source: string, alt: string): void {
  const close = (): void => {
    document.removeEventListener("keydown", key);
    overlay.remove();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") close();
  };
  const overlay = h("div", { class: "overlay", attr: { role: "dialog", "aria-label": alt === "" ? "Figure" : alt }, click: close }, h("img", { attr: { src: source, alt } }));
  document.addEventListener("keydown", key);
  document.body.append(overlay);
}
