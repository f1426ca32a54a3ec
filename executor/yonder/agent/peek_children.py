"""What is inside an object, as the rows of a table: a page at a time, without running anything and without walking it all.

What belongs here: which parts an object has, and the page of them that was asked for. What this file must not know: how a
value is written (peek_text), what a tensor is (peek_stores), sockets.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from yonder.agent import peek_path, peek_text
from yonder.agent import peek_raw as raw
from yonder.agent.peek_path import Lost
from yonder.agent.peek_stores import Stores
from yonder.holding import Handle
from yonder.wire import Answer, Query, Row, Step

ABSENT = raw.ABSENT
MOST = 200
"""Rows in one answer."""
_TRIES = 20
_SORTED_AT_MOST = 20_000
_PATH_KEY = 200
_LOOKED_AT_A_TIME = 256
_LEAVES: Final = frozenset(map(id, (str, bytes, bytearray, int, float, complex, bool, type(None), range, slice)))
_KINDS: Final = {"v": 0, "m": 1, "c": 2, "M": 3}


class Entry(NamedTuple):
    """One part: `name` as it is shown, `key` as the secrets' rule reads it. `value` ABSENT: only what is said here is known."""

    name: str
    key: str
    value: object
    step: Step | None
    kind: str = ""
    type: str = ""
    short: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """`count` parts; `since(n)` walks them from number n on."""

    count: int
    since: Callable[[int], Iterable[Entry]]


class Children:
    """The parts of one object; made for one look."""

    def __init__(
        self, namespace: dict[str, Any], stores: Stores, guard: peek_text.Guard, budget: peek_text.Budget
    ) -> None:
        self._namespace = namespace
        self._stores = stores
        self._guard = guard
        self._budget = budget
        self._slots: dict[int, list[tuple[str, object]]] = {}
        self._hidden = ""

    def answer(self, query: Query) -> Answer:
        """One page, cut to MOST rows."""
        if not query.path:
            return self._told(self._names, query, "")
        sight = peek_path.follow(self._namespace, query.path, self._stores)
        if isinstance(sight, Lost):
            return Answer(found=False, why=sight.why)
        value = sight.value
        if value is ABSENT:
            return Answer(found=False, why=sight.note or "this value was not read: that would run code")
        self._hidden = sight.hidden
        return self._told(lambda: self._parts(value), query, raw.type_name(type(value)))

    def _told(self, parts: Callable[[], Parts], query: Query, kind: str) -> Answer:
        for _ in range(_TRIES):
            try:
                entries, total, why = self._page(parts(), query)
                return Answer(found=True, why=why, type=kind, rows=[*map(self._row, entries)], total=total)
            except RuntimeError:  # another thread changed it in the middle
                continue
        return Answer(found=False, why="it changes faster than it can be looked at")

    # ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _page(self, parts: Parts, query: Query) -> tuple[list[Entry], int, str]:
        """The entries, how many there are in all, and what is to be said of that."""
        limit, offset = min(max(query.limit, 1), MOST), max(query.offset, 0)
        if not query.prefix:
            return list(islice(parts.since(offset), limit)), parts.count, ""
        wanted, found, matches, looked = query.prefix.lower(), list[Entry](), 0, 0
        for looked, entry in enumerate(parts.since(0), 1):
            if looked % _LOOKED_AT_A_TIME == 0 and self._budget.late():
                why = f"the filter has looked at the first {looked:,} of {parts.count:,}"
                return found, matches, why
            if wanted in entry.name.lower() or wanted in self._type(entry).lower():
                matches += 1
                if matches > offset and len(found) < limit:
                    found.append(entry)
        return found, matches, ""

    def _type(self, entry: Entry) -> str:
        return entry.type if entry.value is ABSENT else raw.type_name(type(entry.value))

    def _row(self, entry: Entry) -> Row:
        value = entry.value
        if value is ABSENT:
            return Row(entry.name, entry.kind, entry.type, entry.short, entry.step)
        return Row(
            name=entry.name,
            kind=raw.kind_of(value),
            type=raw.type_name(type(value)),
            short=self._short(entry),
            step=entry.step,
            children=self._count(value),
            size=self._size(value),
        )

    def _short(self, entry: Entry) -> str:
        if self._hidden and self._guard.hides(self._hidden, entry.value):
            return self._stores.line(entry.value) or peek_text.HIDDEN
        writer = peek_text.Writer(self._budget.fresh(), self._guard, self._stores.line)
        return peek_text.line(writer.named(entry.key, entry.value))

    def _size(self, value: object) -> int:
        if self._budget.late():
            return -1
        if self._stores.is_tensor(value) or self._stores.is_array(value):
            held = raw.c_field(type(value), "nbytes", value)
            return held if type(held) is int else -1
        if self._stores.is_frame(value) or self._stores.is_series(value):
            return self._stores.memory(value)
        return -1

    # ── what an object is made of ─────────────────────────────────────────────────────────────────────────────────

    def _names(self) -> Parts:
        """The person's names: values, then functions, classes and modules, each in the order in which they were made."""
        found = [item for item in raw.items(self._namespace) if type(item[0]) is str and not item[0].startswith("_")]
        if len(found) <= _SORTED_AT_MOST:
            found.sort(key=lambda item: _KINDS.get(raw.kind_of(item[1]), 0))
        return _named(found, "name")

    def _parts(self, value: Any) -> Parts:
        stores = self._stores
        if id(type(value)) in _LEAVES or raw.kind_of(value) == "m" or raw.derives(type(value), Handle):
            return _listed([])
        if raw.is_class(value):
            return _attributes(raw.class_items(value))
        if raw.is_module(value):
            return _attributes(raw.items(raw.module_dict(value)))
        if stores.is_network(value):
            own = [item for item in raw.items(raw.instance_dict(value)) if not raw.exact(item[0]).startswith("_")]
            return _attributes([*stores.registered(value), *own])
        if stores.is_frame(value):
            return _listed(
                [
                    Entry(peek_text.cut(name), "", ABSENT, _step("key", name), "k", "column", dtype)
                    for name, dtype in stores.columns(value, 10_000)
                ]
            )
        if stores.is_tensor(value) or stores.is_array(value) or stores.is_series(value):
            facts = stores.facts(value, self._budget.late)
            return _listed([Entry(label, "", ABSENT, None, "k", "", text) for label, text in facts])
        if type(value) is os._Environ:  # noqa: SLF001 - the exact class is the point
            names = stores.keys(value, 10_000) or []
            return _listed([Entry(name, "", ABSENT, None, "k", "str", peek_text.HIDDEN) for name, _ in names])
        return self._container(value) or _attributes(self._fields(value))

    def _container(self, value: Any) -> Parts | None:
        """The items of a builtin container by its own storage, whatever its subclass says; None: it is none."""
        if raw.is_dict(value):
            return Parts(dict.__len__(value), lambda start: self._entries(value, start))
        named = peek_text.field_values(value) if raw.is_tuple(value) else None
        if named is not None:
            return _attributes(named)
        for base in (list, tuple):
            if raw.derives(type(value), base):
                return Parts(base.__len__(value), lambda start, base=base: _indexed(value, base, start))  # type: ignore[misc]
        for kind in (set, frozenset, deque):
            if raw.derives(type(value), kind):
                return Parts(kind.__len__(value), lambda start, kind=kind: _walked(kind.__iter__(value), start))  # type: ignore[misc]
        return None

    def _entries(self, mapping: Any, start: int) -> Iterator[Entry]:
        """The entries of a dict's storage. A step leads to those under a real string or number."""
        followed = raw.plain_dict(mapping)
        for key, value in islice(dict.items(mapping), start, None):
            kind = type(key)
            step = None
            if followed and kind is str:
                step = _step("key", key)
            elif followed and kind is int and key.bit_length() < 63:
                step = Step("index", key)
            if self._hidden and kind is not int:
                yield Entry(peek_text.HIDDEN, "", value, None)
            else:
                yield Entry(self._key(key), key if kind is str else "", value, step)

    def _key(self, key: object) -> str:
        if type(key) is str:  # without a writer: a filter reads many of them
            return peek_text.HIDDEN if self._guard.hides_text(key) else peek_text.line(peek_text.quoted(key))
        writer = peek_text.Writer(self._budget.fresh(), self._guard, self._stores.line)
        return peek_text.line(writer.value(key))

    def _fields(self, value: object) -> list[tuple[str, object]]:
        """What an instance holds: its dict, and the slots of its classes that are set. What begins with _ comes last."""
        held = raw.items(raw.instance_dict(value))
        found = dict(peek_text.field_values(value) or ())  # in the order in which they were declared
        found |= {name: raw.slot(slot, value) for name, slot in self._slots_of(type(value))}
        found |= {name: item for name, item in held if type(name) is str}
        return sorted(
            ((name, item) for name, item in found.items() if item is not ABSENT),
            key=lambda item: item[0].startswith("_"),
        )

    def _slots_of(self, kind: type) -> list[tuple[str, object]]:
        known = self._slots.get(id(kind))
        if known is None:
            known = self._slots[id(kind)] = [
                (name, attribute)
                for cls in raw.mro(kind)
                for name, attribute in raw.class_items(cls)
                if type(name) is str and raw.is_slot(attribute) and not name.startswith("__")
            ]
        return known

    def _count(self, value: Any) -> int:
        """About how many parts there are, from lengths alone."""
        kind = type(value)
        if id(kind) in _LEAVES or raw.kind_of(value) == "m" or raw.derives(kind, Handle):
            return 0
        if raw.is_class(value):
            return len(raw.class_items(value)) if raw.module_of(value) != "builtins" else 0
        if self._stores.is_tensor(value) or self._stores.is_array(value) or self._stores.is_series(value):
            return 1
        if self._stores.is_frame(value):
            return max(1, self._stores.width(value))
        if self._stores.is_network(value):
            return len(self._stores.registered(value)) or 1
        container = None if raw.is_module(value) else self._container(value)
        if container is not None:
            return container.count
        held = raw.instance_dict(value)
        return dict.__len__(held) + len(self._slots_of(kind))


def _listed(entries: list[Entry]) -> Parts:
    return Parts(len(entries), lambda start: islice(entries, start, None))


def _attributes(named: Iterable[tuple[Any, Any]]) -> Parts:
    """Parts under names; a name that is no real string is somebody's object, and names with __ are the language's."""
    return _named([item for item in named if type(item[0]) is str and not item[0].startswith("__")], "attr")


def _named(found: list[tuple[str, Any]], kind: Literal["name", "attr"]) -> Parts:
    """Entries are made when they are wanted: there may be many more names than rows."""
    return Parts(
        len(found),
        lambda start: (
            Entry(peek_text.cut(name), name, value, _step(kind, name)) for name, value in islice(found, start, None)
        ),
    )


def _step(kind: Literal["name", "attr", "key"], name: str) -> Step | None:
    return Step(kind, name) if len(name) <= _PATH_KEY else None


def _indexed(value: Any, base: Any, start: int) -> Iterator[Entry]:
    followed = raw.subscripts_as(value, base)
    for at in range(start, base.__len__(value)):
        try:
            item = base.__getitem__(value, at)
        except IndexError:  # it has become shorter
            return
        yield Entry(str(at), "", item, Step("index", at) if followed else None)


def _walked(items: Iterable[object], start: int) -> Iterator[Entry]:
    for at, item in enumerate(islice(items, start, None), start):
        yield Entry(str(at), "", item, None)
