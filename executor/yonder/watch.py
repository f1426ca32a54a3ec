"""`Events`: what happens in a pool, told as it happens.

What this file must not know: who decides what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from yonder import wire
from yonder.mailbox import Mailbox

MOST = 10_000


class Events:
    """An iterator, for `for` and `async for`, of a pool's events: `kind`, `executor`, `sentence`, `at`. It ends when the
    pool closes, or with `close`. A reader that is slow by more than MOST events loses the oldest."""

    def __init__(self, leave: Callable[[Events], None]) -> None:
        self._leave = leave
        self._box: Mailbox[wire.PoolEvent] = Mailbox(MOST)

    def told(self, event: wire.PoolEvent) -> None:
        """One more (in the hub's or the reader's thread)."""
        self._box.put(event)
        if event.kind == "closed":
            self._box.end()

    def end(self) -> None:
        """The pool is closed."""
        self._box.end()

    def close(self) -> None:
        """Watch no longer."""
        self._box.end()
        self._leave(self)

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> wire.PoolEvent:
        try:
            return self._box.take()
        except EOFError:
            raise StopIteration from None

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> wire.PoolEvent:
        try:
            return await self._box.atake()
        except EOFError:
            raise StopAsyncIteration from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
