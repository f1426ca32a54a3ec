"""A hub on another machine for the pools of a plain program: one connection that may drop and come back, held by a thread
of its own.

    Pool ── SocketDoor ── Unix socket ──▶ Relay ── channel ──▶ Carrier ══ wss, /client ══▶ hub

What is said while the line is cut goes when it is back, and so does what is answered; each once. What this file must not
know: calls, futures, pickles.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import shutil
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from yonder import keyfile, wire
from yonder.agent.relay import Relay
from yonder.carrier import BULK_WINDOW, MANNERS, WEBSOCKET, Carrier, hang_up
from yonder.door import Doors
from yonder.errors import CannotRun, VersionMismatch, YonderError
from yonder.keyfile import HubKey
from yonder.places import OwnerFolder
from yonder.version import __version__

DIAL_WITHIN = 10.0
FIRST_WITHIN = 15.0
"""Seconds in which the first connection must stand."""

GIVE_UP = 30.0
"""The hub waits 20 s for a program that has dropped: who was away for longer has nothing there any more."""

LEAVE_WITHIN = 1.0
SHORTEST, LONGEST = 0.1, 2.0
"""Seconds between two attempts: twice as many after each that failed."""


class Line:
    """The connection to the hub of this key, of the program `ident`. `up` is told when it stands, first and again."""

    def __init__(self, key: HubKey, ident: str, up: Callable[[], None]) -> None:
        """Raises CannotRun when the key is damaged."""
        self.carrier = Carrier(dialled=True, window=BULK_WINDOW)
        self.trouble = ""
        """Why the last attempt failed, "" when it did not."""
        self._key = key
        self._ident = ident
        self._way = {**WEBSOCKET, **key.way()}
        self._up = up
        self._been = False
        self._over = False
        self._connection: ClientConnection | None = None

    async def hold(self) -> None:
        """Be connected until `leave`. Raises CannotRun when the hub says no, or cannot be reached any more."""
        clock = asyncio.get_running_loop().time
        since, failures = clock(), 0
        while not self._over:
            try:
                self._connection = await self._dial()
                await self.carrier.carry(self._connection, told=self._told)
                since, failures = clock(), 0
            except ssl.SSLCertVerificationError as error:
                raise CannotRun(
                    f"at {self._key.hub} another hub answers than the one of the key file: that one has ended"
                ) from error
            except (OSError, TimeoutError, WebSocketException) as error:
                self.trouble = str(error) or type(error).__name__
            if clock() - since > GIVE_UP:
                raise CannotRun(f"the hub at {self._key.hub} could not be reached for {GIVE_UP:g} s: {self.trouble}")
            if not self._over:
                pause = min(LONGEST, SHORTEST * 2**failures)
                await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - no secret
                failures = min(failures + 1, 10)

    def _told(self, _: wire.Resume) -> None:
        self._been = True
        self.trouble = ""
        self._up()

    async def leave(self) -> None:
        """Say that this program is done: its conversations are over, or are about to be."""
        self._over = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN):
                while self.carrier.connected and self.carrier.speaks:  # noqa: ASYNC110 - sockets that end say so one by one
                    await asyncio.sleep(0.005)
        if self._connection is not None:
            await hang_up(self._connection)

    def forked(self) -> None:
        """In a forked child: the connection must end with the parent."""
        if self._connection is not None:
            endpoint = self._connection.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it was closed already
                os.close(endpoint.fileno())

    async def _dial(self) -> ClientConnection:
        """A connection whose hello was answered with welcome."""
        async with asyncio.timeout(DIAL_WITHIN):
            connection = await connect(
                f"wss://{self._key.name}/client", **self._way, open_timeout=None, close_timeout=MANNERS
            )
            try:
                hello = self._key.hello("client", self._ident, resume=int(self._been))
                await connection.send(wire.encode(hello))
                _judge(await connection.recv(decode=False))
            except BaseException:
                await hang_up(connection)
                raise
        return connection


def _judge(body: bytes) -> None:
    answers: wire.Parser[Any] = wire.Parser(wire.Welcome | wire.Refused)
    match answers.message(body):
        case wire.Refused(code="version", package=package):
            raise VersionMismatch(ours=__version__, theirs=package, where="hub")
        case wire.Refused(sentence=sentence):
            raise CannotRun(sentence)


class HubElsewhere(Doors):
    """The hub that this key file opens, for this program alone. Raises CannotRun in words when it cannot be reached."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key = keyfile.read(file)
        self._folder = OwnerFolder(f"program-{os.getpid()}-{secrets.token_hex(6)}")
        super().__init__(str(self._folder.hub_socket), self._key.token)
        self._line: Line | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name="yonder-hub-elsewhere", daemon=True)
        self._thread.start()
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise

    def _begin(self) -> None:
        if not self._ready.wait(FIRST_WITHIN) or self.reason:
            trouble = self.reason or (self._line.trouble if self._line else "") or "it says nothing"
            raise CannotRun(
                f"The hub at {self._key.hub} ({self._file}) does not answer: {trouble}. Is `yonder hub` running there, and "
                "is that address reached from here?"
            )
        self.keep()

    def check(self, backend: str) -> None:
        """Raises CannotRun where this program's functions mean nothing to executors of this backend."""
        theirs, ours = self._key.python, keyfile.python_version()
        if backend == "local" and theirs not in ("", ours):
            raise CannotRun(
                f"this program runs on Python {ours}, the hub at {self._key.hub} and executors on its machine on Python "
                f"{theirs}: functions travel as byte code and need the same one. Run it with python{theirs}, or start the "
                f"hub there with Python {ours}."
            )

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except YonderError as error:
            self.reason = str(error)
        finally:
            self.broken = True
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        line = self._line = Line(self._key, f"program-{secrets.token_hex(8)}", self._ready.set)
        server = await Relay(line.carrier, line.carrier).listen(str(self._folder.hub_socket))
        holding = asyncio.create_task(line.hold())
        leaving = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((holding, leaving), return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                self._refused(holding.exception())
            else:
                await line.leave()
        finally:
            for task in (holding, leaving):
                task.cancel()
            await asyncio.gather(holding, leaving, return_exceptions=True)
            server.close()
            line.carrier.lose()
            await asyncio.sleep(0)  # who waits at the relay's sockets is told

    def _refused(self, error: BaseException | None) -> None:
        """The pools are told why before they are told that it is over."""
        self.reason = str(error)
        if not isinstance(error, YonderError):
            raise error or AssertionError("a line that is held ends by an error")

    def stop(self) -> None:
        """Leave in order: what this program held there ends at once."""
        self.hang_up()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the thread has ended by itself
                self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(LEAVE_WITHIN * 5)
        shutil.rmtree(self._folder.path, ignore_errors=True)

    def forked(self) -> None:
        super().forked()
        if self._line is not None:
            self._line.forked()
