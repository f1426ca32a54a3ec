"""What functions that a file gives to a pool take along from the session: too large, or what never travels. As diagnostics
before the call, from the text and from looks at live objects, which run none of their code.

Pure. What this file must not know: how live objects are looked at, how diagnostics are published.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from yonder import wire
from yonder_lsp import columns

Json = dict[str, Any]
WARNING = 2
VERBS = frozenset({"submit", "map", "call", "acall", "stream", "astream", "spawn", "broadcast"})
MOST = 20
"""How many names of a file are looked at."""

STUBBORN = frozenset(
    {
        "_thread.lock",
        "_thread.RLock",
        "_io.TextIOWrapper",
        "_io.BufferedReader",
        "_io.BufferedWriter",
        "_io.FileIO",
        "socket.socket",
        "ssl.SSLSocket",
        "sqlite3.Connection",
        "sqlite3.Cursor",
        "generator",
        "coroutine",
        "async_generator",
        "frame",
        "traceback",
    }
)
"""Types that no pickler takes."""

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Capture:
    """A global that a function uses which is given to a pool; where the function stands in the call (lines from 1, columns
    in characters from 0)."""

    name: str
    function: str
    line: int
    column: int
    end_column: int


def captures(text: str) -> list[Capture]:
    """The first `MOST` of them, in the order of the text; none while the text cannot be parsed."""
    try:
        tree = ast.parse(text)
        used = _globals_by_function(symtable.symtable(text, "file", "exec"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    pools = set(_pools(tree))
    lines = columns.split_lines(text)
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | set(_imported(tree))
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in VERBS:
            continue
        given = call.args[0] if call.args else None
        receiver = call.func.value
        if isinstance(given, ast.Name) and isinstance(receiver, ast.Name) and receiver.id in pools:
            start, end = (_column(lines, given.lineno, at) for at in (given.col_offset, given.end_col_offset or 0))
            names = sorted(_reached(given.id, used) - own)
            found += [Capture(name, given.id, given.lineno, start, end) for name in names]
    return sorted(found, key=lambda one: (one.line, one.column, one.name))[:MOST]


def _globals_by_function(table: symtable.SymbolTable) -> dict[str, set[str]]:
    """The globals that each function of the module uses, those of functions inside it included."""

    def used(inner: symtable.SymbolTable) -> Iterator[str]:
        if isinstance(inner, symtable.Function):
            yield from inner.get_globals()
        for child in inner.get_children():
            yield from used(child)

    functions = [child for child in table.get_children() if child.get_type() == "function"]
    return {function.get_name(): set(used(function)) for function in functions}


def _reached(function: str, used: Mapping[str, set[str]]) -> set[str]:
    """What the function and the module's functions that it calls use."""
    waiting, seen, found = [function], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for one in used.get(name, ()):
            if one in used:
                waiting.append(one)
            elif not hasattr(builtins, one):
                found.add(one)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _pools(tree: ast.Module) -> Iterator[str]:
    """Names that the text binds to a Pool."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if _opens(item.context_expr) and isinstance(item.optional_vars, ast.Name):
                    yield item.optional_vars.id
        elif isinstance(node, ast.Assign) and _opens(node.value):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _opens(value: ast.expr) -> bool:
    called = value.func if isinstance(value, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    return name == "Pool"


def _column(lines: list[str], line: int, at: int) -> int:
    text = lines[line - 1] if line <= len(lines) else ""
    return len(text.encode()[:at].decode(errors="replace"))


def marks(found: list[Capture], seen: Mapping[str, wire.Answer], text: str, limit: int) -> list[Json]:
    """The diagnostics of these captures, from what was seen of the live objects; `limit` bytes are worth a warning."""
    lines = columns.split_lines(text)
    made = []
    for one in found:
        answer = seen.get(one.name)
        if answer is None or not answer.found or not (words := _said(one, answer, limit)):
            continue
        line = lines[one.line - 1] if one.line <= len(lines) else ""
        start, end = (
            {"line": one.line - 1, "character": columns.to_utf16(line, at)} for at in (one.column, one.end_column)
        )
        where = {"start": start, "end": end}
        made.append({"range": where, "severity": WARNING, "source": "yonder", "message": words})
    return made


def _said(one: Capture, answer: wire.Answer, limit: int) -> str:
    if answer.type in STUBBORN:
        return (
            f"{one.function} uses {one.name}, a {answer.type}, which cannot travel to another process; "
            "make it where the call runs"
        )
    memory = next((fact.value for fact in answer.facts if fact.label == "memory"), "")
    if limit and weight(memory) > limit:
        return (
            f"{one.function} takes {one.name} ({memory}) along with its code; give it as an argument, or put it there "
            "once (pool.put)"
        )
    return ""


def weight(words: str) -> float:
    """Bytes of a size in words ("800 MB"), 0 for what is none."""
    number, _, unit = words.partition(" ")
    try:
        return float(number) * _UNITS[unit.split(",")[0].strip()]
    except (ValueError, KeyError):
        return 0.0
