"""A call on its way to the objects that it needs: it runs where most of them are, and the others are fetched first.

    needs ─▶ home: the worker with most bytes ─▶ Fetch from the others, all at once ─▶ the call, pinned to its home

Before that the call holds no worker, so that two calls never wait for each other's objects. Knows calls and what is kept;
not executors.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Protocol

import msgspec

from yonder import wire
from yonder.hub.calls import Call, Order, Say
from yonder.hub.calls import Room as CallRoom
from yonder.hub.clients import Client
from yonder.hub.keeps import Entry, Keeps
from yonder.hub.room import passed_on
from yonder.hub.worker import Worker


class Room(Protocol):
    """What this file needs of a pool."""

    @property
    def keeps(self) -> Keeps: ...

    def arrived(self, approach: Approach, order: Order, home: Worker | None, moved: dict[bytes, wire.Body]) -> None:
        """All is there: the call begins when it is its turn, on that worker (None: any)."""

    def given_up(self, approach: Approach) -> None:
        """It has ended before it began."""

    def lives(self, entry: Entry) -> bool:
        """Is it on a worker of this pool?"""

    def fetch(self, entry: Entry, client: Client, say: Say, options: wire.CallOptions, taker: Hashable) -> Fetch:
        """Ask the worker that keeps it for its value; `taker` gets the handles inside."""


class Fetch(Call):
    """The value of a kept object, asked of its worker like a call."""

    __slots__ = ("_ref",)
    only_copies = True

    def __init__(self, room: CallRoom, name: str, client: Client, order: Order, say: Say, ref: bytes) -> None:
        super().__init__(room, name, client, order, say)
        self._ref = ref

    def _opening(self, worker: Worker) -> wire.Call | wire.Fetch:
        return wire.Fetch(self._task, self._ref)

    def _objects(self) -> list[bytes]:
        return [self._ref]


class Approach:
    """One call until it can begin. Implements clients.Asked."""

    def __init__(self, room: Room, client: Client, order: Order) -> None:
        self.client = client
        self._room = room
        self._order = order
        self._number = order.submit.call
        self.fetches: list[Fetch] = []
        self._moved: dict[bytes, wire.Body] = {}
        self._inside: list[bytes] = []  # handles in what was fetched
        self._left = 0
        self._home: Worker | None = None
        self._asked = time.monotonic()
        self._over = False

    def go(self) -> None:
        """Find what it needs, and fetch what is elsewhere."""
        submit, keeps, client = self._order.submit, self._room.keeps, self.client
        keeps.give(submit.refs, client.holder, self)
        client.asked[self._number] = self
        entries: list[Entry] = []
        for ref in [submit.pin, *submit.needs] if submit.pin else submit.needs:
            if (entry := keeps.find(ref, self)) is None:
                self._fail(wire.CallDone(self._number, "remote_lost", sentence=keeps.loss(ref), attempts=0))
                return
            entries.append(entry)
        self._home = entries[0].worker if submit.pin else self._most(entries)
        away = {entry.ref: entry for entry in entries if entry.worker not in (None, self._home)}
        self._left = len(away)
        for entry in away.values():
            self._fetch(entry)
        self._begin_if_all()

    def _most(self, entries: list[Entry]) -> Worker | None:
        """The worker of this pool with most of their bytes."""
        weights: dict[Worker, int] = {}
        for entry in entries:
            if entry.worker is not None and self._room.lives(entry):
                weights[entry.worker] = weights.get(entry.worker, 0) + entry.facts.size + 1
        return max(weights, key=lambda worker: weights[worker], default=None)

    def _fetch(self, entry: Entry) -> None:
        def heard(message: wire.HubToClient) -> None:
            if isinstance(message, wire.CallDone):
                self._arrived(entry.ref, message)

        limit = wire.CallOptions(timeout=self._order.options.timeout, grace=self._order.options.grace)
        self.fetches.append(self._room.fetch(entry, self.client, heard, limit, self))

    def _arrived(self, ref: bytes, done: wire.CallDone) -> None:
        passed_on(wire.loads(done))  # it is not read on by anybody: none may wait for its room
        if self._over:
            self._room.keeps.forget(self)  # the handles in it are for nobody now
            return
        if done.outcome != "ok":
            self._fail(msgspec.structs.replace(done, call=self._number, refs=[]))
            return
        self._moved[ref] = done.body
        self._inside += done.refs
        self._left -= 1
        self._begin_if_all()

    def _begin_if_all(self) -> None:
        if self._left or self._over:
            return
        self._over = True
        order = self._order
        options = order.options
        if options.timeout:
            left = max(options.timeout - (time.monotonic() - self._asked), 0.001)
            options = msgspec.structs.replace(options, timeout=left)
        if self._inside:
            submit = msgspec.structs.replace(order.submit, refs=[*order.submit.refs, *self._inside])
            order = order._replace(submit=submit)
        self._room.arrived(self, order._replace(options=options), self._home, self._moved)
        self._leave()

    def _fail(self, done: wire.CallDone) -> None:
        self._over = True
        self._room.given_up(self)
        self._leave()
        self.client.say(done)

    def _leave(self) -> None:
        if self.client.asked.get(self._number) is self:
            del self.client.asked[self._number]
        self._room.keeps.forget(self)
        self._moved = {}

    # ── what its client asks ──

    def cancel(self) -> None:
        if not self._over:
            self._fail(wire.CallDone(self._number, "cancelled", sentence="the call was cancelled", phase="queued"))
            for fetch in self.fetches:
                fetch.cancel()

    def credit(self, upto: int) -> None:
        """It has not begun."""

    def act(self, message: wire.ActorCall) -> None:
        """It has not begun."""

    def finish(self) -> None:
        self.cancel()

    def hold(self) -> None:
        """It gives nothing yet."""
