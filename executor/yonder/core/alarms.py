"""Moments at which something is due, by key. Setting, clearing and asking for the next one cost O(log n) on average.

Cleared and replaced alarms stay in the heap until they surface or outnumber the living ones; nobody sees them.
What this file must not know: what a key stands for.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK = 64


class Alarms(Generic[K]):
    """At most one alarm per key; a new one replaces the old."""

    __slots__ = ("_count", "_heap", "_when")

    def __init__(self) -> None:
        self._when: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0  # of two alarms at the same moment the one that was set first rings first

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: K, at: float) -> None:
        """Ring for `key` at the moment `at`."""
        self._count += 1
        self._when[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._heap = [(at, count, key) for key, (at, count) in self._when.items()]
            heapq.heapify(self._heap)

    def clear(self, key: K) -> None:
        """Ring no more for `key`; without an alarm for it nothing happens."""
        self._when.pop(key, None)

    @property
    def next(self) -> float | None:
        """The earliest moment, None when nothing is set."""
        heap, when = self._heap, self._when
        while heap:
            at, count, key = heap[0]
            if when.get(key) == (at, count):
                return at
            heapq.heappop(heap)
        return None

    def due(self, now: float) -> list[K]:
        """The keys whose moment has come, earliest first; they are cleared."""
        found = []
        while (at := self.next) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._when[key]
            found.append(key)
        return found
