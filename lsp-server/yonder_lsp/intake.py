"""What comes in over one connection from the hub: numbered events go batch by batch into the store, are told, and then
acknowledged; everything else is handed on at once.

What this file must not know: when to dial, what is asked of a hub.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

from websockets.exceptions import ConnectionClosed

from yonder import wire
from yonder.errors import YonderError
from yonder_lsp import dialling
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread

BATCH_BOUND = 4000
AT_ONCE = 500  # events told in one turn of the loop: some milliseconds, and then it is a key's turn
IN_A_ROW = 64  # messages read in one turn, however many lie there
STORE_AGAIN = 1.0
T = TypeVar("T")


class Ear(Protocol):
    """Who is told. Nothing here may block."""

    def stored(self, batch: Sequence[wire.Numbered]) -> None: ...

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None: ...

    def log(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None: ...


class Intake:
    """Of the connection `hub`; `take` gets what is not numbered."""

    def __init__(
        self, hub: dialling.Hub, storing: StoreThread, ear: Ear, take: Callable[[wire.HubToOwner], None]
    ) -> None:
        self._hub = hub
        self._storing = storing
        self._ear = ear
        self._take = take
        self._parser: wire.Parser[wire.HubToOwner] = wire.Parser(wire.HubToOwner)
        self._batch: list[wire.Numbered] = []
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Returns when the connection is over, however that came."""
        connection = self._hub.connection
        beside = [asyncio.create_task(self._keep()), asyncio.create_task(self._hub.attend())]
        beside[0].add_done_callback(self._kept)
        try:
            read = 0
            async for data in connection:
                read += 1
                if read % IN_A_ROW == 0:
                    await asyncio.sleep(0)  # what lies there already is read without a pause
                message = self._parser.message(data if isinstance(data, bytes) else data.encode())
                if isinstance(message, wire.Numbered):
                    await self._put(message)
                else:
                    self._take(message)
        except ConnectionClosed:
            pass  # the close code and the hub's process say what it means
        except wire.WireError as error:
            self._ear.log("error", f"the hub broke the protocol: {error}")
            await connection.close(1002)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _put(self, message: wire.Numbered) -> None:
        self._batch.append(message)
        self._arrived.set()
        if len(self._batch) >= BATCH_BOUND:
            self._room.clear()
            await self._room.wait()

    async def _keep(self) -> None:
        """Store what has arrived, tell it, acknowledge it. Nothing is acknowledged that is not stored."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            taken = self._batch[:AT_ONCE]
            while True:
                try:
                    last = await _whole(self._apply(taken))
                    break
                except YonderError as error:
                    self._ear.notice("error", f"Runs cannot be stored: {error}")
                    await asyncio.sleep(STORE_AGAIN)
            del self._batch[: len(taken)]
            if self._batch:
                self._arrived.set()
            self._room.set()
            with contextlib.suppress(ConnectionClosed):
                await self._hub.connection.send(wire.encode(wire.Ack(last)))

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        """Without a keeper nothing would be acknowledged any more, and nothing more come: the next connection has one."""
        if not keeping.cancelled() and (error := keeping.exception()) is not None:
            self._ear.log("error", f"what the hub said could not be told: {error!r}")
            self._hub.connection.transport.abort()
            self._room.set()

    async def _apply(self, taken: Sequence[wire.Numbered]) -> int:
        """Store and tell. What is stored is never sent again, so no cut may come between the two."""
        last = await self._storing.do(Store.apply, self._hub.name, taken)
        self._ear.stored(taken)
        return last


async def _whole(work: Awaitable[T]) -> T:
    """Await something to its end; whoever is cancelled meanwhile is cancelled after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.gather(task, return_exceptions=True)
