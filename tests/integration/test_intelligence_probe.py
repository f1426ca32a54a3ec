"""The proof over the whole way: objects that write down everything that is done to them are asked for through every feature
that the server has registered, in a real session, and stay unwritten.

A new feature needs a row here: what it asks of a name, or the sentence why it never looks at one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from tests.integration.cluster import ROOT
from tests.integration.desk import Desk, desks

from yonder_lsp.server import create

pytestmark = pytest.mark.asyncio(loop_scope="module")
client = desks(static="none")

CODE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.core import test_peek_safety as spies
globals().update(spies.namespace())
import yonder
pool = yonder.Pool(max=1)  # so that something can be kept; it starts nothing
spies.RECORD.watching = True
"""
NAMES = [
    "spy",
    "plain",
    "no_meta",
    "odd_dict",
    "odd_list",
    "odd_tuple",
    "odd_int",
    "odd_str",
    "odd_error",
    "holder",
    "liar",
    "hidden_dict",
    "evil_named",
    "evil_object",
    "fields",
    "simple",
    "listed",
    "mapped",
    "evil_keys",
    "function",
    "wrapper",
    "partial",
    "bound",
    "append",
    "tensor",
    "array",
    "frame",
    "objects",
    "object_array",
    "net",
    "module",
    "descriptor",
]

POINTED = ["|{0}", "{0}.|field", "{0}.|prop", "{0}.|layer", '{0}["spy"].|field', "{0}[0].|field", "{0}.inner.|prop"]
TYPED = ["{0}.|", "{0}.fi|", '{0}["|', '{0}["spy"].|', "{0}[0].|", "{0}.spy.|", "{0}.layer.|", "{0}(|", "{0}.prop(|"]
CALLED = ["{0}(|", "{0}.field(|", "{0}.prop(|", "{0}.forward(|", "{0}[0](|", "{0}.__call__(1, |"]
STEPS = [[], ["attr", "field"], ["attr", "prop"], ["key", "spy"], ["index", 0], ["attr", "_mgr"]]

NEVER_LOOKS = {
    **dict.fromkeys(["initialize", "initialized", "shutdown", "exit"], "the server's life"),
    **dict.fromkeys(["textDocument/codeLens"], "the document's text alone"),
    **dict.fromkeys(
        [
            f"yonder/{name}"
            for name in ["runs", "output", "series", "calls", "displays", "files", "fetch", "clearRuns", "status"]
        ],
        "what the store and the hub have kept",
    ),
    **dict.fromkeys(
        [f"yonder/{name}" for name in ["run", "interrupt", "restartSession", "stopCluster", "answer", "provide"]],
        "runs, ends or answers what a person runs",
    ),
    **dict.fromkeys(["yonder/stacks"], "where threads stand, from outside of the interpreter"),
    **dict.fromkeys(["yonder/heartbeat", "yonder/settings", "workspace/didChangeWorkspaceFolders"], "about the window"),
}
Row = Callable[[Desk, str], Awaitable[list[Any]]]


async def _said(desk: Desk, method: str, params: dict[str, Any]) -> Any:
    """A request; LSP's own in pytest-lsp's classes, so that the answer is checked as well."""
    asked: Any = params
    if method in types.METHOD_TO_TYPES:
        asked = desk.client.protocol._converter.structure(params, types.METHOD_TO_TYPES[method][2])
    return await asyncio.wait_for(desk.client.protocol.send_request_async(method, asked), 60)


def _at(questions: list[str], method: str, **more: Any) -> Row:
    """A method that is asked at a cursor."""

    async def ask(desk: Desk, name: str) -> list[Any]:
        answers = []
        for question in questions:
            place = desk.place(question.format(name))
            params = {"textDocument": {"uri": desk.uri}, "position": _position(place["position"]), **more}
            answers.append(await _said(desk, method, params))
        return answers

    return ask


def _over(questions: list[str], method: str, **more: Any) -> Row:
    """A method that is asked of a range: the line in which a name stands."""

    async def ask(desk: Desk, name: str) -> list[Any]:
        answers = []
        for question in questions:
            at = desk.place(question.format(name))["position"]
            end = {"line": at.line, "character": at.character + len(name)}
            params = {"textDocument": {"uri": desk.uri}, "range": {"start": _position(at), "end": end}, **more}
            answers.append(await _said(desk, method, params))
        return answers

    return ask


def _position(at: types.Position) -> dict[str, int]:
    return {"line": at.line, "character": at.character}


async def _complete(desk: Desk, name: str) -> list[Any]:
    return [await desk.complete(question.format(name)) for question in TYPED]


async def _resolve(desk: Desk, name: str) -> list[Any]:
    answers = []
    for question in ("{0}.|", '{0}["|'):
        listed = await desk.listed(question.format(name))
        shared = listed.item_defaults.data if listed.item_defaults else None
        for item in listed.items[:12]:
            item.data = item.data or shared
            answers.append(await desk.client.completion_item_resolve_async(item))
    return answers


async def _hints(desk: Desk, name: str) -> list[Any]:
    """What stands behind each name where a cell bound it; it comes when the names were asked for, after the cell."""
    cell = "\n".join(f"{one} = {one}" for one in NAMES)
    if cell not in desk.code:
        await desk.run(cell)
    desk.write(desk.code)
    start = {"line": 0, "character": 0}
    range_ = {"start": start, "end": {"line": desk.code.count("\n"), "character": 0}}
    found: list[Any] = []
    async with asyncio.timeout(60):
        while not found:
            params = {"textDocument": {"uri": desk.uri}, "range": range_}
            found = await _said(desk, "textDocument/inlayHint", params)
    return found


async def _resolved_hints(desk: Desk, name: str) -> list[Any]:
    return [await desk.client.inlay_hint_resolve_async(hint) for hint in (await _hints(desk, name))[:5]]


async def _actions(desk: Desk, name: str) -> list[Any]:
    answers = await _over(POINTED, "textDocument/codeAction", context={"diagnostics": []})(desk, name)
    return [action for answer in answers for action in answer or ()]


async def _resolved_actions(desk: Desk, name: str) -> list[Any]:
    found = [one for one in await _actions(desk, name) if isinstance(one, types.CodeAction)]
    return [await desk.client.code_action_resolve_async(action) for action in found]


async def _paths(desk: Desk, name: str, method: str, **more: Any) -> list[Any]:
    answers = []
    for step in STEPS:
        path = [["name", name], *([step] if step else [])]
        steps = [{"kind": kind, "value": value} for kind, value in path]
        answers.append(await _said(desk, method, {"uri": desk.uri, "path": steps, **more}))
    return answers


async def _source_at(desk: Desk, name: str) -> list[Any]:
    answers = []
    for question in POINTED:
        at = _position(desk.place(question.format(name))["position"])
        answers.append(await _said(desk, "yonder/sourceAt", {"uri": desk.uri, "selection": {"start": at, "end": at}}))
    return answers


async def _source(desk: Desk, name: str) -> list[Any]:
    """The documents that these places are in."""
    uris = {place.uri for place in await _source_at(desk, name)} - {""}
    return [await _said(desk, "yonder/source", {"uri": uri}) for uri in uris]


ROWS: dict[str, Row] = {
    "textDocument/completion": _complete,
    "completionItem/resolve": _resolve,
    "textDocument/hover": _at(POINTED, "textDocument/hover"),
    "textDocument/signatureHelp": _at(CALLED, "textDocument/signatureHelp"),
    "textDocument/definition": _at([*POINTED, *CALLED], "textDocument/definition"),
    "textDocument/inlayHint": _hints,
    "inlayHint/resolve": _resolved_hints,
    "textDocument/codeAction": _actions,
    "codeAction/resolve": _resolved_actions,
    "yonder/keeping": lambda desk, name: _paths(desk, name, "yonder/keeping", line=0),
    "yonder/card": lambda desk, name: _paths(desk, name, "yonder/card"),
    "yonder/variables": lambda desk, name: _paths(desk, name, "yonder/variables"),
    "yonder/statistics": lambda desk, name: _paths(desk, name, "yonder/statistics"),
    "yonder/source": _source,
    "yonder/sourceAt": _source_at,
}


def _registered() -> set[str]:
    server = create({})
    return {name for name in server.protocol.fm.features if "Document/did" not in name}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(client) -> Desk:
    await client.desk.run(CODE)
    return client.desk


async def _record(desk: Desk) -> str:
    """What was done to the spies since somebody asked."""
    return await desk.run("told = str(list(spies.RECORD)[:20]); spies.RECORD.clear(); told")


async def test_every_feature_has_a_row() -> None:
    assert _registered() - ROWS.keys() - NEVER_LOOKS.keys() == set()
    assert not ROWS.keys() & NEVER_LOOKS.keys()


async def test_the_spies_do_record_in_the_session(desk: Desk) -> None:
    """The control: the same names, looked at as everybody else looks."""
    await desk.run("import contextlib\nwith contextlib.suppress(TypeError, AttributeError): dir(spy)")
    assert "__dir__" in await _record(desk)
    assert await _record(desk) == "'[]'"


@pytest.mark.parametrize("method", ROWS)
async def test_no_feature_runs_anything(desk: Desk, method: str) -> None:
    if method not in _registered():
        pytest.skip("not a feature of this server")
    answers = [await ROWS[method](desk, name) for name in NAMES]
    assert await _record(desk) == "'[]'"
    assert any(answer for answers_ in answers for answer in answers_)  # they were looked at, and something was seen


async def test_what_was_seen_is_the_session_s(desk: Desk) -> None:
    assert {"layer", "weight", "attached"} <= set(await desk.complete("net.|"))
    assert "SpyNet" in await desk.hover("|net")
    assert "not run" in await desk.hover("net.|weight")
    assert await _record(desk) == "'[]'"
