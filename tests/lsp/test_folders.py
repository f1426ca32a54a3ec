"""A workspace of several folders: each has a session, a working directory and code of its own; one has the settings."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from scripts.editor import Editor
from tests.lsp import fakes

from yonder import wire
from yonder_lsp import protocol, uris

OWNER = "folder-tests"


@pytest.mark.parametrize(
    ("uri", "folder", "session"),
    [
        ("file:///w/a.py", "/w", "main"),
        ("file:///v/a.py", "/v", "/v"),
        ("file:///v/deep/a.py", "/v", "/v"),
        ("file:///w/inner/a.py", "/w/inner", "/w/inner"),  # a folder of the workspace inside another
        ("file:///w/inner2/a.py", "/w", "main"),
        ("file:///elsewhere/a.py", "/w", "main"),  # outside of all: with the first
        ("untitled:Untitled-1", "/w", "main"),
        ("vscode-notebook-cell:/v/n.ipynb#W1", "/v", "/v"),
        ("vscode-notebook-cell:Untitled-1.ipynb#W1", "/w", "main"),
    ],
)
def test_the_folder_and_session_of_a_document(uri: str, folder: str, session: str) -> None:
    more = ("/v", "/w/inner")
    assert uris.folder_of(uri, "/w", more) == folder
    assert uris.session_of(uri, "/w", more) == session


def test_without_a_workspace_more_folders_mean_nothing() -> None:
    assert uris.session_of("file:///w/a.py", "", ("/w",)) == "/w"
    assert uris.folder_of("file:///w/a.py", "", ("/",)) == "/w"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    made = tmp_path / "one", tmp_path / "two"
    for folder in made:
        folder.mkdir()
        (folder / "a.py").write_text("import helper\nx = helper.make()\nx.")
        (folder / "helper.py").write_text(f"WHERE = {folder.name!r}\n")
    return made


def changed(window: Editor, added: list[Path], removed: list[Path]) -> None:
    def named(folders: list[Path]) -> list[dict[str, str]]:
        return [{"uri": folder.as_uri(), "name": folder.name} for folder in folders]

    event = {"added": named(added), "removed": named(removed)}
    window.notify("workspace/didChangeWorkspaceFolders", {"event": event})


@asynccontextmanager
async def scene(first: Path) -> AsyncIterator[tuple[Editor, fakes.FakeHub, asyncio.Queue[Any]]]:
    async with fakes.hub(OWNER) as hub:
        sessions = [fakes.session(), fakes.session(name=str(first.parent / "two"), pid=77)]
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(*sessions, number=message.id)]
        hub.answers[wire.Peek] = lambda message: [
            wire.Peeked(
                message.id,
                message.session,
                wire.Answer(found=True, type="T", members=[wire.Member(Path(message.session).name, "v", 0)]),
            )
        ]
        settings = protocol.Settings(python=sys.executable, static="none")
        window = Editor(first, owner=OWNER, storage=first.parent / "s", settings=settings, env=dict(os.environ))
        statuses, notices = window.queue("yonder/statusChanged"), window.queue("yonder/notice")
        for method in ("yonder/log", "yonder/runsChanged", "textDocument/publishDiagnostics"):
            window.queue(method)
        async with window:
            async with asyncio.timeout(20):
                while not (await statuses.get()).sessions:
                    pass
            yield window, hub, notices


async def test_each_folder_is_looked_at_in_its_own_session(folders: tuple[Path, Path]) -> None:
    one, two = folders
    async with scene(one) as (window, _, _notices):
        assert window.server["capabilities"]["workspace"]["workspaceFolders"]["supported"]
        changed(window, [one, two], [])
        here, there = window.open(one / "a.py"), window.open(two / "a.py")

        async def offered(document: Any) -> list[str]:
            found = await window.complete(document, document.position(len(document.text)), trigger=".")
            return [item["label"] for item in found["items"]]

        assert await offered(here) == ["main"]
        assert await offered(there) == ["two"]
        changed(window, [], [two])
        assert await offered(there) == ["main"]


async def test_code_of_each_folder_runs_there_on_its_own_files(folders: tuple[Path, Path]) -> None:
    one, two = folders
    async with scene(one) as (window, hub, _):
        changed(window, [one, two], [])
        document = window.open(two / "a.py")
        started = await window.run(document, document.find("helper"))
        executed = await hub.heard(wire.Execute)
        assert (started.session, executed.session) == (str(two), str(two))
        assert executed.place is not None
        assert executed.place.folder == str(two)
        document = window.open(one / "a.py")
        await window.run(document, document.find("helper"))
        again = await hub.heard(wire.Execute)
        assert (again.session, again.place) == ("main", None)
        assert again.snapshot != executed.snapshot


async def test_settings_of_another_folder_are_said_not_to_count(folders: tuple[Path, Path]) -> None:
    one, two = folders
    (two / "pyproject.toml").write_text("[tool.yonder]\nlinger = 5\n")
    async with scene(one) as (window, _, notices):
        changed(window, [one, two], [])
        async with asyncio.timeout(20):
            notice = await notices.get()
        assert str(two) in notice.sentence
        assert "do not count" in notice.sentence
