"""Python source as tokens around one place, tolerant of everything that is unfinished: names, numbers, strings (with the
expressions inside f-strings), operators, ends of lines.

A statement is looked for backwards over a bounded distance, so that the price of a question does not depend on the length
of the text. What this file must not know: what a cursor asks, what a name means. Offsets are code points into the whole
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

NEAR = 30_000
"""A text that is no longer is read from its beginning, as its strings are then known for certain."""
BACK = 8_000
"""How far before a place its statement is looked for in a longer text; the strings above are told by their quotes' count."""
MOST = 5_000
"""What of a longer statement counts; of a longer line a part of that."""
LINE = 2_000

_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31-\u0e4e\u20d0-\u20f0\ufe00-\ufe0f\ufe20-\ufe2f"
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\f\r\ufeff]+|\\\r?\n|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>(?P<marks>[rRbBuUfFtT]{{0,2}})(?P<quote>\"\"\"|'''|"|'))
    | (?P<name>[^\W\d][\w{_MARKS}]*)
    | (?P<number>\d(?:[\w.]|(?<=[eE])[+-])*)
    | (?P<op>:=|->|==|!=|<=|>=|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_END = {
    '"""': re.compile(r'(?:[^"\\]+|\\.?|"(?!""))*(""")?', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]+|\\.?|'(?!''))*(''')?", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]+|\\.?)*(")?', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\n]+|\\.?)*(')?", re.DOTALL),
}
_LITERAL = re.compile(r"""[^{}"'\\\n]+|\\[^{}]?|\{\{|\}\}|\"\"\"|'''|.|\n""", re.DOTALL)
_COARSE = re.compile(r"""[^"'#\n]+|\n|#[^\n]*|\"\"\"|'''|"|'""")
# With one of these at a line's beginning a statement begins, whatever brackets are still open above.
_SURELY = (
    r"[ \t]*(?:(?:def|class|import|with|while|try|except|finally|elif|return|raise|del|assert|global|nonlocal|pass|break"
    r"|continue)\b|async[ \t]+def\b)"
)
_AT_EDGE = r"""[^ \t\r\n\f#)\]}"'0-9]"""
_CERTAIN = re.compile(rf"{_AT_EDGE}|{_SURELY}")
_STRINGS = (
    r'"""(?:[^"\\]++|\\.?|"(?!""))*+(?:"""|\Z)|'
    r"'''(?:[^'\\]++|\\.?|'(?!''))*+(?:'''|\Z)|"
    r'"(?:[^"\\\n]++|\\.?)*+"?|'
    r"'(?:[^'\\\n]++|\\.?)*+'?"
)


def _to_line(beginning: str) -> re.Pattern[str]:
    """Matches up to the next line outside of strings that has such a beginning."""
    return re.compile(rf"""(?:[^"'#\n]++|#[^\n]*+|{_STRINGS}|\n(?!{beginning}))*+\n(?={beginning})""", re.DOTALL)


_NEXT_TOP = _to_line(_AT_EDGE)
_NEXT_STATEMENT = _to_line(f"(?:{_AT_EDGE}|{_SURELY})")
_PREFIX = re.compile(r"[rRbBuUfFtT]*$")
_DECLARES = re.compile(r"^(?:def|class|import|from|async def)[ \t]", re.MULTILINE)


class Token(NamedTuple):
    """`inner`: where the expression begins that an unfinished f-string ends in, -1 for none."""

    kind: Literal["name", "number", "string", "open_string", "newline", "op"]
    text: str
    start: int
    end: int
    inner: int = -1


def tokens(text: str, start: int, end: int) -> Iterator[Token]:
    """The tokens of text[start:end]; a string cut by `end` or by its line's end comes as open_string."""
    at = start
    while at < end:
        found = _TOKEN.match(text, at, end)
        if found is None:  # unreachable: the last alternative takes any character
            return
        kind = found.lastgroup
        at = found.end()
        if found["string"] is not None:
            at, closed, inner = _string_end(text, at, end, found["quote"], found["marks"])
            yield Token("string" if closed else "open_string", text[found.start() : at], found.start(), at, inner)
        elif kind == "newline":
            yield Token("newline", "\n", found.start(), at)
        elif kind == "name":
            yield Token("name", found[0], found.start(), at)
        elif kind == "number":
            yield Token("number", found[0], found.start(), at)
        elif kind == "op":
            yield Token("op", found[0], found.start(), at)


def _string_end(text: str, at: int, end: int, quote: str, marks: str) -> tuple[int, bool, int]:
    """Where the string ends whose body begins at `at`, whether it is closed, and the expression in which it was cut."""
    if not set(marks) & set("fFtT"):
        closing = _STRING_END[quote].match(text, at, end)
        assert closing is not None  # noqa: S101 - the pattern also matches nothing
        return closing.end(), closing[1] is not None, -1
    return _body(text, at, end, quote, nested=False)


def _body(text: str, at: int, end: int, quote: str, *, nested: bool) -> tuple[int, bool, int]:
    """The literal part of an f-string up to its quote; `nested`: a format specification, up to its brace."""
    while at < end:
        found = _LITERAL.match(text, at, end)
        piece = found[0] if found else text[at]
        if nested and piece in ("}", "}}"):
            return at, True, -1
        if piece == quote or (len(quote) == 1 and piece == quote * 3):
            return (at, False, -1) if nested else (at + len(quote), True, -1)
        if piece == "\n" and len(quote) == 1:
            return at, False, -1
        at += len(piece)
        if piece == "{" or (nested and piece == "{{"):
            at, whole, inner = _field(text, at if piece == "{" else at - 1, end, quote)
            if not whole:
                if inner >= 0 or at >= end:
                    return at, False, inner
                return _body(text, at, end, quote, nested=nested)
    return end, False, -1


def _field(text: str, start: int, end: int, quote: str) -> tuple[int, bool, int]:
    """A replacement field from behind its brace: where it ends, whether by its own brace, and the expression in it that
    `end` cut. With Python 3.12 strings of the same quote may stand in it, where a value may begin."""
    at, depth, operand = start, 0, True
    while at < end:
        if not operand and text.startswith(quote, at):
            return at, False, -1  # after a value no string can begin: the f-string was closed before its brace
        found = _TOKEN.match(text, at, end)
        piece = found[0] if found else text[at]
        kind = found.lastgroup if found else ""
        if piece == "\n" and len(quote) == 1:
            return at, False, -1
        if found is not None and found["string"] is not None:
            at, closed, inner = _string_end(text, found.end(), end, found["quote"], found["marks"])
            if not closed and at >= end:
                return end, False, start if inner < 0 else inner
            operand = False
            continue
        if depth == 0 and piece == "}":
            return at + 1, True, -1
        if depth == 0 and piece == ":":
            at, whole, inner = _body(text, at + 1, end, quote, nested=True)
            return (at + 1, True, -1) if whole else (at, False, inner)
        at += len(piece)
        depth += (piece in "([{") - (piece in ")]}") if len(piece) == 1 else 0
        if kind != "space":
            operand = not (kind in ("name", "number") or piece in ")]}")
    return end, False, start


def begins(text: str, at: int) -> bool:
    """Does a statement surely begin at this line's start, whatever is open above?"""
    return _CERTAIN.match(text, at) is not None


def tops(text: str, offset: int) -> list[int]:
    """The lines' starts outside of strings at which something stands that is not indented, up to `offset`: at most `NEAR`
    characters before it, the first is where that begins."""
    found = [0 if offset <= NEAR else _outside(text, offset, NEAR)]
    while (line := _NEXT_TOP.match(text, found[-1], offset + 1)) is not None:
        found.append(line.end())
    return found


def statements(text: str, start: int, end: int) -> Iterator[list[Token]]:
    """The statements of text[start:end] line by line as a parser joins them, without their ends; a bracket that was not
    closed ends where a statement surely begins."""
    found: list[Token] = []
    depth = 0
    for token in tokens(text, start, end):
        if token.kind == "newline":
            if depth and not begins(text, token.end):
                continue
            if found:
                yield found
            found, depth = [], 0
            continue
        if token.kind == "op":
            depth = max(0, depth + (token.text in "([{") - (token.text in ")]}"))
        found.append(token)
    if found:
        yield found


def statement_start(text: str, offset: int) -> int:
    """Where the statement around `offset` begins at the latest (or one before it): the start of a line outside every string
    where a statement surely begins. In what is longer than the bounds above it is a place nearby."""
    best = 0 if offset <= NEAR else _outside(text, offset)
    while (line := _NEXT_STATEMENT.match(text, best, offset + 1)) is not None:
        best = line.end()
    return best if offset - best <= MOST else _within(text, best, offset)


def _within(text: str, start: int, offset: int) -> int:
    """A place in a long statement outside of its strings; the beginning of the string that `offset` is in."""
    at = nearest = start
    while at < offset:
        found = _COARSE.match(text, at, offset)
        if found is None:
            break
        piece, at = found[0], found.end()
        if piece == "\n" and nearest < offset - MOST:
            nearest = at
        elif piece in _STRING_END:
            closing = _STRING_END[piece].match(text, at, offset)
            at = closing.end() if closing else offset
            if at == offset:
                prefix = _PREFIX.search(text[max(found.start() - 2, 0) : found.start()])
                return found.start() - (len(prefix[0]) if prefix else 0)
    return nearest if offset - nearest <= MOST else _within_line(text, offset - LINE, offset)


def _outside(text: str, offset: int, back: int = BACK) -> int:
    """A place `back` characters before `offset`, outside of the strings over several lines as far as their quotes' number tells."""
    begin = text.find("\n", offset - back, offset) + 1
    if begin == 0:
        return _within_line(text, offset - LINE, offset)
    for quote in _open_quotes(text, begin):
        closing = text.find(quote, begin, offset)
        if _DECLARES.search(text, begin, offset if closing < 0 else closing):
            continue  # code stands there: a quote above was none
        return text.rfind(quote, 0, begin) if closing < 0 else closing + 3
    return begin


@lru_cache(maxsize=4)
def _open_quotes(text: str, end: int) -> list[str]:
    """The marks of strings over several lines that stand an odd number of times before `end`."""
    return [quote for quote in ('"""', "'''") if text.count(quote, 0, end) % 2]


def _within_line(text: str, at: int, offset: int) -> int:
    """The first place from `at` on that is in no word, and in no string as far as the line's quotes tell."""
    line = text.rfind("\n", 0, at) + 1
    odd = [quote for quote in "'\"" if text.count(quote, line, at) % 2]
    if len(odd) == 1:
        at = text.find(odd[0], at, offset) + 1 or at
    while at < offset and (text[at].isalnum() or text[at] in "_."):
        at += 1
    return at
