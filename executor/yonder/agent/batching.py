"""Which calls of an actor's methods are run together: pure, the time is in the event.

What belongs here: gathering by kind, by size and by time. What this file must not know: clocks, lanes, what a member is.
Order is kept: a call of another kind ends the batch before it, and members of a batch stand in the order they came.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M")


class Gathering(Generic[M]):
    """Collects members of one kind, at most `most` of them and for at most `wait` seconds since the first."""

    def __init__(self, most: int, wait: float) -> None:
        self._most = most
        self._wait = wait
        self._kind: Hashable = None
        self._members: list[M] = []
        self.due: float | None = None
        """When `passed` has something to give; None while nothing waits."""

    def arrived(self, at: float, kind: Hashable, member: M) -> list[list[M]]:
        """One more, at the time `at`; the batches that are complete now, in order (none, one or two).

        kind None: it is run alone.
        """
        ready: list[list[M]] = []
        if self._members and (kind is None or kind != self._kind):
            ready.append(self._close())
        if kind is None:
            ready.append([member])
            return ready
        if not self._members:
            self._kind, self.due = kind, at + self._wait
        self._members.append(member)
        if len(self._members) >= self._most:
            ready.append(self._close())
        return ready

    def passed(self, at: float) -> list[M]:
        """The time is `at` and nothing else has come; the batch that must not wait any longer, or []."""
        return self._close() if self.due is not None and at >= self.due else []

    def rest(self) -> list[M]:
        """Nothing more will come: what is left, or []."""
        return self._close()

    def _close(self) -> list[M]:
        members, self._members = self._members, []
        self.due = None
        return members
