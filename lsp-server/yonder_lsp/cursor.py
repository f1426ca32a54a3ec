"""What a cursor asks: text and an offset in it → a question in words of paths.

What belongs here: reading Python source around one place, tolerant of everything that is unfinished. Only names,
attributes and literal subscripts make a path; any other expression is not ours to look at live. What this file must not
know: live objects, LSP, clocks. Offsets are code points into the whole text.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from yonder.wire import Step
from yonder_lsp.tokens import Token, statement_start, tokens

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


_OPENERS = {")": "(", "]": "[", "}": "{"}
_CANNOT_CALL = frozenset(keyword.kwlist) - {"None", "True", "False"}
_INTEGER = re.compile(r"\d+$")
AHEAD = 1_000
"""How far behind a place its line is read."""


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
    scene = _around(text, offset)
    if scene is None:
        return None
    last = scene.tokens[-1] if scene.tokens else None
    if last is not None and last.kind == "open_string" and last.end == offset:
        return _key_in_string(scene, last)
    return _ask(scene, offset)


def _around(text: str, offset: int) -> _Scene | None:
    """The statement up to `offset`, or the expression of the f-string it is in; None in a comment."""
    scene = _scene(text, statement_start(text, offset), offset)
    while scene.tokens and scene.tokens[-1].end == offset and (inner := scene.tokens[-1].inner) >= 0:
        scene = _scene(text, inner, offset)
    line = text.rfind("\n", 0, offset) + 1
    end = scene.tokens[-1].end if scene.tokens else line
    return None if "#" in text[max(end, line) : offset] else scene


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
    if previous is not None and previous.kind == "name" and previous.text in ("def", "class", "as", "lambda"):
        return None
    if _parameter(scene, before):
        return None
    if not prefix and previous is not None and previous.text == "[" and previous.end <= offset:
        path = path_before(found, before - 1)
        if path:
            return Key(path, "", "", offset)
    return Name(prefix, start, _call(scene))


def _parameter(scene: _Scene, before: int) -> bool:
    """Is a parameter of a `def` or `lambda` being named behind token `before`?"""
    found = scene.tokens
    if before < 0 or found[before].text not in ("(", ",", "*"):
        return False
    if scene.stack and found[scene.stack[-1]].text == "(":
        first = scene.stack[-1] - 1
        while first > 0 and found[first].text == "]":  # type parameters
            first = _bracket(found, first) - 1
        if first > 0 and found[first].kind == "name" and found[first - 1].text == "def":
            return True
    floor = scene.stack[-1] if scene.stack else -1
    for at in range(before, floor, -1):
        if found[at].text in (":", "newline"):
            return False
        if found[at].text == "lambda":
            return True
    return False


def _bracket(found: Sequence[Token], close: int) -> int:
    """The bracket that the one at `close` closes; 0 where there is none."""
    depth = 0
    for at in range(close, -1, -1):
        if found[at].kind == "op":
            depth += (found[at].text in ")]}") - (found[at].text in "([{")
        if depth == 0:
            return at
    return 0


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
            steps.append(Step("attr", _normal(token.text)))
            at -= 2
            continue
        steps.append(Step("name", _normal(token.text)))
        return tuple(reversed(steps))
    return ()


def _normal(name: str) -> str:
    """The name as Python spells it."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


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


def _import_question(found: Sequence[Token], before: int, prefix: str, start: int) -> Import | Elsewhere | None:
    begin = before
    while begin >= 0 and found[begin].kind != "newline" and found[begin].text not in (";", ":"):
        begin -= 1
    words = found[begin + 1 : before + 1]
    if not words or words[0].text not in ("import", "from"):
        return None
    texts = [word.text for word in words]
    if texts[0] == "from" and "import" in texts:
        module = "".join(texts[1 : texts.index("import")])
        if texts[-1] == "as":
            return None
        return Elsewhere(prefix, start) if module.startswith(".") else Import(module, prefix, start)
    if texts[-1] == "as":
        return None
    dotted = ""
    for text in reversed(texts[1:]):
        if text == ",":
            break
        dotted = text + dotted
    if dotted.startswith("."):
        return Elsewhere(prefix, start)
    if dotted and not dotted.endswith("."):
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
    scene = _around(text, offset)
    return None if scene is None else _call(scene)


class Target(NamedTuple):
    """What a hover is about: the path, the place of its last piece, and of the whole expression."""

    path: Path
    start: int
    end: int
    whole: tuple[int, int]


def target(text: str, offset: int) -> Target | None:
    """The path that ends with the identifier (or literal subscript) under `offset`."""
    line_end = text.find("\n", offset, offset + AHEAD)
    end = min(len(text), offset + AHEAD) if line_end < 0 else line_end
    return _target(text, statement_start(text, offset), offset, end)


def _target(text: str, start: int, offset: int, end: int) -> Target | None:
    found = _scene(text, start, end).tokens
    for at, token in enumerate(found):
        if not token.start <= offset <= token.end or token.kind in ("number", "op", "newline"):
            continue
        if token.kind != "name" and (inner := _expression(text, token.start, offset)) >= 0:
            return _target(text, inner, offset, end)
        closed = token.kind != "name" and offset < token.end and at + 1 < len(found) and found[at + 1].text == "]"
        if token.kind == "name" or closed:
            path = path_before(found, at + closed)
            whole = (found[_root_index(found, at + closed)].start, found[at + closed].end)
            return Target(path, token.start, token.end, whole) if path else None
    return None


def _expression(text: str, string: int, offset: int) -> int:
    """Where the expression begins that `offset` is in, of the f-string that begins at `string`; -1: in none."""
    cut = next(tokens(text, string, offset), None)
    return -1 if cut is None else cut.inner
