"""`@yonder.resource`: something costly that a process makes once and keeps: a model, a connection.

What belongs here: making it at first use, per arguments; keeping it while its function's code is the same; closing it. What
this file must not know: workers, modules, what is kept.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import threading
import traceback
from collections.abc import Callable, Hashable, Iterator
from types import CodeType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from yonder.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")


class _Shelf:
    """What one function has made, by its arguments. `code` is the function's, as far as it decides what comes out."""

    def __init__(self, code: Hashable) -> None:
        self.code = code
        self.lock = threading.RLock()
        self.made: dict[Hashable, tuple[Any, Callable[[], None]]] = {}
        self.process = os.getpid()

    def close(self) -> None:
        """The last one first. What a hook raises is said on standard error."""
        with self.lock:
            while self.made:
                _, (_, close) = self.made.popitem()
                if self.process == os.getpid():  # a forked child has copies of what is its parent's to close
                    try:
                        close()
                    except Exception:  # noqa: BLE001 - user code, and the others have to be closed, too
                        traceback.print_exc()


_shelves: dict[tuple[str, str], _Shelf] = {}
_lock = threading.Lock()


class Resource(Generic[P, R]):
    """Called like its function. The first call with some arguments makes the object; later ones return the same."""

    def __init__(self, function: Callable[P, Any], close: Callable[[R], object] | None = None) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._close = close
        self._name = (function.__module__, function.__qualname__)
        self._code = _essence(function)
        self._signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises UsageError for arguments that are not hashable, and what the function raises."""
        key = self._key(args, kwargs)
        shelf = self._shelf()
        with shelf.lock:
            if key not in shelf.made:
                shelf.made[key] = self._make(args, kwargs)
            value: R = shelf.made[key][0]
            return value

    def close(self) -> None:
        """Close all that it has made in this process; the next call makes it anew."""
        with _lock:
            shelf = _shelves.pop(self._name, None)
        if shelf is not None:
            shelf.close()

    def __reduce__(self) -> Any:
        return Resource, (self._function, self._close)

    def _shelf(self) -> _Shelf:
        """Where its objects are. Those that another text of the function has made are closed first."""
        with _lock:
            old = _shelves.get(self._name)
            if old is not None and old.code == self._code and old.process == os.getpid():
                return old
            if not _shelves:
                atexit.register(close_all)
            shelf = _shelves[self._name] = _Shelf(self._code)
        if old is not None:
            old.close()
        return shelf

    def _key(self, args: Any, kwargs: Any) -> Hashable:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        parts = []
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            part = tuple(sorted(value.items())) if kind is inspect.Parameter.VAR_KEYWORD else value
            try:
                hash(part)
            except TypeError:
                raise UsageError(
                    f"the argument {name!r} of the resource {self._name[1]} is the key under which it is kept and must be "
                    f"hashable; a {type(value).__name__} is not: pass a name, a number or a tuple"
                ) from None
            parts.append((name, part))
        return tuple(parts)

    def _make(self, args: Any, kwargs: Any) -> tuple[R, Callable[[], None]]:
        made = self._function(*args, **kwargs)
        if inspect.isgeneratorfunction(self._function):
            return self._begun(made)
        close = self._close
        return made, (lambda: None) if close is None else (lambda: void(close(made)))

    def _begun(self, steps: Iterator[R]) -> tuple[R, Callable[[], None]]:
        """A generator makes it up to its `yield`, and closes it after."""
        try:
            value = next(steps)
        except StopIteration:
            raise UsageError(f"the resource {self._name[1]} has to yield the object once; it yielded nothing") from None

        def close() -> None:
            if next(steps, steps) is not steps:
                raise UsageError(f"the resource {self._name[1]} has to yield once; it yielded again when it was closed")
            if self._close is not None:
                self._close(value)

        return value, close


def void(_: object) -> None:
    """Nothing, of anything."""


@overload
def resource(function: Callable[P, Iterator[R]], /) -> Resource[P, R]: ...
@overload
def resource(function: Callable[P, R], /) -> Resource[P, R]: ...
@overload
def resource(*, close: Callable[[Any], object]) -> Callable[[Callable[P, R]], Resource[P, R]]: ...
def resource(function: Any = None, /, *, close: Any = None) -> Any:
    """Make a function's objects once in each process, by its arguments, and keep them between calls.

    `close` is called with an object when the process ends in good order, or when the function's own code has changed and
    it is made anew; a generator function closes after its `yield`. Raises UsageError for an `async def`.
    """
    if function is None:
        return functools.partial(_decorated, close=close)
    return _decorated(function, close=close)


def _decorated(function: Any, *, close: Any) -> Resource[Any, Any]:
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise UsageError(f"@yonder.resource is put on a function, not on a {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"the resource {function.__qualname__} is an `async def`; a resource is made by a plain function"
        )
    return Resource(function, close)


def held() -> bool:
    """Does this process keep anything?"""
    return any(shelf.made and shelf.process == os.getpid() for shelf in list(_shelves.values()))


def values() -> list[object]:
    """All that this process keeps."""
    return [value for shelf in list(_shelves.values()) for value, _ in list(shelf.made.values())]


def close_all() -> None:
    """The process ends: close everything, the last function's first."""
    while _shelves:
        _, shelf = _shelves.popitem()
        shelf.close()


def _essence(function: Any) -> Hashable:
    """What a function's text comes down to: the same for the same text in another line."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return id(function)
    return _code(code), repr(getattr(function, "__defaults__", None)), repr(getattr(function, "__kwdefaults__", None))


def _code(code: CodeType) -> Hashable:
    constants = tuple(_code(one) if isinstance(one, CodeType) else (type(one), repr(one)) for one in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants
