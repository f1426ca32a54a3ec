"""Memory that two processes share: written again only when nobody maps it, gone with whoever dies, refused to strangers."""

from __future__ import annotations

import fcntl
import gc
import os
import subprocess
import sys
import threading

import pytest

from yonder import segments
from yonder.errors import ExecutorLost

pytestmark = pytest.mark.skipif(not segments.possible(), reason="no anonymous files here")

MB = 1024 * 1024


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    made = segments.Store(64 * MB, clock)
    yield made
    made.forked()  # closes them all


@pytest.fixture
def other():
    """Another process, which takes what it is told, or puts something."""
    code = """
import sys
from yonder import segments
store, views = segments.Store(), []
for line in sys.stdin:
    verb, rest = line.split()
    if verb == "take":
        view = segments.take(bytes.fromhex(rest))
        views.append(view)
        print(len(view), view[0], view[-1], flush=True)
    elif verb == "write":
        views[-1][0] = int(rest)
        print(views[-1][0], flush=True)
    elif verb == "drop":
        del view
        views.clear()
        print("dropped", flush=True)
    elif verb == "put":
        print(store.put([b"x" * int(rest)]).hex(), flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(verb, rest="-"):
        process.stdin.write(f"{verb} {rest}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    ask.process = process
    yield ask
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()


@pytest.mark.parametrize("size", [1, 300_000, 5 * MB])
def test_what_is_put_is_taken_by_another_process(store, other, size):
    reference = store.put([b"a" * (size // 2), memoryview(b"b" * (size - size // 2))])
    assert segments.is_reference(reference)
    assert other("take", reference.hex()) == f"{size} {ord('a') if size > 1 else ord('b')} {ord('b')}"


def test_one_that_is_read_at_once_is_the_same(store, monkeypatch):
    monkeypatch.setattr(segments, "_PAGES", MB)
    value = os.urandom(5 * MB // 2)
    reference = store.put([value])
    views = [segments.take(reference, read=True), segments.take(reference)]
    assert [bytes(view) == value for view in views] == [True, True]
    views[0][0] ^= 1
    assert views[0][0] != views[1][0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 4 * MB, 4 * MB + 1, 13 * MB + 7])
def test_warm_memory_is_filled_by_one_or_by_several(store, monkeypatch, threads, size):
    pytest.importorskip("numpy")
    monkeypatch.setattr(segments, "THREADS", threads)
    segments.take(store.put([bytes(14 * MB)]))
    value = os.urandom(MB) * (size // MB) + os.urandom(size % MB)
    assert (
        bytes(segments.take(store.put([b"head", value, memoryview(bytearray(b"tail"))]))) == b"head" + value + b"tail"
    )


def test_many_pieces_arrive_in_order(store):
    pieces = [bytes([n % 256]) * (n % 700) for n in range(3000)]
    assert bytes(segments.take(store.put(pieces))) == b"".join(pieces)


def test_what_a_receiver_writes_is_its_own(store, other):
    reference = store.put([b"a" * (2 * MB)])
    mine = segments.take(reference)
    assert other("take", reference.hex()) == f"{2 * MB} 97 97"
    assert other("write", "7") == "7"
    assert mine[0] == 97
    mine[0] = 5
    assert segments.take(reference)[0] == 97


def test_used_again_only_when_the_last_view_is_gone(store, other):
    first = store.put([b"a" * (2 * MB)])
    store.put([b"x" * (2 * MB)])
    assert len(store) == 2  # the first was not taken yet
    other("take", first.hex())
    other("drop")
    mine = segments.take(first)
    part = mine[100:200]
    del mine
    gc.collect()
    store.put([b"b" * (2 * MB)])
    assert len(store) == 3  # a part of it is still looked at
    assert bytes(part) == b"a" * 100
    del part
    gc.collect()
    again = store.put([b"c" * (2 * MB)])
    assert len(store) == 3
    assert again != first
    assert segments.take(again)[0] == ord("c")
    with pytest.raises(segments.Gone):
        segments.take(first)


def test_small_ones_are_copied_and_free_at_once(store):
    for n in range(20):
        view = segments.take(store.put([bytes([n]) * 300_000]))
        assert view[0] == n
    assert len(store) == 1
    view[0] = 99  # it is writable all the same


def test_what_is_held_is_not_used_again_and_may_be_taken_twice(store, other):
    hold = segments.Hold(store)
    reference = hold.put([b"a" * 400_000])
    other("take", reference.hex())
    assert segments.take(reference)[0] == 97
    store.put([b"b" * 400_000])
    assert len(store) == 2
    assert segments.take(reference)[0] == 97
    hold.release()
    hold.release()
    store.put([b"c" * 400_000])
    assert len(store) == 2


def test_one_that_was_never_taken_is_given_up_after_long(store, clock):
    store.put([b"a" * 400_000])
    clock.now = segments.UNTAKEN - 1
    store.put([b"b" * 400_000])
    assert len(store) == 2
    clock.now = segments.UNTAKEN
    store.put([b"c" * 400_000])
    assert len(store) == 2


def test_there_is_a_bound(store):
    views = [store.put([b"x" * (20 * MB)]) for _ in range(4)]
    assert [view is None for view in views] == [False, False, False, True]
    segments.take(views[0])  # taken, and let go of
    assert store.put([b"x" * (22 * MB)])  # it makes place for another size
    assert store.bytes <= 64 * MB + 3 * 1.5 * MB
    assert store.put([b"x" * (65 * MB)]) is None


def test_there_are_not_too_many(store):
    put = [store.put([b"x" * 300_000]) for _ in range(segments.MOST_SEGMENTS + 1)]
    assert [one is None for one in put] == [False] * segments.MOST_SEGMENTS + [True]


def test_no_more_than_some_are_mapped(store, monkeypatch):
    monkeypatch.setattr(segments, "MOST_MAPPED", sum(one() is not None for one in segments._mapped) + 1)
    first, second = store.put([b"a" * (2 * MB)]), store.put([b"b" * (2 * MB)])
    views = [segments.take(first), segments.take(second)]
    assert [bytes(view[:1]) for view in views] == [b"a", b"b"]
    store.put([b"c" * (2 * MB)])
    assert len(store) == 2  # the second was copied


def test_what_lies_idle_is_given_back(store, clock):
    segments.take(store.put([b"a" * 400_000]))
    clock.now = segments.IDLE - 1
    store.trim()
    assert len(store) == 1
    clock.now = segments.IDLE
    store.trim()
    assert (len(store), store.bytes) == (0, 0)


def test_a_keeper_gives_back_what_lies_idle_and_ends_with_the_last(monkeypatch):
    naps, go = [], threading.Semaphore(0)

    def nap(seconds):
        naps.append(seconds)
        go.acquire()

    monkeypatch.setattr(segments.time, "sleep", nap)
    clock = Clock()
    store = segments.Store(64 * MB, clock, kept=True)
    reference = store.put([b"a" * 400_000])
    keeper = store._keeper
    clock.now = segments.IDLE
    go.release()  # it was not taken: it stays
    store.put([b"b" * 400_000])
    assert store._keeper is keeper
    segments.take(reference)
    clock.now = segments.UNTAKEN + segments.IDLE
    go.release()
    keeper.join(10)
    assert not keeper.is_alive()
    assert (len(store), store._keeper) == (0, None)
    assert set(naps) == {segments.IDLE}


def test_a_receiver_that_dies_holds_nothing_up(store, other):
    reference = store.put([b"a" * (2 * MB)])
    other("take", reference.hex())
    store.put([b"b" * (2 * MB)])
    assert len(store) == 2
    other.process.kill()
    other.process.wait()
    store.put([b"c" * (2 * MB)])
    assert len(store) == 2


def test_a_sender_that_died_is_told_in_words(other):
    kept, lost = bytes.fromhex(other("put", "2000000")), bytes.fromhex(other("put", "2000000"))
    view = segments.take(kept)
    other.process.kill()
    other.process.wait()
    assert bytes(view) == b"x" * 2_000_000  # who has opened it keeps it
    with pytest.raises(ExecutorLost, match="ended before the value was fetched"):
        segments.take(lost)


def test_nobody_opens_anything_else(store, tmp_path):
    reference = store.put([b"a" * 400_000])
    magic, pid, number, inode, size, secret = segments._REFERENCE.unpack(reference)

    def refused(*, pid=pid, number=number, inode=inode, size=size, secret=secret):
        with pytest.raises(segments.Gone):
            segments.take(segments._REFERENCE.pack(magic, pid, number, inode, size, secret))

    with (tmp_path / "secret").open("w+") as file:
        file.write("x" * 1000)
        file.flush()
        about = os.fstat(file.fileno())
        refused(number=file.fileno(), inode=about.st_ino, size=100)
    read, write = os.pipe()
    refused(number=read, inode=os.fstat(read).st_ino)
    os.close(read)
    os.close(write)
    refused(secret=bytes(16))
    refused(inode=inode + 1)
    refused(size=size * 100)
    refused(pid=2**31 - 1)
    refused(pid=1)
    refused(number=2**31 - 1)
    assert len(segments.take(reference)) == 400_000


def test_one_that_could_shrink_under_its_reader_is_refused():
    fd = os.memfd_create("yonder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    secret = b"s" * 16
    os.pwrite(fd, segments._HEADER.pack(segments._MAGIC, secret, 0).ljust(400_064, b"x"), 0)
    reference = segments._REFERENCE.pack(segments._MAGIC, os.getpid(), fd, os.fstat(fd).st_ino, 400_000, secret)
    with pytest.raises(segments.Gone):
        segments.take(reference)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    assert segments.take(reference)[0] == ord("x")
    os.close(fd)


def test_while_it_is_written_nobody_reads_it(store):
    reference = store.put([b"a" * 400_000])
    number = segments._REFERENCE.unpack(reference)[2]
    fcntl.flock(number, fcntl.LOCK_EX)
    with pytest.raises(segments.Gone):
        segments.take(reference)
    fcntl.flock(number, fcntl.LOCK_UN)
    assert segments.take(reference)[0] == 97


def test_no_memory_is_no_error(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    segments.take(store.put([b"a" * 400_000]))
    store.trim(0)
    monkeypatch.setattr(os, "pwritev", full)
    assert store.put([b"a" * 400_000]) is None
    monkeypatch.undo()
    monkeypatch.setattr(os, "memfd_create", full)
    assert store.put([b"a" * 400_000]) is None
    monkeypatch.undo()
    assert (len(store), store.bytes) == (0, 0)
    assert store.put([b"a" * 400_000])


def test_where_there_are_none(store, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert not segments.possible()
    assert store.put([b"a" * 400_000]) is None


def test_a_forked_child_lets_go_of_its_parents():
    code = """
import os
from yonder import segments
reference = segments.OWN.put([b"a" * 400_000])
number = segments._REFERENCE.unpack(reference)[2]
child = os.fork()
if child == 0:
    try:
        os.fstat(number)
    except OSError:
        os._exit(len(segments.OWN))
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert segments.take(reference)[0] == 97
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_before_the_end_what_was_put_is_given_time(store, clock, monkeypatch):
    put = [store.put([b"a" * 400_000])]
    naps = []

    def nap(seconds):
        naps.append(seconds)
        clock.now += 0.1
        if len(naps) == 3:
            segments.take(put[0])

    monkeypatch.setattr(segments.time, "sleep", nap)
    store.settle(1.0)
    assert len(naps) == 3
    put[0] = store.put([b"b" * 400_000])
    store.put([b"c" * 400_000])
    naps.clear()
    store.settle(1.0)
    assert len(naps) >= 9


def test_what_nobody_takes_is_free_at_once(store, clock):
    first = store.put([b"x" * MB])
    store.put([b"y" * MB])
    assert len(store) == 2
    segments.leave(first)
    store.put([b"z" * MB])
    assert len(store) == 2
    segments.leave(first)  # it is another value's now, and stays that one's
    assert not store._segments[-1].taken
    for other in (b"", b"x" * len(first), [b"pieces"], None):
        segments.leave(other)
    store.forked()
    segments.leave(first)  # its process is gone


def test_what_an_interrupt_left_half_written_is_free(store, monkeypatch):
    """It may come when the bytes are there and nobody was told yet."""
    unlock = segments.Segment.unlock

    def interrupted(segment):
        monkeypatch.setattr(segments.Segment, "unlock", unlock)
        assert not store._free(segment)  # he is still at it
        raise KeyboardInterrupt

    monkeypatch.setattr(segments.Segment, "unlock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put([b"x" * MB])
    gc.collect()
    store.settle(0)
    reference = store.put([b"y" * MB])
    assert len(store) == 1
    assert bytes(segments.take(reference)[:1]) == b"y"
