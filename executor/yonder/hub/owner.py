"""The link to the owner: numbered events out, acknowledged and replayed; requests in; the websocket they travel on.

Knows the journal and the outbox; not pools, sessions or clocks. One owner: whoever came first, by its id. One connection
at a time: a newer one of the same owner replaces the older (a reloaded window, a line that was cut).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from yonder import wire
from yonder.core.link import Outbox, check_hello
from yonder.hub.connection import HELLO_WITHIN
from yonder.hub.journal import Journal
from yonder.places import foreigner

MAX_REQUEST = 64 * 1024 * 1024
OWNER_ROLES: tuple[wire.Role, ...] = ("owner",)
BUSY = (
    "it belongs to another window, which came first, and ends with that one; start another hub for this window (yonder "
    "hub --name …), or stop the cluster there"
)
ALLOWED_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Requests(Protocol):
    """Who answers the owner."""

    def owner_connected(self) -> None: ...

    def owner_said(self, message: wire.OwnerToHub) -> None: ...

    def owner_dropped(self) -> None: ...


class OwnerLink:
    """Keeps what the owner has not stored and sends it whenever somebody is there to listen."""

    def __init__(
        self,
        *,
        hub: str,
        package: str,
        token: str,
        journal: Journal,
        requests: Requests,
        trouble: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._package = package
        self._token = token
        self._journal = journal
        self._requests = requests
        self._trouble = trouble
        self._outbox = Outbox()
        self._more = asyncio.Event()
        self._connection: ServerConnection | None = None
        self._server: Server | None = None
        self._owner = ""
        self._pumping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._missing: dict[tuple[str, str], int] = {}
        self.bound = 1 << 30
        self.ending = ""  # why nobody is welcome any more

    # ── events out ──

    @property
    def full(self) -> bool:
        """Over the bound: text leaves gaps, other producers must wait."""
        return self._journal.size > self.bound

    @property
    def last(self) -> int:
        return self._outbox.last

    def tell(self, event: wire.Event) -> None:
        """Number an event and keep it until the owner has stored it."""
        if isinstance(event, wire.Output):
            key = (event.run, event.call)
            if self.full:
                self._missing[key] = self._missing.get(key, 0) + len(event.text)
                return
            if gap := self._missing.pop(key, 0):
                self._number(wire.Output(event.run, event.call, event.fd, "", event.at, missing=gap))
        elif isinstance(event, wire.RunEnded):
            for key in [key for key in self._missing if key[0] == event.run]:
                self._number(wire.Output(event.run, key[1], 1, "", event.at, missing=self._missing.pop(key)))
        self._number(event)

    def _number(self, event: wire.Event) -> None:
        self._journal.append(wire.encode(wire.Numbered(self._outbox.push(), event)))
        self._more.set()

    def reply(self, message: wire.HubToOwner) -> None:
        """Send something that is not numbered to whoever is connected now; nobody there: it is forgotten."""
        connection = self._connection
        if connection is not None:
            self._background(self._send(connection, wire.encode(message)))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, connection: ServerConnection, body: bytes) -> None:
        try:
            await connection.send(body)
        except ConnectionClosed:
            return  # the reader of this connection notices and reports it

    async def _pump(self, connection: ServerConnection) -> None:
        """Send numbered events as far as the window goes, for as long as this connection lives."""
        while True:
            self._more.clear()
            for n in self._outbox.sendable():
                body = self._journal.read(n)
                self._outbox.sent(n)
                await connection.send(body)
            await self._more.wait()

    # ── the door ──

    async def listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._server = await unix_serve(
            self.serve,
            str(path),
            process_request=self._judge,
            compression=None,
            max_size=MAX_REQUEST,
            ping_interval=None,
        )
        path.chmod(0o600)

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Before any websocket exists: no other user, no browser page, no foreign host, only who has the token."""
        if (uid := foreigner(connection.transport.get_extra_info("socket"))) is not None:
            self._trouble(f"a process of user {uid} knocked at the owner's door and was refused")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: this door is another user's\n")
        if request.headers.get("Origin") is not None:
            self._trouble("a request with an Origin header was refused: browsers have no business here")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: pages of a browser are not served\n")
        host = (
            (request.headers.get("Host") or "").rsplit(":", 1)[0]
            if "[" not in (request.headers.get("Host") or "")
            else "[::1]"
        )
        if host not in ALLOWED_HOSTS:
            self._trouble(f"a request for host {host!r} was refused")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: unknown host\n")
        given = request.headers.get("Authorization") or ""
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            self._trouble("a request without the owner's token was refused")
            return connection.respond(HTTPStatus.UNAUTHORIZED, "yonder: the token is missing or wrong\n")
        return None

    async def serve(self, connection: ServerConnection) -> None:
        """Speak with whoever dialled, to the end; the door that let it in has judged what may be judged before a word."""
        parser: wire.Parser[wire.OwnerToHub] = wire.Parser(wire.OwnerToHub)
        try:
            try:
                async with asyncio.timeout(HELLO_WITHIN):
                    hello = parser.message(_body(await connection.recv()))
                if not isinstance(hello, wire.Hello) or not await self._welcome(connection, hello):
                    return
            except (ConnectionClosed, TimeoutError, wire.WireError) as error:
                self._trouble(f"an owner's hello did not come or was not understood: {error}")
                return
            async for data in connection:
                self._requests_in(parser.message(_body(data)))
        except wire.WireError as error:
            self._trouble(f"the owner broke the protocol and was cut off: {error}")
        except ConnectionClosed:
            pass  # an unclean end is the same as a clean one: the lease judges
        finally:
            if self._connection is connection:  # also when it ended in the middle of its welcome
                self._connection = None
                self._requests.owner_dropped()  # at once: the next one may come while the pump stops
                await self._stop_pump()

    async def _stop_pump(self) -> None:
        pump, self._pumping = self._pumping, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _welcome(self, connection: ServerConnection, hello: wire.Hello) -> bool:
        refusal = check_hello(hello, token=self._token, roles=OWNER_ROLES, package=self._package)
        if refusal is None and self.ending:
            sentence = f"the cluster is ending: {self.ending}"
            refusal = wire.Refused(code="closing", sentence=sentence, version=wire.VERSION, package=self._package)
        if refusal is None and self._owner not in ("", hello.id):
            self._trouble(f"owner {hello.id!r} was refused: {self._owner!r} is here")
            refusal = wire.Refused(code="busy", sentence=BUSY, version=wire.VERSION, package=self._package)
        if refusal is not None:
            await self._send(connection, wire.encode(refusal))
            return False
        previous, self._connection = self._connection, connection
        if previous is not None:
            self._background(previous.close(1000, "a newer window took over"))
        await self._stop_pump()
        if self._connection is not connection:  # a still newer one came meanwhile; it closes this one
            return False
        # What was acknowledged is gone from here; an owner that has lost its store goes on from there.
        self._outbox.resume(max(hello.resume, self._outbox.acked))
        self._journal.forget(self._outbox.acked)
        welcome = wire.Welcome(version=wire.VERSION, package=self._package, hub=self._hub, fresh=not self._owner)
        self._owner = hello.id
        await connection.send(wire.encode(welcome))
        if self._connection is not connection:
            return False
        self._pumping = asyncio.get_running_loop().create_task(self._pump(connection))
        self._requests.owner_connected()
        return True

    def _requests_in(self, message: wire.OwnerToHub) -> None:
        if isinstance(message, wire.Ack):
            self._outbox.ack(message.n)
            self._journal.forget(message.n)
            self._more.set()
        else:
            self._requests.owner_said(message)

    async def close(self) -> None:
        """Send what can still be sent, then hang up."""
        if self._connection is not None:
            await self._connection.close(1001, "the cluster has ended")
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._journal.close()


def _body(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data
