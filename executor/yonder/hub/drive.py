"""What drives a pool's machine: one event at a time, and a tick when the machine asks for one.

Knows the loop's clock and that commands are carried out in order; not what they mean.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from yonder.core import events
from yonder.core.pool import Pool


class Drive:
    """`carry_out` is called with every command, `settled` when an event and all that it brought about are dealt with."""

    def __init__(self, pool: Pool, carry_out: Callable[[events.Command], None], settled: Callable[[], None]) -> None:
        self._pool = pool
        self._carry_out = carry_out
        self._settled = settled
        self._events: deque[events.Event] = deque()
        self._feeding = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = 0.0  # when it goes off

    def feed(self, event: events.Event) -> None:
        """What a command brings about at once waits until all commands before it are carried out."""
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._events:
                self._carry_out_all(self._pool.step(self._events.popleft()))
        finally:
            self._feeding = False
        self._wake_at(self._pool.next_wake)
        self._settled()

    def _carry_out_all(self, commands: list[events.Command]) -> None:
        """Each of them, also when one before it could not be carried out: that one's call is lost, not all the others'."""
        trouble: Exception | None = None
        for command in commands:
            try:
                self._carry_out(command)
            except Exception as error:  # noqa: BLE001 - raised below
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    def _wake_at(self, when: float | None) -> None:
        """A timer that is set too early, or for nothing, only looks once more; setting it anew at every event costs more."""
        if when is None or (self._timer is not None and self._wakes <= when):
            return
        self.stop()
        self._wakes = when
        self._timer = asyncio.get_running_loop().call_later(max(0.0, when - now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(events.Tick(now()))

    def stop(self) -> None:
        """Nothing more happens by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def now() -> float:
    """Seconds of the machine's clock."""
    return time.monotonic()
