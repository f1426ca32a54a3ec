"""What a zygote has before it forks: where its part of the table of modules ends, and code that it has read."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from yonder import wire
from yonder.agent import birth, lane, shelf
from yonder.agent.imports import Imports
from yonder.agent.lane import Lane
from yonder.agent.shelf import Shelf, read_ahead
from yonder.snapshot import Snapshot, content

ZYGOTE = """
import sys, types
from yonder.agent import ahead
def put(name, file=None):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__file__ = file
put("before", "/owner/ws/before.py")
everything = len(sys.modules)
assert len(ahead.fresh()) == everything and ahead.reaches(["/anywhere"])
"""


def zygote(code):
    done = subprocess.run([sys.executable, "-c", ZYGOTE + code], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.splitlines()


def test_only_what_came_since_is_named_in_its_order():
    assert zygote("""
ahead.note()
print(ahead.fresh())
put("one"); put("two")
print(ahead.fresh())
del sys.modules["before"]; put("before")
print(ahead.fresh())
ahead.note()
print(ahead.fresh(), len(sys.modules) == everything + 2)
""") == ["[]", "['one', 'two']", "['one', 'two', 'before']", "[] True"]


def test_where_the_mark_is_gone_all_are_named():
    assert zygote("""
ahead.note()
del sys.modules["yonder.agent.ahead"]
put("one")
print(ahead.fresh() == list(sys.modules), "before" in ahead.fresh())
""") == ["True True"]


def test_modules_of_a_folder_that_were_there_before_are_known():
    assert zygote("""
ahead.note()
print(ahead.reaches(["/owner/ws"]), ahead.reaches(["/owner/w", "/ws", "owner/ws"]), ahead.reaches(["/other", "/owner"]))
""") == ["True False True"]


def test_what_was_imported_ahead_is_not_told_as_fresh():
    code = """
from yonder.agent.imports import Imports
put("numpy", "/env/site-packages/numpy.py")
ahead.note()
imports = Imports()
print(imports.fresh())
put("torch", "/env/site-packages/torch.py")
print(imports.fresh(), imports.fresh())
"""
    assert zygote(code) == ["[]", "['torch'] []"]
    assert "pytest" not in Imports().fresh()


WAITED_FOR = """
import socket, sys
from yonder.agent.zygote import Zygote
zygote = Zygote(socket.socket(fileno=int(sys.argv[1])))
zygote.serve_who_waits()
print("wave" in sys.modules, "calendar" in sys.modules, flush=True)
zygote.serve()
"""


def test_who_waits_is_served_before_anything_else_and_nobody_is_waited_for():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        birth.send(ours, birth.Import(["wave"]))
        process = subprocess.Popen(
            [sys.executable, "-c", WAITED_FOR, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        assert process.stdout.readline() == "True False\n"
        birth.send(ours, birth.Import(["calendar"]))
        heard, replies = [], birth.Replies()
        while sum(isinstance(one, birth.Imported) for one in heard) < 2:
            heard += replies.feed(ours.recv(4096))
        assert [one.module for one in heard if isinstance(one, birth.Importing)] == ["wave", "calendar"]
    assert process.communicate() == ("", None)
    assert process.returncode == 0


# ── code ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def read(monkeypatch):
    monkeypatch.setattr(shelf._Read, "snapshots", {})
    monkeypatch.setattr(shelf._Read, "code", {})
    return shelf._Read


@pytest.fixture
def store(tmp_path):
    for name in ("snapshots", "blobs", "bytecode"):
        (tmp_path / name).mkdir()

    def put(**files):
        """A snapshot of these texts, of which a worker has imported all."""
        texts = {f"{name}.py": text.encode() for name, text in files.items()}
        snapshot = Snapshot("/ws", ("",), {path: content(text) for path, text in texts.items()})
        (tmp_path / "snapshots" / snapshot.digest.hex()).write_bytes(snapshot.encoded())
        for text in texts.values():
            (tmp_path / "blobs" / content(text).hex()).write_bytes(text)
        return snapshot

    def value(snapshot, name):
        code, imports = Shelf(str(tmp_path), "w").code(f"/ws/{name}.py", snapshot.files[f"{name}.py"])
        space = {}
        exec(code, space)
        return space["x"], imports

    def without_files():
        for file in [*tmp_path.glob("bytecode/*"), *tmp_path.glob("snapshots/*")]:
            file.unlink()

    put.value, put.without_files, put.folder = value, without_files, str(tmp_path)
    return put


def test_what_workers_have_compiled_is_read_once_for_those_that_come(store, read):
    snapshot = store(a="import sys\nx = 1", b="x = 2", c="x = 3")
    before = [store.value(snapshot, name) for name in "ab"]
    read_ahead(store.folder, snapshot.digest)
    assert len(read.code) == 2  # nobody has imported c
    store.without_files()
    assert [store.value(snapshot, name) for name in "ab"] == before
    assert before[0] == (1, [(0, "sys", ())])
    assert Shelf(store.folder, "w").snapshot(snapshot.digest) == snapshot
    assert Shelf(store.folder, "w").tree(snapshot) is Shelf(store.folder, "v").tree(snapshot)


def test_another_text_is_never_served_from_what_was_read(store, read):
    old = store(a="x = 1", b="x = 2")
    assert [store.value(old, name)[0] for name in "ab"] == [1, 2]
    read_ahead(store.folder, old.digest)
    new = store(a="x = 7", b="x = 2")
    assert [store.value(new, name)[0] for name in "ab"] == [7, 2]
    kept = {id(code) for code, _ in read.code.values()}
    read_ahead(store.folder, new.digest)
    assert len(read.code) == 2  # the old text of a is forgotten …
    assert len(kept & {id(code) for code, _ in read.code.values()}) == 1  # … and b is not read again
    assert [store.value(new, name)[0] for name in "ab"] == [7, 2]
    assert list(read.snapshots) == [new.digest]


def test_what_is_damaged_or_not_there_or_too_much_is_left_aside(store, read, monkeypatch):
    snapshot = store(a="x = 1", b="x = 2")
    read_ahead(store.folder, b"\0" * 16)
    assert (read.code, read.snapshots) == ({}, {})
    for name in "ab":
        store.value(snapshot, name)
    for file in Shelf(store.folder, "w")._folder.glob("bytecode/*"):
        file.write_bytes(b"no code")
    read_ahead(store.folder, snapshot.digest)
    assert read.code == {}
    assert store.value(snapshot, "a")[0] == 1
    monkeypatch.setattr(shelf, "MOST_AHEAD", 10)
    read_ahead(store.folder, snapshot.digest)
    assert read.code == {}
    assert store.value(snapshot, "b")[0] == 2


# ── lanes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lane_reads_little_at_a_time_until_much_comes():
    ours, theirs = socket.socketpair()
    made = Lane(ours, wire.HubToCall)
    theirs.sendall(wire.frames(wire.Leave()))
    assert made.receive() == wire.Leave()
    assert len(made._space) == lane.FIRST
    refs = [bytes(16)] * 5_000
    theirs.sendall(wire.frames(wire.Drop(refs)))
    assert made.receive() == wire.Drop(refs)
    assert len(made._space) == lane.SPACE
    theirs.close()
    assert made.receive() is None
    made.close()
