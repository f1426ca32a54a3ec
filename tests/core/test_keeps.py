"""Who holds which object, counted: workers and clients on paper."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from yonder import wire
from yonder.hub.clients import Client
from yonder.hub.keeps import Keeps, Tally
from yonder.hub.worker import Worker


class Room:
    """A pool on paper: what it was told of its workers."""

    name = "p"

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def pinned(self, worker: Worker, *, on: bool) -> None:
        self.told.append((worker.id, on))


class Paper(Worker):
    """A worker whose lane is a list."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"x-{name}", None)  # type: ignore[arg-type]  # it tells nobody anything
        self.said: list[Any] = []

    def say(self, message: Any) -> None:
        self.said.append(message)


class Scene:
    def __init__(self) -> None:
        self.keeps, self.room = Keeps(), Room()
        self.worker, self.other = Paper("w"), Paper("v")
        self.told: list[Any] = []
        self.client = Client(self.told.append, None, None)  # type: ignore[arg-type]  # it asks for nothing
        self.other.keeper = Tally(self.keeps, self.room, self.other)
        self.inside = Client(lambda _: None, None, self.other)  # type: ignore[arg-type]
        self._numbers = itertools.count(1)

    def kept(self, worker: Worker | None = None, size: int = 10) -> bytes:
        number = next(self._numbers)
        ref = number.to_bytes(wire.REF, "big")
        Tally(self.keeps, self.room, worker or self.worker).kept(wire.Kept(number, wire.Facts(ref, "list", size)))
        return ref

    def returned(self, ref: bytes) -> None:
        """The worker's call returns a handle of it, and lets go of its own."""
        done = wire.Done(1, True, b"", 0, 0, refs=[ref])
        tally = Tally(self.keeps, self.room, self.worker)
        tally.carry(done)
        tally.released({ref: 1})
        assert self.keeps.give(done.refs, id(done), self.client) == [ref]
        tally.carried(done)


@pytest.fixture
async def scene():
    return Scene()


async def soon():
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_an_object_lives_until_its_last_holder_lets_go(scene):
    ref = scene.kept()
    scene.returned(ref)
    assert scene.room.told == [("w", True)]
    scene.keeps.give([ref], scene.client, scene.other)
    scene.keeps.release(scene.client, {ref: 1})
    assert len(scene.keeps) == 1
    scene.keeps.release(scene.other, {ref: 1})
    await soon()
    assert scene.worker.said == [wire.Drop([ref])]
    assert scene.room.told == [("w", True), ("w", False)]
    assert len(scene.keeps) == 0


async def test_a_handle_on_its_way_is_not_lost_count_of(scene):
    ref = scene.kept()
    scene.returned(ref)
    scene.keeps.give([ref], scene.worker, scene.client)  # nobody: the worker has let go, so it may not name it
    scene.keeps.give([ref], scene.client, scene.client)  # a second message, which the client has not seen yet
    scene.keeps.release(scene.client, {ref: 1})
    assert len(scene.keeps) == 1
    scene.keeps.release(scene.client, {ref: 1})
    assert len(scene.keeps) == 0


async def test_what_is_released_too_often_or_by_others_changes_nothing(scene):
    ref = scene.kept()
    scene.keeps.release(scene.other, {ref: 1})
    scene.keeps.release(scene.worker, {ref: 0, b"?": 3})
    scene.keeps.release(scene.worker, {ref: -5})
    assert len(scene.keeps) == 1
    scene.keeps.release(scene.worker, {ref: 99})
    assert len(scene.keeps) == 0


async def test_a_worker_names_only_what_it_was_given(scene):
    ref = scene.kept()
    assert scene.keeps.find(ref, scene.other) is None
    assert scene.keeps.find(ref, scene.inside.holder) is None
    scene.keeps.give([ref], scene.other, scene.other)
    assert scene.keeps.find(ref, scene.other) is None
    await soon()
    assert [type(word) for word in scene.other.said] == [wire.Lost]
    assert scene.keeps.find(ref, scene.client) is not None  # the owner's own program


async def test_a_conversation_of_a_session_holds_for_itself(scene):
    session = Client(lambda _: None, None, Paper("s"))  # type: ignore[arg-type]  # its worker keeps nothing
    assert session.holder is session
    ref = scene.kept()
    assert scene.keeps.find(ref, session) is None
    scene.keeps.give([ref], scene.worker, session)
    scene.keeps.release(scene.worker, {ref: 1})
    assert scene.keeps.find(ref, session) is not None
    scene.keeps.forget(session)
    assert len(scene.keeps) == 0


async def test_a_name_that_is_taken_stays_with_its_first_worker(scene):
    ref = scene.kept()
    Tally(scene.keeps, scene.room, scene.other).kept(wire.Kept(1, wire.Facts(ref, "list", 1)))
    assert scene.keeps.find(ref, scene.worker).worker is scene.worker
    assert scene.keeps.find(ref, scene.other) is None
    assert not scene.keeps.put(scene.room, scene.client, wire.Facts(ref, "list", 1), b"", [])
    assert not scene.keeps.put(scene.room, scene.client, wire.Facts(b"short", "list", 1), b"", [])


async def test_a_client_inside_may_be_heard_before_the_call_lane(scene):
    facts = wire.Facts(bytes(wire.REF), "list", 1)
    scene.keeps.kept(scene.room, scene.worker, wire.Kept(1, facts), ahead=True)
    assert len(scene.keeps) == 1
    scene.keeps.kept(scene.room, scene.worker, wire.Kept(1, facts))
    scene.keeps.release(scene.worker, {facts.ref: 1})
    assert len(scene.keeps) == 0
    scene.keeps.kept(scene.room, scene.worker, wire.Kept(1, facts), ahead=True)  # late: it is over
    assert len(scene.keeps) == 0


async def test_the_end_of_a_worker_is_told_to_all_who_hold_its_objects(scene):
    mine, theirs = scene.kept(), scene.kept(scene.other)
    scene.keeps.give([mine], scene.worker, scene.client)
    scene.keeps.give([mine], scene.worker, scene.other)
    scene.keeps.give([theirs], scene.other, scene.worker)
    scene.keeps.worker_gone(scene.worker, "it was killed")
    assert scene.told == [wire.Lost([mine], "it was killed")]
    assert wire.Lost([mine], "it was killed") in scene.other.said
    assert scene.keeps.why(mine) == "it was killed"
    assert scene.keeps.loss(mine) == "the remote list is lost: it was killed"
    assert scene.keeps.loss(b"?") == (
        "the remote object is lost: there is no such object, or this code was never given its handle"
    )
    scene.keeps.release(scene.other, {theirs: 1})
    assert len(scene.keeps) == 0  # the dead one held it, too


async def test_the_end_of_a_client_or_of_a_pool_frees_what_it_held(scene):
    first, second = scene.kept(), scene.kept()
    scene.returned(first)
    scene.keeps.forget(scene.client)
    assert scene.keeps.find(first, scene.worker) is None
    scene.keeps.room_closed(scene.room)
    assert len(scene.keeps) == 0
    assert "closed" in scene.keeps.why(second)


async def test_a_value_that_is_here_holds_the_handles_inside_it(scene):
    inner = scene.kept()
    scene.returned(inner)
    outer = b"o" * wire.REF
    assert scene.keeps.put(scene.room, scene.client, wire.Facts(outer, "dict", 1), b"body", [inner])
    scene.keeps.release(scene.client, {inner: 1})
    entry = scene.keeps.find(outer, scene.client)
    assert scene.keeps.inside(entry) == [inner]
    scene.keeps.stow(entry, scene.other)
    scene.keeps.stow(entry, scene.other)
    assert scene.other.said == [wire.Stow(outer, b"body", [inner])]
    scene.keeps.release(scene.client, {outer: 1})
    await soon()
    assert wire.Drop([outer]) in scene.other.said
    scene.keeps.release(scene.other, {inner: 1})
    assert len(scene.keeps) == 0


async def test_a_spilled_value_frees_its_worker(scene):
    ref = scene.kept()
    scene.returned(ref)
    scene.keeps.settle(scene.keeps.find(ref, scene.client), b"value", scene, [])
    assert scene.room.told[-1] == ("w", False)
    await soon()
    assert scene.worker.said == [wire.Drop([ref])]
    scene.keeps.worker_gone(scene.worker, "it was killed")
    assert scene.keeps.find(ref, scene.client).value.body() == b"value"


async def test_what_pins_what_is_said_in_figures(scene):
    for _ in range(2):
        scene.kept(size=22_000_000)
    scene.kept(scene.other, size=-5)
    assert scene.keeps.pinning(scene.room) == [
        "executor x-w is kept by 2 remote objects, 44 MB",
        "executor x-v is kept by 1 remote object, 0 B",
    ]
    assert scene.keeps.pinning(Room()) == []


async def test_a_worker_keeps_only_so_many(scene, monkeypatch):
    monkeypatch.setattr(wire, "MOST_REFS", 3)
    refs = [scene.kept() for _ in range(4)]
    assert len(scene.keeps) == 3
    assert "keeps 3 objects already" in scene.keeps.why(refs[-1])
