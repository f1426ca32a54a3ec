"""Who a name is at a place in the text: bound above and not run yet, or local to a function, a class, a comprehension. From
statements near the place and not from a syntax tree, because the text around a cursor is unfinished most of the time.

What this file must not know: live objects, LSP, jedi.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from yonder_lsp import binding, columns, tokens
from yonder_lsp.binding import Bound
from yonder_lsp.documents import Document
from yonder_lsp.tokens import Token

REACH = 10_000
"""Characters of a function that are read around a place in it."""
LOOKS = 200
"""How many places above that have the name are looked at, from the nearest."""
_INDENT = re.compile(r"[ \t\f]*")
_SCOPE = re.compile(r"[ \t\f]*(?:async[ \t]+)?(?:def|class)\b")
_FUNCTION = re.compile(r"[ \t\f]*(?:async[ \t]+)?def[ \t]+([^\W\d]\w*)")
_TOP_SCOPE = re.compile(r"(?:async[ \t]+)?(def|class)[ \t]+([^\W\d]\w*)")
_TOP_IMPORT = re.compile(r"^(?:import|from)[ \t]+([^\W\d]\w*)", re.MULTILINE)


class Binding(NamedTuple):
    """A statement that gives a name its value, with its tokens (none for functions and classes)."""

    text: str
    words: Sequence[Token]


# ── bound above ───────────────────────────────────────────────────────────────────────────────────────────────────────


def binds(line: str, name: str) -> bool:
    """Does this one line (as it looks) give `name` a new value?"""
    indent = len(line) - len(line.lstrip())
    return any(name in binding.bound(words).new for words in tokens.statements(line, indent, len(line)))


def rebound(document: Document, name: str, line: int, ran: Container[str]) -> bool:
    """Has the text above line `line` a last binding of `name` that has not run in this form?

    `ran` holds the stripped lines of everything that ran. A name that the text does not bind at all is not rebound."""
    found = last_binding(document, name, line)
    if found is None:
        return False
    lines = (row.strip() for row in columns.split_lines(found.text))
    return any(row and not row.startswith("#") and row not in ran for row in lines)


def last_binding(document: Document, name: str, line: int) -> Binding | None:
    """The last statement above line `line` that gives the module's `name` a value; in a notebook also those of the cells
    above. Functions count as far as they say `global`."""
    found = _last_binding(document.text, name, document.start(line))
    if found is None and document.above:
        return _last_binding(document.above, name, len(document.above))
    return found


def _last_binding(text: str, name: str, until: int) -> Binding | None:
    tops = tokens.tops(text, until)
    word = _mention(name)
    hits = [found.start() for found in word.finditer(text, tops[0], until)]
    seen = -1
    for hit in reversed(hits[-LOOKS:]):
        number = bisect_right(tops, hit) - 1
        if number == seen:
            continue
        seen = number
        end = tops[number + 1] if number + 1 < len(tops) else until
        if (found := _in_block(text, tops[number], end, name, until)) is not None:
            return found
    return None


@lru_cache(maxsize=64)
def _mention(name: str) -> re.Pattern[str]:
    """Places that may bind the name: not its attributes and items."""
    word = re.escape(name)
    return re.compile(rf"(?<![\w.]){word}(?!\w|[ \t]*[.\[])|^[ \t]*import\b[^\n]*\b{word}\b", re.MULTILINE)


def _in_block(text: str, start: int, end: int, name: str, until: int) -> Binding | None:
    """The last binding in a top-level statement with its suites."""
    if (scope := _TOP_SCOPE.match(text, start)) is not None:
        if scope[2] == name:
            head = text.find("\n", start, end) if scope[1] == "def" else end
            return Binding(text[start : end if head < 0 else head], ())
        if scope[1] == "class" or not re.search(rf"\bglobal\b.*\b{re.escape(name)}\b", text[start:end]):
            return None
    found = None
    lines = _lines(text[start:end])
    for line in lines:
        if name in line.bound.new and start + line.end <= until and _is_modules(lines, line, name):
            found = Binding(text[start + line.start : start + line.end], line.words)
    return found


class _Line(NamedTuple):
    """A statement of some text. `scope` is the index of the one that opens the function or class it is in, -1 for none."""

    start: int
    end: int
    words: list[Token]
    bound: Bound
    scope: int


@lru_cache(maxsize=64)
def _lines(text: str) -> list[_Line]:
    """The statements of a block of text in order."""
    found: list[_Line] = []
    scopes: list[tuple[int, int]] = []
    for words in tokens.statements(text, 0, len(text)):
        start = words[0].start
        indent = start - (text.rfind("\n", 0, start) + 1)
        while scopes and indent <= scopes[-1][0]:
            scopes.pop()
        found.append(_Line(start, words[-1].end, words, binding.bound(words), scopes[-1][1] if scopes else -1))
        if found[-1].bound.opens:
            scopes.append((indent, len(found) - 1))
    return found


def _is_modules(lines: list[_Line], line: _Line, name: str) -> bool:
    """Is it the module's name that the statement binds?"""
    if line.scope < 0:
        return True
    return lines[line.scope].bound.opens == "function" and any(
        name in one.bound.outer for one in lines if one.scope == line.scope
    )


# ── local ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_local(document: Document, name: str, offset: int) -> bool:
    """Does `name` at `offset` belong to a function, comprehension, lambda or class body around it?"""
    text = document.text
    statement = _statement(text, offset)
    if statement:
        if _inline(statement, name, offset):
            return True
        own = binding.bound(statement)
        if own.opens == "function" and name in own.parameters and 0 <= binding.header_end(statement) <= offset:
            return True
    line = document.position(statement[0].start if statement else offset).line
    inner = True
    for header in _scopes(document, line, written=bool(statement)):
        kind = _belongs(document, header, offset, name, inner=inner)
        if kind is not None:
            return kind
        inner = False
    return False


def function(document: Document, offset: int) -> str:
    """The name of the innermost function that `offset` is in, "" for none."""
    statement = _statement(document.text, offset)
    line = document.position(statement[0].start if statement else offset).line
    for header in _scopes(document, line, written=bool(statement)):
        if (found := _FUNCTION.match(document.lines[header])) is not None:
            return found[1]
    return ""


def _statement(text: str, offset: int) -> list[Token]:
    """The statement that `offset` is in; nothing on an empty line."""
    start = tokens.statement_start(text, offset)
    for words in tokens.statements(text, start, min(len(text), offset + tokens.LINE)):
        if words[-1].end >= offset or words[-1].kind == "open_string":
            return words if words[0].start <= offset else []
    return []


def _scopes(document: Document, line: int, *, written: bool) -> Iterator[int]:
    """The lines of the `def`s and `class`es around a line, from inside out."""
    lines = document.lines
    here = _indent(lines[line]) if written else _indent_above(lines, line)
    if here == 0:
        return
    top = document.position(tokens.tops(document.text, document.start(line) + 1)[-1]).line
    at = line
    while here > 0 and at > top:
        at -= 1
        row = lines[at]
        indent = _indent(row)
        if indent >= here or not row.strip() or row.lstrip()[0] in "#)]}" or (indent == 0 and at != top):
            continue
        here = indent
        if _SCOPE.match(row):
            yield at


def _belongs(document: Document, header: int, offset: int, name: str, *, inner: bool) -> bool | None:
    """Is `name` the scope's that begins on line `header`? None: it says nothing of it."""
    text, start = document.text, document.start(header)
    head = next(tokens.statements(text, start, min(len(text), start + tokens.MOST)), [])
    scope = binding.bound(head)
    if name in scope.parameters:
        return True
    if not head or (scope.opens == "class" and not inner):
        return None
    body = text[max(head[-1].end, text.rfind("\n", 0, max(offset - REACH, 0)) + 1) : _end(document, header, offset)]
    if _mention(name).search(body) is None:
        return None
    own = [line for line in _lines(body) if line.scope < 0]
    if any(name in line.bound.outer for line in own):
        declared = any(name in line.bound.outer and line.words[0].text == "global" for line in own)
        return False if declared else None
    return True if any(name in line.bound.new | line.bound.touched for line in own) else None


def _end(document: Document, header: int, offset: int) -> int:
    """Where the scope's text ends that begins on line `header`, as far as it is read."""
    lines, indent = document.lines, _indent(document.lines[header])
    for number in range(document.position(offset).line + 1, len(lines)):
        start = document.start(number)
        row = lines[number]
        if start > offset + REACH or (row.strip() and _indent(row) <= indent and row.lstrip()[0] not in "#)]}"):
            return start
    return min(len(document.text), offset + REACH)


def _inline(words: Sequence[Token], name: str, offset: int) -> bool:
    """Is it a variable of a comprehension or a parameter of a lambda that `offset` is in?"""
    stack: list[int] = []
    for at, word in enumerate(words):
        if word.start >= offset:
            break
        if word.text == "lambda" and name in _of_lambda(words, at, offset):
            return True
        if word.kind == "op" and word.text in "([{":
            stack.append(at)
        elif word.kind == "op" and word.text in ")]}" and stack:
            stack.pop()
    return any(name in _of_comprehension(words, at, offset) for at in stack)


def _of_lambda(words: Sequence[Token], at: int, offset: int) -> set[str]:
    """The parameters of the lambda at `at` if `offset` is in its body."""
    depth, names, body = 0, list[Token](), False
    for word in words[at + 1 :]:
        if word.start >= offset:
            break
        if word.kind == "op":
            depth += (word.text in "([{") - (word.text in ")]}")
        if depth < 0 or (body and depth == 0 and word.text == ","):
            return set()
        body = body or (depth == 0 and word.text == ":")
        if not body:
            names.append(word)
    return set(binding.parameters(names)) if body else set()


def _of_comprehension(words: Sequence[Token], opening: int, offset: int) -> set[str]:
    """The variables of the comprehension in this bracket; none where `offset` is in its first iterable, which is outside."""
    depth, fors, iterable = 0, list[int](), (-1, -1)
    for at in range(opening, len(words)):
        word = words[at]
        if word.kind == "op":
            depth += (word.text in "([{") - (word.text in ")]}")
        if depth == 0:
            break
        if depth > 1:
            continue
        if word.text == "for":
            fors.append(at)
        if word.text == "in" and len(fors) == 1 and iterable[0] < 0:
            iterable = (word.end, words[-1].end)
        elif word.text in ("for", "if", "async") and iterable[0] >= 0 and iterable[1] == words[-1].end:
            iterable = (iterable[0], word.start)
    if iterable[0] < offset <= iterable[1]:
        return set()
    return {name for at in fors for name in binding.targets(words[at + 1 :], "in")}


def _indent(line: str) -> int:
    found = _INDENT.match(line)
    return found.end() if found else 0


def _indent_above(lines: Sequence[str], at: int) -> int:
    """An empty line belongs to the block above it."""
    for line in reversed(lines[max(0, at - 100) : at]):
        if line.strip():
            return _indent(line) + (4 if line.rstrip().endswith(":") else 0)
    return 0


# ── imported ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def third_party(text: str, folder: str) -> list[str]:
    """Top-level modules that the text imports and that are neither the standard library's nor the folder's own.

    Best effort: with a syntax error somewhere, lines that begin with an import are read as they look."""
    names: dict[str, None] = {}
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names[node.module.partition(".")[0]] = None
    except (SyntaxError, ValueError, RecursionError):
        names = dict.fromkeys(_TOP_IMPORT.findall(text))
    root = Path(folder) if folder else None
    return [
        name
        for name in names
        if name not in sys.stdlib_module_names
        and name != "yonder"
        and not (root is not None and ((root / f"{name}.py").exists() or (root / name).is_dir()))
    ]
