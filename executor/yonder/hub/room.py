"""Room for what is large: how many bytes of results the hub takes in before they are on their way to whoever waits.

Workers end their calls when they like, and whoever waits for the results reads them when it likes. What a worker sends in a
load is read only while there is room; until then the worker waits, at the cost of nobody's memory but its own. Knows
bytes; not calls, workers or sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

ROOM = 256 * 1024 * 1024


class Load(list[bytes]):
    """The pieces of one body, and their place in the room. It is free again when the load was passed on or let go of."""

    __slots__ = ("_free",)

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
        self._queue: deque[tuple[_Ticket, Callable[[], None]]] = deque()

    @property
    def taken(self) -> int:
        """Bytes of the loads that were let in and are still here."""
        return self._taken

    def enter(self, size: int, wait: Callable[[], Callable[[], None]]) -> Load:
        """A place for a load of so many bytes. When there is none now, `wait` is called to have its sender wait; what it
        returns is called when there is."""
        load = Load(lambda: self._leave(ticket))
        ticket = _Ticket(size)
        if not self._queue and self._fits(size):
            self._admit(ticket)
        else:
            self._queue.append((ticket, wait()))
        return load

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._size

    def _admit(self, ticket: _Ticket) -> None:
        if not ticket.returned:
            ticket.inside = True
            self._taken += ticket.size

    def _leave(self, ticket: _Ticket) -> None:
        ticket.returned = True
        if ticket.inside:
            ticket.inside = False
            self._taken -= ticket.size
        while self._queue and (self._queue[0][0].returned or self._fits(self._queue[0][0].size)):
            admitted, go = self._queue.popleft()
            self._admit(admitted)
            go()


class _Ticket:
    """What one load takes."""

    __slots__ = ("inside", "returned", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.inside = False
        self.returned = False


def passed_on(loads: list[object]) -> None:
    """These bodies are on their way: whatever room they took is free."""
    for load in loads:
        if isinstance(load, Load):
            load.passed_on()
