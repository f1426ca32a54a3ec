"""An editor without a window: it starts the language server and speaks to it as VS Code's client does, over stdio.

What belongs here: the wire's framing (Content-Length, JSON-RPC), documents and their edits, the LSP methods a person's
hands cause, and the `yonder/*` methods in protocol.py's shapes. What this file must not know: hubs, sockets, SQLite;
whoever drives the server from here sees what the extension sees and no more.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from yonder_lsp import protocol

T = TypeVar("T")
Json = dict[str, Any]
Where = Literal["auto", "selection", "cell", "statement", "file", "toCursor", "above", "expression"]

_SHAPES: dict[str, Any] = {method.name: method.params for method in protocol.NOTIFICATIONS_TO_CLIENT}
_CAPABILITIES: Json = {
    "notebookDocument": {"synchronization": {}},
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {"configuration": False, "applyEdit": False, "inlayHint": {"refreshSupport": True}},
    "textDocument": {
        "synchronization": {"dynamicRegistration": False},
        "completion": {
            "contextSupport": True,
            "completionItem": {"labelDetailsSupport": True, "documentationFormat": ["markdown", "plaintext"]},
            "completionList": {"itemDefaults": ["commitCharacters", "editRange", "insertTextFormat", "data"]},
        },
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "signatureHelp": {"contextSupport": True},
        "publishDiagnostics": {"relatedInformation": True},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["", "refactor.rewrite"]}}},
    },
}


class ServerError(Exception):
    """The language server answered a request with an error; `remedy` is what the person could press."""

    def __init__(self, method: str, code: int, sentence: str, data: Any) -> None:
        super().__init__(f"{method}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.data = data
        self.remedy: protocol.Remedy | None = None
        with contextlib.suppress(msgspec.ValidationError):
            self.remedy = msgspec.convert(data, protocol.Remedy)


class ServerGone(Exception):  # noqa: N818 - an event that callers wait for as often as an error
    """The language server's process has ended; the text holds the last lines it wrote to stderr."""


@dataclass
class Document:
    """An open text document as the editor holds it."""

    uri: str
    path: Path
    text: str
    version: int = 1

    def position(self, offset: int) -> protocol.Position:
        """Where the character number `offset` stands, in LSP's lines and UTF-16 columns."""
        line = self.text.count("\n", 0, offset)
        start = self.text.rfind("\n", 0, offset) + 1
        return protocol.Position(line=line, character=len(self.text[start:offset].encode("utf-16-le")) // 2)

    def find(self, needle: str, *, after: bool = False) -> protocol.Position:
        """The place of the first `needle`: where it begins, or where it ends with `after`."""
        return self.position(self.text.index(needle) + (len(needle) if after else 0))


class Editor:
    """One window: an owner id, a folder, one running language server.

    `queue(method)` gives the notifications of one method in order, decoded to protocol.py's shapes (LSP's own ones stay
    JSON). `settings` are the `yonder.*` settings, `env` is added to the server's environment.
    """

    def __init__(
        self,
        folder: Path,
        *,
        owner: str,
        storage: Path,
        python: str = "",
        settings: protocol.Settings | None = None,
        env: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "yonder_lsp"),
    ) -> None:
        self.folder = folder
        self.server: Json = {}
        self._options = protocol.InitOptions(
            owner=owner,
            folder=str(folder),
            storage=str(storage),
            python=python,
            editor="scripts/editor.py",
            commands=True,
            settings=settings or protocol.Settings(),
        )
        self._env = dict(os.environ) | dict(env or {})
        self._command = command
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._queues: dict[str, asyncio.Queue[Any]] = {}
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._last_words: collections.deque[str] = collections.deque(maxlen=40)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._documents: dict[str, Document] = {}
        self._gone = False

    # ── life ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> Json:
        """Start the server and shake hands; returns the server's `initialize` result."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self._env, start_new_session=True
        )
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._overhear())]
        self.server = await self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": "scripts/editor.py"},
                "rootUri": self.folder.as_uri(),
                "workspaceFolders": [{"uri": self.folder.as_uri(), "name": self.folder.name}],
                "capabilities": _CAPABILITIES,
                "initializationOptions": msgspec.to_builtins(self._options),
            },
        )
        self.notify("initialized", {})
        return self.server

    async def goodbye(self, within: float = 10.0) -> float:
        """Close the window in good order. Returns how long the answer to `shutdown` took, in seconds."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await self.request("shutdown", None, within=within)
        answered = loop.time() - asked
        self.notify("exit", None)
        await asyncio.wait_for(self._running().wait(), within)
        await self._forget()
        return answered

    async def kill(self) -> None:
        """The window vanishes: the server is killed (SIGKILL), nothing is said to anybody."""
        with contextlib.suppress(ProcessLookupError):
            self._running().kill()
        await self._running().wait()
        await self._forget()

    @property
    def pid(self) -> int:
        """The language server's process."""
        return self._running().pid

    @property
    def last_words(self) -> str:
        """The last lines of the server's stderr."""
        return "\n".join(self._last_words)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.returncode is not None:
            await self._forget()
        elif error is None:
            await self.goodbye()
        else:
            await self.kill()

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, path: Path, text: str | None = None) -> Document:
        """Open a file (with other text than on disk if `text` is given)."""
        path = path.absolute()
        document = Document(uri=path.as_uri(), path=path, text=path.read_text("utf-8") if text is None else text)
        self._documents[document.uri] = document
        item = {"uri": document.uri, "languageId": "python", "version": 1, "text": document.text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return document

    def replace(self, document: Document, old: str, new: str) -> None:
        """Type over the first `old` with `new`: one ranged edit, as a person's."""
        at = document.text.index(old)
        place = {"start": _json(document.position(at)), "end": _json(document.position(at + len(old)))}
        document.text = document.text[:at] + new + document.text[at + len(old) :]
        self._changed(document, {"range": place, "text": new})

    def rewrite(self, document: Document, text: str) -> None:
        """Replace the whole text (what a formatter or an undo does)."""
        document.text = text
        self._changed(document, {"text": text})

    def save(self, document: Document) -> None:
        """Write the text to the disk."""
        document.path.write_text(document.text, "utf-8")
        self.notify("textDocument/didSave", {"textDocument": {"uri": document.uri}})

    def close(self, document: Document) -> None:
        """Close the tab."""
        del self._documents[document.uri]
        self.notify("textDocument/didClose", {"textDocument": {"uri": document.uri}})

    def _changed(self, document: Document, change: Json) -> None:
        document.version += 1
        item = {"uri": document.uri, "version": document.version}
        self.notify("textDocument/didChange", {"textDocument": item, "contentChanges": [change]})

    # ── what LSP asks ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def complete(self, document: Document, at: protocol.Position, *, trigger: str = "") -> Any:
        """The completion list as JSON (a CompletionList, an array, or None)."""
        context: Json = {"triggerKind": 2, "triggerCharacter": trigger} if trigger else {"triggerKind": 1}
        return await self.request("textDocument/completion", {**_place(document, at), "context": context})

    async def hover(self, document: Document, at: protocol.Position) -> Any:
        """The hover as JSON, or None."""
        return await self.request("textDocument/hover", _place(document, at))

    async def actions(self, document: Document, start: protocol.Position, end: protocol.Position) -> Any:
        """What a person who asks is offered for a range."""
        place = {"textDocument": {"uri": document.uri}, "range": {"start": _json(start), "end": _json(end)}}
        return await self.request(
            "textDocument/codeAction", {**place, "context": {"diagnostics": [], "triggerKind": 1}}
        )

    # ── what Yonder adds ──────────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, method: str, params: msgspec.Struct, result: type[T], *, within: float = 60.0) -> T:
        """A `yonder/*` request in protocol.py's shapes."""
        return msgspec.convert(await self.request(method, msgspec.to_builtins(params), within=within), result)

    async def run(
        self, document: Document, at: protocol.Position, *, where: Where = "cell", within: float = 90.0
    ) -> protocol.RunStarted:
        """Press Run with the cursor at `at`."""
        params = protocol.RunParams(uri=document.uri, where=where, selection=protocol.Range(start=at, end=at))
        return await self.ask("yonder/run", params, protocol.RunStarted, within=within)

    async def runs(self, since: int = 0) -> protocol.RunsResult:
        return await self.ask("yonder/runs", protocol.SinceParams(since=since), protocol.RunsResult)

    async def status(self) -> protocol.StatusResult:
        return await self.ask("yonder/status", protocol.Nothing(), protocol.StatusResult)

    async def calls(self, run: str) -> protocol.CallsResult:
        return await self.ask("yonder/calls", protocol.CallsParams(run=run), protocol.CallsResult)

    async def output(self, run: str, since: int = 0) -> protocol.OutputResult:
        return await self.ask("yonder/output", protocol.OutputParams(run=run, since=since), protocol.OutputResult)

    async def stop_cluster(self) -> protocol.StopResult:
        return await self.ask("yonder/stopCluster", protocol.Nothing(), protocol.StopResult)

    async def finished(self, run: str, *, within: float = 120.0) -> protocol.RunSummary:
        """Wait until a run has ended, by the server's notifications, and return its summary."""
        news: asyncio.Event = asyncio.Event()
        with self.listening("yonder/runsChanged", lambda _: news.set()):
            async with asyncio.timeout(within):
                while True:
                    news.clear()
                    for summary in (await self.runs()).runs:
                        if summary.run == run and summary.state in ENDED:
                            return summary
                    await self._or_gone(news.wait())

    # ── notifications ─────────────────────────────────────────────────────────────────────────────────────────────────

    def queue(self, method: str) -> asyncio.Queue[Any]:
        """All notifications of one method from now on, in order; the same queue for every caller."""
        return self._queues.setdefault(method, asyncio.Queue())

    @contextlib.contextmanager
    def listening(self, method: str, callback: Callable[[Any], None]) -> Any:
        """Call `callback` with each notification of one method while the block runs."""
        listeners = self._listeners.setdefault(method, [])
        listeners.append(callback)
        try:
            yield
        finally:
            listeners.remove(callback)

    # ── JSON-RPC ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def request(self, method: str, params: Any, *, within: float = 60.0) -> Any:
        """One request. Raises ServerError, ServerGone or TimeoutError; a cancelled caller cancels it at the server."""
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (method, answer)
        try:
            self._send({"id": number, "method": method, **_with(params)})
            try:
                return await asyncio.wait_for(answer, within)
            except TimeoutError:
                raise TimeoutError(f"{method} was not answered within {within:g} s.\n{self.last_words}") from None
        except (asyncio.CancelledError, TimeoutError):
            if not self._gone:
                self.notify("$/cancelRequest", {"id": number})
            raise
        finally:
            del self._waiting[number]

    def notify(self, method: str, params: Any) -> None:
        """One notification."""
        self._send({"method": method, **_with(params)})

    def _send(self, message: Json) -> None:
        if self._gone:
            raise ServerGone(f"the language server has ended.\n{self.last_words}")
        body = msgspec.json.encode({"jsonrpc": "2.0", **message})
        stdin = self._running().stdin
        if stdin is not None:
            stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def _listen(self) -> None:
        """Read messages until the server's end."""
        stdout = self._running().stdout
        try:
            while stdout is not None:
                header = await stdout.readuntil(b"\r\n\r\n")
                length = next(
                    int(line[15:]) for line in header.split(b"\r\n") if line.lower().startswith(b"content-length:")
                )
                self._take(msgspec.json.decode(await stdout.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the end of the stream is the server's end, told to all who wait below
        finally:
            self._gone = True
            for _, waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ServerGone(f"the language server has ended.\n{self.last_words}"))

    def _take(self, message: Json) -> None:
        method = message.get("method")
        if method is None:
            self._answered(message)
        elif "id" in message:
            # The server asks the editor something: this window has no opinion, and says so.
            answer = [None] * len(message["params"]["items"]) if method == "workspace/configuration" else None
            self._send({"id": message["id"], "result": answer})
            if method in self._queues:
                self._queues[method].put_nowait(message.get("params"))
        else:
            params = message.get("params")
            shape = _SHAPES.get(method)
            event = params if shape is None else msgspec.convert(params, shape)
            if method in self._queues:
                self._queues[method].put_nowait(event)
            for callback in tuple(self._listeners.get(method, ())):
                callback(event)

    def _answered(self, message: Json) -> None:
        method, waiting = self._waiting.get(message["id"], ("", None))
        if waiting is None or waiting.done():
            return
        error = message.get("error")
        if error is None:
            waiting.set_result(message.get("result"))
        else:
            waiting.set_exception(ServerError(method, error["code"], error["message"], error.get("data")))

    async def _overhear(self) -> None:
        """Keep the last lines of the server's stderr, so that an error here can show them."""
        stderr = self._running().stderr
        while stderr is not None and (line := await stderr.readline()):
            self._last_words.append(line.decode("utf-8", "replace").rstrip())

    async def _or_gone(self, waiting: Awaitable[Any]) -> None:
        """Wait for something, or raise ServerGone as soon as the server has ended."""
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({task, self._tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ServerGone(f"the language server has ended.\n{self.last_words}")
        finally:
            task.cancel()

    async def _forget(self) -> None:
        self._gone = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ServerGone("the language server was not started")
        return self._process


ENDED = frozenset({"ok", "error", "lost", "cancelled"})


def _place(document: Document, at: protocol.Position) -> Json:
    return {"textDocument": {"uri": document.uri}, "position": _json(at)}


def _json(shape: msgspec.Struct) -> Json:
    converted: Json = msgspec.to_builtins(shape)
    return converted


def _with(params: Any) -> Json:
    """JSON-RPC leaves `params` out when there are none."""
    return {} if params is None else {"params": params}
