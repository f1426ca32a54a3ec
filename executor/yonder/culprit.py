"""Where in a value the part stands that does not travel: `['model'] -> .lock`.

A search, not a pickler: whether something travels is asked of `refusal`. Bounded in depth, in questions and in time,
because it runs after a call has failed already. What this file must not know: which pickler, which call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType, ModuleType

DEPTH = 12
QUESTIONS = 400
_OWN_WAYS = ("__reduce__", "__reduce_ex__", "__getstate__")

Refusal = Callable[[object], str]
"""Why a value does not travel, in words; "" when it does."""


class Search:
    """One search. `late()` says that the time is up."""

    def __init__(self, refusal: Refusal, late: Callable[[], bool]) -> None:
        self._refusal = refusal
        self._late = late
        self._left = QUESTIONS
        self._seen: set[int] = set()

    def descend(self, value: object, words: str) -> tuple[list[str], object, str]:
        """From a value that does not travel (for the reason `words`) down to its smallest part that does not: the steps,
        that part, and why it does not."""
        steps: list[str] = []
        for _ in range(DEPTH):
            self._seen.add(id(value))
            found = self._guilty(value)
            if found is None:
                break
            step, value, words = found
            steps.append(step)
        return steps, value, words

    def _guilty(self, value: object) -> tuple[str, object, str] | None:
        for step, part in parts(value):
            if id(part) in self._seen:
                continue
            if self._left == 0 or self._late():
                return None
            self._left -= 1
            if words := self._refusal(part):
                return step, part, words
        return None


def parts(value: object) -> Iterator[tuple[str, object]]:
    """What a value is made of, each part with the step that leads to it; nothing is computed by the value's own code."""
    kind = type(value)
    if isinstance(value, dict):
        for key, part in list(dict.items(value)):
            yield f"key {_word(key)}", key
            yield f"[{_word(key)}]", part
    elif isinstance(value, list | tuple):
        for at, part in enumerate(list(value)):
            yield f"[{at}]", part
    elif isinstance(value, set | frozenset):
        for part in list(value):
            yield f"element {_word(part)}", part
    elif kind is FunctionType:
        yield from _function_parts(value)
    elif kind is MethodType:
        yield "its object", value.__self__  # type: ignore[attr-defined]
        yield "its function", value.__func__  # type: ignore[attr-defined]
    elif isinstance(value, type):
        for name, part in list(vars(value).items()):
            if not name.startswith("__") or name in ("__init__", "__call__"):
                yield f".{name}", part
    if not isinstance(value, type | ModuleType) and kind is not FunctionType:
        yield from _attributes(value)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    if type(value).__module__ == "functools" and type(value).__name__ == "partial":
        yield "its function", value.func  # type: ignore[attr-defined]
        yield "its arguments", value.args  # type: ignore[attr-defined]
        yield "its keywords", value.keywords  # type: ignore[attr-defined]
    if any(getattr(type(value), name, None) is not getattr(object, name, None) for name in _OWN_WAYS):
        return  # it pickles itself in its own way: its attributes need not be part of that
    yield from fields(value)


def fields(value: object) -> Iterator[tuple[str, object]]:
    """What an object keeps in its dict and its slots."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if isinstance(own, dict):
        for name, part in list(own.items()):
            yield f".{name}", part
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            descriptor = base.__dict__.get(name)
            if inspect.ismemberdescriptor(descriptor):
                try:
                    yield f".{name}", descriptor.__get__(value)
                except AttributeError:
                    continue  # a slot that was never filled


def _function_parts(function: object) -> Iterator[tuple[str, object]]:
    assert isinstance(function, FunctionType)  # noqa: S101 - narrows for the type checker; the caller has looked
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=False):
        try:
            yield f"its variable {name!r}", cell.cell_contents
        except ValueError:
            continue  # not bound yet
    for name in _globals_of(function):
        if name in function.__globals__:
            yield f"the global {name!r}", function.__globals__[name]
    for at, part in enumerate(function.__defaults__ or ()):
        yield f"its default {at + 1}", part
    for name, part in (function.__kwdefaults__ or {}).items():
        yield f"its default {name!r}", part
    for name, part in vars(function).items():
        yield f".{name}", part


def _globals_of(function: FunctionType) -> list[str]:
    """Names that the function's code, and code inside it, may read from its module."""
    found: dict[str, None] = {}
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        found.update(dict.fromkeys(code.co_names))
        codes += [const for const in code.co_consts if type(const) is type(code)]
    return list(found)


def _word(value: object) -> str:
    if type(value) in (str, int, float, bool, bytes, type(None)):
        text = repr(value)
        return text if len(text) <= 40 else text[:39] + "…"
    return f"of type {type(value).__name__}"
