// A live list that misses its deadline is on its way. Nobody is served by no list until the next key, so the server is
// asked again for a while; a person who types on ends that. Pure; what it must not know: the editor.

/** Pauses between two questions, milliseconds; with the server's own deadline for each they make some five seconds. */
const PAUSES = [20, 40, 80, 160, 320, 640, 1000, 1000, 1000];

export interface Listed {
  readonly items: readonly unknown[];
  readonly isIncomplete?: boolean | undefined;
}

/** Is there nothing yet, but more to come? */
export function pending(answer: Listed | readonly unknown[] | null | undefined): boolean {
  return answer !== null && answer !== undefined && "items" in answer && answer.isIncomplete === true && answer.items.length === 0;
}

export const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The first answer that is not pending, or the last one. What is over at the end of a pause is asked once more. */
export async function untilSomething<T extends Listed | readonly unknown[] | null | undefined>(
  first: T,
  again: () => Promise<T>,
  over: () => boolean,
  pause: (milliseconds: number) => Promise<unknown> = sleep,
): Promise<T> {
  let answer = first;
  for (const milliseconds of PAUSES) {
    if (!pending(answer) || over()) break;
    await pause(milliseconds);
    answer = await again();
  }
  return answer;
}
