"""Inlay hints: behind what the last run bound, what it is now: `x: Tensor[32, 10] float32`. Pure.

A hint stands where the name got the value that it has. When that statement was edited since, the hint is stale: the editor
that knows us draws it dim, others show it with a question mark.

What this file must not know: connections, threads, when hints are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from yonder import wire
from yonder_lsp import columns
from yonder_lsp.documents import Document
from yonder_lsp.targets import Target

Json = dict[str, Any]

_TYPE = 1
"""LSP's InlayHintKind.Type."""
_BEFORE = re.compile(r"\s*|.*[;:]\s*")
_BEHIND = re.compile(r"\s*(?:[#;:]|$)")
_SHAPED = frozenset({"torch", "numpy", "pandas"})


def hints(
    document: Document,
    targets: Iterable[Target],
    rows: Mapping[str, wire.Row],
    last: Mapping[str, Target],
    session: str,
    *,
    shapes: bool,
) -> list[Json]:
    """The hints behind these targets. `rows` says what a name is, `last` which text it got that from; `shapes`: only those
    that no static engine can give."""
    found, stale = list[Json](), dict[str, Json | None]()
    for target in targets:
        row, bound = rows.get(target.name), last.get(target.name)
        if row is None or bound is None or not row.short or row.kind != "v" or (shapes and not shaped(row)):
            continue
        if bound.text == target.text:
            if _is_it(document, target, bound):
                found.append(_hint(document, target, row, session, stale=False))
        elif target.name not in stale:
            stale[target.name] = None if _stands(document, bound) else _hint(document, target, row, session, stale=True)
    fresh = {hint["data"]["name"] for hint in found}
    return found + [hint for name, hint in stale.items() if hint is not None and name not in fresh]


def shaped(row: wire.Row) -> bool:
    """Does the hint say more than a type?"""
    return row.type.partition(".")[0] in _SHAPED and "[" in row.short


def _is_it(document: Document, target: Target, bound: Target) -> bool:
    """Of several statements with this very text, it is the one below the same line."""
    first = bound.text.partition("\n")[0]
    return not bound.before or target.before == bound.before or document.text.count(first) == 1


def _stands(document: Document, bound: Target) -> bool:
    """Does the text still have the statement that the value came from? Then another one is new, not edited."""
    first, *more = bound.text.split("\n")
    at = document.text.find(first)
    while at >= 0:
        line = document.position(at).line
        column = at - document.start(line)
        rows = [document.lines[line][column:], *document.lines[line + 1 : line + 1 + len(more)]]
        *whole, last = [row.strip() for row in rows]
        if _BEFORE.fullmatch(document.lines[line], 0, column) and _same(whole, last, [first, *more]):
            return True
        at = document.text.find(first, at + 1)
    return False


def _same(whole: list[str], last: str, wanted: list[str]) -> bool:
    """Are these the wanted lines, with nothing behind the last one that belongs to it?"""
    return whole == wanted[:-1] and last.startswith(wanted[-1]) and _BEHIND.match(last, len(wanted[-1])) is not None


def _hint(document: Document, target: Target, row: wire.Row, session: str, *, stale: bool) -> Json:
    character = columns.to_utf16(document.lines[target.line], target.end)
    return {
        "position": {"line": target.line, "character": character},
        "label": f": {row.short}{' ?' if stale else ''}",
        "kind": _TYPE,
        "data": {"session": session, "name": target.name, "stale": stale},
    }
