// The pace of questions, on a clock that stands still.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, type Clock } from "../../webview/pull";

class FakeClock implements Clock {
  #now = 1000;
  #later: { at: number; act: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  later(ms: number, act: () => void): void {
    this.#later.push({ at: this.#now + ms, act });
  }
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#later.filter((each) => each.at <= this.#now);
    this.#later = this.#later.filter((each) => each.at > this.#now);
    for (const { act } of due) act();
  }
}

function scene(): { clock: FakeClock; pull: Pull; asked: () => number; answer: () => Promise<void>; refuse: () => Promise<void> } {
  const clock = new FakeClock();
  const open: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let asked = 0;
  const pull = new Pull(
    () => {
      asked += 1;
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
    100,
    clock,
  );
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, pull, asked: () => asked, answer: () => (open.shift()!.resolve(), turn()), refuse: () => (open.shift()!.reject(new Error("no")), turn()) };
}

test("at most ten a second however often it is wished", async () => {
  const { clock, pull, asked, answer } = scene();
  let answered = 0;
  for (let ms = 0; ms < 1000; ms += 10) {
    pull.poke();
    if (asked() > answered) {
      answered += 1;
      await answer();
    }
    clock.advance(10);
  }
  assert.ok(asked() >= 9 && asked() <= 11, `${asked()} questions`);
});

test("never two at once, and the wishes meanwhile are one", async () => {
  const { clock, pull, asked, answer } = scene();
  pull.poke();
  pull.poke();
  pull.poke();
  clock.advance(500);
  assert.equal(asked(), 1);
  await answer();
  clock.advance(2000);
  assert.equal(asked(), 2);
  await answer();
  clock.advance(2000);
  assert.equal(asked(), 2);
});

test("slow answers slow the questions", async () => {
  const { clock, pull, asked, answer } = scene();
  pull.poke();
  clock.advance(400);
  pull.poke();
  await answer();
  clock.advance(700);
  assert.equal(asked(), 1);
  clock.advance(101);
  assert.equal(asked(), 2);
});

test("a failed question does not end the asking", async () => {
  const { clock, pull, asked, refuse } = scene();
  pull.poke();
  await refuse();
  clock.advance(100);
  pull.poke();
  assert.equal(asked(), 2);
});
