"""Memory that changes hands: written once, nobody's to change, gone with its last owner."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import subprocess
import sys

import pytest

from yonder import segments, wire
from yonder.gifts import Gift, Given, Givens
from yonder.hub import spill
from yonder.hub.clients import Client
from yonder.hub.keeps import Keeps
from yonder.hub.worker import Worker

pytestmark = pytest.mark.skipif(not segments.possible(), reason="no anonymous files here")

MB = 1024 * 1024
GIVER = """
import os, sys
from yonder.gifts import Gift
gift = Gift()
print(gift.put([os.urandom(1) * 2_000_000]).hex(), flush=True)
sys.stdin.read()
"""
TAKER = """
import sys
from yonder import segments
view = segments.take(bytes.fromhex(sys.argv[1]))
view[0] = 7
print(view[0], view[1], len(view), flush=True)
sys.stdin.read()
"""


def process(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def giver():
    """Another process that gives 2 MB of one letter, and its words."""
    made = process(GIVER)
    made.words = bytes.fromhex(made.stdout.readline())
    yield made
    made.kill()
    made.communicate()


@pytest.fixture
def gift():
    made = Gift()
    yield made
    made.close()


def maps() -> int:
    """Views of such memory, and descriptors of it, that this process has."""
    gc.collect()
    with open("/proc/self/maps") as lines:
        mapped = sum("/memfd:yonder" in line for line in lines)
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return mapped + sum("/memfd:yonder" in os.readlink(name) for name in names if os.path.lexists(name))


def test_what_was_given_outlives_who_gave_it(giver):
    given = Given(giver.words, Givens())
    giver.send_signal(signal.SIGKILL)
    giver.wait()
    mine = segments.take(given.reference)
    assert (len(mine), given.size, len(set(mine))) == (2_000_000, 2_000_000, 1)
    with pytest.raises(segments.Gone):
        segments.take(giver.words)


def test_a_giver_that_died_before_it_was_opened_is_told_in_words(giver):
    giver.kill()
    giver.wait()
    with pytest.raises(segments.Gone, match="not there any more"):
        Given(giver.words, Givens())


def test_nobody_changes_it_and_whoever_writes_has_pages_of_its_own(gift):
    given = Given(gift.put([b"a" * 2 * MB]), Givens())
    taker = process(TAKER, given.reference.hex())
    assert taker.stdout.readline() == f"7 97 {2 * MB}\n"
    mine = segments.take(given.reference)
    mine[1] = 9
    assert bytes(segments.take(given.reference)[:2]) == b"aa" == bytes(given.body()[0][:2])
    taker.kill()
    taker.communicate()
    with segments.opened(given.reference) as fd:
        for change in (lambda: os.pwrite(fd, b"x", 64), lambda: os.ftruncate(fd, 10), lambda: os.ftruncate(fd, 9 * MB)):
            with pytest.raises(PermissionError):
                change()
    assert bytes(segments.take(given.reference)[:3]) == b"aaa"


def test_it_goes_with_the_last_who_has_it(gift):
    before, givens = maps(), Givens()
    given = Given(gift.put([b"a" * 2 * MB]), givens)
    gift.close()
    gift.close()
    assert (givens.bytes, givens.count) == (2 * MB, 1)
    view = segments.take(given.reference)
    words = given.reference
    del given
    assert (givens.bytes, givens.count) == (0, 0)
    with pytest.raises(segments.Gone):
        segments.take(words)
    assert view[5] == 97  # who has it mapped keeps it
    del view
    assert maps() == before


def test_a_forked_child_keeps_nothing_of_its_parents():
    code = """
import os
from yonder import segments
from yonder.gifts import Gift, Given, Givens
gift = Gift()
given = Given(gift.put([b"a" * 2_000_000]), Givens())
gift.close()
def mine():
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum("memfd:yonder" in os.readlink(name) for name in names if os.path.lexists(name))
print(mine(), flush=True)
if os.fork() == 0:
    print(mine(), len(segments.take(given.reference)), flush=True)
    os._exit(0)
os.wait()
print(mine(), len(segments.take(given.reference)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["1", "0 2000000", "1 2000000"], "")


def test_a_thousand_leave_nothing_behind():
    before, givens = maps(), Givens()
    for n in range(1000):
        with_it = Gift()
        given = Given(with_it.put([bytes([n % 256]) * MB]), givens)
        with_it.close()
        assert segments.take(given.reference)[3] == n % 256
        del given
    assert (maps(), givens.bytes, givens.count) == (before, 0, 0)


def test_what_could_still_change_is_refused():
    store = segments.Store(64 * MB)
    reference = store.put([b"a" * 2 * MB])
    givens = Givens()
    with pytest.raises(segments.Gone, match="may still change"):
        Given(reference, givens)
    assert givens.count == 0
    assert segments.take(reference)[0] == 97
    store.forked()


def test_a_stranger_is_refused(gift, monkeypatch):
    words = gift.put([b"a" * 2 * MB])
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(segments.Gone):
        Given(words, Givens())
    with pytest.raises(segments.Gone):
        segments.take(words)
    monkeypatch.undo()
    magic, pid, number, inode, size, _ = segments._REFERENCE.unpack(words)
    for made_up in (
        (pid, number, inode, size, bytes(16)),
        (pid, number, inode, size * 9, _),
        (1, number, inode, size, _),
    ):
        with pytest.raises(segments.Gone):
            Given(segments._REFERENCE.pack(magic, *made_up), Givens())


def test_what_is_small_or_too_large_or_finds_no_memory_goes_another_way(gift, monkeypatch):
    assert gift.put([b"a" * (MB - 1)]) is None
    monkeypatch.setattr(segments, "memory", lambda: 4 * MB)
    assert gift.put([b"a" * (MB + 1)]) is None
    assert gift.put([b"a" * MB])
    monkeypatch.undo()
    before = maps()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    assert gift.put([b"a" * MB]) is None
    monkeypatch.undo()
    monkeypatch.setattr(fcntl, "fcntl", full)
    assert gift.put([b"a" * MB]) is None
    monkeypatch.undo()
    assert maps() < before  # nor is the first one kept


# ── at the hub ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Room:
    name = "p"


class Paper(Worker):
    """A worker whose lane is a list."""

    def __init__(self, near: bool) -> None:
        super().__init__("w", "x", None)  # type: ignore[arg-type]
        self.near = near
        self.said = []

    def say(self, message) -> None:
        self.said.append(message)


def client(*, near: bool = True) -> Client:
    return Client(lambda _: None, None, None, near=near)  # type: ignore[arg-type]


def stowed(keeps: Keeps, ref: bytes, worker: Paper, whose: Client):
    keeps.stow(keeps.find(ref, whose.holder), worker)
    return worker.said[-1].body


async def test_workers_here_are_told_where_it_is_and_those_elsewhere_get_it(gift):
    keeps, whose, ref = Keeps(), client(), bytes(wire.REF)
    assert keeps.put(Room(), whose, wire.Facts(ref, "bytes", 1), gift.put([b"ab" * MB]), [])
    gift.close()
    here = stowed(keeps, ref, Paper(near=True), whose)
    assert bytes(segments.take(here)) == b"ab" * MB
    pieces = stowed(keeps, ref, Paper(near=False), whose)
    assert (len(pieces), b"".join(pieces)) == (2, b"ab" * MB)
    assert all(piece.readonly for piece in pieces)
    assert spill.SPILL.givens.bytes == 2 * MB
    keeps.release(whose.holder, {ref: 1})
    assert spill.SPILL.givens.bytes == 0


async def test_who_is_elsewhere_names_no_memory_here(gift):
    keeps, whose, ref = Keeps(), client(near=False), bytes(wire.REF)
    words = gift.put([b"ab" * MB])
    assert keeps.put(Room(), whose, wire.Facts(ref, "bytes", 1), words, [])
    assert spill.SPILL.givens.bytes == 0
    assert stowed(keeps, ref, Paper(near=False), whose) == words  # bytes like any others


def test_what_is_not_there_is_not_kept(gift):
    keeps, ref = Keeps(), bytes(wire.REF)
    words = gift.put([b"ab" * MB])
    gift.close()
    with pytest.raises(segments.Gone):
        keeps.put(Room(), client(), wire.Facts(ref, "bytes", 1), words, [])
    assert len(keeps) == 0


async def test_beyond_the_bound_it_goes_to_a_file(gift):
    kept = spill.Spill(memory=0, given=3 * MB)
    first = kept.keep_given(gift.put([b"a" * 2 * MB]))
    second = kept.keep_given(gift.put([b"b" * 2 * MB]))
    gift.close()
    assert (type(first), type(second)) == (Given, spill.Spilled)
    assert kept.givens.bytes == 2 * MB
    second.file()  # the thread's work, done or not
    assert second.filed
    assert b"".join(second.body(near=True)) == b"b" * 2 * MB
    del first
    assert type(kept.keep_given(gift.put([b"c" * 2 * MB]))) is Given
    assert kept.givens.bytes == 0
