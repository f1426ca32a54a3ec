"""A hub without executors: it speaks the wire on an owner's socket, remembers what it was told and does what a test says."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from yonder import wire
from yonder.places import HubNote, OwnerFolder, started_at

M = TypeVar("M")
TOKEN = "a-token-of-tests"


class FakeHub:
    """One owner's hub in this process. `answers` maps a message's type to what is sent back."""

    def __init__(self, owner: str, *, name: str = "hub-1", version: int = wire.VERSION) -> None:
        self.folder = OwnerFolder(owner)
        self.name = name
        self.version = version
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.hellos: list[wire.Hello] = []
        self.acked = 0
        self.answers: dict[type, Callable[[Any], Any]] = {
            wire.Publish: lambda message: [wire.Published(message.snapshot)]
        }
        # What the session's names are; asked for by the server itself, beside what a test says of other looks.
        self.names: Callable[[wire.Query], wire.Answer | None] = lambda query: wire.Answer(True, whole=True, mark=1)
        self.names_asked: asyncio.Queue[wire.Query] = asyncio.Queue()
        self.refusal: wire.Refused | None = None
        self.pid = os.getpid()
        self._numbers = 0
        self._kept: list[wire.Numbered] = []
        self._server: Server | None = None
        self.connection: ServerConnection | None = None
        self.acks = asyncio.Condition()

    def note(self) -> HubNote:
        return HubNote(
            owner=self.folder.owner,
            pid=self.pid,
            started=started_at(self.pid),
            version=self.version,
            package="0.0.test",
            hub=self.name,
        )

    async def listen(self) -> HubNote:
        self.folder.make_token(TOKEN)
        await self.open()
        self.folder.write_note(self.note())
        return self.note()

    async def open(self) -> None:
        self.folder.owner_socket.unlink(missing_ok=True)
        self._server = await unix_serve(
            self._serve, str(self.folder.owner_socket), process_request=self._judge, compression=None
        )

    async def _judge(self, connection: ServerConnection, request: Any) -> Any:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        parser: wire.Parser[Any] = wire.Parser(wire.OwnerToHub)
        hello = parser.message(await connection.recv(decode=False))
        self.hellos.append(hello)
        if self.refusal is not None:
            await connection.send(wire.encode(self.refusal))
            return
        self.connection = connection
        await connection.send(wire.encode(wire.Welcome(version=wire.VERSION, package="0.0.test", hub=self.name)))
        for numbered in self._kept:
            if numbered.n > hello.resume:
                await connection.send(wire.encode(numbered))
        try:
            async for data in connection:
                message = parser.message(data if isinstance(data, bytes) else data.encode())
                if isinstance(message, wire.Ack):
                    async with self.acks:
                        self.acked = max(self.acked, message.n)
                        self.acks.notify_all()
                    continue
                if isinstance(message, wire.Peek) and message.query.what == "names":
                    self.names_asked.put_nowait(message.query)
                    if (told := self.names(message.query)) is not None:
                        await connection.send(wire.encode(wire.Peeked(message.id, message.session, told)))
                    continue
                self.said.put_nowait(message)
                answer = self.answers.get(type(message))
                if answer is not None:
                    for reply in answer(message) or ():
                        await connection.send(wire.encode(reply))
        except ConnectionClosed:
            return

    async def tell(self, *events: wire.Event) -> int:
        """Number events and send them if somebody is connected. Returns the last number."""
        for event in events:
            self._numbers += 1
            numbered = wire.Numbered(self._numbers, event)
            self._kept.append(numbered)
            if self.connection is not None:
                try:
                    await self.connection.send(wire.encode(numbered))
                except ConnectionClosed:
                    self.connection = None
        return self._numbers

    async def send(self, message: Any) -> None:
        assert self.connection is not None
        await self.connection.send(wire.encode(message))

    async def until_acked(self, n: int) -> None:
        async with asyncio.timeout(10), self.acks:
            await self.acks.wait_for(lambda: self.acked >= n)

    async def heard(self, kind: type[M], within: float = 10.0) -> M:
        """The next message of this kind; others before it are passed over."""
        async with asyncio.timeout(within):
            while True:
                message = await self.said.get()
                if isinstance(message, kind):
                    return message

    async def cut(self) -> None:
        """The connection breaks; the hub lives on."""
        assert self.connection is not None
        self.connection.transport.abort()
        self.connection = None

    async def die(self) -> None:
        """The hub's process is gone (its note tells of none)."""
        self.folder.note_file.unlink(missing_ok=True)
        await self.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        self.folder.owner_socket.unlink(missing_ok=True)


@asynccontextmanager
async def hub(owner: str, **options: Any) -> AsyncIterator[FakeHub]:
    """A fake hub that is up."""
    made = FakeHub(owner, **options)
    await made.listen()
    try:
        yield made
    finally:
        await made.die()


def session(
    state: str = "idle", generation: int = 1, *, name: str = "main", pid: int = 4242, run: str = ""
) -> wire.SessionState:
    return wire.SessionState(name, state, generation, "/usr/bin/python3", pid, run)


def status(*sessions: wire.SessionState, number: int = 0) -> wire.Status:
    return wire.Status(number, [], [], list(sessions), 4000, 0, 0)
