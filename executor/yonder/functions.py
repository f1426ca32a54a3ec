"""Functions on their way out: pickled once while they stay what they are, sent once while the hub remembers them.

Two memories. `Pickles` keeps a function's bytes beside what they were made from (code, defaults, closure, globals that
it reads): it gives them out again only when every one of these is the same unchangeable thing, and it does not keep
what refers to anything that may change. `Sent` counts what the hub keeps for this client, and says what to forget.

What this file must not know: calls, sockets.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from yonder import payload

KEPT_FUNCTIONS = 256
KEPT_BYTES = 64 * 1024 * 1024
_DEPTH = 6
_PARTS = 500
_UNCHANGEABLE = frozenset({int, float, complex, bool, str, bytes, type(None), type(Ellipsis), BuiltinFunctionType})
_MISSING = object()


class _MayChange(Exception):  # noqa: N818 - never leaves this file
    """The function refers to something that can change without becoming another object."""


class Pickles:
    """Pickled functions by identity. Not locked: two threads that race make the same bytes twice."""

    def __init__(self, workspace: payload.Workspace) -> None:
        self._workspace = workspace
        self._kept: OrderedDict[int, tuple[object, list[object], tuple[bytes, bytes]]] = OrderedDict()

    def packed(self, function: Callable[..., Any]) -> tuple[bytes, bytes]:
        """The function as (digest, bytes). Raises SerializationError."""
        self._workspace.register()
        try:
            made_of = self._made_of(function)
        except _MayChange:
            return payload.pack_function(function)
        kept = self._kept.get(id(function))
        if kept is not None and kept[0] is function and _same(kept[1], made_of):
            return kept[2]
        packed = payload.pack_function(function)
        self._kept[id(function)] = (function, made_of, packed)  # holds the function: its id stays its own
        if len(self._kept) > KEPT_FUNCTIONS:
            self._kept.popitem(last=False)
        return packed

    def _made_of(self, function: object) -> list[object]:
        """Everything that the bytes depend on, each part unchangeable or the same by reference. Raises _MayChange."""
        # cloudpickle adds submodules that are imported by then: their number is part of it.
        found: list[object] = [function, len(sys.modules)]
        self._walk(function, found, _DEPTH)
        return found

    def _walk(self, value: object, found: list[object], depth: int) -> None:
        kind = type(value)
        if kind in _UNCHANGEABLE:
            return
        if depth == 0 or len(found) > _PARTS:
            raise _MayChange
        if kind is tuple:
            for part in value:  # type: ignore[attr-defined]
                self._walk(part, found, depth - 1)
        elif kind is ModuleType:
            if not self._by_reference(value.__name__, ""):  # type: ignore[attr-defined]
                raise _MayChange
        elif kind is FunctionType or isinstance(value, type):
            # A class by value is made of far more than a function, and changes more easily: it is not kept.
            if self._by_reference(value.__module__, value.__qualname__, value):  # type: ignore[attr-defined]
                return
            if kind is not FunctionType:
                raise _MayChange
            for part in _parts(value):
                if not any(part is known for known in found):
                    found.append(part)
                    self._walk(part, found, depth - 1)
        elif value is not _MISSING and kind is not type(_parts.__code__):
            raise _MayChange

    def _by_reference(self, module: str | None, name: str, value: object = None) -> bool:
        """Is it named, not sent: found under its name in a module that the workspace does not own?"""
        if not module or module == "__main__" or module in self._workspace.modules:
            return False
        here: object = sys.modules.get(module)
        if here is None:
            return False
        for part in name.split(".") if name else ():
            here = getattr(here, part, _MISSING)
        return not name or here is value


def _parts(function: object) -> Iterator[object]:
    """A function's own parts, in an order that does not change while they do not."""
    assert isinstance(function, FunctionType)  # noqa: S101 - narrows for the type checker; the caller has looked
    yield function.__code__
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from function.__annotations__.values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            yield _MISSING
    yield from vars(function).values()
    codes = [function.__code__]
    space = function.__globals__
    while codes:
        code = codes.pop()
        for word in code.co_names:
            yield space.get(word, _MISSING)
        codes += [const for const in code.co_consts if type(const) is type(code)]


def _same(before: list[object], now: list[object]) -> bool:
    return len(before) == len(now) and all(
        one is other or (type(one) is int and one == other) for one, other in zip(before, now, strict=True)
    )


class Sent:
    """What the hub keeps for this client, the least recently used first. Nothing is forgotten while a call that counts on
    it is on its way out. Its caller holds a lock around each method, and none while it sends."""

    def __init__(self, most: int = KEPT_FUNCTIONS, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[bytes, int] = OrderedDict()
        self._bytes = 0
        self._leaving: Counter[bytes] = Counter()

    def leaving(self, digest: bytes) -> bool:
        """A call of it is about to be sent; True when the hub has the function already. `left` follows."""
        self._leaving[digest] += 1
        if digest not in self._sizes:
            return False
        self._sizes.move_to_end(digest)
        return True

    def left(self, digest: bytes, size: int) -> list[bytes]:
        """The call was sent, with so many bytes of the function (0: without, or it was not sent after all). Returns what
        the hub should forget."""
        self._leaving[digest] -= 1
        if not self._leaving[digest]:
            del self._leaving[digest]
        if size and digest not in self._sizes:
            self._sizes[digest] = size
            self._bytes += size
        return self._over() if len(self._sizes) > self._most or self._bytes > self._most_bytes else []

    def _over(self) -> list[bytes]:
        forgotten: list[bytes] = []
        for old in list(self._sizes)[:-1]:
            if len(self._sizes) <= self._most and self._bytes <= self._most_bytes:
                break
            if old not in self._leaving:
                self._bytes -= self._sizes.pop(old)
                forgotten.append(old)
        return forgotten
