"""`RemoteFunction`: a function that knows its pool (`@pool.remote`).

What this file must not know: how calls travel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

from yonder.calls import Calls
from yonder.errors import UsageError
from yonder.future import Future
from yonder.line import name_of
from yonder.mapping import Mapped
from yonder.stream import Stream

P = ParamSpec("P")
T = TypeVar("T")


class RemoteFunction(Generic[P, T]):
    """Called plainly it runs here, like the function it was made from; the other verbs run it on the pool."""

    def __init__(self, fn: Callable[P, T], calls: Calls | None) -> None:
        self._fn = fn
        self._calls = calls
        functools.update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it here."""
        return self._fn(*args, **kwargs)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """`Pool.submit` with this function."""
        return self._there.submit(self._fn, *args, **kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """`Pool.call` with this function."""
        return self._there.call(self._fn, *args, **kwargs)

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """`Pool.acall` with this function."""
        return await self._there.acall(self._fn, *args, **kwargs)

    def spawn(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """`Pool.spawn` with this function."""
        return self._there.spawn(self._fn, *args, **kwargs)

    def map(self, *iterables: Iterable[Any], **options: Any) -> Mapped[T]:
        """`Pool.map` with this function; `options` are timeout, chunksize, buffersize and ordered."""
        return self._there.map(self._fn, *iterables, **options)

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Stream[Any]:
        """`Pool.stream` with this generator function."""
        return self._there.stream(self._fn, *args, **kwargs)  # type: ignore[arg-type] # a generator function's T iterates

    def astream(self, *args: P.args, **kwargs: P.kwargs) -> Stream[Any]:
        """`Pool.astream` with this generator function."""
        return self.stream(*args, **kwargs)

    def broadcast(self, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """`Pool.broadcast` with this function."""
        return self._there.broadcast(self._fn, *args, **kwargs)

    def with_options(self, **options: Any) -> RemoteFunction[P, T]:
        """The same function with other options, see `Pool.with_options`."""
        return RemoteFunction(self._fn, self._there.with_options(**options))

    @property
    def _there(self) -> Calls:
        if self._calls is None:
            name = name_of(self._fn)
            raise UsageError(
                f"{name} left its pool behind when it came to this executor; open a Pool here and use that"
            )
        return self._calls

    def __reduce__(self) -> tuple[type[RemoteFunction[P, T]], tuple[Callable[P, T], None]]:
        return RemoteFunction, (self._fn, None)
