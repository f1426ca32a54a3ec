"""One deadline for one request, whoever is asked on the way: what the session has taken of it the static engine does not get
once more.

What this file must not know: who is asked, and for what.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Patient(Protocol):
    """Who answers requests; `patience` times every deadline."""

    @property
    def patience(self) -> float: ...


P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Patient)


@dataclass(frozen=True, slots=True)
class _Due:
    """The moment, how much longer because of the way, and what single waits are multiplied with."""

    at: float
    away: float
    patience: float


_due: ContextVar[_Due | None] = ContextVar("due", default=None)


def by(
    seconds: float,
) -> Callable[[Callable[Concatenate[S, P], Awaitable[T]]], Callable[Concatenate[S, P], Awaitable[T]]]:
    """Decorate a method that answers a request: everything that it waits for, with `left`, has these seconds together, times
    the patience of who answers."""

    def wrap(answer: Callable[Concatenate[S, P], Awaitable[T]]) -> Callable[Concatenate[S, P], Awaitable[T]]:
        @functools.wraps(answer)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            patience = self.patience
            token = _due.set(_Due(asyncio.get_running_loop().time() + seconds * patience, 0.0, patience))
            try:
                return await answer(self, *args, **kwargs)
            finally:
                _due.reset(token)

        return run

    return wrap


def away(seconds: float) -> None:
    """Whom this request asks is that far away: everything of it may take so much longer, once however often it is said."""
    if (due := _due.get()) is not None and seconds > due.away:
        _due.set(replace(due, away=seconds))


def left(seconds: float) -> float:
    """These seconds (times the patience), or what is left of the request's: never less than none."""
    if (due := _due.get()) is None:
        return seconds
    return max(0.0, due.away + min(seconds * due.patience, due.at - asyncio.get_running_loop().time()))
