// Files that a run wrote on executors elsewhere.
// What belongs here: the list, and what can be pressed. What it must not know: how a file comes here, where it is put.
import type { FileRow, FilesResult, RunSummary } from "../src/protocol.gen";
import { bytes } from "../src/words";
import { h } from "./dom";
import type { Host } from "./host";
import { browserClock, Pull } from "./pull";

const EVERY_MS = 250;

export class FilesView {
  readonly element = h("div", { class: "files" });
  readonly #place = h("div", { class: "scroll" });
  readonly #pull: Pull;
  #run: RunSummary | undefined;
  #result: FilesResult = { files: [], more: 0 };
  #asked = "";

  constructor(private readonly host: Host) {
    this.#pull = new Pull(() => this.#ask(), EVERY_MS, browserClock);
    this.element.append(this.#place);
    this.#render();
  }

  /** `executors` changes when one comes or goes: files go with them. */
  update(run: RunSummary | undefined, executors: string): void {
    if (run?.run !== this.#run?.run) {
      [this.#result, this.#asked] = [{ files: [], more: 0 }, ""];
      this.#render();
    }
    this.#run = run;
    const asked = run === undefined ? "" : `${run.run}|${run.revision}|${executors}`;
    if (run !== undefined && run.files > 0 && asked !== this.#asked) {
      this.#asked = asked;
      this.#pull.poke();
    }
  }

  async #ask(): Promise<void> {
    const run = this.#run;
    if (run === undefined || document.hidden) return;
    const result = await this.host.ask("yonder/files", { run: run.run });
    if (run.run !== this.#run?.run) return;
    this.#result = result;
    this.#render();
  }

  #render(): void {
    const { files, more } = this.#result;
    if (files.length === 0) {
      this.#place.replaceChildren(h("p", { class: "quiet", text: "No files of this run are elsewhere. What runs on this machine writes is in your folder." }));
      return;
    }
    const left = files.filter((file) => file.there && file.local === "");
    const run = this.#run?.run ?? "";
    const all = h("button", { class: "all", data: { testid: "download-all" }, text: "Download All", title: "Choose a folder for them", click: () => this.host.act("downloadAll", run) });
    all.hidden = left.length < 2;
    const rest = more > 0 ? h("p", { class: "quiet", text: `${more} more files are not listed.` }) : undefined;
    const head = h("thead", {}, h("tr", {}, h("th", { class: "wide", text: "File" }), h("th", { class: "number", text: "Size" }), h("th", { text: "Executor" }), h("th", {}, all)));
    this.#place.replaceChildren(h("table", {}, head, h("tbody", {}, ...files.map((file) => this.#row(run, file)))), ...(rest === undefined ? [] : [rest]));
  }

  #row(run: string, file: FileRow): HTMLElement {
    return h(
      "tr",
      { data: { testid: "file-row", path: file.path } },
      h("td", { class: "wide" }, h("span", { class: "label", text: file.path, title: file.call === "" ? file.path : `${file.path} · ${file.call}` })),
      h("td", { class: "number", text: bytes(file.size) }),
      h("td", { class: "executor", text: file.executor }),
      h("td", { class: "do" }, this.#button(run, file)),
    );
  }

  #button(run: string, file: FileRow): HTMLElement {
    if (file.local !== "") return h("button", { data: { testid: "open-file" }, text: "Open", title: file.local, click: () => this.host.act("openFile", file.local) });
    if (!file.there) return h("span", { class: "quiet", text: "gone", title: "It ended with its executor. outputs = [\"…\"] has such files fetched by themselves." });
    return h("button", { data: { testid: "download" }, text: "Download", click: () => this.host.act("download", run, file.executor, file.path) });
  }
}
