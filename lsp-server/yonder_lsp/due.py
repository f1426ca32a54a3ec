"""One deadline for one request, whoever is asked on the way: what the session has taken of it the static engine does not get
once more.

What this file must not know: who is asked, and for what.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_at: ContextVar[tuple[float, float] | None] = ContextVar("due", default=None)  # a moment, and seconds more


def by(seconds: float) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Decorate what answers a request: everything that it waits for, with `left`, has these seconds together."""

    def wrap(answer: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(answer)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            token = _at.set((asyncio.get_running_loop().time() + seconds, 0.0))
            try:
                return await answer(*args, **kwargs)
            finally:
                _at.reset(token)

        return run

    return wrap


def away(seconds: float) -> None:
    """Whom this request asks is that far away: everything of it may take so much longer, once however often it is said."""
    if (due := _at.get()) is not None and seconds > due[1]:
        _at.set((due[0], seconds))


def left(seconds: float) -> float:
    """These seconds, or what is left of the request's: never less than none."""
    if (due := _at.get()) is None:
        return seconds
    at, more = due
    return max(0.0, min(seconds + more, at + more - asyncio.get_running_loop().time()))
