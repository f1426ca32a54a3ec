"""What a running task says besides its result: metrics, progress, pictures, questions; numbered where they are made.

What belongs here: collecting in the user's thread without locks, batching, numbering, and the exact count at the end.
What this file must not know: sockets (it is given a `send`), how values are shown.

User code only ever appends to a deque, which no interrupt can leave half done; turning entries into messages happens in
the side thread, or at the task's end in the main thread when user code is off.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from yonder import wire

BATCH = 512
EVERY = 0.05
MOST_WAITING = 200_000
"""Points that may wait for the hub; beyond, the producer waits (nothing is dropped)."""


class Point(NamedTuple):
    task: int
    name: str
    step: float
    value: float
    at: float


Later = Callable[[int, int], wire.TaskProgress | wire.TaskDisplay | wire.InputAsked]
"""Makes the message once (task, n) are known."""


class Said(NamedTuple):
    task: int
    make: Later


class Recorder:
    """Implements `yonder.seat.Recorder`. `send` may be called from two threads, under the recorder's lock."""

    def __init__(
        self, send: Callable[[wire.TaskMetrics | wire.TaskProgress | wire.TaskDisplay | wire.InputAsked], None]
    ) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._waiting: deque[Point | Said] = deque()
        self._task = 0
        self._count = 0
        self._steps: dict[str, itertools.count[int]] = {}
        self._woken = False
        self.wake: Callable[[], None] = lambda: None
        """Wakes the side thread; set by it."""

    @property
    def task(self) -> int:
        return self._task

    # ── user code's threads ───────────────────────────────────────────────────────────────────────────────────────────

    def metrics(self, step: float | None, values: dict[str, float]) -> None:
        task = self._task
        if not task:
            return
        now = time.time()
        for name, value in values.items():
            at = step if step is not None else next(self._steps.setdefault(name, itertools.count()))
            self._waiting.append(Point(task, name, float(at), value, now))
        while len(self._waiting) > MOST_WAITING and self._task == task:
            time.sleep(0.005)  # the hub is behind; user code waits here, interruptibly, rather than fill the memory
        if len(self._waiting) >= BATCH or not self._woken:
            self._nudge()

    def progress(self, bar: str, label: str, done: float, total: float) -> None:
        now = time.time()
        self.say(lambda task, n: wire.TaskProgress(task, n, bar, label, done, total, now))

    def display(self, mime: str, data: bytes, alt: str) -> None:
        now = time.time()
        self.say(lambda task, n: wire.TaskDisplay(task, n, mime, data, alt, now))

    def say(self, make: Later) -> None:
        if task := self._task:
            self._waiting.append(Said(task, make))
            self._nudge()

    def _nudge(self) -> None:
        self._woken = True
        self.wake()

    # ── the main thread, user code off ────────────────────────────────────────────────────────────────────────────────

    def begin(self, task: int) -> None:
        with self._lock:
            self._waiting.clear()
            self._steps = {}
            self._count = 0
            self._task = task

    def end(self) -> int:
        """Send what waits and close the task; the number of its last message."""
        with self._lock:
            task, self._task = self._task, 0
            self._flush(task)
            return self._count

    def count(self) -> int:
        """Send what waits; the number of the task's last message so far."""
        with self._lock:
            self._flush(self._task)
            return self._count

    def silence(self) -> None:
        """In a forked child of user code: nothing is said from here on. Takes no lock; its holder was not forked."""
        self._task = 0
        self._waiting = deque()
        self.wake = lambda: None

    # ── the side thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def waiting(self) -> bool:
        return bool(self._waiting)

    def urgent(self) -> bool:
        """Is there more to send than points that may wait for company?"""
        if len(self._waiting) >= BATCH:
            return True
        try:
            return isinstance(self._waiting[-1], Said)
        except IndexError:
            return False

    def flush(self) -> None:
        with self._lock:
            self._woken = False
            self._flush(self._task)

    def _flush(self, task: int) -> None:
        points: list[Point] = []
        for _ in range(len(self._waiting)):
            entry = self._waiting.popleft()
            if entry.task != task:
                continue  # a thread outlived its task and said something late
            if isinstance(entry, Point):
                points.append(entry)
                if len(points) == BATCH:
                    self._send_points(task, points)
            else:
                self._send_points(task, points)
                self._count += 1
                self._send(entry.make(task, self._count))
        self._send_points(task, points)

    def _send_points(self, task: int, points: list[Point]) -> None:
        if not points:
            return
        self._count += 1
        self._send(wire.TaskMetrics(task, self._count, columns(points)))
        points.clear()


def columns(points: list[Point]) -> list[wire.Column]:
    """Points in the order they were said, as one column for each name."""
    by_name: dict[str, tuple[array[float], array[float], array[float]]] = {}
    for _, name, step, value, at in points:
        column = by_name.get(name)
        if column is None:
            column = by_name[name] = (array("d"), array("d"), array("d"))
        column[0].append(step)
        column[1].append(value)
        column[2].append(at)
    return [
        wire.Column(name, steps.tobytes(), values.tobytes(), times.tobytes())
        for name, (steps, values, times) in by_name.items()
    ]
