"""Plain programs on other machines: one connection each, the conversations of its pools on it, and when it is gone.

    program ══ wss, /client ══▶ Gate ──▶ Guest ── channel ──▶ Conversation ──▶ Hub, as on this machine

A program that leaves in order ends its conversations first. A connection that just drops may be a network's fault: its
program has LINGER to come back, its calls go on meanwhile, and what was said is said again. After that it counts as dead,
and what it held ends. What this file must not know: pools, calls, who may dial (the gate has judged certificates).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from yonder import wire
from yonder.carrier import BULK_WINDOW, Carrier
from yonder.core.lease import spell
from yonder.core.link import check_hello
from yonder.hub.clients import PROGRAM_ROLES
from yonder.hub.connection import Accept, Conversation, Trouble
from yonder.version import __version__

LINGER = 20.0
"""Seconds that a program has to come back. A window has the silence, which is longer: people sleep, programs do not."""

HELLO_WITHIN = 10.0
READ_AT_ONCE = 64 * 1024
CLOSE_WITHIN = 1.0
ORDERLY = 1000


class Guest:
    """One program."""

    def __init__(self, ident: str, accept: Accept, trouble: Trouble, forget: Callable[[str], None]) -> None:
        self.ident = ident
        self._forget = forget
        self._leaving: asyncio.TimerHandle | None = None
        space = bytearray(READ_AT_ONCE)
        self.carrier = Carrier(dialled=False, window=BULK_WINDOW, accept=lambda: Conversation(accept, trouble, space))

    def came(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def went(self, *, orderly: bool) -> None:
        """A connection is over."""
        if self.carrier.carried:
            return  # a newer one has taken its place
        self.came()
        if orderly and not self.carrier.speaks:
            self.lose()
        else:
            self._leaving = asyncio.get_running_loop().call_later(LINGER, self.lose)

    def lose(self) -> None:
        """It does not come back: all that it said is over."""
        self.came()
        self._forget(self.ident)
        self.carrier.lose()

    async def close(self) -> None:
        """Say to it that everything is over, as far as it is there to hear that."""
        self.carrier.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                while self.carrier.connected and self.carrier.speaks:  # noqa: ASYNC110 - what is written tells nobody
                    await asyncio.sleep(0.01)
        self.lose()


class Guests:
    """All of them. `token` is the owner's; `accept` judges the hello of each conversation."""

    def __init__(self, token: str, accept: Accept, trouble: Trouble) -> None:
        self._token = token
        self._accept = accept
        self._trouble = trouble
        self._guests: dict[str, Guest] = {}

    async def serve(self, connection: ServerConnection) -> None:
        """One connection, to its end."""
        parser: wire.Parser[wire.Hello] = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                data = await connection.recv(decode=False)
            if len(data) > wire.MAX_HELLO:
                raise wire.WireError("a hello is shorter")
            found = self._judge(parser.message(data))
            if isinstance(found, wire.Refused):
                self._trouble(f"a program was refused: {found.sentence}")
                await connection.send(wire.encode(found))
                return
            await self._carry(found, connection)
        except wire.WireError as error:
            self._trouble(f"a program broke the protocol and was cut off: {error}")
        except (ConnectionClosed, TimeoutError):
            pass  # who has business here dials again

    async def _carry(self, guest: Guest, connection: ServerConnection) -> None:
        guest.came()
        try:
            await connection.send(wire.encode(wire.Welcome(version=wire.VERSION, package=__version__, hub="")))
            await guest.carrier.carry(connection)
        finally:
            guest.went(orderly=connection.close_code == ORDERLY)

    def _judge(self, hello: wire.Hello) -> Guest | wire.Refused:
        refusal = check_hello(hello, token=self._token, roles=PROGRAM_ROLES, package=__version__)
        if refusal is not None:
            return refusal
        guest = self._guests.get(hello.id)
        if guest is None and hello.resume:
            sentence = f"the hub heard nothing of this program for {spell(LINGER)}, and has ended what it held"
            return wire.Refused(code="spent", sentence=sentence, version=wire.VERSION, package=__version__)
        if guest is None:
            guest = self._guests[hello.id] = Guest(hello.id, self._accept, self._trouble, self._forget)
        return guest

    def _forget(self, ident: str) -> None:
        self._guests.pop(ident, None)

    async def close(self) -> None:
        await asyncio.gather(*(guest.close() for guest in list(self._guests.values())))
