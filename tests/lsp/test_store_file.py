"""The store's file in a rough world: killed writers, damage, other versions, two servers, full disks; and how fast it is."""

import os
import random
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from yonder import wire
from yonder_lsp import protocol
from yonder_lsp.database import MIGRATIONS
from yonder_lsp.store import Store, StoreError

HUB = "hub-1"
NOWHERE = protocol.Range(start=protocol.Position(line=0, character=0), end=protocol.Position(line=0, character=0))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "runs.sqlite"


def opened(file, now=lambda: 1000.0):
    return closing(Store(file, now=now))


def create(store, run):
    store.created(run, session="", uri="", title="", text_hash="", range=NOWHERE, kind="block", generation=0)


def text(n, words, run="a"):
    return wire.Numbered(n, wire.Output(run, "", 1, words, 1.0))


def written(store, run="a"):
    return "".join(piece.text for piece in store.output(protocol.OutputParams(run=run, limit=10**9)).pieces)


def names(store):
    return [run.run for run in store.runs(0).runs]


def test_the_file_is_private_and_written_ahead(file):
    with opened(file) as store:
        create(store, "a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        assert modes == {"runs.sqlite": 0o600, "runs.sqlite-wal": 0o600, "runs.sqlite-shm": 0o600}
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_file_that_others_could_read_is_made_private(file):
    with opened(file):
        file.chmod(0o644)
    with opened(file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_clearing_gives_the_disk_back(file):
    with opened(file) as store:
        create(store, "a")
        store.apply(HUB, [text(1, "x" * 2_000_000), wire.Numbered(2, wire.RunEnded("a", "ok", 1.0, 1.0))])
        store.clear()
    assert file.stat().st_size < 500_000


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def assert_set_aside(file, why):
    with opened(file) as store:
        assert why in store.notice
        aside = file.with_name("runs.sqlite.aside-1")
        assert str(aside) in store.notice
        assert aside.exists()
        assert names(store) == []
        create(store, "new")
    with opened(file) as store:
        assert store.notice == ""
        assert names(store) == ["new"]


def test_what_is_no_database_is_set_aside(file):
    file.parent.mkdir()
    file.write_bytes(b"these are not the bytes you are looking for" * 100)
    assert_set_aside(file, "is damaged")
    assert file.with_name("runs.sqlite.aside-1").read_bytes().startswith(b"these are not")


def test_a_second_damaged_file_does_not_replace_the_first(file):
    file.parent.mkdir()
    for number in (1, 2):
        file.write_bytes(b"x" * 100 * number)
        with opened(file) as store:
            assert f"aside-{number}" in store.notice
    assert sorted(path.stat().st_size for path in file.parent.glob("*aside-?")) == [100, 200]


def test_damaged_pages_are_noticed(file):
    with opened(file) as store:
        for n in range(100):
            create(store, f"run {n}")
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(os.urandom(file.stat().st_size - 4096))
    assert_set_aside(file, "is damaged")


def test_a_record_that_nobody_understands_is_damage(file):
    with opened(file) as store:
        create(store, "a")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE run SET body = x'c1'")
    assert_set_aside(file, "is damaged")


def test_the_file_of_a_newer_version_is_kept_for_it(file):
    with opened(file) as store:
        create(store, "a")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert_set_aside(file, "newer version of Yonder")


def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="folder for runs cannot be used"):
        Store(blocked / "runs.sqlite", now=lambda: 1.0)


def test_after_closing_there_is_a_sentence(file):
    store = Store(file, now=lambda: 1.0)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="has been closed"):
        store.apply(HUB, [text(1, "x")])


# ── transactions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_that_fails_leaves_no_trace(file):
    with opened(file) as store:
        create(store, "a")
        store.apply(HUB, [text(1, "one")])
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON output BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
        with pytest.raises(StoreError, match="disk is full"):
            store.apply(HUB, [wire.Numbered(2, wire.Phase("a", "running", 1.0)), text(3, "two")])
        assert (store.last(HUB), store.runs(0).runs[0].state, written(store)) == (1, "queued", "one")
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DROP TRIGGER full")
        assert store.apply(HUB, [wire.Numbered(2, wire.Phase("a", "running", 1.0)), text(3, "two")]) == 3
        assert (store.runs(0).runs[0].state, written(store)) == ("running", "onetwo")


def test_a_locked_file_is_said_in_words(file, monkeypatch):
    monkeypatch.setattr("yonder_lsp.database.BUSY", 10)
    with opened(file) as store, closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.apply(HUB, [text(1, "x")])
        other.execute("ROLLBACK")
        create(store, "a")
        assert names(store) == ["a"]


def test_a_server_that_is_just_ending_and_the_next_one_share_the_file(file):
    with opened(file) as old, opened(file) as new:
        create(old, "a")
        old.apply(HUB, [text(1, "one")])
        # The new server asked for `last` before that; the hub sends number 1 again.
        assert new.last(HUB) == 0
        assert new.apply(HUB, [text(1, "one"), text(2, "two")]) == 2
        assert written(new) == "onetwo"
        assert old.apply(HUB, [text(2, "two"), text(3, "three")]) == 3
        assert written(old) == "onetwothree"
        create(new, "b")
        assert names(new) == ["a", "b"]


# ── killed while writing ──────────────────────────────────────────────────────────────────────────────────────────────

WRITER = """
import os, struct, sys
from pathlib import Path
from yonder import wire
from yonder_lsp.store import Store

store = Store(Path(sys.argv[1]), now=lambda: 1000.0)
n = store.last("hub-1")
assert not store.notice, store.notice
if n == 0:
    n = store.apply("hub-1", [wire.Numbered(1, wire.Phase("a", "running", 1.0))])
one = struct.pack("<d", 1.0)
while True:
    batch = []
    for n in range(n + 1, n + 1 + 2 * (n % 7 + 1), 2):
        step = struct.pack("<d", float(n))
        batch.append(wire.Numbered(n, wire.Output("a", "", 1, f"{n} ", 1.0)))
        batch.append(wire.Numbered(n + 1, wire.Metrics("a", "", [wire.Column("n", step, step, one)])))
    n = store.apply("hub-1", batch)
    os.write(1, b"%d\\n" % n)
"""


def killed_writer(file, acknowledgements):
    """Run a writer until it has acknowledged so many batches, kill it, return the last number it acknowledged."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    with process:
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().decode().split("\n")[:-1]
        assert process.wait() == -signal.SIGKILL
    return int(rest[-1] if rest else lines[-1])


def test_a_killed_writer_loses_nothing_it_acknowledged_and_doubles_nothing(file):
    rng = random.Random(11)
    for _ in range(4):
        acknowledged = killed_writer(file, rng.randrange(1, 150))
        with opened(file) as store:
            assert store.notice == ""
            last = store.last(HUB)
            assert last >= acknowledged
            expected = list(range(2, last, 2))
            assert [int(word) for word in written(store).split()] == expected
            (curve,) = store.series(protocol.SeriesParams(run="a", pixels=8192)).curves
            assert curve.points == len(expected)
            assert curve.last == expected[-1]


# ── how fast ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_64_executors_with_1000_points_a_second(file):
    """Prints what it takes (pytest -s or -rP); holds that nothing is missing, not how long it took."""
    calls, rounds, size = 64, 20, 100
    with opened(file, now=time.time) as store:
        create(store, "a")
        store.apply(HUB, [wire.Numbered(n + 1, started(f"c{n}")) for n in range(calls)])
        number, times, pulls = calls, [], []
        for at in range(rounds):
            steps = [float(at * size + i) for i in range(size)]
            column = wire.Column("loss", pack(steps), pack([1 / (1 + step) for step in steps]), pack(steps))
            batch = [wire.Numbered(number + 1 + n, wire.Metrics("a", f"c{n}", [column])) for n in range(calls)]
            number += calls
            begin = time.perf_counter()
            assert store.apply(HUB, batch) == number
            middle = time.perf_counter()
            curves = store.series(protocol.SeriesParams(run="a")).curves
            times.append(middle - begin)
            pulls.append(time.perf_counter() - middle)
        assert len(curves) == calls
        assert all(curve.points == rounds * size for curve in curves)
        points = calls * rounds * size
    print(f"\nstore: {points / sum(times):,.0f} points/s into apply; 64 curves in {1000 * pulls[-1]:.1f} ms", end=" ")
    begin = time.perf_counter()
    with opened(file) as store:
        assert sum(curve.points for curve in store.series(protocol.SeriesParams(run="a")).curves) == points
    print(
        f"(from disk {1000 * (time.perf_counter() - begin):.0f} ms); {Path(file).stat().st_size / points:.1f} bytes a point"
    )


def started(call):
    return wire.CallStarted("a", call, call, "default", "e", 1.0)


def pack(numbers):
    return struct.pack(f"<{len(numbers)}d", *numbers)
