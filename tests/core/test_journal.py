"""The journal keeps every unacknowledged number, in memory or on disk, and lets go of the rest."""

import os

from yonder.hub.journal import Journal
from yonder.hub.log import Log


def test_numbers_come_back_as_they_were(tmp_path):
    journal = Journal(tmp_path / "journal", memory=10)
    for n in range(1, 41):
        journal.append(b"%03d" % n)
    assert [journal.read(n) for n in range(1, 41)] == [b"%03d" % n for n in range(1, 41)]
    assert journal.size == 120


def test_what_is_acknowledged_is_forgotten_and_the_disk_is_free_again(tmp_path):
    journal = Journal(tmp_path / "journal", memory=10)
    for n in range(1, 41):
        journal.append(b"%03d" % n)
    assert journal.on_disk == 3 * 37
    journal.forget(30)
    assert len(journal) == 10
    assert journal.read(31) == b"031"
    assert journal.size == 30
    journal.forget(40)
    assert (len(journal), journal.size, journal.on_disk) == (0, 0, 0)
    journal.append(b"041")
    assert journal.read(41) == b"041"


def test_the_disk_becomes_free_while_something_lies_on_it(tmp_path):
    """Who stores slowly but steadily never has an empty journal: what it takes must not grow with time."""
    journal = Journal(tmp_path / "journal", memory=0, segment=100)
    before = open_files()
    for n in range(1, 1001):
        journal.append(b"%010d" % n)
        journal.forget(n - 25)
        assert journal.on_disk <= 250 + 2 * 100
        assert [journal.read(m) for m in (max(1, n - 24), n)] == [b"%010d" % m for m in (max(1, n - 24), n)]
    assert open_files() - before <= 5
    journal.close()
    assert open_files() == before


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def test_memory_is_used_again_while_older_numbers_lie_on_disk(tmp_path):
    journal = Journal(tmp_path / "journal", memory=6)
    for n in range(1, 5):  # 1, 2 in memory, 3, 4 on disk
        journal.append(b"%03d" % n)
    journal.forget(2)
    journal.append(b"005")  # in memory, after two that are on disk
    assert [journal.read(n) for n in (3, 4, 5)] == [b"003", b"004", b"005"]
    journal.forget(4)
    assert journal.read(5) == b"005"


def test_a_few_events_never_touch_the_disk(tmp_path):
    journal = Journal(tmp_path / "journal", memory=100)
    journal.append(b"x" * 100)
    assert journal.on_disk == 0
    journal.append(b"y")
    assert journal.on_disk == 1
    assert journal.read(2) == b"y"


def test_what_lies_on_disk_has_no_name_under_which_it_could_stay(tmp_path):
    journal = Journal(tmp_path / "journal", memory=0)
    journal.append(b"secret")
    assert list(tmp_path.iterdir()) == []


def test_acknowledging_twice_or_early_changes_nothing(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.append(b"a")
    journal.forget(0)
    assert journal.read(1) == b"a"
    journal.forget(1)
    journal.forget(1)
    assert len(journal) == 0


def test_a_disk_that_refuses_costs_memory_and_nothing_else(tmp_path):
    journal = Journal(tmp_path / "no such folder" / "journal", memory=10)
    for n in range(1, 41):
        journal.append(b"%03d" % n)
    assert [journal.read(n) for n in range(1, 41)] == [b"%03d" % n for n in range(1, 41)]
    journal.forget(39)
    assert journal.size == 3


def test_a_disk_that_is_full_for_a_while_costs_memory_and_no_number(tmp_path, monkeypatch):
    full = iter([False, True, True, False, False])
    write = os.pwrite

    def pwrite(descriptor, body, at):
        if next(full):
            raise OSError(28, "No space left on device")
        return write(descriptor, body, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    journal = Journal(tmp_path / "journal", memory=0)
    for n in range(1, 6):
        journal.append(b"%03d" % n)
    assert journal.on_disk == 9
    assert [journal.read(n) for n in range(1, 6)] == [b"%03d" % n for n in range(1, 6)]


def test_the_log_begins_anew_while_it_is_written_and_survives_a_disk_that_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr("yonder.hub.log.LOG_LIMIT", 1000)
    log = Log(tmp_path / "hub.log")
    for n in range(100):
        log.line(f"line {n}")
    kept = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(kept) == 2
    assert max(kept) < 1100
    Log(tmp_path / "no such folder" / "hub.log").line("said to nobody")
