"""Calls that wait for calls: gathers who waits for whom in one owner's pools, and has those refused that nobody can serve.

The rule is `core.waiting`'s. It is asked only when every place of a pool is held by a call that waits; knows calls and
clients, not executors.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from yonder.core.waiting import Waiting
from yonder.hub.broadcasts import Broadcasting
from yonder.hub.calls import Call
from yonder.hub.clients import Client
from yonder.hub.moving import Approach

_RING = (
    "the object that this call needs is on a worker which waits for this very call; use the object before that, or hand "
    "its value over instead of its handle"
)


class Room(Protocol):
    """A pool, as far as this file needs it."""

    @property
    def name(self) -> str: ...

    @property
    def places(self) -> tuple[int, int]:
        """How many executors it may have, and how many calls each takes."""

    def running(self) -> Iterable[Call]:
        """The calls that hold a place."""

    def refuse(self, call: str, sentence: str) -> None:
        """This call must not wait any longer."""


class Deadlocks:
    """The waiters of one owner. `rooms` are its pools at present."""

    def __init__(self, rooms: Callable[[], Iterable[Room]]) -> None:
        self._rooms = rooms
        self._waiters: dict[Client, tuple[Call, list[int]]] = {}  # who began to wait last stands last
        self._due: asyncio.Handle | None = None

    def waits(self, client: Client, numbers: list[int]) -> None:
        """The code that this client lives in waits for these calls of its own; none: it goes on."""
        self._waiters.pop(client, None)
        task = client.worker.task if client.worker else None
        if numbers and isinstance(task, Call):
            self._waiters[client] = (task, numbers)
            self.changed()

    def changed(self) -> None:
        """A call has ended or a pool has another size: whoever waits may now wait for ever."""
        if self._waiters and self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._due = None
        for client, (task, _) in list(self._waiters.items()):
            if client.gone or task.over or client.worker is None or client.worker.task is not task:
                del self._waiters[client]
        rooms = {room.name: room for room in self._rooms()}
        for call in self._rings():
            rooms[name_of(call)].refuse(call.id, _RING)
        waiting = Counter(name_of(task) for task in {task for task, _ in self._waiters.values()})
        full = [name for name, room in rooms.items() if waiting[name] >= max(1, room.places[0] * room.places[1])]
        if not full:
            return
        picture, calls = self._picture(rooms.values())
        for name in full:
            found = picture.deadlock(name)
            for refused in found.refuse if found else ():
                rooms[name_of(calls[refused])].refuse(refused, found.sentence if found else "")

    def _rings(self) -> list[Call]:
        """Calls that must run on a worker which waits, perhaps by way of others, for that very call."""
        waits = {task: list(_calls(client, numbers)) for client, (task, numbers) in self._waiters.items()}

        def stuck(call: Call, seen: frozenset[Call]) -> bool:
            if call in seen:
                return True
            if call.attempt:
                held = waits.get(call, [])
                return bool(held) and all(stuck(one, seen | {call}) for one in held)
            holder = call.home.task if call.home is not None else None
            return isinstance(holder, Call) and stuck(holder, seen | {call})

        awaited = {call for held in waits.values() for call in held if call.home is not None and not call.attempt}
        return [call for call in awaited if stuck(call, frozenset())]

    def _picture(self, rooms: Iterable[Room]) -> tuple[Waiting, dict[str, Call]]:
        """Everything that the question is about: places and their holders, and whom those wait for."""
        picture = Waiting()
        calls: dict[str, Call] = {}
        for room in rooms:
            picture.sized(room.name, *room.places)
            for call in room.running():
                calls[call.id] = call
                picture.queued(call.id, room.name)
                picture.running(call.id)
        waits: dict[str, list[str]] = {}
        for client, (task, numbers) in self._waiters.items():
            for call in _calls(client, numbers):
                if call.id not in calls:
                    calls[call.id] = call
                    picture.queued(call.id, name_of(call))
                waits.setdefault(task.id, []).append(call.id)
        for waiter, others in waits.items():
            picture.waits(waiter, others)
        return picture, calls


def _calls(client: Client, numbers: list[int]) -> Iterable[Call]:
    for number in numbers:
        asked = client.asked.get(number)
        if isinstance(asked, Call):
            yield asked
        elif isinstance(asked, Broadcasting):
            yield from asked.members
        elif isinstance(asked, Approach):
            yield from asked.fetches


def name_of(call: Call) -> str:
    """The pool that a call was submitted to."""
    return call.room.name
