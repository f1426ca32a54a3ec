// A live list that misses its deadline is on its way. Nobody is served by no list until the next key, so the server is
// asked again for a moment; a person who types on ends that. Pure; what it must not know: the editor.

/** Pauses between two questions, milliseconds; with the server's own deadline for each they make about a second. */
const PAUSES = [20, 40, 60, 80, 80, 80, 80];

export interface Listed {
  readonly items: readonly unknown[];
  readonly isIncomplete?: boolean | undefined;
}

/** Is there nothing yet, but more to come? */
export function pending(answer: Listed | readonly unknown[] | null | undefined): boolean {
  return answer !== null && answer !== undefined && "items" in answer && answer.isIncomplete === true && answer.items.length === 0;
}

/** The first answer that is not pending, or the last one. */
export async function untilSomething<T extends Listed | readonly unknown[] | null | undefined>(
  first: T,
  again: () => Promise<T>,
  over: () => boolean,
  pause: (milliseconds: number) => Promise<void> = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
): Promise<T> {
  let answer = first;
  for (const milliseconds of PAUSES) {
    if (!pending(answer) || over()) break;
    await pause(milliseconds);
    if (!over()) answer = await again();
  }
  return answer;
}
