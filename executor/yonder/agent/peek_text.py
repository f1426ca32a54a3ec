"""Values as short text, written by ourselves within a budget: no `repr`, `str` or `format` of the person's ever runs.

What belongs here: the formatter, its limits, and what it hides. What this file must not know: queries, paths, and what
a tensor is (libraries' values get their line from `peek_stores`, handed in as `special`).
"""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import pathlib
import re
import types
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from time import perf_counter
from typing import Any, Final

from yonder.agent import peek_raw as raw
from yonder.holding import Handle

ATOM = 150
ITEMS = 5
DEPTH = 2
TOTAL = 2048
SHORT = 100
SECONDS = 0.020
HIDDEN = "<redacted>"

_STRICT: Final = ("secret", "password")
_SECRET_WORDS: Final = (*_STRICT, "token", "key")
# Words of machine learning and of everyday, which hide nothing.
_HARMLESS: Final = re.compile(r"tokeni[sz][a-z]*|key(?:points?|words?|frames?|boards?|ed|\d+)|(?:mon|tur|don)keys?")
_NUMBERS: Final = frozenset(map(id, (int, float, complex)))
_NUMBERS_AT_MOST: Final = 1000
_QUIET_SEQUENCES: Final = {id(list): "[]", id(tuple): "()", id(set): "{}"}
# Immutable values of the standard library whose repr is C over plain fields. Sets of ids: hashing a class, or comparing
# it with `==`, would run its metaclass.
_PLAIN_REPR: Final = frozenset(
    id(kind) for kind in (float, complex, bool, type(None), type(...), type(NotImplemented), decimal.Decimal)
)
_PLAIN_STR: Final = frozenset(id(kind) for kind in (datetime.date, datetime.timedelta))
_RUNNING: Final = frozenset(id(kind) for kind in (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType))
_PATHS: Final = frozenset(id(kind) for kind in (pathlib.PosixPath, pathlib.PurePosixPath))

Special = Callable[[object], str]
"""The line of a value that some library's type explains, or ""."""


class Budget:
    """Characters and time left for one answer. `clock` is given by tests."""

    def __init__(
        self,
        characters: int = TOTAL,
        seconds: float = SECONDS,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._characters = characters
        self._clock = clock
        self._end = clock() + seconds

    def spend(self, text: str) -> str:
        self._characters -= len(text)
        return text

    def spent(self) -> bool:
        return self._characters <= 0 or self.late()

    def late(self) -> bool:
        return self._clock() > self._end

    def fresh(self) -> Budget:
        """The same end, with all characters again (the next row of a table)."""
        other = Budget(clock=self._clock)
        other._end = self._end
        return other


def secret_name(name: str) -> bool:
    """Whether a name is one of those whose value is not shown."""
    lowered = _HARMLESS.sub("", name.lower())
    return any(word in lowered for word in _SECRET_WORDS)


def _numbers(value: object) -> bool:
    """A number, or a list of a few: `max_tokens`, `pad_token_id`, `tokens`."""
    if type(value) is list or type(value) is tuple:
        few = value[: _NUMBERS_AT_MOST + 1]
        return len(few) <= _NUMBERS_AT_MOST and all(id(type(one)) in _NUMBERS for one in few)
    return id(type(value)) in _NUMBERS


class Guard:
    """What must not be shown: values under telling names, and the values of environment variables."""

    def __init__(self) -> None:
        self._variables = _environment()
        self._secrets = frozenset(text for name, text in self._variables.items() if len(text) > 3 and secret_name(name))

    def hides(self, name: str, value: object) -> bool:
        """Whether the value under `name` must stay hidden. Truth values, None and what shows no content may be seen, and
        numbers unless the name says outright that it is a secret."""
        if value is None or value is True or value is False:
            return False
        if secret_name(name):
            if _numbers(value) and not any(word in name.lower() for word in _STRICT):
                return False
            return not raw.is_class(value) and (raw.kind_of(value) == "v")
        return type(value) is str and name in self._variables and self._variables[name] == value

    def hides_text(self, text: str) -> bool:
        """A string that is the value of a secret variable is hidden wherever it stands."""
        return text in self._secrets


def _environment() -> dict[str, str]:
    """This process's variables, read from the exact mapping of `os` (a program may have put its own there)."""
    environ = os.environ
    if type(environ) is not os._Environ:  # noqa: SLF001 - the exact class is the point
        return {}
    store = raw.find(raw.instance_dict(environ), "_data")
    if type(store) is not dict:
        return {}
    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in raw.items(store)
        if type(name) is bytes and type(value) is bytes
    }


class Writer:
    """Writes values of one answer."""

    def __init__(self, budget: Budget, guard: Guard, special: Special) -> None:
        self._budget = budget
        self._guard = guard
        self._special = special

    def named(self, name: str, value: object) -> str:
        """The value under a name, or that it is hidden. `special` lines are metadata and always shown."""
        if self._guard.hides(name, value):
            return self._special(value) or HIDDEN
        return self.value(value)

    def value(self, value: object, depth: int = 0) -> str:
        if self._budget.spent():
            return "…"
        return self._budget.spend(self._write(value, depth))

    def _write(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is str:
            return HIDDEN if self._guard.hides_text(value) else quoted(value)
        if kind is int:
            return number(value)
        if kind is bytes or kind is bytearray:
            return cut(repr(bytes(value[:ATOM])))
        if id(kind) in _PLAIN_REPR:
            return cut(repr(value))
        if kind is list or kind is tuple or kind is set or kind is frozenset or kind is deque:
            return self._sequence(value, depth)
        if raw.plain_dict(value):
            return self._mapping(value, depth)
        return self._special(value) or plain_object(value) or self._instance(value, depth)

    def _sequence(self, value: Any, depth: int) -> str:
        kind: Any = type(value)
        size = kind.__len__(value)
        brackets = _QUIET_SEQUENCES.get(id(kind))
        left, right = (brackets[0], brackets[1]) if brackets else (f"{raw.name_of(kind)}(", ")")
        if size == 0:
            return f"{raw.name_of(kind)}()" if kind is set or brackets is None else left + right
        if depth >= DEPTH:
            return f"{left}…{right}"
        try:
            shown = list(islice(iter(value), ITEMS))
        except RuntimeError:  # it changed under the copy; the length is still worth saying
            return f"{raw.name_of(kind)} of {size}"
        parts = [self.value(item, depth + 1) for item in shown]
        if size > len(parts):
            parts.append(f"… {size} in all")
        tail = "," if kind is tuple and size == 1 else ""
        return f"{left}{', '.join(parts)}{tail}{right}"

    def _mapping(self, value: Any, depth: int) -> str:
        size = dict.__len__(value)
        left, right = ("{", "}") if type(value) is dict else (f"{raw.name_of(type(value))}({{", "})")
        if size == 0:
            return left + right
        if depth >= DEPTH:
            return f"{left}…{right}"
        parts = [f"{self.value(key, depth + 1)}: {self._entry(key, item, depth)}" for key, item in first(value, ITEMS)]
        if size > len(parts):
            parts.append(f"… {size} in all")
        return f"{left}{', '.join(parts)}{right}"

    def _entry(self, key: object, item: object, depth: int) -> str:
        if type(key) is str and self._guard.hides(key, item):
            return self._special(item) or HIDDEN
        return self.value(item, depth + 1)

    def _instance(self, value: object, depth: int) -> str:
        """Enum members, data classes and named tuples by their fields; anything else by its class only."""
        kind = type(value)
        if raw.derives(kind, enum.Enum):
            member = raw.find(raw.instance_dict(value), "_name_")
            return f"{raw.name_of(kind)}.{raw.exact(member) or '?'}"
        if raw.derives(kind, BaseException):
            return self._exception(value, depth)
        if id(kind) in _RUNNING:
            return f"<{raw.name_of(kind)} {raw.exact(raw.c_field(kind, '__qualname__', value))}>"
        fields = field_values(value)
        if fields is None:
            return f"<{raw.type_name(kind)} object>"
        if depth >= DEPTH:
            return f"{raw.name_of(kind)}(…)"
        parts = [f"{name}={self._entry(name, item, depth)}" for name, item in islice(fields, ITEMS)]
        if len(fields) > ITEMS:
            parts.append("…")
        return f"{raw.name_of(kind)}({', '.join(parts)})"

    def _exception(self, value: object, depth: int) -> str:
        arguments: Any = BaseException.__dict__["args"].__get__(value)
        parts = [self.value(item, depth + 1) for item in arguments[:ITEMS]] if type(arguments) is tuple else []
        return f"{raw.name_of(type(value))}({', '.join(parts)})"


def field_values(value: Any) -> list[tuple[str, object]] | None:
    """The fields of a data class or named tuple as they are stored, or None when it is neither."""
    kind = type(value)
    if raw.is_tuple(value):
        names = raw.class_attribute(kind, "_fields")[0]
        if type(names) is not tuple:
            return None
        return [(raw.exact(name), item) for name, item in zip(names, tuple.__iter__(value), strict=False)]
    declared = raw.class_attribute(kind, "__dataclass_fields__")[0]
    if type(declared) is not dict:
        return None
    own = raw.instance_dict(value)
    found = []
    for name, _ in raw.items(declared):
        if type(name) is not str:
            continue
        item: object = raw.find(own, name)
        if item is raw.ABSENT:
            attribute = raw.class_attribute(kind, name)[0]
            item = raw.slot(attribute, value) if raw.is_slot(attribute) else raw.ABSENT
        if item is not raw.ABSENT:
            found.append((name, item))
    return found


def plain_object(value: Any) -> str:
    """Functions, classes, modules and small immutable values of the standard library; "" for anything else."""
    kind: Any = type(value)
    if kind is types.FunctionType:
        return f"<function {raw.exact(value.__qualname__)}>"
    if kind is types.BuiltinFunctionType:  # its __qualname__ would ask the class it is bound to
        return f"<function {raw.exact(value.__name__)}>"
    if kind is types.MethodDescriptorType or kind is types.WrapperDescriptorType:
        return f"<method {raw.exact(value.__name__)}>"
    if kind is range:
        return f"range({number(value.start)}, {number(value.stop)}, {number(value.step)})"
    if kind is types.MethodType:
        function = value.__func__
        return f"<method {raw.exact(function.__qualname__)}>" if type(function) is types.FunctionType else "<method>"
    if raw.is_class(value):
        return f"<class {raw.type_name(value)}>"
    if raw.is_module(value):
        return f"<module {raw.exact(raw.find(raw.module_dict(value), '__name__')) or '?'}>"
    if id(kind) in _PLAIN_STR:
        return f"{kind.__name__}({kind.__str__(value)})"
    if kind is datetime.datetime and (value.tzinfo is None or type(value.tzinfo) is datetime.timezone):
        return f"datetime({datetime.datetime.__str__(value)})"
    if raw.derives(kind, Handle):
        return _handle(value)
    if id(kind) in _PATHS and _plain_parts(value):
        return cut(f"{kind.__name__}({kind.__str__(value)!r})")
    return ""


def _handle(value: Handle) -> str:
    """An object elsewhere, by the facts that its handle has."""
    facts, hold = (Handle.__dict__[name].__get__(value) for name in ("_facts", "_hold"))
    where = f"lost: {hold.lost}" if hold is not None and hold.lost else size(facts.size)
    return line(f"<yonder.Remote {facts.preview or facts.type}, {where}>")


def _plain_parts(path: object) -> bool:
    """Whether a path was made of real strings only."""
    stored = (raw.slot(attribute, path) for name in ("_parts", "_raw_paths") for attribute in _slots_of(path, name))
    return all(
        type(parts) is list and all(type(part) is str for part in parts) for parts in stored if parts is not raw.ABSENT
    )


def _slots_of(value: object, name: str) -> Iterable[object]:
    attribute = raw.class_attribute(type(value), name)[0]
    return (attribute,) if raw.is_slot(attribute) else ()


def first(mapping: Any, count: int) -> list[tuple[Any, Any]]:
    """The first entries of a dict's storage."""
    for _ in range(20):
        try:
            return list(islice(dict.items(mapping), count))
        except RuntimeError:
            continue
    return []


def quoted(text: str) -> str:
    """A real string between quotes, cut."""
    return repr(text) if len(text) <= ATOM else f"{text[:ATOM]!r}…"


def number(value: int) -> str:
    """A real int; a huge one is not written out (that takes quadratic time and may be refused)."""
    return str(value) if value.bit_length() <= 480 else f"<int of {value.bit_length()} bits>"


def cut(text: str, limit: int = ATOM) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def line(text: str) -> str:
    """Text for one short line."""
    return cut(text.replace("\n", " "), SHORT)


def size(count: int) -> str:
    """Bytes for a person."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} B" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
