"""JSON-RPC as this server speaks it: pygls' protocol without its object trees where speed matters, and the one wrapper
that makes sure that every request is answered and every error becomes a sentence.

What this file must not know: runs, hubs, completions.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage

from yonder import errors
from yonder_lsp import protocol

REQUEST_FAILED = -32803
INVALID_PARAMS = -32602

# Asked at every keystroke or every glance: their params stay plain dicts and their results come as Raw.
HOT = frozenset(
    {
        types.TEXT_DOCUMENT_COMPLETION,
        types.COMPLETION_ITEM_RESOLVE,
        types.TEXT_DOCUMENT_HOVER,
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        types.TEXT_DOCUMENT_CODE_LENS,
        types.TEXT_DOCUMENT_INLAY_HINT,
        types.INLAY_HINT_RESOLVE,
        types.TEXT_DOCUMENT_DEFINITION,
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CODE_ACTION_RESOLVE,
    }
)


class Raw:
    """A result that is JSON already."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body


def raw(value: object) -> Raw:
    """The only place where results of hot requests become bytes."""
    return Raw(msgspec.json.encode(value))


class Refusal(errors.YonderError):
    """An error that carries what the person can press."""

    def __init__(self, sentence: str, remedy: protocol.Remedy) -> None:
        super().__init__(sentence)
        self.remedy = remedy


class YonderProtocol(LanguageServerProtocol):
    """pygls' protocol with plain dicts for `yonder/*` and hot methods, UTF-16 columns always, and Raw results."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        method = data.get("method") if "jsonrpc" in data else None
        if isinstance(method, str) and (method.startswith("yonder/") or method in HOT):
            params = data.get("params") or {}
            if "id" in data:
                return JsonRPCRequestMessage(id=data["id"], method=method, jsonrpc=data["jsonrpc"], params=params)
            return JsonRPCNotification(method=method, jsonrpc=data["jsonrpc"], params=params)
        if method == types.INITIALIZE:
            # Our own methods speak UTF-16 columns; with one unit for everything nobody can mix them up.
            general = (data["params"].get("capabilities") or {}).get("general")
            if general:
                general.pop("positionEncodings", None)
        return super().structure_message(data)

    # pygls keeps documents of its own, ends their lines where neither the editor nor Python does, and reads the whole text
    # at every key: nobody would look at them. Only the registered handlers hear of documents.

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.NOTEBOOK_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: types.DidChangeNotebookDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.NOTEBOOK_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: types.DidCloseNotebookDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.NOTEBOOK_DOCUMENT_DID_CLOSE], (params,), None

    def _send_response(self, msg_id: str | int, result: Any = None, error: types.ResponseError | None = None) -> None:
        if error is None and isinstance(result, Raw):
            head = b'{"jsonrpc":"2.0","id":' + msgspec.json.encode(msg_id) + b',"result":'
            self._write(head + result.body + b"}")
            return
        super()._send_response(msg_id, result, error)

    def tell(self, method: str, params: object) -> None:
        """A notification whose params msgspec can encode. Once the pipe is gone there is nobody to tell."""
        self._write(msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params}))

    def _write(self, body: bytes) -> None:
        if self.writer is None:
            return
        try:
            self.writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        except (BrokenPipeError, ValueError):
            # The editor is gone, or the pipe was closed by `exit`; the read side ends the server.
            return


P = TypeVar("P", bound=msgspec.Struct)
Handler = Callable[[P], Awaitable[object]]


def remedy_of(error: errors.YonderError) -> protocol.Remedy | None:
    """What the person can press about an error of the tree."""
    if isinstance(error, Refusal):
        return error.remedy
    if isinstance(error, errors.SettingsError):
        return protocol.Remedy(code="settings", detail=error.place)
    if isinstance(error, errors.BootFailed | errors.VersionMismatch):
        return protocol.Remedy(code="show_log")
    return None


def request(shape: type[P], handler: Handler[P], log: Callable[[str], None]) -> Callable[[Any], Awaitable[Raw]]:
    """Wrap a `yonder/*` handler: params checked, result encoded, every exception an answer in words."""

    async def answer(params: Any) -> Raw:
        try:
            asked = msgspec.convert(params, shape)
        except msgspec.ValidationError as error:
            raise JsonRpcException(f"The editor's request was not understood: {error}", INVALID_PARAMS) from error
        try:
            return raw(await handler(asked))
        except errors.YonderError as error:
            remedy = remedy_of(error)
            data = None if remedy is None else msgspec.to_builtins(remedy)
            raise JsonRpcException(str(error), REQUEST_FAILED, data) from error
        except Exception as error:
            log("".join(traceback.format_exception(error)))
            sentence = (
                f"Yonder's language server met a fault of its own ({type(error).__name__}). The log has the details."
            )
            remedy = protocol.Remedy(code="show_log")
            raise JsonRpcException(sentence, REQUEST_FAILED, msgspec.to_builtins(remedy)) from error

    return answer


def quiet(handler: Callable[[Any], Awaitable[Raw]], log: Callable[[str], None]) -> Callable[[Any], Awaitable[Raw]]:
    """Wrap a looking handler: a person who types is never shown an error, the log is."""

    async def answer(params: Any) -> Raw:
        try:
            return await handler(params)
        except Exception as error:  # noqa: BLE001 - told to the log; the answer is "nothing known"
            log("".join(traceback.format_exception(error)))
            return Raw(b"null")

    return answer


def notification(shape: type[P], handler: Handler[P], log: Callable[[str], None]) -> Callable[[Any], Awaitable[None]]:
    """Wrap a `yonder/*` notification: nobody waits for it, so that errors go to the log."""

    async def take(params: Any) -> None:
        try:
            await handler(msgspec.convert(params, shape))
        except Exception as error:  # noqa: BLE001 - told to the log; there is no answer to put it into
            log("".join(traceback.format_exception(error)))

    return take
