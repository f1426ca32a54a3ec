"""What is named, what is sent and what goes first; and what a hub keeps of it, and gives on."""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder import blobs, payload, segments, wire
from yonder.agent.keeping import Keeping
from yonder.agent.parts import MOST_FILES, Part
from yonder.agent.store import Store, place
from yonder.errors import ExecutorLost, SerializationError
from yonder.holding import Taken
from yonder.hub.cellar import Cellar
from yonder.hub.owed import Owed
from yonder.hub.parts import Parts
from yonder.hub.spill import SPILL, Spilled
from yonder.hub.worker import Worker
from yonder.parcel import Named

LEAST = 256 * 1024


def content(value: int, size: int = LEAST) -> memoryview:
    return memoryview(bytearray([value]) * size)


def owed() -> Owed:
    return Owed(lambda: None, lambda *_: None)


def far(most: int = 4 * LEAST) -> tuple[blobs.Blobs, list[Any]]:
    said: list[Any] = []
    return blobs.Blobs(said.append, near=False, most=most), said


def stowed(said: list[Any]) -> list[bytes]:
    return [message.ref for message in said if isinstance(message, wire.Stow)]


def test_the_same_content_is_said_once():
    kept, said = far()
    first = kept.use(content(1))
    assert first == kept.use(content(1))
    assert first != kept.use(content(2))
    assert len(stowed(said)) == 2
    assert b"".join(said[0].body) == bytes(content(1))


def test_a_change_makes_another_content():
    kept, said = far()
    view = content(1)
    before = kept.use(view)
    view[12345] = 7
    assert kept.use(view) != before
    assert len(stowed(said)) == 2


@pytest.mark.parametrize("fast", [True, False])
def test_a_name_is_the_contents_and_this_processs(monkeypatch, fast):
    monkeypatch.setattr(blobs, "FAST", fast)
    assert blobs.digest_of(content(1)) == blobs.digest_of(content(1)) != blobs.digest_of(content(2))
    assert len(blobs.digest_of(content(1))) == wire.BLOB
    monkeypatch.setattr(blobs, "_SALT", b"another!")
    monkeypatch.setattr(blobs, "_SEED", 1)
    assert blobs.digest_of(content(1))[:16] != blobs.digest_of(memoryview(b""))[:16]


@pytest.mark.parametrize("size", [1, LEAST - 1, 4 * LEAST + 1])
def test_small_and_huge_parts_travel_with_their_call(size):
    kept, said = far()
    assert kept.use(content(1, size)) is None
    assert said == []


@pytest.mark.parametrize(("least", "named"), [(1000, True), (1001, False), (0, False)])
def test_how_large_a_part_must_be_is_the_pools_to_say(least, named):
    kept = blobs.Blobs(lambda _: None, near=False, least=least)
    assert (kept.use(content(1, 1000)) is not None) == named


def test_who_was_used_longest_ago_goes_first_and_nobody_whose_call_is_under_way():
    kept, said = far(2 * LEAST)
    one, two = kept.use(content(1)), kept.use(content(2))
    assert kept.use(content(3)) is None  # both are in use
    kept.done([one, two])
    kept.done([kept.use(content(1))])
    three = kept.use(content(3))
    assert said[-2:] == [wire.Drop([two]), wire.Stow(three, [bytes(content(3))])]
    assert kept.weight == 2 * LEAST


def test_what_could_not_be_said_is_not_kept():
    def broken(_: object) -> None:
        raise OSError("the hub is gone")

    kept = blobs.Blobs(broken, near=False, most=4 * LEAST)
    with pytest.raises(OSError, match="gone"):
        kept.use(content(1))
    assert kept.weight == 0


def test_on_this_machine_only_what_comes_again_is_kept():
    said: list[Any] = []
    kept = blobs.Blobs(said.append, near=True, most=4 * LEAST)
    assert kept.use(content(1)) is None
    digest = kept.use(content(1))
    assert digest is not None
    (stow,) = said
    assert wire.weight(stow.body) < 100  # where it lies, not what it is
    part = Part(stow.body)
    assert part.size == LEAST
    mine = part.content()
    mine[0] = 99
    assert part.content()[0] == 1
    kept.close()


def test_many_threads_name_the_same():
    kept, said = far()
    found: list[bytes | None] = []
    threads = [threading.Thread(target=lambda: found.append(kept.use(content(1)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(stowed(said)) == 1


def test_what_the_hub_answers_may_run_code_that_calls_and_that_waits_for_others_that_call():
    found: list[bytes | None] = []

    def say(_: object) -> None:
        if not found:
            found.append(None)
            found.append(kept.use(content(1)))  # by the thread that is just saying it
            other = threading.Thread(target=lambda: found.append(kept.use(content(2))), daemon=True)
            other.start()
            other.join(30)

    kept = blobs.Blobs(say, near=False, most=4 * LEAST)
    digest = kept.use(content(1))
    assert found == [None, None, blobs.digest_of(content(2))]
    assert kept.use(content(1)) == digest
    assert kept.weight == 2 * LEAST


def test_what_waits_for_another_thread_too_long_travels_with_its_call(monkeypatch):
    monkeypatch.setattr(blobs, "PATIENCE", 0.0)
    found: list[bytes | None] = []

    def say(_: object) -> None:
        other = threading.Thread(target=lambda: found.append(kept.use(content(1))), daemon=True)
        other.start()
        other.join(30)

    kept = blobs.Blobs(say, near=False, most=4 * LEAST)
    kept.done([kept.use(content(1))])
    assert found == [None]
    assert kept.use(content(2, 4 * LEAST)) is not None  # nobody uses the first one any more


def test_what_is_just_going_travels_with_its_call():
    found: list[bytes | None] = []

    def say(message: object) -> None:
        if isinstance(message, wire.Drop):
            found.append(kept.use(content(1)))

    kept = blobs.Blobs(say, near=False, most=2 * LEAST)
    kept.done([kept.use(content(1))])
    assert kept.use(content(2, 2 * LEAST)) is not None
    assert found == [None]
    kept.done([blobs.digest_of(content(2, 2 * LEAST))])
    assert kept.use(content(1)) is not None


def test_a_call_that_ends_while_another_one_is_named_waits_for_nothing():
    kept, _ = far()
    digest = kept.use(content(1))
    with kept._lock:
        kept.done([digest])  # a collector says so, in whatever thread


def test_arguments_come_out_as_they_went_in_and_change_for_nobody_else():
    kept, said = far()
    packing = blobs.Packing(kept, near=False)
    array = np.arange(100_000)
    body = payload.pack_call((array, [array], 7), {"view": array[::2]}, packing.put, packing)
    assert wire.weight(body) < 500_000  # the view is a copy of its own
    worker = Keeping()
    for message in said:
        worker.stow(message)
    for _ in range(2):
        (same, (twin,), seven), named = payload.unpack(body)
        assert same is twin
        assert seven == 7
        assert (same == np.arange(100_000)).all()
        assert (named["view"] == np.arange(0, 100_000, 2)).all()
        same[0] = -1
    packing.release()
    packing.release()
    worker.drop(stowed(said))
    with pytest.raises(SerializationError, match="not on this worker"):
        payload.unpack(body)


def test_a_part_of_the_machine_is_mapped_by_each_worker_for_itself(tmp_path):
    store = Store(place(str(tmp_path / "hub.sock"), "agent"))
    folder = str(place(str(tmp_path / "hub.sock"), "agent"))
    size = 2 * segments.MAPPED_FROM
    assert store.stow(name(5), [b"a" * segments.MAPPED_FROM, b"b" * segments.MAPPED_FROM]) == ""
    workers = [Keeping(folder), Keeping(folder)]
    views = []
    for worker in workers:
        worker.stow(wire.Stow(name(1), b"", place=name(5)))
        views += [worker.part(Named(name(1), size)), worker.part(Named(name(1), size))]
    views[0][0] = 77
    assert [view[0] for view in views] == [77, 97, 97, 97]
    assert {view[-1] for view in views} == {98}
    store.discard([name(5), b"", b"../../x"])
    assert views[1][0] == 97
    with pytest.raises(ExecutorLost, match="No such file"):
        workers[0].part(Named(name(1), size))
    late = Keeping(folder)
    late.stow(wire.Stow(name(1), b"", place=name(5)))
    with pytest.raises(SerializationError, match="not on this worker"):
        late.part(Named(name(1), size))


def test_an_agent_writes_no_part_where_there_is_no_room_and_leaves_none(tmp_path, monkeypatch):
    folder = place(str(tmp_path / "hub.sock"), "agent")
    store = Store(folder)
    assert "no name" in store.stow(b"../../x", b"data")
    assert store.stow(name(1), b"data") == ""
    monkeypatch.setattr("yonder.agent.store.SPARE", 2**62)
    assert "no room" in store.stow(name(2), b"data")
    assert [file.name for file in (folder / "parts").iterdir()] == [name(1).hex()]
    store.leave()
    assert not folder.exists()


def delivered(*calls: tuple[Any, ...], near: bool = False, least: int = LEAST) -> tuple[list[Any], int, int]:
    """What arrives of these calls' arguments, the bytes that travelled with them, and those that were stowed."""
    said: list[Any] = []
    kept = blobs.Blobs(said.append, near=near, most=100 * LEAST, least=least)
    packing, worker = blobs.Packing(kept, near=near), Keeping()
    bodies = [payload.pack_call(call, {}, None, packing) for call in calls]
    for message in said:
        worker.stow(message)
    stowed = sum(wire.weight(message.body) for message in said)
    return [payload.unpack(body)[0] for body in bodies], sum(map(wire.weight, bodies)), stowed


TABLE = {number: f"{number:07} is {number * number}" for number in range(50_000)}


@pytest.mark.parametrize(
    "value",
    [
        os.urandom(LEAST),
        os.urandom(LEAST).hex(),
        "aé" * LEAST,
        bytearray(os.urandom(LEAST)),
        TABLE,
        list(TABLE.values()),
    ],
    ids=["bytes", "str", "text", "bytearray", "dict", "list"],
)
def test_what_is_in_the_stream_travels_once_and_arrives_as_it_was(value):
    calls = [(number, value, [value, "after"], number) for number in range(10)]
    found, along, stowed = delivered(*calls)
    assert found == calls
    assert [type(one[1]) for one in found] == [type(value)] * 10
    assert all(one[1] is one[2][0] for one in found)
    assert along < 10 * 200_000
    assert stowed < 2 * len(pickle.dumps(value, 5))


def test_no_two_calls_have_the_same_mutable_memory():
    value = bytearray(os.urandom(LEAST))
    (first, second), _, _ = delivered((value,), (value,))
    first[0][0] ^= 0xFF
    assert second == (value,)
    assert first[0][1:] == value[1:]


def test_on_this_machine_the_stream_is_named_when_it_comes_again():
    value = os.urandom(LEAST)
    found, along, _ = delivered((1, value), (2, value), (3, value), near=True)
    assert found == [(1, value), (2, value), (3, value)]
    assert along < 1.1 * LEAST


def test_the_bound_is_what_was_wished_and_none_names_nothing():
    array = np.arange(5_000)
    for least, size in ((10_000, 40_000), (50_000, 0), (0, 0)):
        found, _, stowed = delivered((7, array), (8, array), least=least)
        assert [(one[0], one[1].tolist()) for one in found] == [(7, array.tolist()), (8, array.tolist())]
        assert stowed == size


@given(
    st.recursive(
        st.one_of(st.integers(), st.text(), st.binary(), st.integers(0, 5).map(lambda n: bytes([n]) * n * 30_000)),
        lambda inner: st.one_of(st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.text(max_size=3), inner)),
        max_leaves=20,
    ),
    st.sampled_from([1, 1000, 100_000]),
)
@settings(max_examples=50, deadline=None)
def test_any_value_arrives_as_it_was_whatever_has_a_name(value, least):
    found, _, _ = delivered((value, 1), (value, 2), least=least)
    assert found == [(value, 1), (value, 2)]


def test_a_call_that_never_left_keeps_nothing_busy():
    kept, _ = far(LEAST)
    packing = blobs.Packing(kept, near=False)
    assert packing.name(content(1)) is not None
    assert kept.use(content(2)) is None
    del packing
    assert kept.use(content(2)) is not None


# ── the hub ──


def big(size: int = 10) -> Spilled:
    return SPILL.keep(bytes(size))


class Paper(Worker):
    def __init__(self, name: str) -> None:
        super().__init__(name, "x", None)  # type: ignore[arg-type]  # it tells nobody anything
        self.said: list[Any] = []

        self._call = self  # type: ignore[assignment]  # its lane

    def send(self, message: Any) -> None:
        self.said.append(message)


def name(value: int) -> bytes:
    return bytes([value]) * wire.BLOB


def test_each_worker_is_given_a_part_once_and_told_when_it_goes():
    parts, one, other = Parts(), Paper("w"), Paper("v")
    parts.stow(wire.Stow(name(1), b"body"))
    for _ in range(3):
        parts.give([name(1)], one)
    assert one.said == [wire.Stow(name(1), b"body")]
    assert not parts.missing([name(1)])
    parts.drop([name(1), name(2)])
    assert one.said[1:] == [wire.Drop([name(1)])]
    assert other.said == []
    assert parts.missing([name(1)])
    assert parts.bytes == 0
    parts.give([name(1)], other)
    assert other.said == []


def test_a_client_is_bounded_whatever_it_says(monkeypatch):
    monkeypatch.setattr("yonder.hub.parts.MOST", 3)
    monkeypatch.setattr("yonder.hub.parts.MOST_BYTES", 100)
    parts = Parts()
    parts.stow(wire.Stow(b"short", b""))
    parts.stow(wire.Stow(name(1), b"x" * 101))
    assert len(parts) == 0
    for value in range(5):
        parts.stow(wire.Stow(name(value), b"x"))
        parts.stow(wire.Stow(name(value), b"another"))
    assert (len(parts), parts.bytes) == (3, 3)
    parts.clear()
    assert (len(parts), parts.bytes) == (0, 0)


def test_a_machine_is_sent_a_part_once_and_its_workers_wait_until_it_lies_there():
    agent: list[Any] = []
    cellar = Cellar(agent.append, owed())
    parts, one, other = Parts(), Paper("w"), Paper("v")
    one.cellar = other.cellar = cellar
    parts.stow(wire.Stow(name(1), b"body"))
    for worker in (one, one, other):
        parts.give([name(1)], worker)
        worker.say(wire.Leave())
    (sent,) = agent
    assert (sent.body, len(sent.ref)) == (b"body", wire.BLOB)
    assert sent.ref != name(1)  # no client can name what another one has
    assert one.said == other.said == []
    cellar.stowed(wire.Stowed(sent.ref))
    assert one.said == [wire.Stow(name(1), b"", place=sent.ref), wire.Leave(), wire.Leave()]
    assert other.said == [wire.Stow(name(1), b"", place=sent.ref), wire.Leave()]
    late = Paper("u")
    late.cellar = cellar
    parts.give([name(1)], late)
    assert late.said == [wire.Stow(name(1), b"", place=sent.ref)]
    assert len(agent) == 1
    parts.clear()
    assert agent[1:] == [wire.Drop([sent.ref])]
    assert late.said[1:] == [wire.Drop([name(1)])]
    assert cellar.bytes == 0


def test_what_a_machine_cannot_keep_its_workers_are_given_themselves():
    agent: list[Any] = []
    cellar = Cellar(agent.append, owed())
    parts, one, other = Parts(), Paper("w"), Paper("v")
    one.cellar = other.cellar = cellar
    parts.stow(wire.Stow(name(1), b"body"))
    parts.give([name(1)], one)
    cellar.stowed(wire.Stowed(agent[0].ref, "the disk is full"))
    assert one.said == [wire.Stow(name(1), b"body")]
    assert cellar.bytes == 0
    parts.give([name(1)], other)  # there may be room by now
    cellar.stowed(wire.Stowed(agent[1].ref))
    assert [message.body for message in other.said] == [b""]


def test_an_agent_that_never_answers_keeps_its_workers_waiting_for_a_minute():
    agent: list[Any] = []
    silent = owed()
    cellar = Cellar(agent.append, silent)
    parts, one = Parts(), Paper("w")
    one.cellar = cellar
    parts.stow(wire.Stow(name(1), b"body"))
    parts.give([name(1)], one)
    for _ in range(12):
        assert one.said == []
        silent.tick()
    assert one.said == [wire.Stow(name(1), b"body")]
    assert agent[1:] == [wire.Drop([agent[0].ref])]
    assert cellar.bytes == 0


def test_a_machine_keeps_a_bounded_number_of_bytes_whatever_its_agent_says(monkeypatch):
    monkeypatch.setattr("yonder.hub.cellar.MOST_BYTES", 25)
    agent: list[Any] = []
    told: list[bool] = []
    cellar = Cellar(agent.append, owed())
    for value in range(3):
        cellar.put(name(value), big(), told.append)
    assert (cellar.bytes, told, len(agent)) == (20, [False], 2)
    for message in (wire.Stowed(name(9)), wire.Stowed(b""), wire.Stowed(name(1)), wire.Stowed(name(1), "no")):
        cellar.stowed(message)
    assert (cellar.bytes, told) == (20, [False, True])
    cellar.drop([name(0), name(1), name(7)])
    assert agent[2:] == [wire.Drop([name(0), name(1)])]
    cellar.stowed(wire.Stowed(name(0)))  # it was on its way
    assert (cellar.bytes, told) == (0, [False, True, True])
    cellar.put(name(0), big(), told.append)
    assert cellar.bytes == 10


def test_a_worker_that_died_while_it_waited_is_told_nothing():
    one = Paper("w")
    first, second = one.wait(), one.wait()
    one.say(wire.Leave())
    first(wire.Drop([]))
    assert one.said == [wire.Drop([])]
    one.alive = False
    second(wire.Drop([]))
    assert one.said == [wire.Drop([])]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the platform does not list descriptors")
def test_parts_cost_a_worker_a_bounded_number_of_descriptors():
    before = descriptors()
    small = [Part([bytes(LEAST)]) for _ in range(10)]
    assert descriptors() == before
    large = [Part([bytes([n]) * segments.MAPPED_FROM]) for n in range(MOST_FILES + 10)]
    assert descriptors() == before + MOST_FILES
    views = [part.content() for part in [*small, *large] for _ in range(2)]
    assert descriptors() <= before + MOST_FILES + segments.MOST_MAPPED
    assert [view[-1] for view in views[20::2]] == list(range(MOST_FILES + 10))
    views[-1][0] = 77
    assert views[-2][0] == large[-1].content()[0] == MOST_FILES + 9


def test_a_part_for_which_no_file_can_be_opened_lies_in_memory(monkeypatch):
    def full(*_: Any) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "memfd_create", full, raising=False)
    assert bytes(Part([b"a" * segments.MAPPED_FROM, b"b"]).content()[-2:]) == b"ab"


def test_each_call_gets_a_value_that_was_put_as_memory_of_its_own_and_none_is_copied_for_it():
    class Handle:
        ref = bytes(wire.REF)

    worker = Keeping()
    array = np.arange(200_000)
    worker.stow(wire.Stow(Handle.ref, payload.pack(array)))
    first, second = (worker.taken(Taken(Handle())) for _ in range(2))  # type: ignore[arg-type]
    first[0] = -1
    assert (second == array).all()
    if sys.platform.startswith("linux"):
        assert isinstance(owner(second), mmap.mmap)

    small = np.arange(3)
    worker.drop([Handle.ref])
    worker.stow(wire.Stow(Handle.ref, payload.pack(small)))
    first, second = (worker.taken(Taken(Handle())) for _ in range(2))  # type: ignore[arg-type]
    first[0] = -1
    assert (second == small).all()


def owner(array: Any) -> Any:
    """Whose memory an array shows."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array
