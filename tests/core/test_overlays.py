"""Folders of installed packages: which go, and that none goes which somebody uses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from yonder import overlays

DAY = 24 * 3600.0
NOW = 2_000_000_000.0


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "overlays"
    folder.mkdir()
    return folder


def made(top, letter, *, used=NOW, size=1000):
    """One whose files have so many bytes, used last at that moment."""
    folder = top / (letter * 32)
    folder.mkdir()
    (folder / "module.py").write_bytes(b"x" * size)
    overlays.finish(folder)
    os.utime(folder / ".yonder", (used, used))
    return folder


def names(found):
    return [one.folder.name[0] for one in found]


def test_the_longest_unused_go_first_until_the_rest_fits(top):
    made(top, "a", used=NOW - 1 * DAY)
    made(top, "b", used=NOW - 3 * DAY)
    made(top, "c", used=NOW - 2 * DAY)
    assert names(overlays.trim(top, NOW, most=1500)) == ["b", "c"]
    assert names(overlays.look(top)) == ["a"]
    assert overlays.trim(top, NOW, most=1500) == []


def test_what_was_not_used_for_a_month_goes(top):
    made(top, "a", used=NOW - overlays.OLDEST - 1)
    made(top, "b", used=NOW - overlays.OLDEST + 1)
    assert names(overlays.trim(top, NOW)) == ["a"]
    assert [path.name for path in top.iterdir()] == ["b" * 32]


def test_what_is_used_stays_whatever_the_bounds(top):
    folder = made(top, "a", used=NOW - 2 * overlays.OLDEST)
    hold = overlays.hold(folder)
    another = overlays.hold(folder)
    assert overlays.look(top)[0].busy
    hold.release()
    os.utime(folder / ".yonder", (0, 0))
    assert overlays.trim(top, NOW, most=0) == []
    another.release()
    assert names(overlays.trim(top, NOW, most=0)) == ["a"]
    assert overlays.hold(folder) is None


def test_using_one_makes_it_the_last_to_go(top):
    for letter in "ab":
        made(top, letter, used=NOW - DAY)
    overlays.hold(top / ("a" * 32)).release()
    os.utime(top / ("b" * 32) / ".yonder", (1, 1))
    assert names(overlays.look(top)) == ["b", "a"]


def test_what_a_killed_process_used_is_free(top):
    folder = made(top, "a", used=0.0)
    code = "import sys, pathlib, os\nfrom yonder import overlays\nhold = overlays.hold(pathlib.Path(sys.argv[1]))\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert overlays.trim(top, NOW, most=0) == []
        other.kill()
        other.wait()
        assert names(overlays.trim(top, NOW, most=0)) == ["a"]


def test_one_of_an_earlier_version_is_weighed_and_goes_too(top):
    folder = made(top, "a")
    (folder / ".yonder").unlink()
    (one,) = overlays.look(top)
    assert (one.size, one.busy) == (1000, False)
    assert names(overlays.trim(top, NOW, most=0)) == ["a"]


def test_what_was_begun_and_never_finished_goes_after_a_day(top):
    for name, age in ((".making-1", overlays.ABANDONED + 1), (".going-2", overlays.ABANDONED + 1), (".making-3", 10)):
        (top / name).mkdir()
        os.utime(top / name, (NOW - age, NOW - age))
    (top / "something else").mkdir()
    overlays.trim(top, NOW, most=0)
    assert sorted(path.name for path in top.iterdir()) == [".making-3", "something else"]


def test_one_that_is_removed_while_somebody_begins_to_use_it_is_not_used(top, monkeypatch):
    folder = made(top, "a")
    lock = overlays.fcntl.flock

    def removed_meanwhile(file, how):
        if how == overlays.fcntl.LOCK_SH:
            folder.rename(top / ".going-x")
        lock(file, how)

    monkeypatch.setattr(overlays.fcntl, "flock", removed_meanwhile)
    assert overlays.hold(folder) is None


def test_they_are_spoken_of_in_words(top):
    made(top, "a", size=2_000_000)
    assert overlays.spoken(overlays.look(top)) == "1 folder of packages, 2 MB"
    made(top, "b", size=2_000_000)
    assert overlays.spoken(overlays.look(top)) == "2 folders of packages, 4 MB"
