"""What is to be run once in every worker of a pool: in those that are there by a call each, in those to come before they are
heard of.

    Broadcast ─▶ a rite, and a call for each worker ─▶ Broadcasting gathers the ends     hello ─▶ Initiation ─▶ ready

Knows workers, calls and rites; not sizes or order, nor what becomes of a worker that holds older code (`freshness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

from yonder import wire
from yonder.hub.broadcasts import Broadcasting, Initiation, Rite
from yonder.hub.calls import Call, Order, Say
from yonder.hub.clients import Client
from yonder.hub.executor import Executor
from yonder.hub.executors import Executors
from yonder.hub.freshness import Freshness
from yonder.hub.keeps import Keeps
from yonder.hub.worker import Worker
from yonder.snapshot import version


class Room(Protocol):
    """The pool."""

    spec: wire.PoolSpec

    @property
    def keeps(self) -> Keeps:
        """What workers keep."""

    def next_name(self) -> str:
        """What the next call is called."""

    def join(self, name: str, client: Client, order: Order, say: Say) -> Call:
        """The call of that name is this pool's; `enter` follows."""

    def enter(self, call: Call, pin: str = "") -> None:
        """It wants its turn, on that worker."""

    def forget(self, call: Call) -> None:
        """There is nothing of it any more."""


class Rites:
    """One pool's. `there` are its executors."""

    def __init__(self, room: Room, executors: Executors, there: Mapping[str, Executor], fresh: Freshness) -> None:
        self._room = room
        self._executors = executors
        self._library = executors.library
        self._there = there
        self._fresh = fresh
        self._rites: list[Rite] = []
        self._passed: WeakKeyDictionary[Worker, int] = WeakKeyDictionary()  # how many of them a worker has done

    def clear(self) -> None:
        """Workers to come do none of them; who is on the way through them goes on."""
        for rite in self._rites:
            self._library.unpin(rite.code)
        for rite in self._rites:
            self._room.keeps.forget(rite)
        self._rites = []
        self._passed.clear()

    def broadcast(self, client: Client, message: wire.Broadcast) -> None:
        """A client wants one more; it is answered whatever happens."""
        try:
            function = client.function(message)
        except KeyError:
            _refuse(client, message.call, "the function of this broadcast never arrived")
            return
        if (code := self._fresh.code_of(client, message)) is None:
            sentence = f"the code of this broadcast ({version(message.snapshot)}) is not at the hub; submit it again"
            _refuse(client, message.call, sentence)
            return
        rite = self._taken(client, message, function, code)

        def drop() -> None:
            rite.dropped = True

        gathering = Broadcasting(client, message.call, drop)
        client.asked[message.call] = gathering
        self._call(rite, client, message, Order(_submit(message), function, self._options(), code), gathering)
        for worker in self._early():
            self._executors.ready_again(worker)

    def _taken(self, client: Client, message: wire.Broadcast, function: wire.Body, code: bytes) -> Rite:
        keeps = self._room.keeps
        rite = Rite(self._room.next_name(), message, function, client.run, code, keeps.give)
        self._library.pin(code)
        keeps.give(message.refs, client.holder, rite)
        self._rites.append(rite)
        return rite

    def _options(self) -> wire.CallOptions:
        return wire.CallOptions(grace=self._room.spec.grace)

    def _call(self, rite: Rite, client: Client, message: wire.Broadcast, order: Order, to: Broadcasting) -> None:
        """A call for each worker that is there; what one that is being replaced was to do, the one to come does."""
        workers, leaving = list(self._ready()), self._fresh.leaving()
        names = [f"{rite.name}.{n}" for n in range(1, len(workers) + len(leaving) + 1)]
        members = [self._room.join(name, client, order, to.heard) for name in names]
        for member in members:
            member.rite = rite.name
        for place, member in zip(leaving, members[len(workers) :], strict=True):
            self._fresh.bequeath(place, member)
        to.begin(members)
        for member in members:
            self._room.keeps.give(message.refs, client.holder, member)
        for member, worker in zip(members[: len(workers)], workers, strict=True):
            self._room.enter(member, pin=worker.id)

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        """A worker said hello: it does all of them, then `done` is told "" or why not."""
        rites = self._rites

        def through(why: str) -> None:
            self._passed[worker] = len(rites)  # those that came while it was under way it has run, too
            done(why)

        def ran(rite: Rite, end: wire.Done) -> None:
            if (member := self._fresh.inherited(worker, rite.name)) is not None:
                member.inherit(worker.executor)
                member.result(end)
                self._room.forget(member)

        passed = self._passed.get(worker, 0)
        Initiation(worker, rites, self._fresh.supply(worker), through, ran, passed).go_on()

    def _ready(self) -> Iterator[Worker]:
        for executor in self._there.values():
            if executor.state in ("ready", "busy") and not executor.fallen:
                yield from (worker for worker in executor.workers.values() if worker.alive and worker.initiated)

    def _early(self) -> list[Worker]:
        """Those that are through the rites and were not heard of yet: they wait for a sibling, or for a place."""
        return [
            worker
            for executor in self._there.values()
            for worker in executor.everyone()
            if worker.alive
            and worker.initiated
            and not (executor.state in ("ready", "busy") and executor.workers.get(worker.id) is worker)
        ]


def _submit(message: wire.Broadcast) -> wire.Submit:
    return wire.Submit(
        message.call, message.pool, message.function, b"", message.arguments, message.label, refs=message.refs
    )


def _refuse(client: Client, call: int, sentence: str) -> None:
    client.say(wire.BroadcastDone(call, [wire.CallDone(call, "lost", sentence=sentence)]))
