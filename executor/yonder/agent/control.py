"""A worker's side thread: interrupt, look, typed answers in; what the recorder collected out.

What belongs here: one select loop over the control lane, a wake-up pipe and the agent's life line. What this file must
not know: user code. It never imports anything (the import lock may be held by user code) and holds no reference to what
it looked at.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import msgspec

from yonder import wire
from yonder.agent import peek, peek_stop
from yonder.agent.console import Console
from yonder.agent.guard import Guard
from yonder.agent.lane import Lane
from yonder.agent.peek_names import Names
from yonder.agent.peek_statistics import Statistics
from yonder.agent.recorder import EVERY, Recorder
from yonder.agent.streaming import Credit

_QUICK = 0.001

Message = wire.Welcome | wire.Refused | wire.Raise | wire.Look | wire.Typed | wire.Allow


class Control:
    """Owns the control lane. `namespace` gives the live names and their generation at the moment of a look."""

    def __init__(
        self,
        lane: Lane[Message],
        life: int,
        guard: Guard,
        credit: Credit,
        namespace: Callable[[], tuple[dict[str, object], int]],
    ) -> None:
        self._lane = lane
        self._life = life
        self._guard = guard
        self._credit = credit
        self._namespace = namespace
        self._told = Names()
        self._statistics = Statistics(lambda number, answer: self.send(wire.Looked(number, answer)), namespace)
        self._sending = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.recorder = Recorder(self.send)
        self.recorder.wake = self._wake
        self.console: Console | None = None
        self.leaving = False
        """Set by the main thread when it ends in good order: the hub may then hang up first."""

    def start(self) -> None:
        threading.Thread(target=self._serve, name="yonder-control", daemon=True).start()

    def send(self, message: wire.Message) -> None:
        """Called by the side thread, by statistics, and by the main thread while user code is off."""
        with self._sending:
            self._lane.send(message)

    def close(self) -> None:
        """In a forked child of user code, where this thread does not exist."""
        self._lane.close()
        for fd in (self._wake_read, self._wake_write, self._life):
            os.close(fd)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"w")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    # ── the thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self) -> None:
        with contextlib.suppress(OSError, wire.WireError):  # reset, or nonsense: the same as the hub's end
            self._loop()
        if not self.leaving:
            _leave()

    def _loop(self) -> None:
        """Until the hub or the agent is gone. Points wait a moment for company; everything else goes at once."""
        lane, wake = self._lane.sock.fileno(), self._wake_read
        waits = [lane, wake, self._life]
        due: float | None = None
        while True:
            readable, _, _ = select.select(waits, [], [], None if due is None else max(0.0, due - time.monotonic()))
            if wake in readable:
                os.read(wake, 65536)
                if self.recorder.urgent():
                    due = 0.0
                elif due is None:
                    due = time.monotonic() + EVERY
            if due is not None and time.monotonic() >= due:
                due = None
                self.recorder.flush()
            if self._life in readable:
                _leave()
            if lane in readable and not self._hear():
                return

    def _hear(self) -> bool:
        if not self._lane.fill():
            return False
        while self._lane.ready:
            message = self._lane.receive()
            match message:
                case wire.Raise(task=task):
                    self.send(wire.Raised(task, self._guard.interrupt(task)))
                case wire.Allow(task=task, upto=upto):
                    self._credit.allow(task, upto)
                case wire.Look(id=number, query=query) if query.what == "statistics":
                    self._statistics.ask(number, query)
                case wire.Look():
                    self._look(message)
                case wire.Typed(id=ident, text=text):
                    if self.console is not None:
                        self.console.typed(ident, text)
                case _:
                    return False  # a second Welcome or a Refused: the hub is done with us
        return True

    def _look(self, message: wire.Look) -> None:
        """Answer from metadata alone. While it is outstanding the interpreter switches threads faster."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(_QUICK)
        try:
            namespace, generation = self._namespace()
            answer = _answered(namespace, message.query, generation, self._told)
            self.send(wire.Looked(message.id, answer))
        finally:
            sys.setswitchinterval(before)


def _answered(namespace: dict[str, object], query: wire.Query, generation: int, told: Names) -> wire.Answer:
    """In a debugger the names of the function where it stopped come first, for who looks from there."""
    found = peek_stop.stop() if query.frame and not query.within else None
    if found is None or found.function != query.frame:
        return peek.look(namespace, query, generation, told)
    answer = peek.look(peek_stop.first(found.names, namespace), query, generation, told)
    return msgspec.structs.replace(answer, frame=found.function)


def _leave() -> NoReturn:
    """The hub or the agent is gone: nobody can use what this process does."""
    os._exit(0)
