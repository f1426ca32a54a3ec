"""Whether a name that its text gives another value would have the type again that it has in the session, as far as that is
known without running anything: of literals, and of calls of classes that are live.

What this file must not know: documents, which source wins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from yonder import wire
from yonder_lsp import cursor, live
from yonder_lsp.tokens import Token

Look = Callable[[wire.Query], Awaitable[live.Look]]
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_CLASS = "<class "


def given(words: Sequence[Token]) -> str | cursor.Path:
    """What `name = …` gives: a builtin type's name, the path of what is called, "" for what cannot be told."""
    if len(words) < 3 or words[0].kind != "name" or words[1].text != "=":
        return ""
    value = words[2:]
    first, last = value[0], value[-1]
    if len(value) == 1:
        return _atom(first)
    if last.text != _BRACKETS.get(first.text, ")") or _opening(value) < 0:
        return ""
    at = _opening(value)
    if at > 0:
        return cursor.path_before(value, at - 1) if last.text == ")" and _plain(value[:at]) else ""
    inner = _separators(value)
    if first.text == "[":
        return "list"
    if first.text == "{":
        return "dict" if len(value) == 2 or ":" in inner or value[1].text == "*" else "set"
    return "tuple" if len(value) == 2 or ("," in inner and "for" not in inner) else ""


def _atom(token: Token) -> str:
    if token.kind == "string":
        return "bytes" if "b" in token.text[:2].lower().partition(token.text[-1])[0] else "str"
    if token.kind == "number":
        text = token.text.lower()
        if text.startswith(("0x", "0b", "0o")):
            return "int"
        return "complex" if text.endswith("j") else "float" if "." in text or "e" in text else "int"
    return {"None": "NoneType", "True": "bool", "False": "bool"}.get(token.text, "")


def _opening(value: Sequence[Token]) -> int:
    """The index of the bracket that the last token closes, -1 for none."""
    depth = 0
    for at in range(len(value) - 1, -1, -1):
        if value[at].kind == "op":
            depth += (value[at].text in _BRACKETS.values()) - (value[at].text in _BRACKETS)
        if depth == 0:
            return at
    return -1


def _plain(words: Sequence[Token]) -> bool:
    """Names and dots only: nothing before them that the value would be combined with."""
    return all((word.text == ".") if at % 2 else (word.kind == "name") for at, word in enumerate(words))


def _separators(value: Sequence[Token]) -> set[str]:
    depth, found = 0, set[str]()
    for word in value:
        if depth == 1:
            found.add(word.text)
        if word.kind == "op":
            depth += (word.text in _BRACKETS) - (word.text in _BRACKETS.values())
    return found


async def disagrees(name: str, words: Sequence[Token], look: Look) -> bool:
    """Does the statement surely give the name another type than its value in the session has?"""
    value = given(words)
    if not value:
        return False
    now = (await look(wire.Query("describe", [wire.Step("name", name)]))).answer
    if now is None or not now.found:
        return False
    if isinstance(value, str):
        return now.type != value
    called = (await look(wire.Query("describe", list(value)))).answer
    if called is None or not called.found or not called.short.startswith(_CLASS):
        return False
    return called.short.removeprefix(_CLASS).rstrip(">") != now.type
