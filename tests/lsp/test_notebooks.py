"""Cells of notebooks: documents of their own, with what stands above them; live from the notebook's session."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.editor import Editor
from tests.lsp import fakes

from yonder import wire
from yonder_lsp import protocol, uris
from yonder_lsp.notebooks import Notebooks

OWNER = "notebook-tests"
NOTEBOOK = "file:///w/n.ipynb"


def test_cells_in_their_order() -> None:
    notebooks = Notebooks()
    notebooks.opened("n", ["a", "b", "c"])
    assert notebooks.above("c") == ["a", "b"]
    assert notebooks.above("a") == notebooks.above("file:///x.py") == []
    notebooks.moved("n", 1, 1, ["d", "e"])
    assert notebooks.above("c") == ["a", "d", "e"]
    assert notebooks.above("b") == []
    notebooks.moved("n", 0, 1, [])
    assert notebooks.above("d") == []
    assert notebooks.closed("n") == ["d", "e", "c"]
    assert notebooks.above("c") == []
    assert notebooks.closed("n") == []


def test_a_cell_that_moves_to_another_place_stays_known() -> None:
    notebooks = Notebooks()
    notebooks.opened("n", ["a", "b"])
    notebooks.moved("n", 0, 2, ["b", "a"])
    assert notebooks.above("a") == ["b"]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("vscode-notebook-cell:/w/a%20b.ipynb#W0sZmlsZQ%3D%3D", "/w/a b.ipynb"),
        ("vscode-notebook-cell:///w/n.ipynb#ch1", "/w/n.ipynb"),
        ("vscode-notebook-cell://ssh-remote%2Bhost/w/n.ipynb#W1", "/w/n.ipynb"),
        ("vscode-notebook-cell:/c%3A/w/n.ipynb#W1", "C:/w/n.ipynb"),
        ("vscode-notebook-cell:Untitled-1.ipynb?jupyter-notebook#W1", ""),
        ("file:///w/a.py", "/w/a.py"),
        ("untitled:Untitled-1", ""),
    ],
)
def test_the_file_of_a_document(uri: str, path: str) -> None:
    assert uris.file_of(uri) == path


def test_a_cell_is_no_file_and_belongs_to_its_notebooks_session() -> None:
    cell = "vscode-notebook-cell:/w/n.ipynb#W1"
    assert uris.to_path(cell) == ""
    assert uris.is_cell(cell)
    assert uris.session_of(cell, "/w") == uris.MAIN
    assert uris.session_of(cell, "") == "/w"
    assert uris.folder_of(cell, "") == "/w"
    assert uris.session_of("vscode-notebook-cell:Untitled-1.ipynb#W1", "") == "untitled"


# ── the real server ───────────────────────────────────────────────────────────────────────────────────────────────────


class Cells:
    """A notebook in an editor, cell by cell."""

    def __init__(self, window: Editor, folder: Path, *texts: str) -> None:
        self.window = window
        self.uri = (folder / "n.ipynb").as_uri()
        self.cells = [f"{self.uri.replace('file', 'vscode-notebook-cell')}#W{n}" for n in range(len(texts))]
        window.notify(
            "notebookDocument/didOpen",
            {
                "notebookDocument": {
                    "uri": self.uri,
                    "notebookType": "jupyter-notebook",
                    "version": 1,
                    "cells": [{"kind": 2, "document": cell} for cell in self.cells],
                },
                "cellTextDocuments": [
                    {"uri": cell, "languageId": "python", "version": 1, "text": text}
                    for cell, text in zip(self.cells, texts, strict=True)
                ],
            },
        )

    def change(self, cells: dict[str, Any]) -> None:
        self.window.notify(
            "notebookDocument/didChange",
            {"notebookDocument": {"uri": self.uri, "version": 2}, "change": {"cells": cells}},
        )

    async def complete(self, cell: int, line: int, character: int) -> list[str]:
        place = {"line": line, "character": character}
        found = await self.window.request(
            "textDocument/completion",
            {"textDocument": {"uri": self.cells[cell]}, "position": place, "context": {"triggerKind": 1}},
        )
        return [item["label"] for item in (found or {"items": []})["items"]]


@pytest.fixture
async def notebook(tmp_path, monkeypatch):
    """A window with a notebook of three cells, on a session that lives, and what the session was asked."""
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    folder = tmp_path / "project"
    folder.mkdir()
    asked: list[wire.Query] = []

    def answer(message: wire.Peek) -> list[wire.Peeked]:
        asked.append(message.query)
        shape = wire.Member("shape", "v", 0)
        return [wire.Peeked(message.id, message.session, wire.Answer(found=True, type="T", members=[shape]))]

    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(fakes.session(), number=message.id)]
        hub.answers[wire.Peek] = answer
        settings = protocol.Settings(python=sys.executable, static="none")
        window = Editor(folder, owner=OWNER, storage=tmp_path / "s", settings=settings, env=dict(os.environ))
        statuses = window.queue("yonder/statusChanged")
        for method in ("yonder/notice", "yonder/log", "yonder/runsChanged", "textDocument/publishDiagnostics"):
            window.queue(method)
        async with window:
            async with asyncio.timeout(20):
                while not (await statuses.get()).sessions:
                    pass
            yield Cells(window, folder, "x = load()\n", "y = 1", "# 😀\nx."), asked


async def test_a_cell_is_completed_from_the_session_of_its_notebook(notebook) -> None:
    cells, asked = notebook
    assert await cells.complete(2, 1, 2) == ["shape"]
    assert asked[-1].path == [wire.Step("name", "x")]


async def test_a_cell_is_changed_as_a_document_is(notebook) -> None:
    cells, _ = notebook
    place = {"start": {"line": 0, "character": 4}, "end": {"line": 1, "character": 2}}
    content = {"document": {"uri": cells.cells[2], "version": 2}, "changes": [{"range": place, "text": "\ny."}]}
    cells.change({"textContent": [content]})
    assert await cells.complete(2, 1, 2) == ["shape"]


async def test_cells_come_and_go(notebook) -> None:
    cells, asked = notebook
    fresh = f"{cells.cells[0]}x"
    structure = {
        "array": {"start": 0, "deleteCount": 1, "cells": [{"kind": 2, "document": fresh}]},
        "didOpen": [{"uri": fresh, "languageId": "python", "version": 1, "text": "z."}],
        "didClose": [{"uri": cells.cells[0]}],
    }
    cells.change({"structure": structure})
    cells.cells[0] = fresh
    assert await cells.complete(0, 0, 2) == ["shape"]
    assert await cells.complete(2, 1, 2) == ["shape"]
    cells.window.notify(
        "notebookDocument/didClose",
        {"notebookDocument": {"uri": cells.uri}, "cellTextDocuments": [{"uri": cell} for cell in cells.cells]},
    )
    assert "shape" in await cells.complete(0, 0, 2)  # an empty text: the names of the session
    assert asked[-1].path == []


async def test_cells_have_no_lenses_of_ours(notebook) -> None:
    cells, _ = notebook
    assert cells.window.server["capabilities"]["notebookDocumentSync"]["notebookSelector"]
    lenses = await cells.window.request("textDocument/codeLens", {"textDocument": {"uri": cells.cells[0]}})
    assert lenses == []
