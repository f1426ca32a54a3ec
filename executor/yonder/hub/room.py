"""Room for what is large: how many bytes of results the hub takes in before they are on their way to whoever waits.

Workers end their calls when they like, and whoever waits for the results reads them when it likes. What a worker sends in a
load is read only while there is room; until then the worker waits, at the cost of nobody's memory but its own. Knows
bytes and moments that it is told; not calls, workers, sockets or clocks.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable

ROOM = 256 * 1024 * 1024

STALLED = 5.0
"""Seconds after which a load of which nothing more comes keeps no room for the rest: its worker stands still, or its link is
cut, and the others need not wait for that."""


class Load(list[bytes]):
    """The pieces of one body, and their place in the room. It is free again when the load was passed on or let go of."""

    __slots__ = ("__weakref__", "_free")

    def __init__(self, free: Callable[[], None]) -> None:
        super().__init__()
        self._free: Callable[[], None] | None = free

    def passed_on(self) -> None:
        """It takes no more room here; harmless when said twice."""
        free, self._free = self._free, None
        if free is not None:
            free()

    def __del__(self) -> None:
        self.passed_on()


class Room:
    """`size` bytes. One load that is larger than all of it may come when nothing else is there."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = size
        self._taken = 0
        self._inside: dict[_Ticket, None] = {}
        self._queue: deque[tuple[_Ticket, Callable[[], None]]] = deque()

    @property
    def taken(self) -> int:
        """Bytes of the loads that were let in and are still here."""
        return self._taken

    def enter(self, size: int, wait: Callable[[], Callable[[], None]]) -> Load:
        """A place for a load of so many bytes. When there is none now, `wait` is called to have its sender wait; what it
        returns is called when there is."""
        load = Load(lambda: self._leave(ticket))
        ticket = _Ticket(size, weakref.ref(load))
        if not self._queue and self._fits(size):
            self._admit(ticket)
        else:
            self._queue.append((ticket, wait()))
        return load

    def look(self, at: float) -> None:
        """To be called now and then while somebody waits, with the moment: what stands still keeps only what has come."""
        for ticket in list(self._inside):
            load = ticket.load()
            if load is None:
                continue
            if len(load) != ticket.pieces:
                ticket.pieces, ticket.since = len(load), at
            elif at - ticket.since >= STALLED:
                come = sum(map(len, load))
                self._taken += come - ticket.size
                ticket.size = come
        self._let_in()

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._size

    def _admit(self, ticket: _Ticket) -> None:
        if not ticket.returned:
            self._inside[ticket] = None
            self._taken += ticket.size

    def _leave(self, ticket: _Ticket) -> None:
        ticket.returned = True
        if ticket in self._inside:
            del self._inside[ticket]
            self._taken -= ticket.size
        self._let_in()

    def _let_in(self) -> None:
        while self._queue and (self._queue[0][0].returned or self._fits(self._queue[0][0].size)):
            admitted, go = self._queue.popleft()
            self._admit(admitted)
            go()


class _Ticket:
    """What one load takes."""

    __slots__ = ("load", "pieces", "returned", "since", "size")

    def __init__(self, size: int, load: weakref.ref[Load]) -> None:
        self.size = size
        self.load = load
        self.pieces = -1  # when it was looked at last
        self.since = 0.0
        self.returned = False


def passed_on(loads: list[object]) -> None:
    """These bodies are on their way: whatever room they took is free."""
    for load in loads:
        if isinstance(load, Load):
            load.passed_on()
