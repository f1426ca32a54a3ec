"""Looking at a session's live objects without running any of the person's code: one query in, one answer out.

    namespace ─ peek_path ─▶ the object (or why not) ─▶ members · describe · children · keys · signature ─▶ wire.Answer
                                  read by peek_raw, explained by peek_stores and peek_call, written by peek_text

It runs on the worker's side thread while user code runs on the main one. It never imports, never waits for a lock of the
person's, and keeps no reference to anything it saw. (What it cannot prevent: while it holds an object the main thread may
drop its own last reference, and then the object's end happens here.)

What belongs here: the questions. What this file must not know: sockets, the worker, what user code is running.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter, thread_time
from typing import Any, Final, assert_never

import msgspec

from yonder import wire
from yonder.agent import peek_call, peek_enums, peek_imports, peek_path, peek_source, peek_text
from yonder.agent import peek_raw as raw
from yonder.agent.peek_children import Children
from yonder.agent.peek_names import Names
from yonder.agent.peek_path import Lost, Sight
from yonder.agent.peek_stores import Stores
from yonder.wire import Answer, Fact, Member, Query, Step

ABSENT = raw.ABSENT
_LONGEST: Final = 200
_ENUMERATED: Final = 20
"""Letters of a name or key in a list: nobody completes longer ones, and thousands of texts as keys would be a large answer."""

_FAR: Final = frozenset(map(id, (object, type)))
# Directory listings only (names of files), kept between questions because reading site-packages takes milliseconds.
_listings = peek_imports.Listings()


def look(namespace: dict[str, Any], query: Query, generation: int, names: Names | None = None) -> Answer:
    """Answer one query about a namespace. Never raises: what cannot be seen is said in `Answer.why`.

    `names` is what was told of the namespace's names before; without it they are told as a whole.
    """
    began = perf_counter()
    try:
        answer = _answer(namespace, query, generation, names)
    except Exception as error:  # noqa: BLE001 - a look that fails must not end the side thread; the reason goes to the asker
        answer = Answer(found=False, why=f"this could not be looked at ({raw.name_of(type(error))})")
    return msgspec.structs.replace(answer, generation=generation, micros=int((perf_counter() - began) * 1e6))


def _answer(namespace: dict[str, Any], query: Query, generation: int, names: Names | None) -> Answer:
    if not query.within:
        return _Look(namespace, generation, names).answer(query)
    inside = peek_source.names_of(query.within)
    if inside is None:
        return Answer(found=False, why=f"no module of {query.within} is loaded in the session")
    return _Look(inside, generation, None).answer(query)


class _Look:
    """One question being answered; everything it found goes with it."""

    def __init__(self, namespace: dict[str, Any], generation: int, names: Names | None) -> None:
        self._namespace = namespace
        self._generation = generation
        self._names = names
        self._stores = Stores()
        self._guard = peek_text.Guard()
        self._budget = peek_text.Budget()
        self._writer = peek_text.Writer(self._budget, self._guard, self._stores.line)

    def answer(self, query: Query) -> Answer:
        match query.what:
            case "names":
                names = self._names or Names()
                return names.answer(self._namespace, query.since, self._stores, self._generation)
            case "imports":
                return self._imports(query)
            case "members":
                return self._members(query)
            case "describe":
                return self._describe(query.path)
            case "keys":
                return self._keys(query)
            case "signature":
                return self._signature(query.path)
            case "children":
                # A run that holds the interpreter takes none of a page's time.
                own = peek_text.Budget(clock=thread_time)
                return Children(self._namespace, self._stores, self._guard, own).answer(query)
            case "statistics":
                return Answer(found=False, why="statistics read the data, which is not done here")
            case "source":
                return self._source(query.path)
            case _:
                assert_never(query.what)

    # ── members ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _members(self, query: Query) -> Answer:
        if not query.path:
            found = _named(self._namespace)
            taken = {member.name for member in found}
            found += [member for member in _named(raw.builtin_names(), rank=2) if member.name not in taken]
            return Answer(found=True, members=_chosen(found, query))
        sight = peek_path.follow(self._namespace, query.path, self._stores)
        if isinstance(sight, Lost):
            return Answer(found=False, why=sight.why)
        if sight.value is ABSENT and sight.kind is None:
            return Answer(found=False, why=sight.note, type=sight.hint)
        kin = raw.kin(sight.kind) if sight.kind is not None else 0
        return Answer(
            found=True, type=_type_text(sight), members=_chosen(self._members_of(sight, query.limit), query), kin=kin
        )

    def _members_of(self, sight: Sight, limit: int) -> list[Member]:
        value = sight.value
        if value is ABSENT:
            return _class_members(sight.kind or object, {})
        if raw.is_class(value):
            members: dict[str, Member] = {name: Member(name, "f", 0) for name, _ in peek_enums.members(value)[:limit]}
            _class_members(value, members)
            return _class_members(type(value), members, far=True)
        members = {}
        told: dict[int, tuple[str, str]] = {}
        plain = "v" if raw.is_module(value) else "f"
        # More than can be told would only be sorted and thrown away, while user code waits for the interpreter.
        for name, item in peek_text.first(raw.instance_dict(value), limit):
            if type(name) is str:
                kind, detail = told.get(id(type(item))) or _told(item, told)
                members[name] = Member(name, plain if kind == "v" else kind, 0, detail)
        for name, item in self._stores.registered(value):
            members.setdefault(name, Member(name, "f", 0, _told(item, told)[1]))
        if self._stores.is_frame(value):
            for name, dtype in self._stores.columns(value, 1000):
                if name.isidentifier():
                    members.setdefault(name, Member(name, "f", 0, dtype))
        return _class_members(type(value), members, far=raw.is_module(value))

    # ── describe ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _describe(self, path: list[Step]) -> Answer:
        sight = peek_path.follow(self._namespace, path, self._stores)
        if isinstance(sight, Lost):
            return Answer(found=False, why=sight.why)
        if sight.value is ABSENT:
            facts = [Fact("note", sight.note)] if sight.note else []
            return Answer(found=True, type=sight.hint or _type_text(sight), facts=facts)
        value = sight.value
        signature = (
            peek_call.signature(value, self._writer, bound=sight.bound) if _described_as_callable(value) else None
        )
        file, line = peek_call.place(value)
        if not file and raw.kind_of(value) == "v":
            file, line = self._home(value)
        return Answer(
            found=True,
            type=_type_text(sight),
            short=self._short(path, sight),
            facts=[Fact(label, text) for label, text in self._facts(sight)],
            doc=peek_call.summary(value),
            signature=f"{_callable_name(value, path)}{signature.text}" if signature else "",
            parameters=list(signature.parameters) if signature else [],
            signatures=self._overloads(sight, path) if signature else [],
            file=file,
            line=line,
        )

    def _home(self, value: object) -> tuple[str, int]:
        """Where the class of an instance is written, if it is the person's (or a library's) Python."""
        kind = type(value)
        file, line = ("", 0) if raw.module_of(kind) == "builtins" else peek_call.place(kind)
        return (file, line) if line else ("", 0)

    def _short(self, path: list[Step], sight: Sight) -> str:
        name = path[-1].value if path and type(path[-1].value) is str else ""
        if sight.hidden and self._guard.hides(sight.hidden, sight.value):
            return self._stores.line(sight.value) or peek_text.HIDDEN
        return peek_text.line(self._writer.named(str(name), sight.value))

    def _facts(self, sight: Sight) -> list[tuple[str, str]]:
        value = sight.value
        facts = self._stores.facts(value, self._budget.late)
        if self._stores.is_network(value):
            forward = peek_call.signature(value, self._writer)
            facts += [("forward", forward.text)] if forward else []
        kind = type(value)
        if raw.plain_dict(value):
            return [*facts, ("length", str(dict.__len__(value))), *self._first_keys(value)]
        if kind is list or kind is tuple or kind is set or kind is frozenset or kind is str or kind is bytes:
            facts.append(("length", str(kind.__len__(value))))
        elif raw.is_dict(value):
            facts.append(("length", str(dict.__len__(value))))
        if raw.is_class(value):
            facts.append(("bases", ", ".join(raw.type_name(base) for base in raw.mro(value)[1:4])))
            facts += [(name, self._stands_for(name, one)) for name, one in peek_enums.members(value)[:_ENUMERATED]]
        elif not sight.hidden and peek_enums.value(value) is not ABSENT:
            name = raw.exact(raw.find(raw.instance_dict(value), "_name_"))
            facts.append(("value", self._stands_for(name, value)))
        return facts

    def _stands_for(self, name: str, member: object) -> str:
        value = peek_enums.value(member)
        return "?" if value is ABSENT else peek_text.line(self._writer.named(name, value))

    def _first_keys(self, value: object) -> list[tuple[str, str]]:
        shown = [name for name, _ in peek_text.first(value, 8) if type(name) is str]
        return [("keys", peek_text.cut(", ".join(shown)))] if shown else []

    # ── keys, signature ───────────────────────────────────────────────────────────────────────────────────────────

    def _keys(self, query: Query) -> Answer:
        sight = peek_path.follow(self._namespace, query.path, self._stores)
        if isinstance(sight, Lost):
            return Answer(found=False, why=sight.why)
        value = sight.value
        if value is ABSENT:
            return Answer(found=False, why=sight.note)
        if raw.plain_dict(value):
            entries = peek_text.first(value, max(query.limit, 0) * 4)
            kinds = {id(kind): raw.type_name(kind) for kind in {id(type(v)): type(v) for _, v in entries}.values()}
            keys: list[tuple[str, str]] | None = [(k, kinds[id(type(v))]) for k, v in entries if type(k) is str]
        else:
            keys = self._stores.keys(value, query.limit)
        if keys is None:
            return Answer(found=False, why=f"{raw.type_name(type(value))} has no keys that can be seen")
        members = [Member(name, "k", 0, detail) for name, detail in keys if len(name) <= _LONGEST]
        members.sort(key=lambda member: not member.name.startswith(query.prefix))  # else as they stand in the object
        return Answer(found=True, type=_type_text(sight), members=members[: max(query.limit, 0)])

    def _signature(self, path: list[Step]) -> Answer:
        sight = peek_path.follow(self._namespace, path, self._stores)
        if isinstance(sight, Lost):
            return Answer(found=False, why=sight.why)
        if sight.value is ABSENT:
            return Answer(found=False, why=sight.note)
        found = peek_call.signature(sight.value, self._writer, bound=sight.bound)
        if found is None:
            return Answer(found=False, why="no signature is stored for it", type=_type_text(sight))
        return Answer(
            found=True,
            type=_type_text(sight),
            signature=f"{_callable_name(sight.value, path)}{found.text}",
            parameters=list(found.parameters),
            doc=peek_call.summary(sight.value),
            signatures=self._overloads(sight, path),
        )

    def _overloads(self, sight: Sight, path: list[Step]) -> list[wire.Signature]:
        name = _callable_name(sight.value, path)
        found = peek_call.overloads(sight.value, self._writer, bound=sight.bound)
        return [wire.Signature(f"{name}{one.text}", list(one.parameters)) for one in found]

    def _source(self, path: list[Step]) -> Answer:
        value, why = peek_source.written(self._namespace, path, self._stores)
        if value is ABSENT:
            return Answer(found=False, why=why)
        found = peek_source.source(value)
        if isinstance(found, Lost):
            return Answer(found=False, why=found.why)
        facts = [Fact("home", found.home)] + ([Fact("coding", found.coding)] if found.coding else [])
        kind = raw.type_name(type(value))
        return Answer(
            found=True, type=kind, short=found.name, facts=facts, file=found.file, line=found.line, text=found.text
        )

    # ── imports ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _imports(self, query: Query) -> Answer:
        if not query.path:
            members = [Member(name, "M", 0) for name in peek_imports.top_level(_listings)]
            return Answer(found=True, members=_chosen(members, query))
        name = ".".join(step.value for step in query.path if isinstance(step.value, str))
        found = {child: Member(child, "M", 1) for child in peek_imports.submodules(name, _listings)}
        module = peek_imports.loaded_module(name)
        if module is ABSENT and not found:
            return Answer(found=False, why=f"{name} is not loaded and has no modules on disk")
        for member in _named(raw.module_dict(module)) if module is not ABSENT else ():
            found.setdefault(member.name, member)
        return Answer(found=True, type="module", members=_chosen(list(found.values()), query))


def _named(entries: dict[str, Any], rank: int = 0) -> list[Member]:
    """The names of a namespace or module."""
    told: dict[int, tuple[str, str]] = {}
    return [
        Member(name, letter, rank, detail)
        for name, value in raw.items(entries)
        if type(name) is str
        for letter, detail in (told.get(id(type(value))) or _told(value, told),)
    ]


def _told(value: object, told: dict[int, tuple[str, str]]) -> tuple[str, str]:
    """The kind letter in a list, and the type's name of a plain value (for functions, classes and modules the kind says it
    all). Both are the same for all values of a type: `told` keeps them for one list, by the type's id."""
    letter = raw.listed_kind(value)
    told[id(type(value))] = found = (letter, raw.name_of(type(value)) if letter == "v" else "")
    return found


def _class_members(kind: type, members: dict[str, Member], *, far: bool = False) -> list[Member]:
    """Add what the classes of an MRO define, nearest first. One pass, no look-up by name: this is the hot loop."""
    letters = raw.KIND_BY_TYPE
    for cls in raw.mro(kind):
        rank = 2 if far or id(cls) in _FAR else 1
        for name, value in raw.class_items(cls):
            if type(name) is str and name not in members:
                letter = letters.get(id(type(value)))
                if letter is None:
                    letter = "c" if raw.is_class(value) else "f"
                members[name] = Member(name, letter, rank)
    return list(members.values())


def _chosen(members: Iterable[Member], query: Query) -> list[Member]:
    """Names that start with the prefix first, then by rank and name; the same question gets the same order."""
    prefix = query.prefix
    members = [member for member in members if len(member.name) <= _LONGEST]
    if prefix:
        ordered = sorted(members, key=lambda m: (not m.name.startswith(prefix), m.rank, m.name))
    else:
        ordered = sorted(members, key=lambda m: (m.rank, m.name))
    return ordered[: max(query.limit, 0)]


def _type_text(sight: Sight) -> str:
    if sight.value is ABSENT:
        return raw.type_name(sight.kind) if sight.kind is not None else sight.hint
    return raw.type_name(type(sight.value))


def _described_as_callable(value: object) -> bool:
    return (raw.is_class(value) and not peek_enums.members(value)) or raw.kind_of(value) == "m"


def _callable_name(value: Any, path: list[Step]) -> str:
    if raw.is_class(value):
        return raw.name_of(value)
    last = path[-1].value if path else ""
    return last if isinstance(last, str) else ""
