"""Wiring only: LSP's and Yonder's methods to the window's. No logic, no state beyond the one window.

What this file must not know: what any method means.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from lsprotocol import types
from pygls.lsp.server import LanguageServer

from yonder import __version__
from yonder_lsp import actions, protocol, rpc, uris
from yonder_lsp.documents import Document
from yonder_lsp.protocol import Position, Range
from yonder_lsp.syncing import NOTEBOOKS, Syncing
from yonder_lsp.window import Window
from yonder_lsp.workspace import options_of

GOODBYE_WITHIN = 0.18
TRIGGERS = [".", "[", '"']


class Server(LanguageServer):
    """pygls' server with the one window it serves."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(
            "yonder",
            __version__,
            protocol_cls=rpc.YonderProtocol,
            max_workers=1,
            notebook_document_sync=NOTEBOOKS,
        )
        self.environ = environ
        self.opened: Window | None = None
        self.syncing = Syncing(lambda: self.window)

    @property
    def window(self) -> Window:
        """The window. Raises RuntimeError before `initialize`, which the client never does."""
        if self.opened is None:
            raise RuntimeError("the editor asked before it said initialize")
        return self.opened

    def tell(self, method: str, params: object) -> None:
        protocol_: rpc.YonderProtocol = self.protocol  # type: ignore[assignment]  # given to __init__
        protocol_.tell(method, params)

    def folders(self) -> None:
        """The window is told of the workspace's folders, first ones first."""
        self.window.folders([uris.to_path(folder.uri) for folder in self.workspace.folders.values()])

    def log_fault(self, text: str) -> None:
        self.tell("yonder/log", protocol.LogLine(level="error", text=text))

    def refresh_hints(self) -> None:
        """Have the editor ask for inlay hints again; whether it does is its own affair."""
        self.workspace_inlay_hint_refresh(None).add_done_callback(lambda done: done.cancelled() or done.exception())

    def document(self, uri: str) -> Document:
        """The document as it is now."""
        return self.syncing.document(uri)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Faults between requests go to the log; the person is told by who knows what they mean."""
        self.log_fault(f"{type(error).__name__}: {error}")


def create(environ: Mapping[str, str] | None = None) -> Server:
    """A server with everything registered; it waits for `initialize`."""
    server = Server(dict(os.environ) if environ is None else environ)
    _life(server)
    _documents(server)
    _looking(server)
    _showing(server)
    _methods(server)
    return server


def _life(server: Server) -> None:
    @server.feature(types.INITIALIZE)
    async def initialize(params: types.InitializeParams) -> None:
        server.opened = Window(
            options_of(params.initialization_options),
            server.environ,
            server.tell,
            server.document,
            item_defaults=_knows_defaults(params.capabilities),
        )
        server.folders()
        if _refreshes_hints(params.capabilities):
            server.opened.insight.refresh = server.refresh_hints

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders(_params: types.DidChangeWorkspaceFoldersParams) -> None:
        server.folders()

    @server.feature(types.INITIALIZED)
    async def initialized(_params: types.InitializedParams) -> None:
        await server.window.begin()

    @server.feature(types.SHUTDOWN)
    async def shutdown(_params: Any = None) -> None:
        try:
            await asyncio.wait_for(server.window.goodbye(), GOODBYE_WITHIN)
        except TimeoutError:
            server.log_fault("the hub did not take the goodbye in time; it will notice the closed connection")


def _knows_defaults(capabilities: types.ClientCapabilities) -> bool:
    """Does the editor understand a completion list's shared edit range and data?"""
    text = capabilities.text_document
    completion = text.completion if text is not None else None
    listed = completion.completion_list if completion is not None else None
    return listed is not None and {"editRange", "data"} <= set(listed.item_defaults or ())


def _refreshes_hints(capabilities: types.ClientCapabilities) -> bool:
    """Can the editor be told to ask for inlay hints again?"""
    workspace = capabilities.workspace
    return workspace is not None and workspace.inlay_hint is not None and bool(workspace.inlay_hint.refresh_support)


def _documents(server: Server) -> None:
    syncing = server.syncing

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        syncing.opened(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        syncing.changed(params.text_document.uri, params.text_document.version, params.content_changes)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        syncing.saved(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        syncing.closed(params.text_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def notebook_opened(params: types.DidOpenNotebookDocumentParams) -> None:
        syncing.notebook_opened(params)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def notebook_changed(params: types.DidChangeNotebookDocumentParams) -> None:
        syncing.notebook_changed(params)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def notebook_closed(params: types.DidCloseNotebookDocumentParams) -> None:
        syncing.notebook_closed(params)


class _Place(msgspec.Struct):
    """The part of LSP's params that names a place in a document."""

    textDocument: _Document  # noqa: N815 - LSP's name
    position: Position
    context: dict[str, Any] | None = None


class _Span(msgspec.Struct):
    """The part of LSP's params that names a range."""

    textDocument: _Document  # noqa: N815 - LSP's name
    range: Range
    context: dict[str, Any] = {}


class _Document(msgspec.Struct):
    uri: str


def _looking(server: Server) -> None:
    def at(params: Any) -> tuple[Document, int, str]:
        """Text and place are taken before anything is awaited."""
        asked = msgspec.convert(params, _Place)
        document = server.document(asked.textDocument.uri)
        trigger = (asked.context or {}).get("triggerCharacter") or ""
        return document, document.offset(asked.position), trigger

    async def complete(params: Any) -> rpc.Raw:
        return rpc.raw(await server.window.looking.complete(*at(params)))

    async def resolve(params: Any) -> rpc.Raw:
        return rpc.raw(await server.window.looking.resolve(params))

    async def hover(params: Any) -> rpc.Raw:
        document, offset, _ = at(params)
        return rpc.raw(await server.window.looking.hover(document, offset))

    async def signature(params: Any) -> rpc.Raw:
        document, offset, _ = at(params)
        return rpc.raw(await server.window.looking.signature(document, offset))

    async def definition(params: Any) -> rpc.Raw:
        document, offset, _ = at(params)
        return rpc.raw(await server.window.definition.find(document, offset))

    _register(
        server,
        types.TEXT_DOCUMENT_COMPLETION,
        complete,
        types.CompletionOptions(trigger_characters=TRIGGERS, resolve_provider=True),
    )
    _register(server, types.COMPLETION_ITEM_RESOLVE, resolve)
    _register(server, types.TEXT_DOCUMENT_HOVER, hover)
    _register(server, types.TEXT_DOCUMENT_DEFINITION, definition)
    helps = types.SignatureHelpOptions(trigger_characters=["(", ","])
    _register(server, types.TEXT_DOCUMENT_SIGNATURE_HELP, signature, helps)


def _showing(server: Server) -> None:
    async def hints(params: Any) -> rpc.Raw:
        asked = msgspec.convert(params, _Span)
        document = server.document(asked.textDocument.uri)
        return rpc.raw(await server.window.insight.hints.within(document, asked.range.start.line, asked.range.end.line))

    async def resolve_hint(params: Any) -> rpc.Raw:
        return rpc.raw(server.window.insight.hints.resolve(params))

    async def lenses(params: Any) -> rpc.Raw:
        return rpc.raw(await server.window.lenses(params["textDocument"]["uri"]))

    async def act(params: Any) -> rpc.Raw:
        asked = msgspec.convert(params, _Span)
        document = server.document(asked.textDocument.uri)
        return rpc.raw(await server.window.actions.offered(document, asked.range, asked.context))

    async def edit(params: Any) -> rpc.Raw:
        uri = (params.get("data") or {}).get("uri", "")
        return rpc.raw(await asyncio.to_thread(actions.resolved, params, server.document(uri)))

    _register(server, types.TEXT_DOCUMENT_INLAY_HINT, hints, types.InlayHintOptions(resolve_provider=True))
    _register(server, types.INLAY_HINT_RESOLVE, resolve_hint)
    kinds = types.CodeActionOptions([types.CodeActionKind.Empty, actions.REWRITE], resolve_provider=True)
    _register(server, types.TEXT_DOCUMENT_CODE_ACTION, act, kinds)
    _register(server, types.CODE_ACTION_RESOLVE, edit)
    _register(server, types.TEXT_DOCUMENT_CODE_LENS, lenses, types.CodeLensOptions(resolve_provider=False))


def _register(server: Server, method: str, handler: Callable[[Any], Any], options: Any = None) -> None:
    server.feature(method, options)(rpc.quiet(handler, server.log_fault))


def _methods(server: Server) -> None:
    """protocol.py's tables to the window's methods, by name."""
    for method in protocol.REQUESTS:
        server.feature(method.name)(rpc.request(method.params, _late(server, method.name), server.log_fault))
    for method in protocol.NOTIFICATIONS_TO_SERVER:
        server.feature(method.name)(rpc.notification(method.params, _late(server, method.name), server.log_fault))


def _late(server: Server, method: str) -> Callable[[Any], Any]:
    """The window's method of this name, once there is a window: `yonder/clearRuns` is `clear_runs`."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method.removeprefix("yonder/"))
    if not hasattr(Window, name):
        raise TypeError(f"protocol.py names {method}, but Window has no {name}")

    async def call(params: Any) -> Any:
        return await getattr(server.window, name)(params)

    return call
