"""What a worker keeps for others: objects that stay where they were made, and copies of objects that live elsewhere.

What belongs here: names, objects, what of them is still to be said to the hub. What this file must not know: lanes, tasks.
User code keeps in whatever thread it likes; what is to be said waits for the main thread, which says it.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from typing import Any, cast

from yonder import payload, wire
from yonder.agent import shelf
from yonder.agent.parts import Part
from yonder.agent.portrait import facts_of
from yonder.errors import SerializationError
from yonder.holding import Grip, Holdings, Taken
from yonder.parcel import Named


class Keeping:
    """Implements seat.Keeper."""

    def __init__(self, store: str = "") -> None:
        """`store` is where the agent puts what is for all workers of its machine."""
        self._store = store
        self.holdings = Holdings()
        self._objects: dict[bytes, Any] = {}
        self._copies: dict[bytes, tuple[Part, list[Grip]]] = {}
        self._parts: dict[bytes, Part] = {}
        payload.provide(self.part)
        self._numbers = itertools.count(1)
        self._said: deque[wire.Kept] = deque()
        self._kept: dict[bytes, wire.Kept] = {}

    def __len__(self) -> int:
        """How many objects are kept here."""
        return len(self._objects)

    def values(self) -> list[object]:
        """The objects that are kept here."""
        return list(self._objects.values())

    # ── user code on, any thread ──────────────────────────────────────────────────────────────────────────────────────

    def keep(self, value: object) -> tuple[wire.Facts, Grip]:
        """Keep it."""
        facts = facts_of(os.urandom(wire.REF), value)
        self._objects[facts.ref] = value
        (hold,) = self.holdings.delivered([facts.ref])
        kept = wire.Kept(next(self._numbers), facts)
        self._kept[facts.ref] = kept
        self._said.append(kept)
        return facts, hold

    def has(self, ref: bytes) -> bool:
        """Does it live here?"""
        return ref in self._objects

    def own(self, ref: bytes) -> Any:
        """The object itself. Raises KeyError."""
        return self._objects[ref]

    def announcement(self, ref: bytes) -> wire.Kept | None:
        """What is said of it to the hub; on the call lane it may not have been heard yet."""
        return self._kept.get(ref)

    def taken(self, value: Any) -> Any:
        """An argument as the function gets it: the object in the place of its handle."""
        if type(value) is not Taken:
            return value
        ref = value.handle.ref
        if ref in self._objects:
            return self._objects[ref]
        if ref in self._copies:
            return payload.unpack(cast(wire.Body, [self._copies[ref][0].content()]))
        return value.handle.get()  # type: ignore[attr-defined]

    # ── user code off, main thread ────────────────────────────────────────────────────────────────────────────────────

    def news(self) -> list[wire.Kept]:
        """What was kept since it was asked last, to be said before anything that names it."""
        return [self._said.popleft() for _ in range(len(self._said))] if self._said else []

    def gone(self) -> dict[bytes, int]:
        """Of what the last handles here have gone since it was asked last."""
        return {} if self.holdings.gone.empty() else self.holdings.collected()

    def part(self, named: Named) -> memoryview:
        """A part of arguments that was stowed, as memory of its own. Raises SerializationError."""
        part = self._parts.get(named.digest)
        if part is None or part.size != named.size:
            raise SerializationError("a part of the arguments is not on this worker (any more); submit the call again")
        return part.content()

    def stow(self, message: wire.Stow) -> None:
        if len(message.ref) == wire.BLOB:
            file = shelf.part(self._store, message.place) if message.place else None
            self._parts[message.ref] = Part(message.body, file)
            return
        self._copies[message.ref] = Part(message.body), self.holdings.delivered(message.refs)

    def drop(self, refs: list[bytes]) -> None:
        """Nobody wants these any more."""
        for ref in refs:
            self._objects.pop(ref, None)
            self._kept.pop(ref, None)
            self._copies.pop(ref, None)
            self._parts.pop(ref, None)
