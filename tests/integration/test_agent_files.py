"""Working directories of executors elsewhere: the folders alone, and a real agent behind the real gate."""

import os
import tempfile
from pathlib import Path

import pytest
from tests.integration.remote_hub import living_remote_hub

from yonder import payload, wire
from yonder.agent import files as agent_files
from yonder.agent.files import Desks
from yonder.agent.home import Home
from yonder.snapshot import Snapshot, content


@pytest.fixture
def desks(tmp_path):
    made = Desks(tmp_path / "work")
    made.of("e")
    return made


@pytest.fixture
def folder(desks, tmp_path):
    return tmp_path / "work" / "e"


def look(desks):
    found = desks.look(wire.LookForFiles(1, "e"))
    return sorted(one.path for one in found.files), found.more


def read(desks, path, offset=0, size=wire.PIECE):
    return desks.read(wire.ReadFile(1, "e", path, offset, size))


# ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_change_is_told_once(desks, folder):
    (folder / "a").write_text("1")
    (folder / "deep").mkdir()
    (folder / "deep" / "b").write_text("1")
    assert look(desks) == (["a", "deep/b"], 0)
    assert look(desks) == ([], 0)
    (folder / "a").write_text("22")
    (folder / "deep" / "b").unlink()
    assert look(desks) == (["a"], 0)
    os.utime(folder / "a", (1, 1))
    assert look(desks) == (["a"], 0)


@pytest.fixture
def data(tmp_path):
    """Contents by their text, as a store has them."""

    def made(**texts):
        found = {}
        for name, text in texts.items():
            blob = tmp_path / f"blob-{text}"
            blob.write_text(text)
            found[f"data/{name}.csv"] = content(text.encode()), blob
        return found

    return made


def test_data_that_travels_lies_there_and_is_nobodys_work(desks, folder, data):
    desks.supply(data(a="1", b="2"))
    assert (folder / "data" / "a.csv").read_text() == "1"
    (folder / "written.csv").write_text("1")
    assert look(desks) == (["written.csv"], 0)
    desks.supply(data(a="1", b="3"))
    assert (folder / "data" / "b.csv").read_text() == "3"
    assert look(desks) == ([], 0)
    desks.supply(data(a="1"))
    assert not (folder / "data" / "b.csv").exists()
    assert (Path(desks.of("later")) / "data" / "a.csv").read_text() == "1"
    assert desks.look(wire.LookForFiles(1, "later")).files == []


def test_what_the_code_there_has_written_is_never_overwritten(desks, folder, data):
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_text("mine")
    look(desks)
    given = data(a="1", b="2")
    desks.supply(given)
    assert (folder / "data" / "a.csv").read_text() == "mine"
    (folder / "data" / "b.csv").write_text("changed")
    assert look(desks) == (["data/b.csv"], 0)
    assert given["data/b.csv"][1].read_text() == "2"  # the content is everybody's
    desks.supply(data(b="3"))
    assert (folder / "data" / "b.csv").read_text() == "changed"
    desks.supply({})
    assert (folder / "data" / "b.csv").read_text() == "changed"


def test_data_is_not_written_through_a_link(desks, folder, data, tmp_path):
    (tmp_path / "outside").mkdir()
    (folder / "data").symlink_to(tmp_path / "outside")
    desks.supply(data(a="1"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_and_pipes_are_no_files(desks, folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    assert look(desks) == ([], 0)


def test_looking_is_bounded(desks, folder, monkeypatch):
    monkeypatch.setattr(agent_files, "MOST_LOOKED_AT", 5)
    for n in range(20):
        (folder / f"f{n:02}").write_text("x")
    paths, more = look(desks)
    assert len(paths) == 5
    assert more == 1
    monkeypatch.setattr(agent_files, "MOST_LOOKED_AT", 100)
    monkeypatch.setattr(wire, "MOST_FILES", 6)
    paths, more = look(desks)
    assert len(paths) == 6
    assert more == 9


def test_names_that_cannot_be_said_are_counted(desks, folder):
    for name in (b"\xff\xfe", b"a\\b"):
        os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT))
    assert look(desks) == ([], 2)


def test_a_time_before_all_times_is_no_end_of_the_conversation(desks, folder):
    (folder / "old").write_text("x")
    os.utime(folder / "old", (-1e9, -1e9))
    assert desks.look(wire.LookForFiles(1, "e")).files[0].at == 0.0


def test_an_executor_that_was_never_here_has_nothing(desks):
    assert desks.look(wire.LookForFiles(1, "other")).files == []


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_piece_has_its_hash_and_says_of_which_file_it_is(desks, folder):
    (folder / "a").write_bytes(b"0123456789")
    part = read(desks, "a", 3, 4)
    assert (part.data, part.total, part.digest) == (b"3456", 10, content(b"3456"))
    assert read(desks, "a").stamp == part.stamp
    with (folder / "a").open("ab") as file:  # it grows
        file.write(b"x")
    assert read(desks, "a").stamp != part.stamp


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside", "", ".", "a\0b", "a\\b"])
def test_paths_that_lead_out_are_refused(desks, folder, tmp_path, path):
    (tmp_path / "work" / "outside").write_text("secret")
    part = read(desks, path)
    assert part.data == b""
    assert part.sentence


def test_links_that_lead_out_are_refused(desks, folder, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret" / "key")
    (folder / "folder").symlink_to(tmp_path / "secret")
    for path in ("link", "folder/key"):
        part = read(desks, path)
        assert part.data == b""
        assert "cannot be read there" in part.sentence


def test_what_is_no_file_blocks_nobody(desks, folder):
    os.mkfifo(folder / "pipe")
    (folder / "deep").mkdir()
    assert "no plain file" in read(desks, "pipe").sentence
    assert "no plain file" in read(desks, "deep").sentence
    assert "No such file" in read(desks, "vanished").sentence


def test_names_of_executors_do_not_lead_out_either(desks, tmp_path):
    for name in ("..", "a/b", ""):
        with pytest.raises(ValueError, match="no executor's name"):
            desks.of(name)
    assert desks.read(wire.ReadFile(1, "../..", "x", 0)).sentence


def test_a_folder_goes_with_its_executor(desks, folder):
    (folder / "a").write_text("x")
    desks.leave("e")
    assert not folder.exists()


# ── a real agent ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_elsewhere_has_a_folder_of_its_own_and_what_it_writes_is_found():
    async with living_remote_hub() as hub:
        worker = await hub.worker("pool")
        where = await _written(hub, worker, 1000)
        hub.agent.say(wire.LookForFiles(1, worker))
        found = await hub.first(wire.FilesFound, id=1)
        assert [(one.path, one.size) for one in found.files] == [("out/big.bin", 1000)]
        assert Path(where).stat().st_mode & 0o777 == 0o700
        hub.agent.say(wire.Kill(worker))
        await hub.first(wire.Exited, worker=worker)
        hub.agent.say(wire.Sweep(worker))
        await hub.first(wire.Swept, executor=worker)
        assert not Path(where).exists()


async def test_a_large_file_is_read_in_bounded_memory_beside_everything_else():
    """Pieces come on a conversation of their own."""
    async with living_remote_hub() as hub:
        worker = await hub.worker("pool")
        where = await _written(hub, worker, 200_000_000)
        before, came = _peak(hub.process.pid), 0
        for number in range(200_000_000 // wire.PIECE + 1):
            hub.agent.say(wire.ReadFile(number, worker, "out/big.bin", number * wire.PIECE))
            part = await hub.first(wire.FilePart, id=number)
            assert content(part.data) == part.digest
            came += len(part.data)
            hub.heard.clear()
        assert came == 200_000_000
        assert _peak(hub.process.pid) - before < 30_000_000
        assert hub.peers["bulk", hub.name].open
    assert not Path(where).exists()


async def test_a_file_that_vanishes_while_it_is_read_is_said_to():
    async with living_remote_hub() as hub:
        worker = await hub.worker("pool")
        where = await _written(hub, worker, 300_000)
        hub.agent.say(wire.ReadFile(1, worker, "out/big.bin", 0))
        assert len((await hub.first(wire.FilePart, id=1)).data) == wire.PIECE
        (Path(where) / "out" / "big.bin").unlink()
        hub.agent.say(wire.ReadFile(2, worker, "out/big.bin", wire.PIECE))
        assert "No such file" in (await hub.first(wire.FilePart, id=2)).sentence


async def _written(hub, worker, size):
    """Has a call write so many bytes; the folder that it did so in."""

    def writes(size):
        import pathlib

        pathlib.Path("out").mkdir()
        pathlib.Path("out/big.bin").write_bytes(b"x" * size)
        return str(pathlib.Path.cwd())

    return payload.unpack((await hub.call(worker, writes, size)).body)


async def test_data_of_a_snapshot_is_there_for_a_relative_path():
    def reads():
        import pathlib

        return pathlib.Path("data/a.csv").read_text()

    async with living_remote_hub() as hub:
        text = b"1,2"
        snapshot = Snapshot("/nowhere", ("",), {"data/a.csv": content(text), "a.py": content(b"")})
        hub.agent.say(wire.Blobs({content(text): text, content(b""): b""}))
        hub.agent.say(snapshot.publish(None))
        assert (await hub.first(wire.Published)).sentence == ""
        worker = await hub.worker("pool")
        assert payload.unpack((await hub.call(worker, reads)).body) == "1,2"
        hub.agent.say(wire.LookForFiles(1, worker))
        assert (await hub.first(wire.FilesFound, id=1)).files == []


# ── what others have left ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def test_the_folder_of_an_agent_that_was_killed_goes_with_the_next_start(temporary, tmp_path):
    killed = Home(tmp_path / "no")
    (killed.folder / "work").mkdir()
    (killed.folder / "work" / "secret").write_text("x")
    killed.abandon()
    living = Home(tmp_path / "no")
    assert not killed.folder.exists()
    later = Home(tmp_path / "no")
    assert living.folder.exists()
    assert later.folder.parent == temporary
    for home in (living, later):
        home.leave()
        assert not home.folder.exists()


def test_only_what_is_ours_is_removed(temporary, tmp_path):
    (temporary / "agent-of-somebody").mkdir(parents=True)  # has no sign of ours: it may be on its way
    (temporary / "other").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "alive").touch()
    (temporary / "agent-link").symlink_to(tmp_path / "precious")
    Home(tmp_path / "no").leave()
    assert (temporary / "agent-of-somebody").exists()
    assert (temporary / "other").exists()
    assert (tmp_path / "precious").exists()


def test_a_container_works_in_the_folder_that_it_was_given(temporary, tmp_path, monkeypatch):
    """What the platform looks at has no room for anything else."""
    run, work = tmp_path / "run", tmp_path / "container"
    run.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    home = Home(run)
    home.beat()
    assert (run / "beat").exists()
    assert home.folder.parent == temporary
    assert home.work == work
    (work / "lay there").touch()
    (work / ".cache").mkdir()
    (work / ".cache" / "x").touch()
    desks = Desks(work, whole=True)
    assert desks.of("e") == str(work)
    (work / "new").touch()
    assert look(desks) == (["new"], 0)
    desks.leave("e")
    assert (work / "new").exists()
    home.leave()
    without = Home(tmp_path / "no")
    assert without.work is None
    without.leave()


def _peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
