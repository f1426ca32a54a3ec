"""Actors: one object that stays, and the methods asked of it, in order, one at a time or in batches.

What belongs here: which methods are public, running them, dealing a batch's values out to its members. What this file must
not know: the task's begin and end, when the next message comes (it is told the time).
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import msgspec

from yonder import wire
from yonder.agent.batching import Gathering
from yonder.agent.guard import Ran
from yonder.agent.stage import Stage
from yonder.errors import UsageError


class _Asked(msgspec.Struct, frozen=True):
    """A method call whose arguments are unpacked."""

    number: int
    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def kind(self) -> tuple[str, int, frozenset[str]] | None:
        """What calls must have in common to be run together; None: nothing in it could be made a list."""
        if not self.arguments and not self.keywords:
            return None
        return self.name, len(self.arguments), frozenset(self.keywords)


class Actor:
    """The object of `task`. Every method that is asked for is answered once, with its own value or error."""

    def __init__(self, stage: Stage, task: int, value: object, mode: wire.Mode) -> None:
        self.task = task
        self._stage = stage
        self._object = value
        self._batches = mode.max_batch > 1
        self._gathering: Gathering[_Asked] = Gathering(max(1, mode.max_batch), max(0.0, mode.max_wait))
        self.methods = methods_of(value)

    @property
    def due(self) -> float | None:
        """When `passed` must be called, if nothing comes before."""
        return self._gathering.due

    def asked(self, at: float, message: wire.Method) -> None:
        """A method call arrived at the time `at`: run what is complete with it."""
        read = self._stage.guard.run(lambda: self._read(message))
        if read.value is None:
            self._failed([message.number], read.error)
            return
        asked = read.value
        for batch in self._gathering.arrived(at, asked.kind if self._batches else None, asked):
            self._run(batch)

    def _read(self, message: wire.Method) -> _Asked:
        arguments, keywords = self._stage.arguments(message.arguments)
        return _Asked(message.number, message.name, arguments, keywords)

    def passed(self, at: float) -> None:
        """It is the time `at`, and nothing has come."""
        self._run(self._gathering.passed(at))

    def flush(self) -> None:
        """Show what was printed and drawn; a figure that cannot be drawn is said on stderr."""
        flushed = self._stage.guard.run(self._stage.flush)
        if flushed.error is not None:
            traceback.print_exception(flushed.error)

    def close(self) -> Ran[None]:
        """Run what was gathered, then the object's own end: `close()`, else `__exit__`, where it has one."""
        self._run(self._gathering.rest())
        return self._stage.guard.run(self._close)

    def _close(self) -> None:
        target, self._object = self._object, None
        kind = type(target)
        if callable(getattr(kind, "close", None)):
            self._stage.run(target.close, (), {})  # type: ignore[attr-defined]
        elif callable(getattr(kind, "__exit__", None)):
            self._stage.run(target.__exit__, (None, None, None), {})  # type: ignore[attr-defined]

    # ── running ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, batch: list[_Asked]) -> None:
        if not batch:
            return
        numbers = [asked.number for asked in batch]
        together = batch[0].kind is not None and self._batches
        ran = self._stage.guard.run(lambda: self._together(batch) if together else [self._alone(batch[0])])
        self.flush()
        counts = self._stage.counts(self.task)
        if ran.value is None:
            self._failed(numbers, ran.error, counts)
            del ran  # see Ran
            return
        for number, value in zip(numbers, ran.value, strict=True):
            self._answer(number, value, counts)

    def _answer(self, number: int, value: object, counts: tuple[int, int]) -> None:
        packed = self._stage.guard.run(lambda: self._stage.pack(value, "the value"))
        if packed.value is None:
            self._failed([number], packed.error, counts)
        else:
            refs = self._stage.refs()
            self._stage.say(wire.MethodDone(self.task, number, True, packed.value, None, *counts, refs))
            self._stage.said()

    def _alone(self, asked: _Asked) -> object:
        return self._stage.run(self._method(asked.name), asked.arguments, asked.keywords)

    def _together(self, batch: list[_Asked]) -> list[object]:
        """Call the method once, each argument a list of the members' values, and deal out what it returns."""
        name = batch[0].name
        positional = [list(column) for column in zip(*(asked.arguments for asked in batch), strict=True)]
        keywords = {key: [asked.keywords[key] for asked in batch] for key in batch[0].keywords}
        values = self._stage.run(self._method(name), positional, keywords)
        if (
            not isinstance(values, Iterable)
            or isinstance(values, (str, bytes, Mapping))
            or not isinstance(values, Sized)
        ):
            raise UsageError(
                f"{self._called}.{name} is called in batches (max_batch) and must return a sequence with one value for "
                f"each call; it returned {type(values).__name__}"
            )
        dealt = list(values)
        if len(dealt) != len(batch):
            raise UsageError(
                f"{self._called}.{name} was called for a batch of {len(batch)} and must return as many values; "
                f"it returned {len(dealt)}"
            )
        return dealt

    def _method(self, name: str) -> Any:
        if name not in self.methods:
            known = ", ".join(self.methods) or "none"
            raise AttributeError(f"{self._called} has no public method {name!r}; it has: {known}")
        return self._object if name == "__call__" else getattr(self._object, name)

    @property
    def _called(self) -> str:
        return type(self._object).__qualname__

    def _failed(self, numbers: list[int], error: BaseException | None, counts: tuple[int, int] = (0, -1)) -> None:
        assert error is not None  # noqa: S101 - user code gives a value or raises
        body, failure = self._stage.told(error)
        for number in numbers:
            self._stage.say(wire.MethodDone(self.task, number, False, body, failure, *counts))


def methods_of(value: object) -> list[str]:
    """The names of an object's public methods, sorted, found without running its code: what its classes define and can
    be called, callable values of its own, and `__call__`."""
    found: dict[str, object] = {}
    for kind in reversed(type(value).__mro__[:-1]):  # `object` has none that are public
        found.update(kind.__dict__)
    with contextlib.suppress(AttributeError):  # its class has slots only
        found.update(object.__getattribute__(value, "__dict__"))
    return sorted(name for name, item in found.items() if _is_public(name) and _is_method(item))


def _is_public(name: str) -> bool:
    return name == "__call__" or not name.startswith("_")


def _is_method(item: object) -> bool:
    return isinstance(item, (staticmethod, classmethod)) or callable(item)
