"""Objects that stay on workers, and values that stay here: where each is, who holds it, and what that keeps from ending.

    Kept ─▶ an entry, held by its worker ─▶ give: every message that names it gives its receiver a hold
    Release, the holder's end ─▶ nobody holds it ─▶ Drop to its worker     worker or pool ends ─▶ Lost to its holders

Holders are workers, clients, calls under way, messages that wait for their turn, and other values that have the handle
inside. Knows names and facts; not what the objects are. A worker may name only what it holds.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Protocol, cast

from yonder import segments, wire
from yonder.gifts import Given
from yonder.hub.clients import Client
from yonder.hub.spill import SPILL, Spilled
from yonder.hub.worker import Named, Worker
from yonder.paths import spell

GRAVES = 10_000
"""Objects whose end is remembered, so that it can be said why they are no more."""

Value = Spilled | Given
"""A value that is here."""

MOST_TEXT = 400
_FORGOTTEN = "nobody held it any more"
_UNKNOWN = "there is no such object, or this code was never given its handle"


class Room(Protocol):
    """A pool whose workers keep objects."""

    @property
    def name(self) -> str: ...

    def pinned(self, worker: Worker, *, on: bool) -> None:
        """The worker keeps something from now on, or nothing any more."""


class Entry:
    """One object: on `worker`, or its `value` is here."""

    __slots__ = ("facts", "holders", "room", "value", "worker")

    def __init__(self, facts: wire.Facts, room: Room, worker: Worker | None, value: Value | None = None) -> None:
        self.facts = facts
        self.room = room
        self.worker = worker
        self.value = value
        self.holders: dict[Hashable, int] = {}

    @property
    def ref(self) -> bytes:
        return self.facts.ref


class _Kin:
    """What one worker keeps. `upto` is the number of the last one that it has said on its call lane."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.upto = 0


class Keeps:
    """All of one owner's."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._kin: dict[Worker, _Kin] = {}
        self._held: dict[Hashable, dict[bytes, None]] = {}  # by holder
        self._graves: OrderedDict[bytes, tuple[str, str]] = OrderedDict()  # type and why
        self._stowed: dict[Worker, set[bytes]] = {}  # copies that workers were given
        self._dropping: dict[Worker, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # ── what workers say ──

    def kept(self, room: Room, worker: Worker, message: wire.Kept, *, ahead: bool = False) -> None:
        """A worker keeps an object. `ahead`: a client inside it says so, perhaps before its call lane is heard."""
        facts, kin = message.facts, self._kin.setdefault(worker, _Kin())
        told = message.number <= kin.upto
        if not ahead:
            kin.upto = max(kin.upto, message.number)
        if told or facts.ref in self._entries or len(facts.ref) != wire.REF or not worker.alive:
            return
        if len(kin.entries) >= wire.MOST_REFS:
            self._bury(facts, f"its worker keeps {wire.MOST_REFS:,} objects already")
            return
        entry = self._add(Entry(_bounded(facts), room, worker), worker)
        kin.entries[facts.ref] = entry
        if len(kin.entries) == 1:
            room.pinned(worker, on=True)

    def put(self, room: Room, client: Client, facts: wire.Facts, body: wire.Body, refs: list[bytes]) -> bool:
        """A client has a value kept here, with these handles inside. False when it has misnamed it. Raises Gone when it lies
        in memory of the client's that is not there any more."""
        if facts.ref in self._entries or len(facts.ref) != wire.REF:
            return False
        given = isinstance(body, bytes) and client.near and segments.is_reference(body)
        value = SPILL.keep_given(cast(bytes, body)) if given else SPILL.keep(body)
        entry = self._add(Entry(_bounded(facts), room, None, value), client.holder)
        self.give(refs, client.holder, entry)
        return True

    def _add(self, entry: Entry, holder: Hashable) -> Entry:
        self._entries[entry.ref] = entry
        self._hold(entry, holder)
        return entry

    def release(self, holder: Hashable, refs: dict[bytes, int]) -> None:
        """A process has let go of these, after so many messages that named each."""
        for ref, times in refs.items():
            entry = self._entries.get(ref)
            if entry is None or (had := entry.holders.get(holder)) is None:
                continue
            if 0 < times < had:
                entry.holders[holder] = had - times
            elif times > 0:
                self._let_go(entry, holder)

    # ── holds ──

    def find(self, ref: bytes, holder: Hashable) -> Entry | None:
        """The object of that name, if the holder may name it."""
        entry = self._entries.get(ref)
        return entry if entry is not None and self._may(holder, entry) else None

    @staticmethod
    def _may(holder: Hashable, entry: Entry) -> bool:
        return holder in entry.holders or (isinstance(holder, Client) and holder.worker is None)

    def why(self, ref: bytes) -> str:
        """Why there is no such object."""
        return self._graves.get(ref, ("", _UNKNOWN))[1]

    def loss(self, ref: bytes) -> str:
        """What a call is told that needs an object which is no more."""
        kind, why = self._graves.get(ref, ("object", _UNKNOWN))
        return f"the remote {kind} is lost: {why}"

    def give(self, refs: Iterable[bytes], giver: Hashable, taker: Hashable) -> list[bytes]:
        """A message that names these goes from one holder to another. Returns them all, once each; of those that are no
        more the taker is told, after the message."""
        named = list(dict.fromkeys(refs))
        lost: dict[str, list[bytes]] = {}
        for ref in named:
            entry = self.find(ref, giver)
            if entry is None:
                lost.setdefault(self.why(ref), []).append(ref)
            else:
                self._hold(entry, taker)
        if lost and isinstance(taker, Client | Worker):
            for sentence, some in lost.items():
                asyncio.get_running_loop().call_soon(taker.say, wire.Lost(some, sentence))
        return named

    def forget(self, holder: Hashable) -> None:
        """The holder is no more, or its message was passed on."""
        for ref in self._held.pop(holder, {}):
            if (entry := self._entries.get(ref)) is not None and entry.holders.pop(holder, 0) and not entry.holders:
                self._unwanted(entry)

    def _hold(self, entry: Entry, holder: Hashable) -> None:
        entry.holders[holder] = entry.holders.get(holder, 0) + 1
        self._held.setdefault(holder, {})[entry.ref] = None

    def _let_go(self, entry: Entry, holder: Hashable) -> None:
        del entry.holders[holder]
        held = self._held[holder]
        del held[entry.ref]
        if not held:
            del self._held[holder]
        if not entry.holders:
            self._unwanted(entry)

    def inside(self, entry: Entry) -> list[bytes]:
        """The handles inside a value that is here."""
        return list(self._held.get(entry, {}))

    # ── ends ──

    def _unwanted(self, entry: Entry) -> None:
        self._remove(entry, _FORGOTTEN)
        if entry.worker is not None:
            self._drop(entry.worker, entry.ref)

    def settle(self, entry: Entry, body: wire.Body, holder: Hashable, refs: list[bytes]) -> None:
        """Its value is here from now on, with these handles inside, which `holder` has; its worker may let go of it."""
        worker, entry.worker, entry.value = entry.worker, None, SPILL.keep(body)
        self.give(refs, holder, entry)
        if worker is not None:
            self._unpin(worker, entry)
            self._drop(worker, entry.ref)

    def stow(self, entry: Entry, worker: Worker) -> None:
        """Let the worker have the value that is here, if it has it not yet."""
        stowed = self._stowed.setdefault(worker, set())
        if entry.value is not None and entry.ref not in stowed:
            stowed.add(entry.ref)
            worker.say(
                wire.Stow(entry.ref, entry.value.body(near=worker.near), self.give(self.inside(entry), entry, worker))
            )

    def worker_gone(self, worker: Worker, sentence: str) -> None:
        """It is dead, or is being replaced, and what it kept is lost; what it held is let go of."""
        kin = self._kin.pop(worker, None)
        if kin is not None:
            self._lose(list(kin.entries.values()), sentence)
        self._stowed.pop(worker, None)
        self._dropping.pop(worker, None)
        self.forget(worker)

    def room_closed(self, room: Room) -> None:
        """Its pool is closed."""
        self._lose([one for one in self._entries.values() if one.room is room], f"the pool {room.name!r} was closed")

    def _lose(self, entries: list[Entry], sentence: str) -> None:
        told: dict[Hashable, list[bytes]] = {}
        for entry in entries:
            for holder in list(entry.holders):
                told.setdefault(holder, []).append(entry.ref)
            self._remove(entry, sentence)
        for holder, refs in told.items():
            if isinstance(holder, Client | Worker):
                holder.say(wire.Lost(refs, sentence))

    def _remove(self, entry: Entry, sentence: str) -> None:
        if self._entries.pop(entry.ref, None) is None:
            return
        for holder in list(entry.holders):
            held = self._held.get(holder)
            if held is not None:
                held.pop(entry.ref, None)
                if not held:
                    del self._held[holder]
        entry.holders.clear()
        self._bury(entry.facts, sentence)
        if entry.worker is not None:
            self._unpin(entry.worker, entry)
        for worker, stowed in self._stowed.items():
            if entry.ref in stowed:
                stowed.discard(entry.ref)
                self._drop(worker, entry.ref)
        entry.value = None
        self.forget(entry)  # the handles inside it

    def _unpin(self, worker: Worker, entry: Entry) -> None:
        kin = self._kin.get(worker)
        if kin is not None and kin.entries.pop(entry.ref, None) is not None and not kin.entries:
            entry.room.pinned(worker, on=False)

    def _bury(self, facts: wire.Facts, sentence: str) -> None:
        self._graves[facts.ref] = facts.type[:MOST_TEXT], sentence
        if len(self._graves) > GRAVES:
            self._graves.popitem(last=False)

    def _drop(self, worker: Worker, ref: bytes) -> None:
        """Soon, and together: objects often go by the thousand."""
        if not worker.alive:
            return
        if not self._dropping:
            asyncio.get_running_loop().call_soon(self._say_drops)
        self._dropping.setdefault(worker, []).append(ref)

    def _say_drops(self) -> None:
        dropping, self._dropping = self._dropping, {}
        for worker, refs in dropping.items():
            worker.say(wire.Drop(refs))

    # ── what is known ──

    def keeps_any(self, worker: Worker) -> bool:
        """Does anything live on that worker?"""
        kin = self._kin.get(worker)
        return kin is not None and bool(kin.entries)

    def pinning(self, room: Room) -> list[str]:
        """What keeps which executor of that pool from ending, in sentences."""
        found: dict[str, list[Entry]] = {}
        for worker, kin in self._kin.items():
            some = [entry for entry in kin.entries.values() if entry.room is room]
            if some:
                found.setdefault(worker.executor, []).extend(some)
        return [
            f"executor {executor} is kept by {len(entries)} remote object{'s' if len(entries) > 1 else ''}, "
            f"{spell(sum(entry.facts.size for entry in entries))}"
            for executor, entries in found.items()
        ]


class Tally:
    """What one worker keeps and holds, said to `Keeps`. Implements worker.Keeper."""

    def __init__(self, keeps: Keeps, room: Room, worker: Worker) -> None:
        self._keeps = keeps
        self._room = room
        self._worker = worker

    def kept(self, message: wire.Kept) -> None:
        """It keeps another object."""
        self._keeps.kept(self._room, self._worker, message)

    def released(self, refs: dict[bytes, int]) -> None:
        """It has let go of these."""
        self._keeps.release(self._worker, refs)

    def carry(self, message: Named) -> None:
        """This names what is kept, and waits for its turn."""
        self._keeps.give(message.refs, self._worker, id(message))

    def carried(self, message: Named) -> None:
        """It was passed on."""
        self._keeps.forget(id(message))


def _bounded(facts: wire.Facts) -> wire.Facts:
    """Only what is needed here; the rest stands in the handle itself."""
    return wire.Facts(facts.ref, facts.type[:MOST_TEXT], min(max(facts.size, 0), 2**60))
