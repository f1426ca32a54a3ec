"""Failed boots in a row: how long to wait before the next, and when to give up on those who wait.

A batch that was started together and fails together is one failure: eight executors that meet the same missing image
are not eight proofs. What this file must not know: executors, calls, where chance comes from.
"""

from __future__ import annotations

from collections.abc import Callable

LONGEST = 30.0
PATIENCE = 3


def steady() -> float:
    """The middle of all chances: pauses without jitter."""
    return 0.5


class Backoff:
    """1, 2, 4 … 30 s between failed boots, each by up to half longer or shorter: `jitter` says how, from 0 to 1."""

    __slots__ = ("_jitter", "_last", "failures", "final", "not_before", "sentence")

    def __init__(self, jitter: Callable[[], float] = steady) -> None:
        self.failures = 0
        self.sentence = ""
        self.final = False
        self.not_before: float | None = None
        self._last = float("-inf")
        self._jitter = jitter

    def failed(self, at: float, *, begun: float, sentence: str, final: bool = False) -> None:
        """A boot begun at `begun` did not work. Those begun before the last counted failure tell nothing new. `final`: the
        next one would not work either; those who wait are told at once, and the next is tried after the longest pause."""
        self.sentence, self.final = sentence, final
        if final:
            self.failures, self._last, self.not_before = PATIENCE, at, at + LONGEST
        elif begun > self._last:
            self.failures += 1
            self._last = at
            self.not_before = at + min(LONGEST, 2.0 ** min(self.failures - 1, 10)) * (0.5 + self._jitter())

    def worked(self) -> None:
        """One proved to be of use: whatever failed before is forgotten."""
        self.failures, self.sentence, self.not_before, self._last = 0, "", None, float("-inf")
        self.final = False

    @property
    def spent(self) -> bool:
        """Enough failures in a row for those who wait to be told."""
        return self.failures >= PATIENCE

    def told(self, at: float) -> None:
        """Those who waited know; the count starts again, with a pause so that an impatient program does not spin."""
        self.failures = 0
        self.not_before = at + 1.0

    def retry(self, at: float) -> None:
        """Something changed: one more try, now, before anybody is told to give up."""
        self.failures = min(self.failures, PATIENCE - 1)
        self.not_before = at

    def blocks(self, at: float) -> bool:
        """Is `at` within the pause?"""
        return self.not_before is not None and at < self.not_before
