"""Values in memory and in files."""

from __future__ import annotations

import shutil
import tempfile
from types import SimpleNamespace

import numpy as np

from yonder import payload, wire
from yonder.hub import spill
from yonder.hub.spill import SMALL, Spill, Spilled
from yonder.wire import whole


def value(letter: str, size: int = 3 * SMALL) -> list[bytes]:
    return [letter.encode() * (size // 3)] * 3


async def test_so_much_stays_in_memory_and_the_rest_goes_to_files():
    kept = Spill(memory=4 * SMALL)
    first, small = kept.keep(value("a")), kept.keep(b"small")
    assert kept.taken == 3 * SMALL
    second = kept.keep(value("b"))
    second.file()  # the thread's work, done or not
    assert (first.filed, small.filed, second.filed) == (False, False, True)
    assert kept.taken == 3 * SMALL
    assert whole(second.body()) == whole(value("b")) == whole(second.body())
    assert (first.body(), small.body()) == (value("a"), b"small")
    del first
    assert kept.taken == 0
    assert not kept.keep(value("c")).filed


def test_without_room_on_the_disk_it_stays_in_memory(monkeypatch):
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    kept = Spilled(Spill(), value("a"), "filing")
    kept.file()
    assert not kept.filed
    assert kept.body() == value("a")


def test_a_file_has_no_name_that_outlives_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Spilled(Spill(), value("a", 3 * spill.PIECE), "filing")
    kept.file()
    assert kept.filed
    assert list(tmp_path.iterdir()) == []
    assert len(kept.body()) == 3


def test_what_lies_in_a_file_is_read_when_it_is_wanted_and_written_by_nobody():
    array = np.arange(spill.SMALL)
    body = payload.pack(array)
    kept = Spilled(Spill(), body, "filing")
    kept.file()
    pieces = kept.body()
    assert all(type(piece) is memoryview and piece.readonly for piece in pieces)
    assert b"".join(wire.parts(wire.Stow(b"r", pieces))) == b"".join(wire.parts(wire.Stow(b"r", [whole(body)])))
    payload.unpack(pieces)[:] = 0
    assert (payload.unpack(kept.body()) == array).all()
    del kept
    assert whole(pieces) == whole(body)  # it is still on its way to somebody


GB = 10**9


def disk(monkeypatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


def test_what_is_on_its_way_to_the_disk_counts_there_until_it_is_gone(monkeypatch):
    kept = Spill(memory=0)
    size = 3 * SMALL
    disk(monkeypatch, spill.RESERVE + size)
    assert kept.refusal(size) == ""
    coming = Spilled(kept, value("a"), "filing")
    assert "are left in" in kept.refusal(size)
    del coming
    assert kept.refusal(size) == ""


def test_a_disk_without_room_is_said_in_words_and_small_things_go_on(monkeypatch):
    kept = Spill(memory=GB)
    disk(monkeypatch, 600_000_000)
    assert kept.refusal(GB) == ""  # in memory
    said = kept.refusal(2 * GB)
    assert said.startswith("the hub has no room for 2 GB: 600 MB are left in ")
    assert "537 MB stay free. Let go of handles" in said
    assert kept.refusal(100) == ""


def test_workers_have_half_of_the_disk_and_its_owner_has_all(monkeypatch):
    kept = Spill(memory=0)
    disk(monkeypatch, 10 * GB)
    assert kept.refusal(5 * GB, modest=True) == kept.refusal(6 * GB) == ""
    assert "may take half of that disk" in kept.refusal(6 * GB, modest=True)
    kept.counts("filed", 4 * GB)
    assert kept.refusal(3 * GB, modest=True) == ""
    assert "it keeps 4 GB in " in kept.refusal(4 * GB, modest=True)


def test_memory_is_bounded_where_the_disk_is_full(monkeypatch):
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(spill, "BESIDE", 3 * SMALL)
    kept = Spill(memory=0)
    stuck = Spilled(kept, value("a"), "filing")
    stuck.file()
    assert kept.refusal(10) == (
        "the hub has no room for 10 B: it keeps 197 kB in memory already. "
        "Let go of handles that are not needed, or start the hub with TMPDIR on a larger disk"
    )
    del stuck
    assert kept.refusal(10) == ""


def test_a_disk_that_cannot_be_asked_is_no_room(monkeypatch):
    def broken(_: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    assert "cannot be used (Input/output error)" in Spill(memory=0).refusal(GB)


def test_memory_that_was_given_needs_no_other_room_up_to_its_bound(monkeypatch):
    kept = Spill(memory=0, given=10 * SMALL)
    disk(monkeypatch, 0)
    assert kept.refusal(10 * SMALL, given=True) == ""
    assert "the hub has no room" in kept.refusal(10 * SMALL)
    assert "the hub has no room" in kept.refusal(11 * SMALL, given=True)
    kept.givens.bytes = SMALL
    assert "the hub has no room" in kept.refusal(10 * SMALL, given=True)
