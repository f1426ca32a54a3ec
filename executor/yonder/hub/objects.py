"""What a pool does for objects that stay on its workers, and for values that clients put here: bring calls to them, fetch,
spill.

Knows calls and what is kept; not executors.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from yonder import segments, wire
from yonder.hub.calls import Call, Order, Say
from yonder.hub.calls import Room as CallRoom
from yonder.hub.clients import Client
from yonder.hub.keeps import Entry, Keeps
from yonder.hub.moving import Approach, Fetch
from yonder.hub.room import passed_on
from yonder.hub.spill import SPILL
from yonder.hub.worker import Worker
from yonder.segments import Gone

_TAKEN = "its name is taken; put it again"


class Room(CallRoom, Protocol):
    """The pool."""

    @property
    def objects(self) -> Objects: ...

    def pinned(self, worker: Worker, *, on: bool) -> None:
        """The worker keeps something from now on, or nothing any more."""

    def take(self, client: Client, order: Order) -> Call:
        """The call is this pool's from now on."""

    def admit(self, make: Callable[[str], Call]) -> Call:
        """As `take`, for a call of the pool's own making."""

    def enter(self, call: Call, pin: str) -> None:
        """It wants its turn, on that worker ("": any)."""


class Objects:
    """One pool's. Implements moving.Room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._approaches: set[Approach] = set()

    @property
    def keeps(self) -> Keeps:
        """What workers keep."""
        return self._room.keeps

    # ── calls that need objects ──

    def approach(self, client: Client, order: Order) -> None:
        """A call with handles in its arguments."""
        approach = Approach(self, client, order)
        self._approaches.add(approach)
        approach.go()

    def lives(self, entry: Entry) -> bool:
        """Is it on a worker of this pool?"""
        return entry.room is self._room

    def arrived(self, approach: Approach, order: Order, home: Worker | None, moved: dict[bytes, wire.Body]) -> None:
        """All that the call needs is there."""
        call = self._room.take(approach.client, order)
        call.moved, call.home = moved, home
        self.keeps.give(order.submit.refs, approach, call)
        self._approaches.discard(approach)
        self._room.enter(call, home.id if home is not None else "")

    def given_up(self, approach: Approach) -> None:
        """It has ended before it began."""
        self._approaches.discard(approach)

    def forsaken(self, client: Client) -> None:
        """Nobody waits for the calls of this client any more."""
        for approach in [one for one in self._approaches if one.client is client]:
            approach.cancel()

    # ── values of objects ──

    def fetch(
        self, entry: Entry, client: Client, say: Say, options: wire.CallOptions, taker: Hashable, number: int = 0
    ) -> Fetch:
        """Ask the worker that keeps it for its value; `taker` gets the handles inside."""
        assert entry.worker is not None  # noqa: S101 - else there is nobody to ask
        if (home := home_of(entry)) is not self:
            return home.fetch(entry, client, say, options, taker, number)
        label = f"a copy of a remote {entry.facts.type}"
        submit = wire.Submit(number, self._room.name, b"", b"", b"", label, refs=[entry.ref], needs=[entry.ref])
        order = Order(submit, b"", options)
        fetch = self._room.admit(lambda name: Fetch(self._room, name, client, order, say, entry.ref))
        assert isinstance(fetch, Fetch)  # noqa: S101 - made here
        fetch.taker, fetch.home = taker, entry.worker
        self.keeps.give([entry.ref], client.holder, fetch)
        self._room.enter(fetch, entry.worker.id)
        return fetch

    def put(self, client: Client, message: wire.Put) -> None:
        """A client has its value kept here."""
        passed_on(wire.loads(message))
        if refusal := _refused(client, message):
            client.say(no_room(message.call, refusal))
            return
        try:
            why = "" if self.keeps.put(self._room, client, message.facts, message.body, message.refs) else _TAKEN
        except Gone as error:
            why = f"{error}; put it again"
        client.say(lost_end(message.call, why) if why else wire.CallDone(message.call, "ok", attempts=0))

    def asked(self, client: Client, entry: Entry, message: wire.Get | wire.Spill) -> None:
        """A copy is wanted, or its worker is to be free of it."""
        number, options = message.call, wire.CallOptions()
        if isinstance(message, wire.Get):
            if entry.value is not None:
                refs = self.keeps.give(self.keeps.inside(entry), entry, client.holder)
                client.say(wire.CallDone(number, "ok", entry.value.body(near=client.near), attempts=0, refs=refs))
            else:
                client.asked[number] = self.fetch(entry, client, client.say, options, client.holder, number)
        elif entry.value is not None:
            client.say(wire.CallDone(number, "ok", attempts=0))
        elif refusal := SPILL.refusal(entry.facts.size, modest=client.worker is not None):
            client.say(no_room(number, refusal))
        else:
            spilling = Spilling(client, entry, self.keeps, number)
            client.asked[number] = self.fetch(entry, client, spilling.heard, options, spilling, number)


class Spilling:
    """A value on its way here, from the worker that is to be free of it."""

    def __init__(self, client: Client, entry: Entry, keeps: Keeps, number: int) -> None:
        self._client = client
        self._entry = entry
        self._keeps = keeps
        self._number = number

    def heard(self, message: wire.HubToClient) -> None:
        """The worker's word."""
        if not isinstance(message, wire.CallDone):
            return
        passed_on(wire.loads(message))
        if message.outcome == "ok" and self._keeps.find(self._entry.ref, self._client.holder) is None:
            message = lost_end(self._number, self._keeps.loss(self._entry.ref))
        elif message.outcome == "ok" and (refusal := self._refusal(message)):
            message = no_room(self._number, refusal)
        if message.outcome == "ok":
            self._keeps.settle(self._entry, message.body, self, message.refs)
            message = wire.CallDone(self._number, "ok", executor=message.executor)
        self._keeps.forget(self)
        self._client.say(message)

    def _refusal(self, message: wire.CallDone) -> str:
        """It may be larger than its worker had said."""
        return SPILL.refusal(wire.weight(message.body), modest=self._client.worker is not None)


def home_of(entry: Entry) -> Objects:
    """Those of the pool whose worker keeps it."""
    objects = getattr(entry.room, "objects", None)
    assert isinstance(objects, Objects)  # noqa: S101 - nothing but a pool keeps anything
    return objects


def _refused(client: Client, message: wire.Put) -> str:
    """Why there is no room for a value, "" when there is."""
    given = client.near and segments.is_reference(message.body)
    size = segments.size_of(message.body) if given and type(message.body) is bytes else wire.weight(message.body)
    return SPILL.refusal(size, modest=client.worker is not None, given=given)


def no_room(number: int, sentence: str) -> wire.CallDone:
    """The end of a put or spill for which the hub has no room: the value stays where it is."""
    return wire.CallDone(number, "no_room", sentence=sentence, attempts=0)


def lost_end(number: int, sentence: str) -> wire.CallDone:
    """The end of a call that needs an object which is no more."""
    return wire.CallDone(number, "remote_lost", sentence=sentence, attempts=0)
