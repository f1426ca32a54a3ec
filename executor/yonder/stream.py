"""`Stream`: the values of a generator that runs on an executor, as they come.

Back-pressure is credit: the generator may be WINDOW values ahead of its reader, no more. One class serves `for` and
`async for`. What this file must not know: how the call got out.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from yonder import payload, wire
from yonder.errors import UsageError
from yonder.future import Future
from yonder.holding import Grip, Holdings
from yonder.mailbox import Mailbox
from yonder.switchboard import Switchboard, Told

T = TypeVar("T")

WINDOW = 16


class Ear:
    """What the switchboard holds of a stream: it hears the values and the end (in the hub's or the reader's thread). The
    stream itself is its reader's alone, so that one that is let go of ends."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self.bodies: Mailbox[tuple[wire.Body, list[Grip]]] = Mailbox()
        self.future: Future[Any] | None = None

    def attach(self, future: Future[Any]) -> None:
        """The call whose values these are."""
        self.future = future

    def told(self, message: Told) -> None:
        if isinstance(message, wire.CallYield):
            self.bodies.put((message.body, self._holdings.held(message.refs) if message.refs else []))
        else:
            self.bodies.end()


class Stream(Generic[T]):
    """Values of a generator, in order. Iterate it (`for` or `async for`); leaving the loop ends the generator remotely,
    with its `finally` blocks, and so does letting go of it. `value` is what the generator returned, once it has.

    An exception of the generator is raised after the values that came before it.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self.ear = Ear(board.holdings)
        self._bodies = self.ear.bodies
        self._taken = 0
        self._granted = WINDOW
        self._over = False
        self.value: Any = None

    # ── reading ──

    def __next__(self) -> T:
        if self._over:
            raise StopIteration(self.value)
        try:
            if not self._bodies.empty():
                arrived = self._bodies.take()
            elif self._board.foreign():
                raise UsageError("this stream belongs to the process that opened it")
            else:
                with self._board.waiting([self._call]):
                    self._board.help(self._has_news, None)
                    arrived = self._bodies.take()
        except EOFError:
            self._finish()
            raise StopIteration(self.value) from None
        return self._opened(arrived)

    async def __anext__(self) -> T:
        if self._over:
            raise StopAsyncIteration
        try:
            arrived = await self._bodies.atake()
        except EOFError:
            self._finish()
            raise StopAsyncIteration from None
        return self._opened(arrived)

    def __iter__(self) -> Iterator[T]:
        return self._values()

    def __aiter__(self) -> AsyncIterator[T]:
        return self._avalues()

    def _values(self) -> Generator[T, None, Any]:
        # A generator, so that leaving the loop is noticed at once: its `finally` runs when the loop lets go of it.
        try:
            while True:
                try:
                    value = next(self)
                except StopIteration as end:
                    return end.value
                yield value
        finally:
            self.cancel()

    async def _avalues(self) -> AsyncIterator[T]:
        try:
            while True:
                try:
                    value = await anext(self)
                except StopAsyncIteration:
                    return
                yield value
        finally:
            self.cancel()

    def _has_news(self) -> bool:
        return not self._bodies.empty()

    def _opened(self, arrived: tuple[wire.Body, list[Grip]]) -> T:
        body, _holds = arrived
        self._taken += 1
        ahead = self._taken + WINDOW
        if ahead - self._granted >= WINDOW // 2:  # half a window at a time: not a message for each value
            self._granted = ahead
            self._board.tell(wire.Credit(self._call.number, ahead))
        try:
            value: T = payload.unpack(body)
        except BaseException:
            self.cancel()
            raise
        return value

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self.value = self._call.result()

    @property
    def _call(self) -> Future[Any]:
        future = self.ear.future
        assert future is not None  # noqa: S101 - attached before anybody gets hold of it
        return future

    # ── the end ──

    def cancel(self) -> None:
        """End the generator now, remotely too; nothing more comes. Harmless when it has ended."""
        if not self._over:
            self._over = True
            self._call.cancel()

    close = cancel

    def __del__(self) -> None:
        if (future := self.ear.future) is None or self._over or future.done() or sys.is_finalizing():
            return
        self.cancel()  # nobody will ever read on, and it holds a worker

    def end(self, *, cancel: bool) -> None:
        """The pool closes. A generator that waits for a reader would wait for ever: it ends now, and whoever still reads
        hears of it (a CancelledError)."""
        if not self._over and self.ear.future is not None:
            self._call.cancel()

    async def aclose(self) -> None:
        """`cancel`, under the name that asynchronous iterators have for it."""
        self.cancel()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()
