"""Values in memory and in files."""

from __future__ import annotations

import tempfile

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
    kept = Spilled(Spill(), value("a"), counted=False)
    kept.file()
    assert not kept.filed
    assert kept.body() == value("a")


def test_a_file_has_no_name_that_outlives_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Spilled(Spill(), value("a", 3 * spill.PIECE), counted=False)
    kept.file()
    assert kept.filed
    assert list(tmp_path.iterdir()) == []
    assert len(kept.body()) == 3


def test_what_lies_in_a_file_is_read_when_it_is_wanted_and_written_by_nobody():
    array = np.arange(spill.SMALL)
    body = payload.pack(array)
    kept = Spilled(Spill(), body, counted=False)
    kept.file()
    pieces = kept.body()
    assert all(type(piece) is memoryview and piece.readonly for piece in pieces)
    assert b"".join(wire.parts(wire.Stow(b"r", pieces))) == b"".join(wire.parts(wire.Stow(b"r", [whole(body)])))
    payload.unpack(pieces)[:] = 0
    assert (payload.unpack(kept.body()) == array).all()
    del kept
    assert whole(pieces) == whole(body)  # it is still on its way to somebody
