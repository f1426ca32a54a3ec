"""One rate limit for notifications: the first goes at once, later ones wait for their turn, the last is never lost.

What this file must not know: what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Paced:
    """Calls `action` at most every `interval` seconds, however often `poke` is called."""

    def __init__(self, interval: float, action: Callable[[], None]) -> None:
        self._interval = interval
        self._action = action
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def poke(self) -> None:
        """Something changed."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._next:
            self._fire()
        else:
            self._timer = loop.call_at(self._next, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._next = asyncio.get_running_loop().time() + self._interval
        self._action()

    def stop(self) -> None:
        """No more calls."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
