"""A desk for tests of live intelligence: the real language server over stdio, spoken to by pytest-lsp's client with VS Code's
own capabilities (which warns, and so fails, when an answer is not what LSP allows), and a real local session.

A question is a line with the cursor in it: `await desk.complete("y.sha|")`. It stands for a moment below the code that ran.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest_lsp
from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities
from scripts.process_table import marked

from yonder_lsp import protocol

LINGER = 0.2
ENDED = frozenset({"ok", "error", "lost", "cancelled"})
COMMAND = [sys.executable, "-m", "yonder_lsp"]


class Desk:
    """One window over one folder with one open document."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.owner = f"desk-{secrets.token_hex(6)}"
        self.uri = (folder / "work.py").as_uri()
        self.code = ""
        self._version = 1
        self._news = asyncio.Event()
        self._said = asyncio.Event()
        self._busy = False
        self.live = "off"
        """What the status bar says of looking: off, ok or slow."""
        self.questions: asyncio.Queue[str] = asyncio.Queue()
        """The ids of what the session asked the person."""
        client.feature("yonder/runsChanged")(lambda _: self._news.set())
        client.feature("yonder/statusChanged")(lambda said: self._status(said))  # noqa: PLW0108 - pygls marks handlers, methods take no mark
        client.feature("yonder/inputRequested")(lambda asked: self.questions.put_nowait(asked.id))
        for quiet in ("yonder/notice", "yonder/log", "yonder/inputClosed"):
            client.feature(quiet)(lambda _: None)

    async def sit(self, **settings: Any) -> None:
        """Shake hands and open the document."""
        storage = self.folder / ".storage"
        storage.mkdir()
        chosen = protocol.Settings(provide="without", linger=LINGER, **settings)
        options = protocol.InitOptions(
            owner=self.owner,
            folder=str(self.folder),
            storage=str(storage),
            python=sys.executable,
            editor="pytest-lsp",
            settings=chosen,
        )
        await self.client.initialize_session(
            types.InitializeParams(
                capabilities=client_capabilities("visual-studio-code"),
                root_uri=self.folder.as_uri(),
                initialization_options=msgspec.to_builtins(options),
            )
        )
        item = types.TextDocumentItem(self.uri, "python", 1, "")
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    async def leave(self) -> None:
        """Close the window and wait until its cluster is gone."""
        await self.client.shutdown_session()
        async with asyncio.timeout(30):
            while any(one.hub for one in marked(self.owner)):  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(0.05)

    def _status(self, said: Any) -> None:
        self.live = said.live
        self._busy = any(one.state == "busy" for one in said.sessions)
        self._said.set()

    async def until_live(self, state: str) -> None:
        """Wait until the status bar says so of looking."""
        async with asyncio.timeout(30):
            while self.live != state:
                self._said.clear()
                await self._said.wait()

    async def until_busy(self) -> None:
        """Wait until the server knows that a session is at work: what was seen before is old from then on."""
        async with asyncio.timeout(30):
            while not self._busy:
                self._said.clear()
                await self._said.wait()

    # ── running ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, text: str) -> None:
        """What stands in the document from now on."""
        self._version += 1
        changed = types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(self._version, self.uri),
            [types.TextDocumentContentChangeWholeDocument(text)],
        )
        self.client.text_document_did_change(changed)

    async def ask(self, method: str, **params: Any) -> Any:
        """A method of Yonder's own, as plain JSON."""
        return _plain(await asyncio.wait_for(self.client.protocol.send_request_async(method, params), 90))

    async def begin(self, code: str) -> str:
        """Press Run on a cell with this code, put below the code of before."""
        line = self.code.count("\n")
        self.code += f"# %%\n{code.strip()}\n"
        self.write(self.code)
        at = {"line": line, "character": 0}
        return (await self.ask("yonder/run", uri=self.uri, where="cell", selection={"start": at, "end": at}))["run"]

    async def run(self, code: str) -> str:
        """Run a cell to its good end; what it came to, in short."""
        ended = await self.until(await self.begin(code), *ENDED)
        assert ended["state"] == "ok", ended
        return ended["short"]

    async def until(self, run: str, *states: str) -> Any:
        """Wait until a run is in one of these states; the run."""
        async with asyncio.timeout(90):
            while True:
                self._news.clear()
                for one in (await self.ask("yonder/runs", since=0))["runs"]:
                    if one["run"] == run and one["state"] in states:
                        return one
                await self._news.wait()

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, question: str) -> dict[str, Any]:
        """Write the line, whose cursor is `|`, below the code; where it is in the document."""
        before, _, after = question.rpartition("|")
        self.write(self.code + before + after + "\n")
        line, column = self.code.count("\n") + before.count("\n"), len(before.rpartition("\n")[2])
        return {
            "text_document": types.TextDocumentIdentifier(self.uri),
            "position": types.Position(line, column),
        }

    async def listed(self, question: str) -> types.CompletionList:
        """The completion list at the cursor, asked for again as long as it says that it is not complete."""
        place = self.place(question)
        async with asyncio.timeout(20):
            while True:
                found = await self.client.text_document_completion_async(types.CompletionParams(**place))
                if found is None:
                    return types.CompletionList(is_incomplete=False, items=[])
                assert isinstance(found, types.CompletionList)
                if not found.is_incomplete:
                    return found

    async def once(self, question: str) -> tuple[set[str], bool]:
        """One asking: the labels of the answer, and whether it says that it is not complete."""
        found = await self.client.text_document_completion_async(types.CompletionParams(**self.place(question)))
        if found is None:
            return set(), False
        assert isinstance(found, types.CompletionList)
        return {one.label for one in found.items}, found.is_incomplete

    async def complete(self, question: str) -> list[str]:
        """The labels of the list, as they are shown: in the order of their sort keys."""
        items = (await self.listed(question)).items
        return [one.label for one in sorted(items, key=lambda one: one.sort_text or one.label)]

    async def resolve(self, question: str, label: str) -> types.CompletionItem:
        """One item of the list with its description, asked for as VS Code does: with the list's own `data`."""
        listed = await self.listed(question)
        item = next(one for one in listed.items if one.label == label)
        item.data = item.data or (listed.item_defaults.data if listed.item_defaults else None)
        return await self.client.completion_item_resolve_async(item)

    async def hover(self, question: str) -> str:
        """The hover's Markdown, "" for none."""
        found = await self.client.text_document_hover_async(types.HoverParams(**self.place(question)))
        return found.contents.value if found is not None and isinstance(found.contents, types.MarkupContent) else ""

    async def signature(self, question: str) -> types.SignatureHelp | None:
        asked = types.SignatureHelpParams(**self.place(question))
        return await self.client.text_document_signature_help_async(asked)


def desks(**settings: Any) -> Any:
    """A fixture: pytest-lsp's client for all tests of a module, its `desk` ready. (Settings: protocol.Settings' fields.)"""

    async def sitting(client: LanguageClient, tmp_path_factory: Any) -> Any:
        client.desk = Desk(client, tmp_path_factory.mktemp("desk"))
        await client.desk.sit(**settings)
        yield
        await client.desk.leave()

    return pytest_lsp.fixture(sitting, config=pytest_lsp.ClientServerConfig(server_command=COMMAND), scope="module")


def _plain(value: Any) -> Any:
    """JSON again: pygls makes named tuples of what it has no class for."""
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
