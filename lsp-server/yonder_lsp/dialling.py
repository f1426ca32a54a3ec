"""One connection to a hub: the dial and the handshake, up to the hub's yes or no.

What this file must not know: what is said afterwards, when to dial again.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, unix_connect

from yonder import __version__, wire
from yonder.errors import CannotRun, VersionMismatch
from yonder.places import HubNote, OwnerFolder

HANDSHAKE_WITHIN = 5.0
CLOSE_WITHIN = 0.1


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that has said welcome. `name` is what its events are numbered under."""

    connection: ClientConnection
    name: str
    note: HubNote


async def dial(folder: OwnerFolder, note: HubNote, resume: int) -> Hub:
    """Connect and shake hands; `resume` is the highest event number already stored.

    Raises CannotRun or VersionMismatch when the hub says no, and what sockets raise when nobody listens."""
    token = await asyncio.to_thread(folder.token)
    connection = await asyncio.wait_for(
        unix_connect(
            path=str(folder.owner_socket),
            uri="ws://localhost/owner",
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=HANDSHAKE_WITHIN,
            close_timeout=CLOSE_WITHIN,
        ),
        HANDSHAKE_WITHIN,
    )
    try:
        hello = wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role="owner",
            token=token,
            id=folder.owner,
            resume=resume,
            pid=os.getpid(),
        )
        await connection.send(wire.encode(hello))
        name = _judged(await asyncio.wait_for(connection.recv(decode=False), HANDSHAKE_WITHIN))
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
            raise ConnectionRefusedError(answer.sentence)  # soon it is gone, and a fresh one can start
        raise CannotRun(f"The cluster refused this window: {answer.sentence}")
    if not isinstance(answer, wire.Welcome):
        raise CannotRun("The cluster's hub did not say welcome; its log may say why.")
    return answer.hub
