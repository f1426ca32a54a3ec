"""Receipts: written as a whole, found again, in words; and the ledger that they are made from."""

import asyncio
import os
import stat

import pytest

from yonder import receipts
from yonder.account import account, at_once, span
from yonder.hub import ledger as ledgers
from yonder.hub.ledger import Ledger
from yonder.places import started_at
from yonder.receipts import Sheet
from yonder.wire import Life


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "yonder" / "receipts"


def life(name="x-1", started=100.0, ended=160.0, reason="idle", backend="docker", native="0123456789abcdef"):
    return Life(name, "default", backend, native, started, ended, reason)


def sheet(owner="window-1", began=1000.0, **more):
    made = {"package": "1.0", "pid": 77, "started": "5", "lives": [life()], **more}
    return Sheet(owner=owner, began=began, **made)


# ── files ──


def test_a_receipt_comes_back_as_it_was_written_and_only_its_owner_may_read_it(folder):
    receipts.write(sheet())
    assert receipts.read() == [sheet()]
    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_hub_has_one_receipt_however_often_it_is_written(folder):
    receipts.write(sheet())
    receipts.write(sheet(ended=2000.0))
    assert receipts.read() == [sheet(ended=2000.0)]
    assert len(list(folder.iterdir())) == 1


def test_the_latest_comes_first_and_an_owner_sees_only_its_own():
    for owner, began in (("a-b", 10.0), ("a", 30.0), ("a-b", 20.0)):
        receipts.write(sheet(owner, began))
    assert [(one.owner, one.began) for one in receipts.read()] == [("a", 30.0), ("a-b", 20.0), ("a-b", 10.0)]
    assert [one.began for one in receipts.read("a-b")] == [20.0, 10.0]
    assert receipts.read("b") == []


def test_owners_whose_names_are_written_alike_are_told_apart():
    receipts.write(sheet("a/b", 10.0))
    receipts.write(sheet("a:b", 20.0))
    assert [one.owner for one in receipts.read("a/b")] == ["a/b"]


def test_the_oldest_go_when_there_are_too_many(monkeypatch, folder):
    monkeypatch.setattr(receipts, "KEPT", 3)
    (folder.parent).mkdir(mode=0o700, parents=True)
    folder.mkdir(mode=0o700)
    (folder / "notes.txt").write_text("not ours")
    for began in range(5):
        receipts.write(sheet(began=float(began)))
    assert [one.began for one in receipts.read()] == [4.0, 3.0, 2.0]
    assert (folder / "notes.txt").exists()


def test_what_is_no_receipt_is_passed_over(folder):
    receipts.write(sheet())
    [file] = folder.iterdir()
    (folder / file.name.replace("-77", "-78")).write_text("{half of")
    assert receipts.read() == [sheet()]


def test_a_receipt_is_abandoned_when_its_hub_is_gone_and_has_not_finished_it():
    me = os.getpid()
    assert not sheet(pid=me, started=started_at(me)).abandoned
    assert sheet(pid=me, started="another").abandoned
    assert not sheet(pid=me, started="another", ended=5.0).abandoned


# ── the ledger ──


class Paper:
    """Where receipts are written in these tests."""

    def __init__(self):
        self.sheets = []
        self.troubles = []
        self.broken = False

    def write(self, one):
        if self.broken:
            raise OSError("disk full")
        self.sheets.append(one)

    def ledger(self, **more):
        return Ledger("window-1", self.write, self.troubles.append, **more)


async def turn():
    """Everything that is due happens."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_start_is_written_at_once_and_an_end_with_its_reason():
    paper = Paper()
    book = paper.ledger()
    book.begun("x-1", "default", "docker")
    book.named("x-1", "c0ffee")
    await turn()
    [first] = paper.sheets
    assert [(one.executor, one.native, one.ended) for one in first.lives] == [("x-1", "c0ffee", 0.0)]
    assert not first.finished
    book.ended("x-1", "idle for 60 s")
    assert [one.reason for one in book.close("the window was closed", 0)] == ["idle for 60 s"]
    last = paper.sheets[-1]
    assert (last.finished, last.reason, last.left) == (True, "the window was closed", 0)
    assert last.lives[0].ended >= last.lives[0].started


async def test_many_changes_are_one_write():
    paper = Paper()
    book = paper.ledger()
    for number in range(100):
        book.begun(f"x-{number}", "default", "local")
    await turn()
    assert len(paper.sheets) == 1
    book.ended("x-1", "idle")
    await turn()
    assert len(paper.sheets) == 1  # the next one waits its turn
    book.close("over", 0)
    await turn()
    assert len(paper.sheets) == 2


async def test_a_short_program_writes_once_and_one_that_ran_nothing_never():
    paper = Paper()
    book = paper.ledger(live=False)
    book.begun("x-1", "default", "local")
    await turn()
    assert paper.sheets == []
    book.close("over", 0)
    assert len(paper.sheets) == 1
    Paper.ledger(other := Paper()).close("over", 0)
    assert other.sheets == []


async def test_a_disk_that_is_full_is_said_once_and_harms_nothing():
    paper = Paper()
    paper.broken = True
    book = paper.ledger()
    book.begun("x-1", "default", "local")
    await turn()
    book.ended("x-1", "idle")
    await turn()
    assert len(paper.troubles) == 1
    assert "disk full" in paper.troubles[0]
    assert len(book.close("over", 0)) == 1


async def test_of_very_many_lives_the_first_that_are_over_are_only_counted(monkeypatch):
    monkeypatch.setattr(ledgers, "LISTED", 3)
    now = iter(range(1000))
    monkeypatch.setattr(ledgers, "clock", lambda: float(next(now)))
    paper = Paper()
    book = paper.ledger(live=False)  # began at 0
    book.begun("kept", "default", "local")  # 1
    for number in range(5):
        book.begun(f"x-{number}", "default", "local")  # 2, 4, 6, …
        book.ended(f"x-{number}", "idle")  # 3, 5, 7, …
    book.ended("unknown", "never heard of")
    book.close("over", 0)
    [last] = paper.sheets
    assert [one.executor for one in last.lives] == ["kept", "x-3", "x-4"]
    assert (last.unlisted, last.unlisted_seconds) == (3, 3.0)


# ── in words ──


def test_a_receipt_in_words():
    shown = account(sheet(ended=2000.0, reason="the window was closed"), alive=False, now=9e9)
    assert shown.head.startswith("window-1, hub 77 of yonder 1.0, began ")
    assert shown.head.endswith(": the window was closed")
    [row] = shown.rows
    assert row[:3] == ("x-1", "default", "docker 0123456789ab")
    assert row[5:] == ("1:00 min", "idle")
    assert shown.totals == ["1 executor, at most 1 at a time, 1:00 min in all."]


def test_a_hub_that_lives_counts_up_to_now():
    shown = account(sheet(lives=[life(), life("x-2", 100.0, 0.0, "")]), alive=True, now=220.0)
    assert shown.head.endswith("still running")
    assert shown.rows[1][4:] == ("still there", "", "")
    assert shown.totals == ["2 executors, at most 2 at a time, 3:00 min in all."]


def test_what_a_killed_hub_did_not_know_is_said():
    shown = account(sheet(lives=[life("x-2", 100.0, 0.0, "")], unlisted=2, unlisted_seconds=60.0), alive=False, now=1e9)
    assert "killed" in shown.head
    assert shown.rows[0][4] == "not known"
    assert shown.totals == [
        "3 executors, at most 1 at a time, 1:00 min in all.",
        "The first 2 are not listed.",
        "When 1 of them ended is not known; they are not in that sum.",
    ]


def test_what_was_left_is_said():
    shown = account(sheet(ended=5.0, left=2), alive=False, now=0.0)
    assert shown.totals[-1] == "2 were left when the hub ended, said the platform; yonder ps shows what still is."


def test_the_busiest_moment():
    assert at_once([]) == 0
    assert at_once([life("a", 0, 10), life("b", 10, 20), life("c", 5, 15)]) == 2
    assert at_once([life("a", 0, 0.0), life("b", 50, 60)]) == 2


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (-1, "0.0 s"), (12.4, "12 s"), (185, "3:05 min"), (7384, "2:03:04 h")]
)
def test_spans(seconds, words):
    assert span(seconds) == words
