"""The agent's store of code: what is written, refused, deleted, and swept after an agent that was killed."""

from __future__ import annotations

import fcntl
import os
import stat

import pytest

from yonder import wire
from yonder.agent.shelf import Shelf, bytecode
from yonder.agent.store import Store, place, sweep
from yonder.errors import YonderError
from yonder.snapshot import Snapshot, content


def made(files, folder="/nowhere/ws"):
    return Snapshot(folder, ("",), {path: content(data) for path, data in files.items()})


@pytest.fixture
def folder(tmp_path):
    return place(str(tmp_path / "hub.sock"), "agent/of someone")


@pytest.fixture
def store(folder):
    return Store(folder)


def put(store, files, base=None, **more):
    snapshot = made(files, **more)
    store.keep(wire.Blobs({content(data): data for data in files.values()}))
    return snapshot, store.publish(snapshot.publish(base)).sentence


def every(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_what_is_published_can_be_read_by_workers_and_by_nobody_else(store, folder):
    snapshot, sentence = put(store, {"a.py": b"x = 1", "b/c.py": b"y"})
    assert sentence == ""
    shelf = Shelf(str(folder), "w1")
    assert shelf.snapshot(snapshot.digest) == snapshot
    assert shelf.content(content(b"x = 1")) == b"x = 1"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_dir()} | {
        stat.S_IMODE(folder.stat().st_mode)
    } == {0o700}
    assert not any(path.stat().st_mode & 0o077 for path in folder.rglob("*"))
    assert (folder / "roots" / snapshot.digest.hex() / "b" / "c.py").read_bytes() == b"y"


def test_where_the_owners_folder_is_here_there_are_no_second_files(store, folder, tmp_path):
    (tmp_path / "a.py").write_text("older text")
    snapshot, _ = put(store, {"a.py": b"x = 1"}, folder=str(tmp_path))
    assert not list((folder / "roots").iterdir())
    another, _ = put(store, {"b.py": b"x = 1"}, folder=str(tmp_path))
    assert [root.name for root in (folder / "roots").iterdir()] == [another.digest.hex()]
    assert Shelf(str(folder), "w1").snapshot(snapshot.digest).folder == str(tmp_path)


def test_deltas_need_only_what_is_new(store):
    first, _ = put(store, {"a.py": b"x = 1", "b.py": b"y"})
    second = made({"a.py": b"x = 2"})
    store.keep(wire.Blobs({content(b"x = 2"): b"x = 2"}))
    told = second.publish(first)
    assert told.changed.keys() == {"a.py"}
    assert told.removed == ["b.py"]
    assert store.publish(told) == wire.Published(second.digest)
    assert store.publish(told) == wire.Published(second.digest)


@pytest.mark.parametrize(
    ("path", "roots"),
    [("../a.py", [""]), ("/etc/a.py", [""]), ("a//b.py", [""]), ("a\0.py", [""]), ("a.py", ["../.."]), ("a.py", ["/"])],
)
def test_paths_that_lead_out_are_refused(store, folder, path, roots):
    snapshot = Snapshot("/nowhere/ws", tuple(roots), {path: content(b"x")})
    store.keep(wire.Blobs({content(b"x"): b"x"}))
    assert "no path inside of its folder" in store.publish(snapshot.publish(None)).sentence
    assert not list((folder / "snapshots").iterdir())


def test_contents_that_are_not_what_they_are_called_are_missing(store):
    snapshot = made({"a.py": b"x", "b.py": b"y"})
    store.keep(wire.Blobs({content(b"x"): b"something else"}))
    told = store.publish(snapshot.publish(None))
    assert "the content of a.py and of 1 more files did not come" in told.sentence


def test_a_base_that_is_not_here_and_a_name_that_is_wrong_are_said(store):
    first, second = made({"a.py": b"x"}), made({"a.py": b"x", "b.py": b"x"})
    store.keep(wire.Blobs({content(b"x"): b"x"}))
    assert "builds on" in store.publish(second.publish(first)).sentence
    wrong = wire.Publish(b"\1" * 16, b"", "/nowhere/ws", [""], {"a.py": content(b"x")})
    assert "did not arrive as it was sent" in store.publish(wrong).sentence


def test_a_disk_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    _, sentence = put(store, {"a.py": b"x"})
    assert sentence.startswith(f"code cannot be written to {tmp_path / 'file' / 'store'}: ")


def test_unpublish_deletes_what_no_other_snapshot_has(store, folder):
    first, _ = put(store, {"a.py": b"x = 1", "d/b.py": b"y"})
    second, _ = put(store, {"a.py": b"x = 2", "d/b.py": b"y"}, base=first)
    Shelf(str(folder), "w1").code("/nowhere/ws/a.py", content(b"x = 1"))
    assert (folder / "bytecode" / bytecode("/nowhere/ws/a.py", content(b"x = 1"))).exists()
    store.unpublish(wire.Unpublish([first.digest, b"\1" * 16]))
    assert every(folder) == sorted(
        [
            f"blobs/{content(b'x = 2').hex()}",
            f"blobs/{content(b'y').hex()}",
            "lock",
            f"roots/{second.digest.hex()}/a.py",
            f"roots/{second.digest.hex()}/d/b.py",
            f"snapshots/{second.digest.hex()}",
        ]
    )
    with pytest.raises(YonderError, match="not on this machine"):
        Shelf(str(folder), "w1").snapshot(first.digest)


def test_what_was_deleted_can_come_again(store):
    first, _ = put(store, {"a.py": b"x = 1"})
    store.unpublish(wire.Unpublish([first.digest]))
    assert put(store, {"a.py": b"x = 1"}) == (first, "")


def test_deleting_goes_by_the_manifest_and_follows_no_link(store, folder, tmp_path):
    snapshot, _ = put(store, {"data/a.txt": b"ours", "more/b.txt": b"ours"})
    root = folder / "roots" / snapshot.digest.hex()
    (root / "more" / "written.txt").write_text("by user code")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "a.txt").write_text("theirs")
    (root / "data" / "a.txt").unlink()
    (root / "data").rmdir()
    (root / "data").symlink_to(theirs)
    store.unpublish(wire.Unpublish([snapshot.digest]))
    assert (theirs / "a.txt").read_text() == "theirs"
    assert (root / "more" / "written.txt").exists()
    assert not (root / "more" / "b.txt").exists()


def test_the_store_goes_with_its_agent(store, folder):
    put(store, {"a.py": b"x = 1", "d/b.py": b"y"})
    shelf = Shelf(str(folder), "w1")
    shelf.code("/nowhere/ws/a.py", content(b"x = 1"))
    shelf.look_at(made({"a.py": b"x = 1", "d/b.py": b"y"}).digest)
    assert os.listdir(shelf.view)
    store.bury("w1")
    assert not os.path.lexists(shelf.view)
    shelf.look_at(b"\1" * 16)
    store.leave()
    store.leave()
    assert not folder.exists()


def test_a_store_whose_agent_was_killed_is_swept_and_a_living_ones_is_not(tmp_path):
    dead, living = (place(str(tmp_path / "hub.sock"), name) for name in ("one", "two"))
    killed, store = Store(dead), Store(living)
    put(killed, {"a.py": b"x = 1", "d/b.py": b"y"})
    put(store, {"a.py": b"x = 1"})
    os.close(killed._lock)  # as the kernel does
    assert sweep(tmp_path) == 1
    assert not dead.exists()
    assert (living / "snapshots").exists()
    store.leave()


def test_bytecode_is_kept_and_damage_is_no_harm(store, folder):
    put(store, {"a.py": b"import os\ndef f():\n    import sys\nx = 1\n"})
    shelf, digest = Shelf(str(folder), "w1"), content(b"import os\ndef f():\n    import sys\nx = 1\n")
    code, imports = shelf.code("/nowhere/ws/a.py", digest)
    assert imports == [(0, "os", ())]
    kept = folder / "bytecode" / bytecode("/nowhere/ws/a.py", digest)
    (folder / "blobs" / digest.hex()).unlink()
    assert shelf.code("/nowhere/ws/a.py", digest) == (code, imports)
    with pytest.raises(OSError, match="No such file"):
        shelf.code("/nowhere/ws/other.py", digest)
    kept.write_bytes(kept.read_bytes()[:20])
    with pytest.raises(OSError, match="No such file"):
        shelf.code("/nowhere/ws/a.py", digest)


def test_a_store_whose_lock_somebody_holds_for_a_moment_is_written_after_that(store, folder):
    for name in ("blobs", "snapshots", "bytecode", "views", "roots"):
        (folder / name).mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "code cannot be written" in put(store, {"a.py": b"1"})[1]
    assert put(store, {"a.py": b"1"})[1] == ""
    assert sweep(folder.parent) == 0
