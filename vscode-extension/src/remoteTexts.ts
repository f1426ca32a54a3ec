// Texts of sessions' files by their URI, as the server keeps them.
// What belongs here: remembering the few that are open, and which of them were not to be had. What it must not know: the editor.
import type { SourceResult } from "./protocol.gen";

export interface RemoteText {
  readonly bytes: Uint8Array;
  /** Grows when the same document has another text than before. */
  readonly version: number;
}

const REMEMBERED = 20;

export class RemoteTexts {
  readonly #known = new Map<string, Promise<RemoteText>>();
  readonly #missed = new Set<string>();
  #version = 1;

  constructor(
    private readonly ask: (uri: string) => Promise<SourceResult>,
    private readonly log: (error: unknown) => void,
  ) {}

  /** The text; a comment where it is not to be had. Never rejects: a restored tab shows a sentence, not an error. */
  get(uri: string): Promise<RemoteText> {
    const known = this.#known.get(uri);
    this.#known.delete(uri);
    const text = known ?? this.#fetch(uri);
    this.#known.set(uri, text); // at the end: the one used last
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return text;
  }

  /** The documents without their text, which are asked for anew from now on. */
  again(): readonly string[] {
    const missed = [...this.#missed];
    this.#missed.clear();
    if (missed.length > 0) this.#version += 1;
    for (const uri of missed) this.#known.delete(uri);
    return missed;
  }

  async #fetch(uri: string): Promise<RemoteText> {
    const version = this.#version;
    const encoder = new TextEncoder();
    try {
      const { text, kept } = await this.ask(uri);
      if (!kept) this.#missed.add(uri);
      return { bytes: encoder.encode(text), version };
    } catch (error) {
      this.log(error);
      this.#missed.add(uri);
      return { bytes: encoder.encode("# Yonder's language server, which keeps this text, is not running. It is shown as soon as it is.\n"), version };
    }
  }
}
