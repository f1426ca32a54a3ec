// Asking all providers of the editor asks us, too. Here such an echo is told from a person's question, the others' names
// are remembered for as long as they help, and waiting has an end. Pure; what it must not know: the editor.

/** An echo is expected once for each question we put; questions of a person at the same place come through. */
export class Echoes {
  readonly #expected = new Map<string, Set<symbol>>();

  /** From now on one echo of this place is expected; the returned function says that none comes any more. */
  expect(place: string): () => void {
    const mark = Symbol(place);
    const expected = this.#expected.get(place) ?? new Set();
    this.#expected.set(place, expected.add(mark));
    return () => this.#forget(place, mark);
  }

  /** Is this the echo? */
  take(place: string): boolean {
    const [mark] = this.#expected.get(place) ?? [];
    if (mark !== undefined) this.#forget(place, mark);
    return mark !== undefined;
  }

  #forget(place: string, mark: symbol): void {
    const expected = this.#expected.get(place);
    expected?.delete(mark);
    if (expected?.size === 0) this.#expected.delete(place);
  }
}

/** What is asked, or undefined when it has failed or takes longer than this; it goes on and may still be of use. */
export async function within<T>(asked: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([asked.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A label as a name: some write a key with its quotes, some without. */
export function bare(label: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(label);
  return quoted?.[2] ?? label;
}

/** What the others have offered lately, by place; the oldest goes first. */
export class Offered {
  readonly #known = new Map<string, { readonly names: ReadonlySet<string>; readonly whole: boolean }>();

  constructor(private readonly most: number) {}

  keep(place: string, labels: Iterable<string>, whole: boolean): ReadonlySet<string> {
    const names = new Set([...labels].map(bare));
    this.#known.delete(place);
    this.#known.set(place, { names, whole });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.most) break;
      this.#known.delete(oldest);
    }
    return names;
  }

  /** `whole` only: what was a part of their list is no answer to a new question. */
  at(place: string, whole: boolean): ReadonlySet<string> | undefined {
    const found = this.#known.get(place);
    return found === undefined || (whole && !found.whole) ? undefined : found.names;
  }
}
