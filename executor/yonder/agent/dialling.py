"""The link to a hub on another machine: two TLS websockets, each dialled again whenever it ends.

    invitation's secret ──▶ small: Welcome, Resume(key, bulk) ──▶ its next dial shows `key`
                                              └─────────────────▶ bulk's first dial shows `bulk`, its next Resume's key

What belongs here: dialling, the hello and its answer, pauses between attempts. What this file must not know: what the
conversations are about, what else this process does, when it gives up.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from yonder import wire
from yonder.carrier import BULK_WINDOW, MANNERS, SMALL_WINDOW, WEBSOCKET, Carrier, hang_up
from yonder.credentials import client_context
from yonder.errors import CannotRun, VersionMismatch
from yonder.version import __version__

DIAL_WITHIN = 10.0
SHORTEST, LONGEST = 0.1, 2.0
"""Seconds between two attempts: twice as many after each that failed."""


class Link:
    """Both connections. `trouble` is why the last attempt of any failed, "" when none did. `failed` is told of every attempt
    that failed, with whether the hub's machine said that nobody listens there."""

    def __init__(self, invitation: wire.Invitation, failed: Callable[[bool], None] = lambda _: None) -> None:
        """Raises ssl.SSLError or ValueError when the invitation's certificates are none."""
        self.small = Carrier(dialled=True, window=SMALL_WINDOW)
        self.bulk = Carrier(dialled=True, window=BULK_WINDOW)
        self.trouble = ""
        self._invitation = invitation
        self._failed = failed
        self._context = client_context(invitation.authority, invitation.certificate, invitation.key)
        self._bulk: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hold(self) -> None:
        """Be connected, for ever. Raises CannotRun when the hub says no for good, WireError when it is no hub of ours."""
        await asyncio.gather(self._keep("agent", self.small, self._invitation.secret), self._follow())

    async def _follow(self) -> None:
        await self._keep("bulk", self.bulk, await self._bulk)

    async def _keep(self, role: wire.Role, carrier: Carrier, key: str) -> None:
        failures = 0

        def told(words: wire.Resume) -> None:
            nonlocal key, failures
            failures = 0
            self.trouble = ""
            key = words.key or key
            if words.bulk and not self._bulk.done():
                self._bulk.set_result(words.bulk)

        while True:
            try:
                connection = await self._dial(role, key)
                await carrier.carry(connection, told=told)
            except (OSError, TimeoutError, WebSocketException) as error:
                self.trouble = f"{self._invitation.hub}: {_words(error)}"
                self._failed(isinstance(error, OSError) and error.errno == errno.ECONNREFUSED)
            await asyncio.sleep(min(LONGEST, SHORTEST * 2**failures) * (0.5 + random.random() / 2))  # noqa: S311 - no secret
            failures = min(failures + 1, 10)

    async def _dial(self, role: wire.Role, key: str) -> ClientConnection:
        """A connection whose hello was answered with welcome."""
        async with asyncio.timeout(DIAL_WITHIN):
            connection = await self._connect()
            try:
                await connection.send(wire.encode(self._hello(role, key)))
                _judge(await connection.recv(decode=False))
            except BaseException:
                await hang_up(connection)
                raise
        return connection

    async def _connect(self) -> ClientConnection:
        name = self._invitation.name
        host, _, port = self._invitation.hub.rpartition(":")
        return await connect(
            f"wss://{name}/link",
            host=host.strip("[]"),
            port=int(port),
            ssl=self._context,
            server_hostname=name,
            **WEBSOCKET,
            open_timeout=None,
            close_timeout=MANNERS,
            user_agent_header=None,
            proxy=None,
        )

    def _hello(self, role: wire.Role, key: str) -> wire.Hello:
        return wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role=role,
            token=key,
            id=self._invitation.agent,
            pid=os.getpid(),
        )


def _judge(body: str | bytes) -> None:
    answers: wire.Parser[Any] = wire.Parser(wire.Welcome | wire.Refused)
    match answers.message(body if isinstance(body, bytes) else body.encode()):
        case wire.Refused(code="version", package=package):
            raise VersionMismatch(ours=__version__, theirs=package, where="hub")
        case wire.Refused(code="busy", sentence=sentence):
            raise ConnectionRefusedError(sentence)  # not yet
        case wire.Refused(sentence=sentence):
            raise CannotRun(sentence)


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio says only that a call failed
    return str(error) or type(error).__name__
