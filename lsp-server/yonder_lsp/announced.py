"""What of the window's code its hub has been told, and has said that it has.

What this file must not know: where code comes from, when it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from yonder import wire
from yonder.errors import CannotRun
from yonder.publishing import Contents, Publishing
from yonder.snapshot import Snapshot


class Unheard(CannotRun):
    """It is not known what of it has arrived: the connection was cut."""


class Announced:
    """One hub at a time; another one is told everything again."""

    def __init__(self) -> None:
        self._hub = ""
        self._publishing = Publishing()
        self._waiting: dict[bytes, asyncio.Future[str]] = {}

    async def tell(
        self, hub: str, snapshot: Snapshot, contents: Contents, send: Callable[[wire.OwnerToHub], Awaitable[None]]
    ) -> None:
        """Say what `hub` ("": none is there) lacks, and wait for its yes. Raises Unheard, CannotRun when it says no, and what
        `contents` raises."""
        if hub != self._hub:
            self._publishing.forget()
            self._hub = hub
        sentence = await self._try(snapshot, contents, send)
        if sentence:  # it has forgotten what this was built on
            self._publishing.forget()
            sentence = await self._try(snapshot, contents, send)
        if sentence:
            self._publishing.forget()
            raise CannotRun(f"Your code did not reach the cluster: {sentence}")

    async def _try(
        self, snapshot: Snapshot, contents: Contents, send: Callable[[wire.OwnerToHub], Awaitable[None]]
    ) -> str:
        """The hub's sentence, "" when the snapshot is there."""
        messages = self._publishing.tell(snapshot, contents)
        waiting: asyncio.Future[str] | None = None
        try:
            # Contents are read from the disk.
            while (message := await asyncio.to_thread(next, messages, None)) is not None:
                if isinstance(message, wire.Publish):
                    waiting = self._waiting[message.snapshot] = asyncio.get_running_loop().create_future()
                try:
                    await send(message)
                except CannotRun as error:
                    raise Unheard(str(error)) from error
            return await waiting if waiting is not None else ""
        except BaseException:
            self._publishing.forget()
            raise
        finally:
            if waiting is not None:
                self._waiting.pop(snapshot.digest, None)

    def answered(self, message: wire.Published) -> None:
        """The hub has said so."""
        waiting = self._waiting.get(message.snapshot)
        if waiting is not None and not waiting.done():
            waiting.set_result(message.sentence)

    def cut(self) -> None:
        """The connection is gone, and answers with it."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unheard("The connection to the cluster was cut; try again in a moment."))
                waiting.exception()  # looked at: who told it may have heard of the cut already
