"""Inlay hints from the real server: after a run, while one is on, when a line is edited, when the session is gone."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from scripts.editor import Document, Editor
from tests.lsp import fakes
from tests.lsp.test_server import PLAIN, folder, runtime, scene

from yonder import wire
from yonder_lsp import names as names_of
from yonder_lsp.hints import Hints
from yonder_lsp.looking import Scene
from yonder_lsp.ran import Ran
from yonder_lsp.sessions import Sessions

__all__ = ["folder", "runtime"]

TEXT = "x = load()\ny = 2\nfor step in range(3):\n    loss = step\n"


class Names:
    """The session's names; a new generation of them is told as a whole."""

    def __init__(self, hub: fakes.FakeHub) -> None:
        self.hub, self.mark, self.rows = hub, 0, list[wire.Row]()
        hub.names = self.answer

    def answer(self, query: wire.Query) -> wire.Answer:
        return wire.Answer(True, rows=self.rows, total=len(self.rows), whole=True, mark=self.mark)

    def are(self, **hints: str) -> None:
        self.mark += 1
        kinds = {"Tensor": "torch.Tensor"}
        self.rows = [
            wire.Row(name, "v", kinds.get(hint.partition("[")[0], hint.partition("[")[0]), hint, kin=1)
            for name, hint in hints.items()
        ]


async def asked(window: Editor, document: Document, first: int = 0, last: int = 1000) -> list[dict[str, Any]]:
    range_ = {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}
    params = {"textDocument": {"uri": document.uri}, "range": range_}
    found = await window.request("textDocument/inlayHint", params)
    assert isinstance(found, list)
    return found


def words(found: list[dict[str, Any]]) -> dict[int, str]:
    return {hint["position"]["line"]: hint["label"] for hint in found}


async def until(window: Editor, document: Document, expected: dict[int, str]) -> list[dict[str, Any]]:
    seen: dict[int, str] = {}
    try:
        async with asyncio.timeout(20):
            while (seen := words(found := await asked(window, document))) != expected:
                pass
    except TimeoutError:
        raise AssertionError(f"{seen} never became {expected}") from None
    return found


async def ran(window: Editor, hub: fakes.FakeHub, document: Document, generation: int, outcome: str = "ok") -> None:
    at = document.find(document.text[:1])
    started = await window.run(document, at)
    await hub.heard(wire.Execute)
    await hub.tell(
        wire.SessionChanged("main", "busy", generation - 1, 1.0, "", 4242),
        wire.RunEnded(started.run, outcome, 2.0, 1.0, None, generation=generation),
        wire.SessionChanged("main", "idle", generation, 1.0, "", 4242),
    )


async def test_after_a_run_its_names_have_hints_and_the_editor_is_told_to_ask(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        names = Names(hub)
        refreshes = window.queue("workspace/inlayHint/refresh")
        document = window.open(folder / "a.py", TEXT)
        assert await asked(window, document) == []
        names.are(x="Tensor[32, 10] float32", y="int", step="int", loss="int")
        await ran(window, hub, document, 2)
        found = await until(window, document, {0: ": Tensor[32, 10] float32", 1: ": int", 2: ": int", 3: ": int"})
        async with asyncio.timeout(20):
            await refreshes.get()
        assert found[0]["position"] == {"line": 0, "character": 1}
        assert found[0]["kind"] == 1
        resolved = await window.request("inlayHint/resolve", found[0])
        assert resolved["tooltip"].startswith("live · run 2 · ")
        assert words(await asked(window, document, 1, 1)) == {1: ": int"}


async def test_a_line_that_was_edited_has_a_stale_hint_without_a_look(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        names = Names(hub)
        document = window.open(folder / "a.py", TEXT)
        names.are(x="Tensor[32, 10] float32", y="int")
        await ran(window, hub, document, 2)
        await until(window, document, {0: ": Tensor[32, 10] float32", 1: ": int"})
        hub.names = lambda query: None  # the session says nothing any more
        window.replace(document, "load", "other")
        found = await asked(window, document)
        assert words(found) == {0: ": Tensor[32, 10] float32 ?", 1: ": int"}
        stale = next(hint for hint in found if hint["data"]["stale"])
        assert (await window.request("inlayHint/resolve", stale))["tooltip"] == "stale: edited since · run 2"


def test_a_hint_of_an_earlier_run_is_as_old_as_its_look() -> None:
    sessions, names = Sessions(), names_of.Names()
    sessions.snapshot([wire.SessionState("main", "idle", 2, "", 7, "")], 10.0)
    epoch = sessions.get("main").epoch
    names.apply(epoch, 0, wire.Answer(True, rows=[wire.Row("x", "v", "int", "int")], whole=True, mark=1), 12.0)
    hints = Hints(Scene(), sessions, names, Ran(), lambda: 100.0)
    hint = {"data": {"session": "main", "stale": False}}
    assert hints.resolve(hint)["tooltip"] == "live · run 2 · 2 min ago"  # nothing has run since 10.0
    sessions.snapshot([wire.SessionState("main", "idle", 3, "", 7, "")], 99.0)
    assert (
        hints.resolve(hint)["tooltip"] == "live · run 2 · 88 s ago"
    )  # and not one second, as long as run 3 was not looked at


async def test_a_restart_takes_the_hints_away(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        names = Names(hub)
        document = window.open(folder / "a.py", TEXT)
        names.are(y="int")
        await ran(window, hub, document, 2)
        await until(window, document, {1: ": int"})
        await hub.tell(wire.SessionChanged("main", "none", 2, 1.0, "", 0))
        await until(window, document, {})


async def test_settings_say_which_hints_are_shown(folder: Path) -> None:
    for hints, expected in {"on": {0, 1}, "auto": {0}, "off": set[int]()}.items():
        settings = msgspec.structs.replace(PLAIN, inlay_hints=hints, other_language_server=True)
        async with scene(folder, settings=settings) as (window, hub):
            names = Names(hub)
            document = window.open(folder / "a.py", TEXT)
            names.are(x="Tensor[2] float32", y="int")
            while not hub.names_asked.empty():
                hub.names_asked.get_nowait()
            await ran(window, hub, document, 2)
            async with asyncio.timeout(20):
                await hub.names_asked.get()
                while set(words(await asked(window, document))) != expected:
                    pass


async def test_a_session_that_was_taken_over_has_hints_for_what_stands_there(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        names = Names(hub)
        names.are(y="int")
        await hub.tell(wire.SessionChanged("main", "idle", 5, 1.0, "", 4242))
        document = window.open(folder / "a.py", TEXT)
        await until(window, document, {1: ": int"})
