"""Following a path (names, attributes, literal subscripts) through live objects without running them.

What belongs here: attribute look-up as `object.__getattribute__` would do it, minus everything that calls. What this file
must not know: queries and texts.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from yonder.agent import peek_raw as raw
from yonder.agent.peek_call import annotation, stored_annotations
from yonder.agent.peek_stores import Stores
from yonder.agent.peek_text import secret_name
from yonder.wire import Step

ABSENT = raw.ABSENT


@dataclass(frozen=True, slots=True)
class Sight:
    """What a path leads to.

    `value` may be ABSENT when only the `kind` (the type of a value that was not read) or the `hint` (an annotation's text)
    is known. `bound`: a function reached through an instance. `hidden`: the name on the way that
    is a secret's.
    """

    value: Any
    kind: type | None = None
    hint: str = ""
    bound: bool = False
    hidden: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """The path ends here; why, in words."""

    why: str


def follow(namespace: dict[str, Any], path: Iterable[Step], stores: Stores) -> Sight | Lost:
    """Walk the whole path. An empty path has no object; the caller looks at the namespace itself."""
    sight: Sight | Lost = Lost("the path is empty")
    hidden = ""
    for number, step in enumerate(path):
        if number == 0:
            sight = _name(namespace, step)
        elif isinstance(sight, Lost):
            return sight
        elif step.kind == "attr" and type(step.value) is str:
            sight = attribute(sight, step.value, stores)
        elif step.kind in ("key", "index"):
            sight = _subscript(sight, step.value, stores)
        else:
            return Lost(f"a step of kind {step.kind} cannot be taken here")
        if not hidden and type(step.value) is str and secret_name(step.value):
            hidden = step.value
    if hidden and isinstance(sight, Sight):
        return Sight(sight.value, sight.kind, sight.hint, sight.bound, hidden, sight.note)
    return sight


def _name(namespace: dict[str, Any], step: Step) -> Sight | Lost:
    if step.kind != "name" or type(step.value) is not str:
        return Lost("a path begins with a name")
    value = raw.find(namespace, step.value)
    if value is ABSENT:
        value = raw.find(raw.builtin_names(), step.value)
    return _seen(value) if value is not ABSENT else Lost(f"{step.value} is not defined in the session")


def _seen(value: Any, *, bound: bool = False) -> Sight:
    return Sight(value, None if raw.is_class(value) else type(value), bound=bound)


def attribute(sight: Sight, name: str, stores: Stores) -> Sight | Lost:
    """One attribute. Data descriptors come first, then instance data, then the class, as in the interpreter."""
    value = sight.value
    if value is ABSENT:
        return _of_type(sight, name)
    if raw.is_class(value):
        return _class_attribute(value, name)
    if raw.is_module(value):
        found = raw.find(raw.module_dict(value), name)
        if found is not ABSENT:
            return _seen(found)
    kind = type(value)
    shared, _ = raw.class_attribute(kind, name)
    if raw.is_slot(shared):
        stored = raw.slot(shared, value)
        return Lost(f"{name} is not set") if stored is ABSENT else _seen(stored)
    known = stores.attribute(value, name)
    if known is not ABSENT:
        return _seen(known)
    if stores.is_view_of_tensor(value, name):
        return Sight(ABSENT, stores.tensor_type(), note="a property; it was not run")
    if shared is not ABSENT and raw.KIND_BY_TYPE.get(id(type(shared))) == "p" and type(shared) is not cached_property:
        return _property(shared)
    own = raw.find(raw.instance_dict(value), name)
    if own is not ABSENT:
        return _seen(own)
    if shared is not ABSENT:
        return _shared(shared)
    if stores.is_frame(value) and any(column == name for column, _ in stores.columns(value, 10_000)):
        return Sight(ABSENT, stores.series_type(), note="a column; it was not read")
    return Lost(f"{raw.name_of(kind)} has no {name} that can be seen without running code")


def _of_type(sight: Sight, name: str) -> Sight | Lost:
    """An attribute of a value that was not read: what its type says."""
    if sight.kind is None:
        return Lost("this value was not read: that would run code")
    shared, _ = raw.class_attribute(sight.kind, name)
    if shared is ABSENT or raw.is_slot(shared):
        return Lost(f"{name} of a value that was not read")
    return _shared(shared)


def _class_attribute(kind: type, name: str) -> Sight | Lost:
    found, _ = raw.class_attribute(kind, name)
    if found is ABSENT:
        found, _ = raw.class_attribute(type(kind), name)
        if found is ABSENT or raw.kind_of(found) != "m":
            return Lost(f"the class {raw.name_of(kind)} has no {name} that can be seen without running code")
        return _seen(found, bound=True)
    if type(found) is staticmethod or type(found) is classmethod:
        return _seen(found.__func__, bound=type(found) is classmethod)
    if (
        raw.kind_of(found) == "v"
        and raw.defines(type(found), "__get__")
        and raw.KIND_BY_TYPE.get(id(type(found))) != "p"
    ):
        return Lost(f"{name} is a descriptor; reading it would run code")
    return _seen(found)


def _shared(found: Any) -> Sight | Lost:
    """A class attribute as an instance shows it."""
    kind = type(found)
    if kind is staticmethod:
        return _seen(found.__func__)
    if kind is classmethod:
        return _seen(found.__func__, bound=True)
    letter = raw.KIND_BY_TYPE.get(id(kind))
    if letter == "p":
        return _property(found)
    if letter == "m":
        return _seen(found, bound=True)
    if not raw.is_class(found) and raw.defines(kind, "__get__"):
        return Lost("a descriptor; reading it would run code")
    return _seen(found)


def _property(found: Any) -> Sight:
    """A property is not run; its getter's annotation says what it would give."""
    getter = found.fget if type(found) is property else None
    if type(found) is cached_property:
        getter = raw.find(raw.instance_dict(found), "func")
    hint = raw.find(stored_annotations(getter), "return") if type(getter) is types.FunctionType else ABSENT
    kind: Any = hint if raw.is_class(hint) else None
    text = "" if hint is ABSENT else annotation(hint)
    return Sight(ABSENT, kind, hint=text, note="a property; it was not run")


def _subscript(sight: Sight, key: str | int, stores: Stores) -> Sight | Lost:
    """A literal subscript of an exact builtin container or a known store."""
    value = sight.value
    if raw.plain_dict(value):
        found = raw.find(value, key)
        return _seen(found) if found is not ABSENT else Lost(f"the dict has no key {key!r}")
    for base in (list, tuple):
        if type(key) is int and raw.subscripts_as(value, base):
            try:
                return _seen(base.__getitem__(value, key))
            except IndexError:
                return Lost(f"the {base.__name__} has no item {key}")
    child = ABSENT if value is ABSENT else stores.child(value, key)
    if child is not ABSENT:
        return _seen(child)
    if type(key) is int and value is not ABSENT and stores.is_tensor(value):
        return Sight(ABSENT, stores.tensor_type(), note="an element; it was not read")
    if type(key) is str and value is not ABSENT and stores.is_frame(value):
        dtypes: Mapping[str, str] = dict(stores.columns(value, 10_000))
        if key in dtypes:
            return Sight(ABSENT, stores.series_type(), hint=dtypes[key], note="a column; it was not read")
        return Lost(f"the frame has no column {key!r}")
    return Lost("subscripts are followed only in dicts, lists, tuples and known stores")
