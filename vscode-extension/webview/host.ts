// The extension, seen from the panel.
// What belongs here: questions with their answers, the memory that outlives a hidden page. What it must not know: views.
import type { Requests } from "../src/protocol.gen";
import type { FromPanel, PanelAct, PanelMethod, Tab, ToPanel } from "./messages";

/** What is remembered while the page is away. */
export interface Memory {
  readonly run?: string;
  readonly tab?: Tab;
  readonly x?: "step" | "time";
  readonly log?: boolean;
}

interface EditorApi {
  postMessage(message: FromPanel): void;
  getState(): Memory | undefined;
  setState(state: Memory): void;
}

declare function acquireVsCodeApi(): EditorApi;

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class Host {
  readonly #api = acquireVsCodeApi();
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  /** Begins to listen, then says so: nothing is sent to a page that cannot hear yet. */
  listen(heard: (message: Exclude<ToPanel, { kind: "answer" | "failed" }>) => void): void {
    window.addEventListener("message", (event: MessageEvent<ToPanel>) => {
      const message = event.data;
      if (message.kind === "answer" || message.kind === "failed") {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.kind === "answer") waiting?.resolve(message.result as never);
        else waiting?.reject(new Error(message.sentence));
      } else {
        heard(message);
      }
    });
    this.#api.postMessage({ kind: "ready" });
  }

  ask<M extends PanelMethod>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    this.#next += 1;
    const id = this.#next;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#api.postMessage({ kind: "ask", id, method, params });
    });
  }

  act(act: PanelAct, ...args: readonly (string | number)[]): void {
    this.#api.postMessage({ kind: "act", act, args });
  }

  get memory(): Memory {
    return this.#api.getState() ?? {};
  }

  remember(part: Memory): void {
    this.#api.setState({ ...this.memory, ...part });
  }
}
