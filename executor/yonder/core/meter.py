"""How long an owner's executors have run in all, against a limit. Arithmetic only; time comes in from outside.

What belongs here: the sum and when it will reach the limit. What this file must not know: pools, prices, what is done
about it.
"""

from __future__ import annotations

from math import inf


class Meter:
    """Executor-seconds: two executors for a minute are 120. `limit` None: nothing is bound."""

    def __init__(self) -> None:
        self.limit: float | None = None
        self._spent = 0.0
        self._running = 0
        self._since = -inf

    def runs(self, at: float, executors: int) -> None:
        """From `at` on there are so many."""
        self._spent = self.spent(at)
        self._since, self._running = at, executors

    def spent(self, at: float) -> float:
        """Executor-seconds up to `at`."""
        return self._spent + (self._running * max(0.0, at - self._since) if self._running else 0.0)

    def over(self, at: float) -> bool:
        """Is the limit reached?"""
        return self.limit is not None and self.spent(at) >= self.limit

    def ends(self, at: float) -> float | None:
        """When the limit is reached if nothing changes; None when it is not being approached."""
        if self.limit is None or not self._running:
            return None
        return at + max(0.0, self.limit - self.spent(at)) / self._running
