"""One connection to a hub: the dial and the handshake, up to the hub's yes or no, and whether it is still heard.

What this file must not know: what is said afterwards, when to dial again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed

from yonder import __version__, wire
from yonder.core.link import Heartbeat
from yonder.errors import CannotRun, VersionMismatch
from yonder.keyfile import HubKey
from yonder.places import HubNote, OwnerFolder

HANDSHAKE_WITHIN = 5.0
FAR_WITHIN = 10.0
"""Seconds for TCP, TLS and handshake with a hub elsewhere: four round trips of a poor line."""

CLOSE_WITHIN = 0.1
BEAT = 2.0
MISSES = 4
"""A connection to a hub elsewhere on which nothing came for so many beats is given up and dialled again."""


class Closing(ConnectionRefusedError):  # noqa: N818 - said of the hub, not of the program
    """The hub is just ending."""


class Gone(CannotRun):
    """The hub that was dialled is no more: it said so, or somebody else is where it was."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that has said welcome. `name` is what its events are numbered under."""

    connection: ClientConnection
    name: str
    note: HubNote

    async def attend(self) -> None:
        """Break the connection when nothing is heard on it any more; for one on this machine there is nothing to do."""
        connection = self.connection
        if not isinstance(connection, Attentive):
            return
        clock = asyncio.get_running_loop().time
        ear = Heartbeat(BEAT, MISSES)
        while True:
            ear.heard(connection.heard)
            if not connection.transport.is_reading():
                ear.heard(clock())  # it is we who do not listen
            if ear.tick(clock()):
                connection.transport.abort()
                return
            with contextlib.suppress(TimeoutError, ConnectionClosed):  # a full line; its end is noticed by who reads
                async with asyncio.timeout(BEAT):  # unlike wait_for it never swallows that this task is cancelled
                    await connection.ping()
            await asyncio.sleep(BEAT)


class Attentive(ClientConnection):
    """`heard` is when the last bytes came, on the loop's clock: a large message may be long under way."""

    heard = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)


async def near(folder: OwnerFolder, note: HubNote, resume: int) -> Hub:
    """The hub of this machine; `resume` is the highest event number already stored.

    Raises CannotRun or VersionMismatch when the hub says no, and what sockets raise when nobody listens."""
    token = await asyncio.to_thread(folder.token)
    hello = wire.Hello(
        version=wire.VERSION,
        package=__version__,
        role="owner",
        token=token,
        id=folder.owner,
        resume=resume,
        pid=os.getpid(),
    )
    opening = unix_connect(
        path=str(folder.owner_socket),
        uri="ws://localhost/owner",
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        max_size=None,
        ping_interval=None,
        open_timeout=HANDSHAKE_WITHIN,
        close_timeout=CLOSE_WITHIN,
    )
    return await _greeted(opening, hello, note, HANDSHAKE_WITHIN)


async def far(key: HubKey, owner: str, note: HubNote, resume: int) -> Hub:
    """The hub that this key opens. See `near`; also raises Gone."""
    opening = connect(
        f"wss://{key.name}/owner",
        **key.way(),
        max_size=None,
        ping_interval=None,
        open_timeout=FAR_WITHIN,
        close_timeout=CLOSE_WITHIN,
        create_connection=Attentive,
    )
    try:
        # What is refused there is refused for good: no fresh hub can be started from here.
        return await _greeted(opening, key.hello("owner", owner, resume=resume), note, FAR_WITHIN)
    except Closing as error:
        raise Gone(
            f"The hub at {key.hub} is no more: {error}. Start another one there, and copy its key file."
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise Gone(
            f"At {key.hub} another hub answers than the one that this window's key file is for: that one has ended. Copy "
            "the key file of the new one here."
        ) from error


async def _greeted(opening: Awaitable[ClientConnection], hello: wire.Hello, note: HubNote, within: float) -> Hub:
    connection = await asyncio.wait_for(opening, within)
    try:
        await connection.send(wire.encode(hello))
        name = _judged(await asyncio.wait_for(connection.recv(decode=False), within))
    except BaseException:
        await connection.close()
        raise
    return Hub(connection, name, note)


def _judged(body: bytes) -> str:
    """The hub's name from its welcome; its refusal as an error."""
    parser: wire.Parser[wire.HubToOwner] = wire.Parser(wire.HubToOwner)
    answer = parser.message(body)
    if isinstance(answer, wire.Refused):
        if answer.code == "version":
            raise VersionMismatch(ours=__version__, theirs=answer.package, where="cluster")
        if answer.code == "closing":
            raise Closing(answer.sentence)
        raise CannotRun(f"The cluster refused this window: {answer.sentence}")
    if not isinstance(answer, wire.Welcome):
        raise CannotRun("The cluster's hub did not say welcome; its log may say why.")
    return answer.hub
