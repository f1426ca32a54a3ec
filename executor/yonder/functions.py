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
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
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
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def register(self) -> None:
        """To be said before anything else is pickled for the same receivers."""
        self._workspace.register()

    def packed(self, function: Callable[..., Any]) -> tuple[bytes, bytes]:
        """The function as (digest, bytes). Raises SerializationError, TypeError for what is no function."""
        self._workspace.register()
        kept = self._kept.get(id(function))
        if kept is not None and kept.holds():
            return kept.packed
        if not callable(function):
            raise TypeError(
                f"a call needs a function, not {type(function).__name__}; give function and arguments apart: "
                "call(f, x), not call(f(x))"
            )
        packed = payload.pack_function(function)
        try:
            self._kept[id(function)] = _Kept(function, packed, self._workspace)
        except _MayChange:
            self._kept.pop(id(function), None)
            return packed
        if len(self._kept) > KEPT_FUNCTIONS:
            self._kept.popitem(last=False)
        return packed


class _Kept:
    """A function's bytes, and what must still be so for them to hold: looking is much cheaper than pickling. Raises
    _MayChange for a function that takes along something that can change inside."""

    __slots__ = ("_cells", "_functions", "_modules", "_names", "_workspace", "packed")

    def __init__(self, function: object, packed: tuple[bytes, bytes], workspace: payload.Workspace) -> None:
        self.packed = packed
        self._workspace = workspace
        self._modules = len(sys.modules)  # cloudpickle adds submodules that are imported by then
        self._names: list[tuple[dict[str, Any], str, object]] = []
        self._cells: list[tuple[CellType, object]] = []
        # Held here, so that no other function can get this one's identity.
        self._functions: list[tuple[FunctionType, object, object, object]] = []
        self._judge(function, _DEPTH)

    def holds(self) -> bool:
        """Would the function's bytes be the same ones today?"""
        if len(sys.modules) != self._modules:
            return False
        for space, name, value in self._names:
            if space.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if _content(cell) is not value:
                return False
        for function, code, defaults, keywords in self._functions:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not keywords
            ):
                return False
        return True

    def _judge(self, value: object, depth: int) -> None:
        kind = type(value)
        if kind in _UNCHANGEABLE or value is _MISSING:
            return
        if depth == 0 or len(self._names) > _PARTS:
            raise _MayChange
        if isinstance(value, tuple) and kind is tuple:
            for part in value:
                self._judge(part, depth - 1)
        elif isinstance(value, ModuleType):
            if not self._by_reference(value.__name__, ""):
                raise _MayChange
        elif isinstance(value, FunctionType):
            self._function(value, depth)
        elif not (isinstance(value, type) and self._by_reference(value.__module__, value.__qualname__, value)):
            # A class by value is made of far more than a function, and changes more easily: it is not kept.
            raise _MayChange

    def _function(self, function: FunctionType, depth: int) -> None:
        if any(function is known[0] for known in self._functions):
            return
        defaults, keywords = function.__defaults__, function.__kwdefaults__
        self._functions.append((function, function.__code__, defaults, keywords))
        if self._by_reference(function.__module__, function.__qualname__, function):
            self._note(vars(sys.modules[function.__module__]), function.__qualname__.partition(".")[0])
            return
        if vars(function):
            raise _MayChange
        for part in defaults or ():
            self._judge(part, depth - 1)
        for space in (keywords or {}, function.__annotations__):
            for name in space:
                self._judge(self._note(space, name), depth - 1)
        for cell in function.__closure__ or ():
            self._cells.append((cell, _content(cell)))
            self._judge(_content(cell), depth - 1)
        space = function.__globals__
        for name in _names_used(function.__code__):
            self._judge(self._note(space, name), depth - 1)

    def _note(self, space: dict[str, Any], name: str) -> object:
        """What a name stands for; it is to stand for the same when the bytes are used again."""
        value = space.get(name, _MISSING)
        self._names.append((space, name, value))
        return value

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


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was bound to it yet
        return _MISSING


def _names_used(code: CodeType) -> Iterator[str]:
    """Global names that the code and the functions inside it may use (and names of attributes, which do no harm)."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_used(constant)


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
