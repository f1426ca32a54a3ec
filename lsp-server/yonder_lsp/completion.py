"""Completion lists: merging what live and static sources know, the order, and the plain dicts LSP wants.

Pure. What this file must not know: sockets, clocks, documents beyond the edit range it is given.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

from yonder import wire

Json = dict[str, Any]

# Buckets of the order, first to last (EDITOR.md section 3).
KEYWORD_PARAMETER, KEY, INSTANCE, CLASS, FAR, GLOBAL, BUILTIN, PRIVATE, DUNDER = range(9)

# LSP's CompletionItemKind.
_METHOD, _FUNCTION, _FIELD, _VARIABLE, _CLASS, _MODULE, _PROPERTY, _VALUE, _KEYWORD = 2, 3, 5, 6, 7, 9, 10, 12, 14
_KINDS = {
    "f": _FIELD,
    "m": _METHOD,
    "p": _PROPERTY,
    "c": _CLASS,
    "M": _MODULE,
    "v": _VARIABLE,
    "k": _VALUE,
}
_STATIC_KINDS = {
    "module": _MODULE,
    "class": _CLASS,
    "function": _FUNCTION,
    "property": _PROPERTY,
    "instance": _VARIABLE,
    "param": _VARIABLE,
    "statement": _VARIABLE,
    "keyword": _KEYWORD,
}
_CALLABLE = frozenset({_METHOD, _FUNCTION, _CLASS})
LAST_RUN = "last run"


class Named(NamedTuple):
    """A name from the static source: jedi's kind of it."""

    name: str
    kind: str


class Entry(NamedTuple):
    """One line of the list before it is LSP's."""

    label: str
    kind: int
    bucket: int
    detail: str = ""
    note: str = ""
    insert: str = ""


def bucket_of(name: str, bucket: int) -> int:
    """Private names come after everything that is not, whatever they belong to."""
    if name.startswith("__") and name.endswith("__"):
        return DUNDER
    return PRIVATE if name.startswith("_") else bucket


def members(found: Iterable[wire.Member], *, note: str = "", globals_: bool = False) -> list[Entry]:
    """Live members; `globals_` for the namespace itself. What is no name is left out: it would be written into the file."""
    ranks = (GLOBAL, GLOBAL, BUILTIN) if globals_ else (INSTANCE, CLASS, FAR)
    return [
        Entry(
            member.name,
            _FUNCTION if globals_ and member.kind == "m" else _KINDS.get(member.kind, _VARIABLE),
            bucket_of(member.name, ranks[min(max(member.rank, 0), 2)]),
            member.detail,
            note,
        )
        for member in found
        if member.name.isidentifier()
    ]


def only_live(found: Iterable[wire.Member], bound: Container[str]) -> list[wire.Member]:
    """What another Python server cannot know: neither bound by the text nor a builtin nor a module's own."""
    return [one for one in found if one.rank < 2 and one.name not in bound and not one.name.startswith("__")]


def keys(found: Iterable[wire.Member], quote: str, *, close: bool, note: str = "") -> list[Entry]:
    """Keys for `frame["…`; without a quote yet both quotes are inserted. `close`: the bracket is not there yet."""
    entries = []
    for member in found:
        mark = quote or '"'
        name = member.name.replace("\\", "\\\\").replace(mark, "\\" + mark)
        name = name.replace("\n", "\\n").replace("\r", "\\r")
        text = ("" if quote else mark) + name + (mark if close or not quote else "") + ("]" if close else "")
        entries.append(Entry(member.name, _VALUE, KEY, member.detail, note, text))
    return entries


def parameters(found: Iterable[wire.Parameter], used: Container[str]) -> list[Entry]:
    """Keyword parameters of the call being written."""
    return [
        Entry(f"{one.name}=", _VARIABLE, KEYWORD_PARAMETER, one.label if one.label != one.name else "")
        for one in found
        if one.keyword and one.name.isidentifier() and one.name not in used
    ]


def static(found: Iterable[Named], bucket: int) -> list[Entry]:
    """Names of the static source."""
    return [
        Entry(
            one.name,
            _STATIC_KINDS.get(one.kind, _VARIABLE),
            KEYWORD_PARAMETER if one.name.endswith("=") else bucket_of(one.name, bucket),
        )
        for one in found
    ]


def python_names(known: Container[str] = ()) -> list[Entry]:
    """Builtins and keywords, which every namespace has, without those that are `known` already: what the session has under
    such a name is what the person means, whatever it is."""
    entries = []
    for name in dir(builtins):
        if name in known:
            continue
        value = getattr(builtins, name)
        kind = _CLASS if isinstance(value, type) else _FUNCTION if callable(value) else _VARIABLE
        entries.append(Entry(name, kind, bucket_of(name, BUILTIN)))
    return entries + [
        Entry(word, _KEYWORD, BUILTIN) for word in keyword.kwlist if word not in dir(builtins) and word not in known
    ]


def merge(*sources: Sequence[Entry]) -> list[Entry]:
    """One list, first source first: of two entries with one label (and one callability) the earlier stays. A variable and
    a function of one name are told apart only where both are really there."""
    seen: set[tuple[str, bool]] = set()
    merged = []
    for source in sources:
        fresh = [entry for entry in source if (entry.label, entry.kind in _CALLABLE) not in seen]
        seen.update((entry.label, entry.kind in _CALLABLE) for entry in source)
        merged += fresh
    return sorted(merged, key=_place)


def _place(entry: Entry) -> tuple[int, str, str]:
    """Names by the alphabet; parameters and keys as the call and the object have them."""
    named = entry.bucket not in (KEYWORD_PARAMETER, KEY)
    return entry.bucket, entry.label.lower() if named else "", entry.label if named else ""


def listed(
    entries: Sequence[Entry],
    *,
    range_: Json,
    data: Json,
    incomplete: bool,
    prefix: str = "",
    defaults: bool = True,
) -> Json:
    """The CompletionList. `defaults`: the client knows itemDefaults, so that range and data travel once."""
    items: list[Json] = []
    for number, entry in enumerate(entries):
        item: Json = {"label": entry.label, "kind": entry.kind, "sortText": f"{entry.bucket}{number:05d}"}
        if entry.detail:
            item["detail"] = entry.detail
        if entry.note:
            item["labelDetails"] = {"description": entry.note}
        text = entry.insert or entry.label
        if entry.insert:
            # VS Code filters by what stands in the edit range, which begins after an open quote.
            item["filterText"] = (
                entry.insert if not prefix and not entry.insert.startswith(entry.label) else entry.label
            )
        if defaults:
            if entry.insert:
                item["textEditText"] = text
        else:
            item["textEdit"] = {"range": range_, "newText": text}
            item["data"] = data
        items.append(item)
    body: Json = {"isIncomplete": incomplete, "items": items}
    if defaults:
        body["itemDefaults"] = {"editRange": range_, "data": data}
    return body
