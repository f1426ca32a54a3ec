"""Interrupts: a KeyboardInterrupt that reaches the run it was meant for, in that run's user code, and nothing else.

What belongs here: the SIGINT handler and the border between user code and ours. What this file must not know: the wire,
what user code is. The side thread only sets a word and sends the signal; whether anything is raised is decided by the
main thread, in the handler, at the moment it would be raised.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal.getsignal` makes an enum of its answer, which costs 5 µs a call
import signal
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Ran(msgspec.Struct, Generic[T], frozen=True):
    """What came of user code: a value, or what it raised. `interrupted`: by an interrupt of ours.

    An error leads to the frames that it came through, their callers' and so to the variable that it stands in: who leaves
    it there keeps all that user code had, until Python looks for such circles."""

    value: T | None
    error: BaseException | None = None
    interrupted: bool = False


class Guard:
    """`task` is current between `begin` and `end`; within that, user code is on while `run` runs it."""

    def __init__(self) -> None:
        self.task = 0
        self._on = False
        self._wanted = 0  # the task an interrupt was asked for and not yet judged
        self._sending = False  # the side thread is between setting the word and having sent the signal
        self._extra = False  # a signal of ours will still come whose word was judged already
        self._raised = 0  # the task that an interrupt was raised in
        self._main = threading.main_thread().ident or 0
        self._handler = self._handle  # one object, to be recognised again
        self.missed = False
        """An interrupt of the current task came while no user code was on: who runs a task in steps ends it there."""
        self.deflect: Callable[[], bool] | None = None
        """Set while an event loop runs: may turn the interrupt into a cancellation (True: it did)."""

    def install(self) -> None:
        """Main thread only; again after each run, since user code may set its own handler."""
        if _signal.getsignal(signal.SIGINT) is not self._handler:
            signal.signal(signal.SIGINT, self._handler)

    def begin(self, task: int) -> None:
        self.missed = False
        self.task = task

    def end(self) -> None:
        self.task = 0

    def run(self, user: Callable[[], T]) -> Ran[T]:
        """Run user code; only in here an interrupt raises. Whatever it raises comes back as a value.

        Three nets: the interrupt may be raised on the way out of the innermost, before the store that ends user code.
        """
        task = self.task
        try:
            try:
                try:
                    self._on = True
                    value = user()
                finally:
                    self._on = False
            finally:
                self._on = False
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; it is the run's outcome
            self._on = False
            return Ran(None, error, self._raised == task and isinstance(error, KeyboardInterrupt))
        return Ran(value)

    def was_interrupted(self) -> bool:
        """Has an interrupt of ours been raised in the current task?"""
        return self._raised == self.task

    # ── the side thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def interrupt(self, task: int) -> str:
        """Ask for `task` to be interrupted; the answer is the wire's word for what will happen."""
        if self.task != task:
            return "not_this_run" if self.task else "idle"
        if not self._on:
            return "idle"
        self._sending = True
        self._wanted = task
        signal.pthread_kill(self._main, signal.SIGINT)
        self._sending = False
        return "interrupted"

    # ── the main thread, between two of its instructions ──────────────────────────────────────────────────────────────

    def _handle(self, _number: int, _frame: object) -> None:
        wanted, self._wanted = self._wanted, 0
        if wanted:
            self._extra = self._sending
            if wanted != self.task:
                return
            if not self._on:
                self.missed = True
                return
            self._raised = wanted
        elif self._extra:
            self._extra = False
            return
        elif not self._on:  # somebody else's signal while nothing of the user's runs
            return
        if self.deflect is not None and self.deflect():
            return
        raise KeyboardInterrupt
