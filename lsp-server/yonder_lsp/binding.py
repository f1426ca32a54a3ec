"""What one statement does to names: those that get another value, those that become local, what it opens.

By its tokens, not by a syntax tree, because the text around a cursor is unfinished most of the time. What this file must
not know: where the statement stands, what ran.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from yonder_lsp.tokens import Token

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_AUGMENT = frozenset("+-*/%@&|^")
_WORDS = frozenset(keyword.kwlist)
_HEADS = frozenset({"if", "elif", "else", "while", "try", "finally", "match"})


class Bound(NamedTuple):
    """`new` names get another value, `touched` ones are only made local by it, `outer` ones belong to a scope outside.
    A function or class `opens` a scope, in which its `parameters` are."""

    new: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    outer: frozenset[str] = frozenset()
    opens: Literal["", "function", "class"] = ""
    parameters: frozenset[str] = frozenset()


def bound(words: Sequence[Token]) -> Bound:
    """What a statement binds, its own suite on the same line included."""
    if words and words[0].text == "async":
        words = words[1:]
    head = words[0].text if words else ""
    if head in ("def", "class") and len(words) > 1:
        return _opened(words, "function" if head == "def" else "class")
    new, touched, outer = set(_walrus(words)), set[str](), set[str]()
    for part in _simple(words):
        head = part[0].text
        if head in ("global", "nonlocal"):
            outer |= {word.text for word in part[1:] if word.kind == "name"}
        elif head == "del":
            touched |= set(_targets(part[1:]))
        elif head in ("import", "from"):
            new |= set(_imported(part))
        elif head == "for":
            new |= set(targets(part[1:], "in"))
        elif head in ("with", "except"):
            new |= set(_named(part))
        elif head == "case" and _is_case(part):
            new |= set(_captured(part[1:]))
        elif head == "type" and len(part) > 2 and part[1].kind == "name" and part[2].text in ("[", "="):
            new.add(part[1].text)
        elif head not in _HEADS or part[-1].text != ":":
            _assigned(part, new, touched)
    return Bound(frozenset(new), frozenset(touched), frozenset(outer))


def _opened(words: Sequence[Token], opens: Literal["function", "class"]) -> Bound:
    given: set[str] = set()
    at = 2
    if at < len(words) and words[at].text == "[":
        until = _closing(words, at)
        given |= set(parameters(words[at + 1 : until]))
        at = until + 1
    if opens == "function" and at < len(words) and words[at].text == "(":
        given |= set(parameters(words[at + 1 : _closing(words, at)]))
    return Bound(frozenset({words[1].text}), opens=opens, parameters=frozenset(given))


def header_end(words: Sequence[Token]) -> int:
    """The offset behind the colon that ends a compound statement's head; -1 without one."""
    for at, depth in _depths(words):
        if not depth and words[at].text == ":" and not _of_lambda(words, at):
            return words[at].end
    return -1


def _of_lambda(words: Sequence[Token], colon: int) -> bool:
    pending, depth = 0, 0
    for word in words[:colon]:
        depth += (word.text in _OPEN) - (word.text in _CLOSE)
        if depth == 0:
            pending += (word.text == "lambda") - (word.text == ":" and pending > 0)
    return pending > 0


def _simple(words: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The parts at `;` and behind the colon of a head."""
    start = 0
    compound = words[0].text in _HEADS | {"for", "with", "except", "case"} if words else False
    for at, depth in _depths(words):
        head = compound and words[at].text == ":" and not _of_lambda(words[start:], at - start)
        if depth == 0 and (words[at].text == ";" or head):
            if at > start:
                yield words[start : at + 1] if head else words[start:at]
            start = at + 1
            compound = compound and not head
    if start < len(words):
        yield words[start:]


def _depths(words: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Each token's index and how many brackets are open before it."""
    depth = 0
    for at, word in enumerate(words):
        closes = word.kind == "op" and word.text in _CLOSE
        depth = max(0, depth - closes)
        yield at, depth
        depth += word.kind == "op" and word.text in _OPEN


def _closing(words: Sequence[Token], opening: int) -> int:
    """The index of the bracket that closes this one; the end without one."""
    depth = 0
    for at in range(opening, len(words)):
        if words[at].kind == "op":
            depth += (words[at].text in _OPEN) - (words[at].text in _CLOSE)
        if depth == 0:
            return at
    return len(words)


def _until(words: Sequence[Token], text: str) -> Sequence[Token]:
    for at, depth in _depths(words):
        if not depth and words[at].text == text:
            return words[:at]
    return ()


def _walrus(words: Sequence[Token]) -> Iterator[str]:
    for at in range(1, len(words)):
        if words[at].text == ":=" and words[at - 1].kind == "name":
            yield words[at - 1].text


def parameters(words: Sequence[Token]) -> Iterator[str]:
    """Parameters: the first name of each part between commas."""
    fresh = True
    for at, depth in _depths(words):
        if depth == 0 and words[at].text == ",":
            fresh = True
        elif fresh and words[at].kind == "name":
            fresh = False
            yield words[at].text
        elif words[at].text not in ("*", "/"):
            fresh = False


def targets(words: Sequence[Token], end: str) -> Iterator[str]:
    """The targets that stand before a word."""
    return _targets(_until(words, end))


def _targets(words: Sequence[Token]) -> Iterator[str]:
    """The plain names of assignment targets; not those of attributes and subscripts."""
    depth = skipped = 0
    for at, word in enumerate(words):
        before = words[at - 1] if at else None
        attribute = before is not None and before.text == "."
        after = words[at + 1].text if at + 1 < len(words) else ""
        if word.kind == "op" and word.text in _OPEN:
            subscript = before is not None and (before.kind in ("name", "string") or before.text in _CLOSE)
            depth += 1
            skipped = skipped or (depth if subscript else 0)
        elif word.kind == "op" and word.text in _CLOSE:
            skipped = 0 if skipped == depth else skipped
            depth = max(0, depth - 1)
        elif word.kind == "name" and not (skipped or attribute or word.text in _WORDS or after in (".", "(", "[")):
            yield word.text


def _named(part: Sequence[Token]) -> Iterator[str]:
    """Targets behind `as`, up to the next comma, colon or bracket that closes."""
    at = 0
    while at < len(part):
        if part[at].text == "as":
            depth, end = 0, at + 1
            while end < len(part) and (depth or part[end].text not in (",", ":", ")")):
                depth += (part[end].text in _OPEN) - (part[end].text in _CLOSE)
                end += 1
            yield from _targets(part[at + 1 : end])
            at = end
        at += 1


def _imported(part: Sequence[Token]) -> Iterator[str]:
    """Names that an import makes: the alias, else the first part of a module's name."""
    listed = part[1:]
    if part[0].text == "from":
        at = next((at for at, word in enumerate(part) if word.text == "import"), len(part))
        listed = part[at + 1 :]
    for at, word in enumerate(listed):
        before = listed[at - 1].text if at else ","
        if word.kind != "name" or word.text in _WORDS:
            continue
        if before == "as" or (before in (",", "(") and not _aliased(listed, at)):
            yield word.text


def _aliased(listed: Sequence[Token], at: int) -> bool:
    for word in listed[at + 1 :]:
        if word.text in (",", ")"):
            return False
        if word.text == "as":
            return True
    return False


def _is_case(part: Sequence[Token]) -> bool:
    return len(part) > 1 and part[-1].text == ":" and part[1].text not in ("=", ".", ",", ":")


def _captured(part: Sequence[Token]) -> Iterator[str]:
    """The names that a pattern gives values to."""
    for at, word in enumerate(part):
        if word.text == "if":
            return
        before = part[at - 1].text if at else ""
        after = part[at + 1].text if at + 1 < len(part) else ""
        plain = word.kind == "name" and word.text not in _WORDS and word.text != "_"
        if plain and before != "." and after not in (".", "(", "="):
            yield word.text


def _assigned(part: Sequence[Token], new: set[str], touched: set[str]) -> None:
    """`a = b = c`, `a: b = c`, `a += b`, `a: b`."""
    signs = [at for at, depth in _depths(part) if not depth and part[at].text == "="]
    if not signs:
        colon = next((at for at, depth in _depths(part) if not depth and part[at].text == ":"), 0)
        shifted = next((at for at in range(1, len(part)) if part[at].text in (">=", "<=") and _shift(part, at)), 0)
        if (until := colon or shifted) and part[0].text != "lambda":
            touched |= set(_targets(part[:until]))
        return
    start = 0
    for at in signs:
        target = part[start:at]
        start = at + 1
        if target and target[-1].text in _AUGMENT and target[-1].end == part[at].start:
            touched |= set(_targets(target[:-1]))
            continue
        colon = next((n for n, depth in _depths(target) if not depth and target[n].text == ":"), len(target))
        new |= set(_targets(target[:colon]))


def _shift(part: Sequence[Token], at: int) -> bool:
    return part[at - 1].text == part[at].text[0] and part[at - 1].end == part[at].start
