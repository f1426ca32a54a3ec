"""Where a module's text gives names their values: assignments, loops and `with`, also inside other loops and branches; not
in functions and classes, whose names are others. Read statement by statement, so that the price of a place in a long text
does not depend on the text. Pure.

What belongs here: text → targets. What this file must not know: what ran, live objects, LSP.
"""

from __future__ import annotations

import ast
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yonder_lsp.columns import split_lines
from yonder_lsp.statements import parse, suites

LINES = 400
CHARACTERS = 32_000
"""A longer statement is passed over: its parsing would hold up everything else."""
TRIES = 4
KEPT = 2_000_000
"""Characters of statements whose targets are remembered."""

_BEGINS = re.compile(r"[^\s#)\]}]")
_GOES_ON = re.compile(r"(?:else|elif|except|finally)\b")
_WITHOUT = re.compile(r"(?:async[ \t]+def|def|class|import|from)\b|@")
_DECLARES = re.compile(r"^(?:def|class|import|from|async def)[ \t]", re.MULTILINE)
_QUOTES = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Target:
    """`line` (0-based) and `end` (code points) are where the name ends; `text` the statement it stands in, or the head of a
    loop up to its colon; `before` the line above the name's. Lines of both without the blanks around them."""

    name: str
    line: int
    end: int
    text: str
    before: str = ""


class Targets:
    """Finds them; what was found in a statement's text is remembered for as long as there is room."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Target, ...]] = OrderedDict()
        self._size = 0

    def within(self, lines: Sequence[str], first: int, last: int, *, whole: bool = False) -> Iterator[Target]:
        """Those of the statements that touch the lines first to last; `whole`: the lines are known to begin outside of
        every string. May be stopped between two statements."""
        last = min(last, len(lines) - 1)
        at = 0 if whole else _outside(lines, _begin(lines, min(max(first, 0), last)))
        while at <= last:
            end = _end(lines, at)
            found, end = self._read(lines, at, end)
            before = lines[at - 1].strip() if at else ""
            for one in found:
                above = lines[at + one.line - 1].strip() if one.line else before
                yield Target(one.name, at + one.line, one.end, one.text, above)
            at = end

    def _read(self, lines: Sequence[str], first: int, end: int) -> tuple[tuple[Target, ...], int]:
        """The targets of the statement that begins at `first`, and the line behind it. What Python does not accept may go on
        behind a line that only looks like a beginning."""
        if _WITHOUT.match(lines[first]):
            return (), end
        for _ in range(TRIES):
            text = "\n".join(lines[first:end])
            if end - first > LINES or len(text) > CHARACTERS:
                return (), end
            known = self._known.get(text)
            if known is not None:
                self._known.move_to_end(text)
                return known, end
            tree = parse(text)
            if tree is not None:
                found = sorted(_targets(tree, lines[first:end]), key=lambda one: one.line)
                return self._remember(text, tuple(found)), end
            if end >= len(lines):
                break
            end = _closing(lines, text, end) or _end(lines, end)
        return (), _end(lines, first)

    def _remember(self, text: str, found: tuple[Target, ...]) -> tuple[Target, ...]:
        self._known[text] = found
        self._size += len(text)
        while self._size > KEPT:
            gone, _ = self._known.popitem(last=False)
            self._size -= len(gone)
        return found


def of_block(code: str) -> list[Target]:
    """Those of a block of code."""
    lines = split_lines(code)
    return list(Targets().within(lines, 0, len(lines), whole=True))


def stripped(text: str) -> str:
    """Lines without the blanks around them: indentation may change and the statement is still the same."""
    return "\n".join([line.strip() for line in text.split("\n")])


def _begin(lines: Sequence[str], at: int) -> int:
    """The line at or above `at` where a statement of the module begins."""
    for line in range(at, max(at - LINES, 0) - 1, -1):
        if _BEGINS.match(lines[line]) and not _GOES_ON.match(lines[line]):
            return line
    return at


def _end(lines: Sequence[str], at: int) -> int:
    """The line behind the statement that begins at `at`: where the next one begins."""
    at += 1
    while at < len(lines) and (not _BEGINS.match(lines[at]) or _GOES_ON.match(lines[at])):
        at += 1
    return at


def _closing(lines: Sequence[str], text: str, at: int) -> int:
    """The line behind the end of the string that `text` leaves open, 0 when it leaves none or there is no end."""
    quote = next((quote for quote in _QUOTES if text.count(quote) % 2), "")
    return (
        next((line + 1 for line in range(at, min(at + LINES, len(lines))) if quote in lines[line]), 0) if quote else 0
    )


def _outside(lines: Sequence[str], at: int) -> int:
    """`at`, or the line behind the string over several lines that it stands in, as far as quotes' number tells."""
    above = "\n".join(lines[:at])
    for quote in _QUOTES:
        if above.count(quote) % 2 == 0:
            continue
        closing = next((line for line in range(at, min(at + LINES, len(lines))) if quote in lines[line]), None)
        if closing is None or _DECLARES.search("\n".join(lines[at:closing])):
            continue  # code stands there: a quote above was none
        return closing + 1
    return at


def _targets(tree: ast.Module, lines: Sequence[str]) -> Iterator[Target]:
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        until: ast.stmt | ast.expr = node
        found: list[ast.expr] = []
        match node:
            case ast.Assign(targets=targets):
                found = targets
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr()):
                found = [target]
            case ast.For(target=target, iter=until) | ast.AsyncFor(target=target, iter=until):
                found = [target]
            case ast.With(items=items) | ast.AsyncWith(items=items):
                found = [item.optional_vars for item in items if item.optional_vars is not None]
                until = items[-1].optional_vars or items[-1].context_expr
            case _:
                pass
        if found:
            text = _segment(lines, node, until)
            for name in (name for target in found for name in _names(target)):
                line = (name.end_lineno or name.lineno) - 1
                yield Target(name.id, line, _column(lines[line], name.end_col_offset), text)
        for suite in reversed(suites(node)):
            waiting += reversed(suite)


def _segment(lines: Sequence[str], node: ast.stmt, until: ast.stmt | ast.expr) -> str:
    """From where one begins to where the other ends: a remark behind it is no part of it."""
    first, last = node.lineno - 1, (until.end_lineno or until.lineno) - 1
    rows = list(lines[first : last + 1])
    rows[-1] = rows[-1][: _column(rows[-1], until.end_col_offset or 0)]
    rows[0] = rows[0][_column(lines[first], node.col_offset) :]
    return stripped("\n".join(rows))


def _column(line: str, encoded: int | None) -> int:
    """The parser counts UTF-8 bytes."""
    if line.isascii():
        return encoded or 0
    return len(line.encode("utf-8", "surrogatepass")[:encoded].decode("utf-8", "replace"))


def _names(target: ast.expr) -> Iterator[ast.Name]:
    match target:
        case ast.Name():
            yield target
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _names(part)
        case ast.Starred(value=value):
            yield from _names(value)
        case _:
            return  # an attribute or item of something: no name of the module
