"""Moments at which something is due, by key. Setting, clearing and asking for the next one cost O(log n) on average.

Cleared and replaced alarms stay in the heap until they surface or outnumber the living ones; nobody sees them.
What this file must not know: what a key stands for.
"""

from __future__ import annotations

import heapq

_SLACK = 64


class Alarms:
    """At most one alarm per key; a new one replaces the old."""

    def __init__(self) -> None:
        self._when: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: str, at: float) -> None:
        self._when[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._heap = [(at, key) for key, at in self._when.items()]
            heapq.heapify(self._heap)

    def clear(self, key: str) -> None:
        self._when.pop(key, None)

    @property
    def next(self) -> float | None:
        """The earliest moment, None when nothing is set."""
        heap = self._heap
        while heap and self._when.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[str]:
        """The keys whose moment has come, earliest first; they are cleared."""
        found = []
        while (at := self.next) is not None and at <= now:
            key = heapq.heappop(self._heap)[1]
            del self._when[key]
            found.append(key)
        return found
