"""What a cursor asks: text and an offset in it → a question in words of paths.

What belongs here: reading Python source around one place, tolerant of everything that is unfinished. Only names,
attributes and literal subscripts make a path; any other expression is not ours to look at live. What this file must not
know: live objects, LSP, clocks. Offsets are code points into the whole text.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from yonder.wire import Step

Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The call whose brackets enclose the cursor: `function` is the callable's path, `index` counts the commas before,
    `keyword` is the name before `=` of the argument being written, `used` the keywords already given."""

    function: Path
    index: int
    keyword: str
    used: frozenset[str]


@dataclass(frozen=True, slots=True)
class Attribute:
    """`model.encoder.la|`"""

    path: Path
    prefix: str
    start: int


@dataclass(frozen=True, slots=True)
class Name:
    """`mod|`, perhaps inside a call's brackets and then perhaps the beginning of a keyword."""

    prefix: str
    start: int
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """`frame["co|` or `frame[|`: `quote` is "" in the second."""

    path: Path
    prefix: str
    quote: str
    start: int


@dataclass(frozen=True, slots=True)
class Import:
    """`import torch.n|`, `from torch.nn import Li|`: members of `module` ("" = the top level)."""

    module: str
    prefix: str
    start: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An expression that only a static engine can follow: `f(x).|`."""

    prefix: str
    start: int


Question = Attribute | Name | Key | Import | Elsewhere


class Token(NamedTuple):
    kind: Literal["name", "number", "string", "open_string", "newline", "op"]
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\f\r]+|\\\r?\n|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>(?P<marks>[rRbBuUfFtT]{0,2})(?P<quote>\"\"\"|'''|"|'))
    | (?P<name>[^\W\d]\w*)
    | (?P<number>\d(?:[\w.]|(?<=[eE])[+-])*)
    | (?P<op>:=|->|==|!=|<=|>=|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_END = {
    '"""': re.compile(r'(?:[^"\\]+|\\.|"(?!""))*(""")?', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]+|\\.|'(?!''))*(''')?", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]+|\\.)*(")?', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\n]+|\\.)*(')?", re.DOTALL),
}
_COARSE = re.compile(r"""[^"'#\n]+|\n|#[^\n]*|\"\"\"|'''|"|'""")
_OPENERS = {")": "(", "]": "[", "}": "{"}
_CANNOT_CALL = frozenset(keyword.kwlist) - {"None", "True", "False"}
_INTEGER = re.compile(r"\d+$")


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
            closing = _STRING_END[found["quote"]].match(text, at, end)
            assert closing is not None  # noqa: S101 - the pattern also matches nothing
            at = closing.end()
            closed = closing[1] is not None
            yield Token("string" if closed else "open_string", text[found.start() : at], found.start(), at)
        elif kind == "newline":
            yield Token("newline", "\n", found.start(), at)
        elif kind == "name":
            yield Token("name", found[0], found.start(), at)
        elif kind == "number":
            yield Token("number", found[0], found.start(), at)
        elif kind == "op":
            yield Token("op", found[0], found.start(), at)


def chunk_start(text: str, offset: int) -> int:
    """Where the top-level statement around `offset` begins at the latest: the start of a line outside every string whose
    first character says that a statement begins there."""
    best, at = 0, 0
    while at < offset:
        found = _COARSE.match(text, at, offset)
        if found is None:
            break
        piece, at = found[0], found.end()
        if piece == "\n":
            if at < len(text) and text[at] not in " \t\r\n#)]}\"'":
                best = at
        elif piece in _STRING_END:
            closing = _STRING_END[piece].match(text, at, offset)
            at = closing.end() if closing else offset
    return best


class _Scene(NamedTuple):
    """Tokens up to the cursor, without newlines inside brackets; `stack` holds the indexes of brackets still open."""

    tokens: list[Token]
    stack: list[int]


def _scene(text: str, start: int, offset: int) -> _Scene:
    found: list[Token] = []
    stack: list[int] = []
    for token in tokens(text, start, offset):
        if token.kind == "newline" and stack:
            continue
        if token.kind == "op":
            if token.text in "([{":
                stack.append(len(found))
            elif token.text in _OPENERS and stack and found[stack[-1]].text == _OPENERS[token.text]:
                stack.pop()
        found.append(token)
    return _Scene(found, stack)


def question(text: str, offset: int) -> Question | None:
    """What is being written at `offset`; None inside comments, plain strings and places where a new name is made."""
    if _in_comment(text, offset):
        return None
    scene = _scene(text, chunk_start(text, offset), offset)
    last = scene.tokens[-1] if scene.tokens else None
    if last is not None and last.kind == "open_string" and last.end == offset:
        inner = _inside_braces(last)
        if inner is not None:
            return _ask(_scene(text, inner, offset), offset)
        return _key_in_string(scene, last)
    return _ask(scene, offset)


def _ask(scene: _Scene, offset: int) -> Question | None:
    found = scene.tokens
    prefix, start, before = "", offset, len(found) - 1
    if found and found[-1].end == offset and found[-1].kind == "name":
        prefix, start, before = found[-1].text, found[-1].start, before - 1
    elif found and found[-1].end == offset and found[-1].kind in ("number", "string"):
        return None
    imported = _import_question(found, before, prefix, start)
    if imported is not None:
        return imported
    previous = found[before] if before >= 0 else None
    if previous is not None and previous.text == ".":
        path = path_before(found, before - 1)
        return Attribute(path, prefix, start) if path else Elsewhere(prefix, start)
    if previous is not None and previous.kind == "name" and previous.text in ("def", "class", "as"):
        return None
    if not prefix and previous is not None and previous.text == "[" and previous.end <= offset:
        path = path_before(found, before - 1)
        if path:
            return Key(path, "", "", offset)
    return Name(prefix, start, _call(scene))


def _in_comment(text: str, offset: int) -> bool:
    """Is the cursor behind a `#` that is not in a string? (Strings over several lines are read from the statement's start.)"""
    line = text.rfind("\n", 0, offset) + 1
    if text.find("#", line, offset) < 0:
        return False
    end = chunk_start(text, offset)
    for token in tokens(text, end, offset):
        end = token.end
    return "#" in text[max(end, line) : offset]


def _inside_braces(string: Token) -> int | None:
    """Where the open `{` of an unfinished f-string begins its expression, if the cursor is in one."""
    marks = string.text[: len(string.text) - len(string.text.lstrip("rRbBuUfFtT"))].lower()
    if "f" not in marks and "t" not in marks:
        return None
    depth_at: int | None = None
    body = string.text.replace("{{", "\0\0").replace("}}", "\0\0")
    for index, character in enumerate(body):
        if character == "{":
            depth_at = index
        elif character == "}":
            depth_at = None
    return None if depth_at is None else string.start + depth_at + 1


def _key_in_string(scene: _Scene, string: Token) -> Key | None:
    bare = string.text.lstrip("rRuU")
    quote = bare[:1]
    if len(scene.tokens) < 2 or scene.tokens[-2].text != "[" or bare[:3] in ('"""', "'''") or quote not in "\"'":
        return None
    path = path_before(scene.tokens, len(scene.tokens) - 3)
    body = bare[1:]
    return Key(path, body, quote, string.end - len(body)) if path else None


def path_before(found: Sequence[Token], end: int) -> Path:
    """The path that ends with token `end`, () when the expression there is more than names, attributes and literals."""
    steps: list[Step] = []
    at = end
    while at >= 0:
        token = found[at]
        if token.text == "]":
            step, at = _literal(found, at)
            if step is None:
                return ()
            steps.append(step)
            continue
        if token.kind != "name" or (token.text in keyword.kwlist and (at == 0 or found[at - 1].text != ".")):
            return ()
        if at > 0 and found[at - 1].text == ".":
            steps.append(Step("attr", token.text))
            at -= 2
            continue
        steps.append(Step("name", token.text))
        return tuple(reversed(steps))
    return ()


def _literal(found: Sequence[Token], close: int) -> tuple[Step | None, int]:
    """The literal subscript that ends at `close`, and the token before its bracket."""
    if close < 3:
        return None, -1
    inner, before = found[close - 1], found[close - 2]
    if before.text == "[":
        if inner.kind == "string":
            body = _plain(inner.text)
            return (None if body is None else Step("key", body)), close - 3
        if inner.kind == "number" and _INTEGER.match(inner.text):
            return Step("index", int(inner.text)), close - 3
    if close >= 4 and before.text == "-" and found[close - 3].text == "[" and _INTEGER.match(inner.text):
        return Step("index", -int(inner.text)), close - 4
    return None, -1


def _plain(literal: str) -> str | None:
    """The value of a string literal without escapes, None for anything fancier."""
    bare = literal.lstrip("rRuU")
    if bare[:1] not in ('"', "'") or "\\" in bare:
        return None
    quote = bare[:3] if bare[:3] in ('"""', "'''") else bare[:1]
    return bare[len(quote) : -len(quote)]


def _import_question(found: Sequence[Token], before: int, prefix: str, start: int) -> Import | None:
    begin = before
    while begin >= 0 and found[begin].kind != "newline" and found[begin].text != ";":
        begin -= 1
    words = found[begin + 1 : before + 1]
    if not words or words[0].text not in ("import", "from"):
        return None
    texts = [word.text for word in words]
    if texts[0] == "from" and "import" in texts:
        module = "".join(texts[1 : texts.index("import")])
        if texts[-1] == "as" or module.startswith("."):
            return None
        return Import(module, prefix, start)
    if texts[-1] == "as":
        return None
    dotted = ""
    for text in reversed(texts[1:]):
        if text == ",":
            break
        dotted = text + dotted
    if dotted.startswith(".") or (dotted and not dotted.endswith(".")):
        return None
    return Import(dotted.rstrip("."), prefix, start)


def _call(scene: _Scene) -> Call | None:
    """The innermost open call around the end of the scene."""
    found = scene.tokens
    for open_at in reversed(scene.stack):
        if found[open_at].text != "(":
            continue
        path = path_before(found, open_at - 1)
        if not path or path[0].value in _CANNOT_CALL:
            continue
        first = _root_index(found, open_at - 1)
        if first > 0 and found[first - 1].text in ("def", "class"):
            return None
        return _arguments(found, open_at, path)
    return None


def _root_index(found: Sequence[Token], end: int) -> int:
    """The index of the first token of the path that ends at `end`."""
    at, depth = end, 0
    while at > 0:
        text = found[at].text
        if text == "]":
            depth += 1
        elif text == "[":
            depth -= 1
        elif depth == 0 and found[at].kind == "name" and found[at - 1].text != ".":
            return at
        at -= 1
    return at


def _arguments(found: Sequence[Token], open_at: int, path: Path) -> Call:
    index, depth, current = 0, 0, ""
    used: set[str] = set()
    for at in range(open_at + 1, len(found)):
        token = found[at]
        if token.text in ("(", "[", "{") and token.kind == "op":
            depth += 1
        elif token.text in (")", "]", "}") and token.kind == "op":
            depth -= 1
        elif depth == 0 and token.text == ",":
            index, current = index + 1, ""
        elif depth == 0 and token.text == "=" and found[at - 1].kind == "name":
            current = found[at - 1].text
            used.add(current)
    return Call(path, index, current, frozenset(used))


def call_at(text: str, offset: int) -> Call | None:
    """The call whose signature helps at `offset`."""
    if _in_comment(text, offset):
        return None
    return _call(_scene(text, chunk_start(text, offset), offset))


class Target(NamedTuple):
    """What a hover is about: the path and the place of its last piece."""

    path: Path
    start: int
    end: int


def target(text: str, offset: int) -> Target | None:
    """The path that ends with the identifier (or literal subscript) under `offset`."""
    line_end = text.find("\n", offset)
    end = len(text) if line_end < 0 else line_end
    found = _scene(text, chunk_start(text, offset), end).tokens
    for at, token in enumerate(found):
        if not token.start <= offset <= token.end or token.kind not in ("name", "string"):
            continue
        if token.kind == "name":
            path = path_before(found, at)
            return Target(path, token.start, token.end) if path else None
        if offset < token.end and at + 1 < len(found) and found[at + 1].text == "]":
            path = path_before(found, at + 1)
            return Target(path, token.start, token.end) if path else None
    return None
