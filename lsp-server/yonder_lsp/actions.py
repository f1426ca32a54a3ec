"""What can be done with the live object under the cursor: as code actions, and as links below its card.

What belongs here: which of them are offered, and the edit of *Keep as Remote*. What this file must not know: pygls, how a look
crosses the wire. Links are made from the document's URI, positions and paths of its own text: nothing that a session says
gets into one.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from yonder import wire
from yonder.errors import CannotRun
from yonder_lsp import columns, cursor, protocol, scope, statements, uris
from yonder_lsp.cards import Cards, countable, path_text, protocol_steps, steps
from yonder_lsp.documents import Document
from yonder_lsp.live import Live
from yonder_lsp.looking import Scene
from yonder_lsp.protocol import Range
from yonder_lsp.sessions import Epoch, Sessions

Json = dict[str, Any]
WITHIN = 0.1
REWRITE = "refactor.rewrite"
_AUTOMATIC = 2
_NOT_KEPT = frozenset(
    {"module", "type", "function", "builtin_function_or_method", "method", "yonder.remotes.Remote", "yonder.pool.Pool"}
)
NO_POOL = "A Remote is kept by a pool, and this session has none: run `pool = yonder.Pool(max=1)` first."


class Actions:
    """`commands` of the scene: the editor runs our commands; without them only the edit is offered. `pool` gives the name
    of a session's pool, None where it has none: only a pool keeps what a Remote stands for."""

    def __init__(
        self, scene: Scene, sessions: Sessions, eyes: Live, cards: Cards, pool: Callable[[Epoch], str | None]
    ) -> None:
        self._scene = scene
        self._sessions = sessions
        self._eyes = eyes
        self._cards = cards
        self._pool = pool

    # ── code actions ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def offered(self, document: Document, where: Range, context: Json) -> list[Json]:
        """The actions for the live expression at a cursor or selection, only when a person asks (no bulb on every line)."""
        if context.get("triggerKind") == _AUTOMATIC:
            return []
        found = _expression(document, document.offset(where.start), document.offset(where.end))
        session = self._sessions.get(self._scene.session_of(document.uri))
        if found is None or not session.alive or not self._scene.looking or uris.is_remote(document.uri):
            return []
        if scope.is_local(document, str(found.path[0].value), found.whole[0]):
            return []
        query = wire.Query("describe", list(found.path))
        look = await self._eyes.ask(f"{document.uri}\0actions", session.epoch, query, WITHIN)
        if look.answer is None or not look.answer.found:
            return []
        made = [
            *self._commands(document, found, look.answer),
            *_keep(document, found, look.answer, self._pool(session.epoch)),
        ]
        only = context.get("only")
        return made if not isinstance(only, list) else [one for one in made if _wanted(one["kind"], only)]

    def _commands(self, document: Document, found: cursor.Target, answer: wire.Answer) -> list[Json]:
        text = path_text(found.path)
        named = {"Evaluate": f"Evaluate {text}", "Show source": f"Show source of {text} on the cluster"}
        return [
            {
                "title": named.get(title, f"{title} of {text}"),
                "kind": "",
                "command": {"title": title, "command": command, "arguments": arguments},
            }
            for title, command, arguments in self._doable(document, found, answer)
        ]

    def _doable(
        self, document: Document, found: cursor.Target, answer: wire.Answer
    ) -> list[tuple[str, str, list[object]]]:
        """Title, command and arguments of what can be done with this object now."""
        if not self._scene.commands:
            return []
        uri, where = document.uri, msgspec.to_builtins(document.range(*found.whole))
        last = msgspec.to_builtins(document.range(found.start, found.end))
        path = msgspec.to_builtins(protocol_steps(found.path))
        doable: list[tuple[str, str, list[object]]] = []
        if where["start"]["line"] == where["end"]["line"]:
            doable.append(("Evaluate", "yonder.evaluate", [uri, where]))
        if countable(answer):
            doable.append(("Compute statistics", "yonder.statistics", [uri, path, where]))
        if answer.file:
            doable.append(("Show source", "yonder.showSource", [uri, last]))
        return doable if not uris.is_remote(uri) else [one for one in doable if one[1] == "yonder.showSource"]

    async def kept(self, document: Document, params: protocol.KeepParams) -> protocol.KeepEdit:
        """The edit that keeps what a path leads to after the statement on a line. Raises CannotRun where no pool is known."""
        pool = self._pool(self._sessions.get(self._scene.session_of(document.uri)).epoch)
        if pool is None:
            raise CannotRun(NO_POOL)
        path = steps(params.path)
        edit = await asyncio.to_thread(keeping, document, params.line, path_text(path), _name(path), pool)
        return msgspec.convert({"range": edit["range"], "text": edit["newText"]}, protocol.KeepEdit)

    # ── below a card ──────────────────────────────────────────────────────────────────────────────────────────────────

    def below(self, document: Document, found: cursor.Target, answer: wire.Answer) -> str:
        """What stands below a hover's card: the statistics that were computed, and links."""
        session = self._sessions.get(self._scene.session_of(document.uri))
        links = " · ".join(
            f"[{title}](command:{command}?{quote(json.dumps(arguments, separators=(',', ':')), safe='')})"
            for title, command, arguments in self._doable(document, found, answer)
        )
        return "\n\n".join(part for part in (self._cards.figures(session, found.path), links) if part)


def resolved(item: Json, document: Document) -> Json:
    """*Keep as Remote* with its edit, by the text as it is now."""
    data = item.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("text"), str) or not isinstance(data.get("line"), int):
        return item
    edit = keeping(document, data["line"], data["text"], str(data.get("name", "value")), str(data.get("pool", "pool")))
    return item | {"edit": {"changes": {document.uri: [edit]}}}


def _wanted(kind: str, only: Sequence[object]) -> bool:
    return any(asked in ("", kind) or (type(asked) is str and kind.startswith(f"{asked}.")) for asked in only)


def _expression(document: Document, start: int, end: int) -> cursor.Target | None:
    """The expression under a cursor, or the one that is exactly selected."""
    selected = document.text[start:end]
    if not selected.strip():
        return cursor.target(document.text, start)
    whole = (start + len(selected) - len(selected.lstrip()), start + len(selected.rstrip()))
    for at in (whole[1], whole[1] - 2):  # behind a name; before the quote and bracket of a subscript
        found = cursor.target(document.text, at)
        if found is not None and found.whole == whole:
            return found
    return None


def _keep(document: Document, found: cursor.Target, answer: wire.Answer, pool: str | None) -> list[Json]:
    """*Keep as Remote* for values, where there is a pool; its edit is worked out when it is chosen."""
    if pool is None or answer.signature or answer.type in _NOT_KEPT or not answer.short:
        return []
    text, name = document.text[slice(*found.whole)], _name(found.path)
    text = path_text(found.path) if "\n" in text else text
    line = document.position(found.whole[1]).line
    data = {"uri": document.uri, "text": text, "line": line, "name": name, "pool": pool}
    return [{"title": f"Keep as Remote: {name} = {pool}.put({text})", "kind": REWRITE, "data": data}]


def _name(path: Sequence[wire.Step]) -> str:
    at = max(index for index, step in enumerate(path) if type(step.value) is str)
    parts = "_".join(str(step.value) for step in path[at:])
    return "kept_" + re.sub(r"\W", "_", parts)


def keeping(document: Document, line: int, text: str, name: str, pool: str) -> Json:
    """The edit that hands an expression to the pool after the statement on a line."""
    tree, lines = statements.parse(document.text), document.lines
    line = min(max(line, 0), len(lines) - 1)
    holding = _innermost(tree.body, line) if tree is not None else None
    first, last = (holding.lineno - 1, (holding.end_lineno or holding.lineno) - 1) if holding else (line, line)
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    at = msgspec.to_builtins(columns.end_of_line(lines[last], last))
    return {"range": {"start": at, "end": at}, "newText": f"\n{indent}{name} = {pool}.put({text})"}


def _innermost(body: Sequence[ast.stmt], line: int) -> ast.stmt | None:
    """The smallest statement that covers a line (0-based)."""
    for node in body:
        if not node.lineno - 1 <= line <= (node.end_lineno or node.lineno) - 1:
            continue
        for inner in _suites(node):
            deeper = _innermost(inner, line)
            if deeper is not None:
                return deeper
        return node
    return None


def _suites(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of a compound statement."""
    found = [suite for name in ("body", "orelse", "finalbody") if isinstance(suite := getattr(node, name, None), list)]
    for name in ("handlers", "cases"):
        for part in getattr(node, name, []):
            found += _suites(part)
    return found
