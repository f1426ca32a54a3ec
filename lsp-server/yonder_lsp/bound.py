"""Which names a module's text binds: what any other Python server offers, too. By lines, because the text is unfinished
most of the time.

What this file must not know: live objects, LSP.
"""

from __future__ import annotations

import re

LARGEST = 100_000  # characters, 15 ms at most; in a larger text nothing is known
LONGEST = 300  # characters of a line, in which its targets are looked for
_INDENT = re.compile(r"[ \t]*")
_DEFINED = re.compile(r"(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)")
_IMPORT = re.compile(r"import[ \t]+(.+)")
_FROM = re.compile(r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]+(?:\(([^)]*)|(.+))", re.MULTILINE)
_ASSIGNED = re.compile(r"([\w\s,*()\[\].]+)(?::[^=#]+)?=(?!=)")
_CALLED = re.compile(r"\w[ \t]*\(")
_ITEM = re.compile(r"\w[ \t]*\[[^\]]*\]")
_FOR = re.compile(r"(?:async[ \t]+)?for[ \t]+(.+?)[ \t]+in\b")
_AS = re.compile(r"\bas[ \t]+\(?(\w+)")
_WALRUS = re.compile(r"\b(\w+)[ \t]*:=")
_TARGET = re.compile(r"(?<![\w.])([^\W\d]\w*)(?!\w*[ \t]*\.)")
_ALIAS = re.compile(r"(?:([^\W\d][\w.]*)[ \t]+as[ \t]+)?([^\W\d][\w.]*)")


def names(text: str) -> frozenset[str]:
    """Names bound at the top level of this text, also in its loops and branches; not those of functions and classes."""
    if len(text) > LARGEST:
        return frozenset()
    found = {name for whole in _FROM.finditer(text) for name in _imported(whole[1] or whole[2])}
    inside: int | None = None  # the indentation of the def or class that we are in
    for line in text.splitlines():
        indent = _INDENT.match(line).end()  # type: ignore[union-attr]  # it matches the empty string
        code = line[indent:]
        if not code or code.startswith("#"):
            continue
        if inside is not None and indent > inside:
            continue
        defined = _DEFINED.match(code)
        inside = indent if defined else None
        if defined:
            found.add(defined[1])
        else:
            found |= _bound(code)
    return frozenset(found)


def _bound(code: str) -> set[str]:
    found = set(_WALRUS.findall(code)) if ":=" in code else set()
    if imported := _IMPORT.match(code):
        return found | {name.partition(".")[0] for name in _imported(imported[1])}
    if code.startswith(("with", "except", "async with")):
        found.update(_AS.findall(code))
    elif looped := _FOR.match(code):
        found.update(_TARGET.findall(looped[1]))
    else:
        code = code[:LONGEST]
        while (assigned := _ASSIGNED.match(code)) and not _CALLED.search(assigned[1]):
            found.update(_TARGET.findall(_ITEM.sub(".", assigned[1])))
            code = code[assigned.end() :]
    return found


def _imported(listed: str) -> list[str]:
    """The names that `a, b as c` gives."""
    plain = re.sub(r"#.*", "", listed)
    return [match[2] for part in plain.split(",") if (match := _ALIAS.match(part.strip(" \t\r\n\\")))]
