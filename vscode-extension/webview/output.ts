// What a run printed, and how it ended.
// What belongs here: the lines on the page, following the end, the value or traceback below. What it must not know: how text becomes lines.
import type { OutputPiece, RunSummary, Trace } from "../src/protocol.gen";
import { h, setText } from "./dom";
import type { Host } from "./host";
import { browserClock, Pull } from "./pull";
import { Terminal, type TextLine } from "./terminal";

const LINES = 3000;
const PAGE = 200_000;
const EVERY_MS = 150;
const PATH_SPLIT = /[\\/]/;

export class OutputView {
  readonly element = h("div", { class: "output" });
  readonly #text = h("pre", { class: "text", data: { testid: "output" }, attr: { tabindex: "0" } });
  readonly #more = h("button", { class: "link", text: "Open whole output", click: () => this.#open() });
  readonly #note = h("span", { class: "quiet" });
  readonly #above = h("div", { class: "above" });
  readonly #end = h("div", { class: "end" });
  readonly #scroll = h("div", { class: "scroll" }, this.#text, this.#end);
  readonly #pull: Pull;
  #terminal = new Terminal(LINES);
  #run: RunSummary | undefined;
  #since = 0;
  #skipped = 0;
  #endShown = "";
  #labels: ReadonlyMap<string, string> = new Map();

  constructor(private readonly host: Host) {
    this.#pull = new Pull(() => this.#ask(), EVERY_MS, browserClock);
    this.#above.append(this.#note, h("div", { class: "bar" }, this.#more));
    this.element.append(this.#above, this.#scroll);
  }

  /** `labels`: what the calls are called. */
  update(run: RunSummary | undefined, labels: ReadonlyMap<string, string>): void {
    this.#labels = labels;
    if (run?.run !== this.#run?.run) this.#reset();
    this.#run = run;
    if (run === undefined) return;
    if (run.output > this.#since || run.output === 0) this.#pull.poke();
    this.#showEnd(run);
    this.#showNote(run);
  }

  #reset(): void {
    this.#terminal = new Terminal(LINES);
    [this.#since, this.#skipped, this.#endShown] = [0, 0, ""];
    this.#text.replaceChildren();
    this.#end.replaceChildren();
  }

  #open(): void {
    if (this.#run !== undefined) this.host.act("openOutput", this.#run.run);
  }

  async #ask(): Promise<void> {
    const run = this.#run;
    if (run === undefined || document.hidden || run.output === 0) return;
    const page = await this.host.ask("yonder/output", { run: run.run, call: "*", since: this.#since, limit: PAGE });
    if (run.run !== this.#run?.run) return;
    this.#skipped += page.skipped;
    this.#since = Math.max(this.#since, page.next);
    for (const piece of page.pieces) this.#write(piece);
    this.#render();
    this.#showNote(run);
    if (page.pieces.length > 0 && page.next < page.total) this.#pull.poke();
  }

  #write(piece: OutputPiece): void {
    this.#terminal.write(piece.call, piece.fd === 2, piece.text);
  }

  #render(): void {
    const box = this.#scroll;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const { gone, from, lines } = this.#terminal.take();
    for (let left = Math.min(gone, this.#text.childElementCount); left > 0; left -= 1) this.#text.firstElementChild?.remove();
    while (this.#text.childElementCount > from) this.#text.lastElementChild?.remove();
    this.#text.append(...lines.map((line) => this.#line(line)));
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  #line(line: TextLine): HTMLElement {
    const label = line.source === "" ? undefined : (this.#labels.get(line.source) ?? line.source);
    return h(
      "div",
      { class: line.error ? "line err" : "line" },
      label === undefined ? undefined : h("span", { class: "from", text: label, title: label }),
      ...line.spans.map((span) => (span.style === "" ? span.text : h("span", { class: span.style, text: span.text }))),
      "\n",
    );
  }

  #showNote(run: RunSummary): void {
    const hidden = this.#skipped > 0 ? "The beginning is in the whole output" : this.#terminal.dropped > 0 ? `${this.#terminal.dropped} earlier lines are in the whole output` : "";
    const quiet = run.output === 0 && run.ended > 0 && run.text === "" ? "Nothing was printed." : "";
    setText(this.#note, hidden === "" ? quiet : hidden);
    this.#more.hidden = run.output === 0;
    this.#above.hidden = run.output === 0 && this.#note.textContent === "";
  }

  #showEnd(run: RunSummary): void {
    const key = `${run.run}|${run.state}|${run.text}|${run.short}`;
    if (key === this.#endShown) return;
    this.#endShown = key;
    const failed = run.state === "error" || run.state === "lost";
    if (!failed && (run.state !== "ok" || run.text === "")) {
      this.#end.replaceChildren();
      return;
    }
    const links = run.trace.filter((frame) => frame.user).map((frame) => this.#frame(frame));
    const what = failed ? h("strong", { text: run.short === "" ? run.errorType : run.short }) : undefined;
    this.#end.replaceChildren(
      h(
        "div",
        { class: failed ? "result failed" : "result" },
        what,
        links.length === 0 ? undefined : h("div", { class: "frames" }, ...links),
        run.text === "" || run.text === run.short && failed ? undefined : h("pre", { text: run.text }),
      ),
    );
  }

  #frame(frame: Trace): HTMLElement {
    const name = frame.file.split(PATH_SPLIT).at(-1) ?? frame.file;
    return h("button", {
      class: "link",
      text: `${name}:${frame.line}${frame.function === "" ? "" : ` in ${frame.function}`}`,
      title: frame.source === "" ? frame.file : `${frame.file}\n${frame.source}`,
      click: () => this.host.act("openAt", frame.file, Math.max(0, frame.line - 1)),
    });
  }
}
