"""Exceptions as they were: remade on the other side without calling their class again.

An exception pickles as its class and its `args`, and is unpickled by calling the class with them. A class whose
`__init__` takes something else than it hands on either cannot be unpickled then, or says its words twice. Here its state
travels instead: `args`, attributes, and slots such as OSError's `errno`. What this file must not know: who sends it where.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MemberDescriptorType
from typing import Any

State = dict[str, Any]
_NOT_STATE = frozenset({"__suppress_context__", "__dict__", "__weakref__"})


def reduction(error: BaseException) -> tuple[Any, ...] | None:
    """What a pickler's `reducer_override` returns for `error`; None where its class has no `__init__` or `__new__` of its
    own, or says itself how it travels."""
    kind = type(error)
    own = type(kind.__init__) is FunctionType or type(kind.__new__) is FunctionType
    if not own or any(_says_itself(each) for each in kind.__mro__ if each.__module__ != "builtins"):
        return None
    return remade, (kind, error.args), _state(error), None, None, restored


def trimmed(error: BaseException, travels: Callable[[object], bool]) -> BaseException:
    """A copy of `error` without what does not travel; a note on it says what was left out. Raises what a class does that
    refuses to be copied."""
    missing = [f"args[{at}]" for at, value in enumerate(error.args) if not travels(value)]
    arguments = tuple(value if travels(value) else f"<{type(value).__name__}>" for value in error.args)
    state = _state(error)
    left = {name: value for name, value in state.items() if travels(value)}
    copy = remade(type(error), arguments)
    restored(copy, left)
    missing += [f".{name}" for name in state if name not in left]
    if missing:
        copy.add_note(f"(did not travel: {', '.join(missing)})")
    return copy.with_traceback(error.__traceback__)


def remade(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """An exception of that class with those `args`; its `__init__` is not called."""
    builtin = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    error: BaseException = builtin.__new__(kind, *arguments)
    BaseException.__setattr__(error, "args", arguments)  # a class may be frozen
    return error


def restored(error: BaseException, state: State) -> None:
    """Give it back its attributes and slots."""
    for name, value in state.items():
        try:
            BaseException.__setattr__(error, name, value)
        except (AttributeError, TypeError):  # a slot that only C code sets: `args` have told it already
            continue


def _says_itself(kind: type) -> bool:
    return any(name in vars(kind) for name in ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"))


def _state(error: BaseException) -> State:
    state = {}
    for kind in type(error).__mro__:
        slots = [name for name, member in vars(kind).items() if type(member) is MemberDescriptorType]
        for name in slots:
            value = _slot(error, name)
            if name not in _NOT_STATE and not (value is None and kind.__module__ == "builtins"):  # None: never set
                state[name] = value
    return state | vars(error)


def _slot(error: BaseException, name: str) -> Any:
    try:
        return BaseException.__getattribute__(error, name)
    except AttributeError:
        return None
