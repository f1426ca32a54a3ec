"""Where workers on another machine dial: a private Unix socket whose conversations go on over the link to the hub.

    worker ── lane ──▶ Caller ── bytes ──▶ Channel ──▶ carrier ══▶ hub        control lanes: small; everything else: bulk

What belongs here: which of the two connections a conversation takes, bytes both ways, and whose turn it is to wait. What
this file must not know: what is said after the hello, and whether the link is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from yonder import wire
from yonder.carrier import Carrier, Channel
from yonder.places import foreigner

HELLO_WITHIN = 10.0
LAST_WORDS = 0.2
"""Seconds after a worker's death in which a lane must have said something to be read on: a child that it left may keep
the lane open for ever."""


class Relay:
    """All conversations of workers, and of programs in them, with the hub."""

    def __init__(self, small: Carrier, bulk: Carrier) -> None:
        self._carriers = {"control": small, "call": bulk, "client": bulk}
        self._callers: set[Caller] = set()

    async def listen(self, path: str) -> asyncio.Server:
        """Workers may dial `path` from now on, for as long as the server is kept."""
        loop = asyncio.get_running_loop()
        return await loop.create_unix_server(lambda: Caller(self._open, self._callers.discard), path)

    def _open(self, caller: Caller, hello: wire.Hello) -> Channel | None:
        """The conversation of one who said this, if it is one that goes to the hub."""
        carrier = self._carriers.get(hello.role)
        if carrier is None:
            return None
        self._callers.add(caller)
        return carrier.open(Echo(caller))

    def bury(self, worker: str) -> None:
        """It is dead: its lanes end as soon as what it said is on its way."""
        for caller in self._callers:
            if caller.worker == worker:
                caller.bury()


class Caller(asyncio.Protocol):
    """One conversation's end at this machine: a worker's socket."""

    def __init__(
        self, open_channel: Callable[[Caller, wire.Hello], Channel | None], gone: Callable[[Caller], None]
    ) -> None:
        self._open = open_channel
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._parser: wire.Parser[wire.Hello] = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
        self._said: list[bytes] = []  # until it is known where it goes
        self._channel: Channel | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._heard = False
        self.worker = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if foreigner(transport.get_extra_info("socket")) is not None:
            self.close()
            return
        self._waiting = self._loop.call_later(HELLO_WITHIN, self.close)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._channel is not None:
            self._channel.write(data)
            return
        self._said.append(data)
        try:
            hello = next(iter(self._parser.feed(data)), None)
        except wire.WireError:
            self.close()
            return
        if hello is not None:
            self._greet(hello)

    def _greet(self, hello: wire.Hello) -> None:
        self._wait_no_more()
        self.worker = hello.id
        self._channel = self._open(self, hello)
        if self._channel is None:
            self.close()
            return
        self._channel.write(b"".join(self._said))
        self._said.clear()

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    # ── pressure: who is not read is not read from ──

    def pause_writing(self) -> None:
        if self._channel is not None:
            self._channel.pause_reading()

    def resume_writing(self) -> None:
        if self._channel is not None:
            self._channel.resume_reading()

    def hold(self, held: bool) -> None:
        """The link takes no more of this conversation for now, or does again."""
        if self._transport is not None:
            self._transport.pause_reading() if held else self._transport.resume_reading()

    # ── what the hub says ──

    def say(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # ── ends ──

    def bury(self) -> None:
        """Nobody is there any more who could say something new: read what lies in the socket, then hang up."""
        self._heard = False
        self._loop.call_later(LAST_WORDS, self._rest)

    def _rest(self) -> None:
        if self._transport is None:
            return
        if self._heard or not self._transport.is_reading():
            self.bury()  # there is more, or it waits for the link
        else:
            self.close()

    def close(self) -> None:
        """What was said to it still goes."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._wait_no_more()
        self._gone(self)
        if self._channel is not None:
            self._channel.close()


class Echo(asyncio.Protocol):
    """The same conversation's end at the link: what the hub says to a caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def data_received(self, data: bytes) -> None:
        self._caller.say(data)

    def pause_writing(self) -> None:
        self._caller.hold(True)

    def resume_writing(self) -> None:
        self._caller.hold(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._caller.close()
