"""Files on their way into the workspace: pieces over cuts, outputs by themselves, what is told."""

import asyncio
import os
import time

import pytest

from yonder import wire
from yonder.errors import CannotRun, FetchFailed
from yonder.snapshot import content
from yonder_lsp import fetching
from yonder_lsp.fetching import Fetching, outputs_name


class Hub:
    """One executor's files; `cuts` answers are lost."""

    def __init__(self, **files):
        self.files = files
        self.cuts = 0
        self.most = self._now = 0
        self.asked = []

    async def ask(self, make):
        message = make(1)
        self.asked.append(message)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        if self.cuts:
            self.cuts -= 1
            raise CannotRun("cut")
        return self.part(message)

    def part(self, message):
        data = self.files.get(message.path.rpartition("/")[2].partition(".")[0])
        if data is None:
            return wire.FilePart(1, b"", 0, "", b"", "it is gone")
        piece = data[message.offset : message.offset + message.size]
        return wire.FilePart(1, piece, len(data), "s", content(piece))


class World:
    def __init__(self, folder, hub, *outputs):
        self.told = []
        self.warned = []
        self.fetching = Fetching(
            hub, folder=lambda: str(folder), outputs=lambda: outputs, fetched=self._fetched, warn=self.warned.append
        )

    async def _fetched(self, *words):
        self.told.append(words)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(fetching, "AGAIN", 0.0)


async def test_a_file_comes_in_a_few_pieces_at_a_time(tmp_path):
    data = os.urandom(2_000_000)
    hub = Hub(big=data)
    world = World(tmp_path, hub)
    kept = await world.fetching.fetch("r", "e", "big.bin", tmp_path / "big.bin")
    assert kept.read_bytes() == data
    assert hub.most == wire.PIECES
    assert world.told == [("r", "e", "big.bin", str(kept))]


async def test_it_goes_on_after_a_cut(tmp_path):
    data = os.urandom(1_000_000)
    hub = Hub(big=data)
    hub.cuts = 5
    world = World(tmp_path, hub)
    kept = await world.fetching.fetch("r", "e", "big.bin", tmp_path / "big.bin")
    assert kept.read_bytes() == data
    hub.cuts = 10_000
    with pytest.raises(FetchFailed, match="cannot be reached"):
        await world.fetching.fetch("r", "e", "big.bin", tmp_path / "other")
    assert [one.name for one in tmp_path.iterdir()] == ["big.bin"]


async def test_a_file_that_changes_all_the_time_is_given_up(tmp_path):
    class Restless(Hub):
        def part(self, message):
            part = super().part(message)
            return wire.FilePart(1, part.data, part.total, str(len(self.asked)), part.digest)

    world = World(tmp_path, Restless(big=bytes(1_000_000)))
    with pytest.raises(FetchFailed, match="written while it was read"):
        await world.fetching.fetch("r", "e", "big.bin", tmp_path / "big.bin")
    assert list(tmp_path.iterdir()) == []


def written(*paths, run="abcdefghij"):
    return wire.FilesWritten(run, "", "e", [wire.Written(path, 1, 1.0) for path in paths], 0, 1_700_000_000.0)


async def test_outputs_come_by_themselves_and_nothing_else(tmp_path):
    world = World(tmp_path, Hub(a=b"1", b=b"2", c=b"3"), "*.pt", "results/")
    await world.fetching.heard(written("a.pt", "results/b.csv", "c.txt", "../a.pt"))
    home = tmp_path / "outputs" / outputs_name("abcdefghij", time.localtime(1_700_000_000.0))
    assert home.name.endswith("-abcdefgh")
    found = sorted(str(one.relative_to(home)) for one in home.rglob("*") if one.is_file())
    assert found == ["a.pt", "results/b.csv"]
    await world.fetching.heard(written("a.pt"))  # once more, and the same
    (home / "a.pt").write_text("changed by hand")
    await world.fetching.heard(written("a.pt"))
    assert (home / "a.pt").read_text() == "changed by hand"
    assert (home / "a (2).pt").read_bytes() == b"1"
    (warning,) = world.warned
    assert "../a.pt" in warning


async def test_a_path_that_leads_out_is_not_fetched_wherever_it_is_to_go(tmp_path):
    world = World(tmp_path, Hub(a=b"1"))
    for path in ("../a.pt", "/a.pt", "b/../../a.pt"):
        with pytest.raises(FetchFailed, match="no path to write to"):
            await world.fetching.fetch("r", "e", path, tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_written_into_the_workspace_unasked(tmp_path):
    world = World(tmp_path, Hub(a=b"1"))
    await world.fetching.heard(written("a.pt"))
    assert list(tmp_path.iterdir()) == []


async def test_an_output_that_did_not_come_is_said(tmp_path):
    world = World(tmp_path, Hub(), "*.pt")
    await world.fetching.heard(written("gone.pt"))
    assert world.warned == ["The output gone.pt was not fetched: it is gone"]
