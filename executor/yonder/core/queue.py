"""Calls that wait: tenants take turns, each tenant's calls in their order, calls that come back from a worker (lost, or not begun)
first.

A call is in at most one queue (`Call.queue`). One that leaves from the middle leaves its entry behind; entries that are
no longer true are passed over, and swept when they outnumber the calls. What this file must not know: executors, time.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque

from yonder.core.calls import Call

_SLACK = 64


class Turns:
    """Which tenant was served when, over all queues of a pool."""

    __slots__ = ("_count", "_last")

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[str, int] = {}

    def served(self, tenant: str) -> None:
        self._count += 1
        self._last[tenant] = self._count

    def forget(self) -> None:
        """Nobody waits: whoever comes next starts anew."""
        self._last.clear()

    def before(self, one: Call, other: Call) -> bool:
        """Is it `one`'s turn? Those that come back from a worker first, then the tenant that was served longer ago, then the earlier call."""
        if one.returned != other.returned:
            return one.returned
        if one.tenant != other.tenant:
            ours, theirs = self._last.get(one.tenant, 0), self._last.get(other.tenant, 0)
            if ours != theirs:
                return ours < theirs
        return one.number < other.number


class _Line:
    """One tenant's calls. `back` holds those that return to their old place: they are older than the ends of `fresh`."""

    __slots__ = ("back", "fresh")

    def __init__(self) -> None:
        self.fresh: deque[Call] = deque()
        self.back: list[tuple[int, int, Call]] = []

    def head(self, queue: Queue) -> Call | None:
        fresh, back = self.fresh, self.back
        while fresh and fresh[0].queue is not queue:
            fresh.popleft()
        if not back:
            return fresh[0] if fresh else None
        while back and back[0][2].queue is not queue:
            heapq.heappop(back)
        if back and (not fresh or back[0][0] <= fresh[0].number):
            return back[0][2]
        return fresh[0] if fresh else None


class Queue:
    """`len` counts the calls that really wait here."""

    __slots__ = ("_entries", "_first", "_given", "_length", "_lines", "_turns")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._first: deque[Call] = deque()
        self._length = 0
        self._entries = 0
        self._given = 0  # a call may have been given back twice: the entries must still differ

    def __len__(self) -> int:
        return self._length

    def push(self, call: Call) -> None:
        """The end of its tenant's line; a call that comes back from a worker goes before all."""
        call.queue = self
        self._length += 1
        self._entries += 1
        if call.returned:
            self._first.append(call)
            return
        line = self._lines.get(call.tenant)
        if line is None:
            line = self._lines[call.tenant] = _Line()
        line.fresh.append(call)

    def give_back(self, call: Call) -> None:
        """It waited elsewhere and takes its old place, which its number tells."""
        if call.returned:
            self.push(call)
            return
        call.queue = self
        self._length += 1
        self._entries += 1
        line = self._lines.get(call.tenant)
        if line is None:
            line = self._lines[call.tenant] = _Line()
        self._given += 1
        heapq.heappush(line.back, (call.number, self._given, call))

    def head(self) -> Call | None:
        """Whose turn it is."""
        first = self._first
        while first:
            if first[0].queue is self:
                return first[0]
            first.popleft()
        while self._lines:
            tenant, line = next(iter(self._lines.items()))
            call = line.head(self)
            if call is not None:
                return call
            del self._lines[tenant]
        return None

    def serve(self, call: Call) -> None:
        """`call`, which is the head, leaves; it is the next tenant's turn."""
        if not call.returned:
            self._lines.move_to_end(call.tenant)
            self._turns.served(call.tenant)
        self._entries -= 1
        self.leave(call)

    def leave(self, call: Call) -> None:
        """`call`, which waits here, leaves from wherever it stands."""
        call.queue = None
        self._length -= 1
        if self._length == 0:
            self._lines.clear()
            self._first.clear()
            self._entries = 0
        elif self._entries > 2 * self._length + _SLACK:
            self._sweep()

    def calls(self) -> list[Call]:
        """All that wait here, in the order of their numbers."""
        found = {call.id: call for call in self._first if call.queue is self}
        for line in self._lines.values():
            for call in [*line.fresh, *(call for _, _, call in line.back)]:
                if call.queue is self:
                    found[call.id] = call
        return sorted(found.values(), key=lambda call: call.number)

    def _sweep(self) -> None:
        self._first = deque(call for call in dict.fromkeys(self._first) if call.queue is self)
        kept = len(self._first)
        for tenant, line in list(self._lines.items()):
            line.fresh = deque(call for call in line.fresh if call.queue is self and not call.returned)
            there = set(line.fresh)
            line.back = [entry for entry in line.back if entry[2].queue is self and entry[2] not in there]
            heapq.heapify(line.back)
            kept += len(line.fresh) + len(line.back)
            if not line.fresh and not line.back:
                del self._lines[tenant]
        self._entries = kept
