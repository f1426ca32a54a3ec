"""What is said of open documents before they run: read in threads, when typing pauses, up to a size."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from yonder import wire
from yonder.tree import Rules
from yonder_lsp import preflight
from yonder_lsp.documents import Document
from yonder_lsp.preflight import LARGEST, SMALL, Ground, Preflight

HERE = wire.Environment("3.11.7", "linux", "x86_64", {"faux": "1.0"})
LACKS = {"far": wire.Environment("3.11.7", "linux", "x86_64", {})}
USES = "import sqlite3\nbase = sqlite3.connect('x')\ndef f(n):\n    return base\npool = Pool('p')\npool.map(f, [1])\n"


class Scene:
    """A window: documents, a log, and who was told what. `said` is set at every publication."""

    def __init__(self, tmp_path: Path) -> None:
        self.texts: dict[str, str] = {}
        self.published: list[str] = []
        self.log: list[str] = []
        self.asked: list[str] = []
        self.said = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        ready = asyncio.Event()
        ready.set()
        ground = Ground(
            text=lambda uri: Document(uri, self.texts.get(uri, "")),
            describe=self.describe,
            whole=lambda: None,
            rules=Rules,
            folder=lambda _: str(tmp_path),
        )
        self.preflight = Preflight(ground, ready, self.publish, self.background, self.log.append)

    async def describe(self, document: Document, names: Iterable[str]) -> dict[str, wire.Answer]:
        self.asked += names
        return {"base": wire.Answer(found=True, type="sqlite3.Connection")}

    def background(self, work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def publish(self, uris: set[str]) -> None:
        if uris:
            self.published += sorted(uris)
            self.said.set()

    def write(self, uri: str, text: str) -> None:
        self.texts[uri] = text
        self.preflight.edited(uri)

    async def heard(self) -> None:
        await asyncio.wait_for(self.said.wait(), 10)
        self.said.clear()

    async def settled(self) -> None:
        while self.tasks:
            await asyncio.gather(*self.tasks)


@pytest.fixture
async def scene(tmp_path, monkeypatch):
    monkeypatch.setattr("yonder.installed.distributions", lambda tops, site: {"faux": "faux"})
    made = Scene(tmp_path)
    yield made
    made.preflight.stop()
    await made.settled()


async def test_what_functions_for_pools_take_along_is_said_and_goes_with_the_document(scene) -> None:
    scene.write("u", USES)
    await scene.heard()
    (mark,) = scene.preflight.published("u")
    assert "cannot travel" in mark["message"]
    assert scene.asked == ["base"]
    assert scene.preflight.closed("u") == {"u"}
    assert scene.preflight.published("u") == []


async def test_what_executors_lack_is_said_of_all_that_are_open(scene) -> None:
    scene.write("u", "import faux\n")
    await scene.settled()
    assert scene.published == []
    scene.preflight.told(LACKS, HERE, ())
    await scene.heard()
    assert "faux is missing" in scene.preflight.published("u")[0]["message"]
    scene.preflight.told({}, None, ())
    await scene.heard()
    assert scene.preflight.published("u") == []


async def test_what_was_closed_while_it_was_read_gets_nothing(scene, monkeypatch) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    here = asyncio.to_thread

    async def slowly(do, *args):
        reading.set()
        await go_on.wait()
        return await here(do, *args)

    monkeypatch.setattr(preflight.asyncio, "to_thread", slowly)
    scene.write("u", USES)
    await asyncio.wait_for(reading.wait(), 10)
    scene.preflight.closed("u")
    go_on.set()
    await scene.settled()
    assert scene.published == []
    assert scene.preflight.published("u") == []


async def test_a_large_text_is_read_when_typing_pauses(scene, monkeypatch) -> None:
    monkeypatch.setattr(preflight, "CALM", 1e9)
    scene.write("u", USES + "#" * SMALL)
    await scene.settled()
    assert scene.asked == []
    monkeypatch.setattr(preflight, "CALM", 0.0)
    await scene.preflight._read()
    await scene.settled()
    assert scene.asked == ["base"]


async def test_the_largest_are_not_read_and_the_log_says_so_once(scene, monkeypatch) -> None:
    monkeypatch.setattr(preflight, "CALM", 0.0)
    scene.preflight.told(LACKS, HERE, ())
    for _ in range(3):
        scene.write("u", USES + "import faux\n" + "#" * LARGEST)
        await scene.preflight._read()
        await scene.settled()
    assert scene.asked == []
    assert scene.preflight.published("u") == []
    assert len(scene.log) == 1
    assert "150,000" in scene.log[0]


async def test_a_run_that_ended_lets_names_be_looked_at_again(scene) -> None:
    scene.write("u", USES)
    await scene.heard()
    await scene.settled()
    scene.preflight.ended("u")
    scene.preflight.ended("another")
    await scene.settled()
    assert scene.asked == ["base", "base"]
    assert scene.published == ["u"]  # nothing new was seen
