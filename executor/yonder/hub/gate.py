"""The hub's door for other machines: TLS on TCP for who was invited, and which connection belongs to whom.

Nobody gets a byte of an answer who has no certificate of this hub's own authority; what is said then is judged by
`core.joining`. No door is open before somebody is invited. Knows certificates and admission; not what agents are for.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from yonder import wire
from yonder.carrier import BEAT, LARGEST, MISSES, WEBSOCKET
from yonder.core.joining import Admission
from yonder.core.link import Heartbeat
from yonder.errors import BootFailed, CannotRun
from yonder.hub.distant import Distant, Manners
from yonder.hub.porch import Porch
from yonder.hub.tls import Authority, peer
from yonder.version import __version__

LINK = "/link"
HELLO_WITHIN = 10.0
"""Seconds for TLS and the request, and as many for the hello."""

BACKLOG = 512
"""Dials that the kernel holds back until the hub gets to them."""

REACH = 120.0
"""Seconds in which an executor must have been let in, or it ends by itself."""

ALONE = 60.0
"""An agent waits so much longer than its hub does for its owner."""


class Attentive(ServerConnection):
    """`heard` is when the last bytes came, on the loop's clock: a large message may be long under way."""

    heard = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)


async def attend(connection: ServerConnection) -> None:
    """Break the connection when nothing is heard on it any more. Whoever dialled has to say something every BEAT."""
    clock = asyncio.get_running_loop().time
    ear = Heartbeat(BEAT, MISSES)
    while isinstance(connection, Attentive):
        ear.heard(connection.heard)
        if not connection.transport.is_reading():
            ear.heard(clock())  # it is we who do not listen
        if ear.tick(clock()):
            connection.transport.abort()
            return
        await asyncio.sleep(BEAT)


class Path(NamedTuple):
    """What is answered at one path: by whom, to whom (the kind of a certificate, "" where the handler judges that), and the
    bytes of one message at most."""

    handler: Callable[[ServerConnection], Awaitable[None]]
    kind: str = ""
    largest: int = LARGEST


class Gate:
    """All TCP doors of one hub and who may come in; a `backends.base.Boarding`.

    `name` is what the hub is called in its certificate, `silence` says for how many seconds it would wait for its owner
    at present, `told_ended` is told what a platform says of an agent's machine.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        manners: Manners,
        *,
        silence: Callable[[], float],
        told_ended: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self._owner = owner
        self._manners = manners
        self._silence = silence
        self._told_ended = told_ended
        self._distants: dict[str, Distant] = {}
        self._servers: dict[str, tuple[Server, str]] = {}
        self._opening = asyncio.Lock()
        self._porch = Porch()
        self._admission = Admission(secrets.token_bytes(32), package=__version__)
        self._authority: Authority | None = None
        self._context: ssl.SSLContext | None = None
        self._paths = {LINK: Path(self._link)}

    # ── what backends ask ──

    async def invite(self, agent: str, *, listen: str, reach: str = "", lifetime: float = 0.0) -> bytes:
        """See `backends.base.Boarding`."""
        address = await self.open(listen)
        authority = self.authority()
        ours = authority.certify("agent", agent)
        lane = secrets.token_urlsafe(32)
        silence = self._silence() + ALONE
        self._distants[agent] = Distant(agent, lane, silence, self._manners)
        invitation = wire.Invitation(
            version=wire.VERSION,
            package=__version__,
            owner=self._owner,
            agent=agent,
            hub=reached(reach, address),
            name=self.name,
            authority=authority.pem,
            certificate=ours.certificate,
            key=ours.key,
            secret=self._admission.invite(agent),
            lane=lane,
            reach=REACH,
            silence=silence,
            lifetime=lifetime,
            direct=not reach,
        )
        return msgspec.json.encode(invitation)

    def withdraw(self, agent: str) -> None:
        """See `backends.base.Boarding`."""
        self._admission.withdraw(agent)
        if (distant := self._distants.pop(agent, None)) is not None:
            distant.lose(wire.ExitReport())

    def ended(self, agent: str, sentence: str, report: wire.ExitReport | None = None) -> None:
        """See `backends.base.Boarding`."""
        self._admission.withdraw(agent)
        self._told_ended(agent, sentence)
        if (distant := self._distants.pop(agent, None)) is not None:
            distant.ended(report or wire.ExitReport(words=sentence))

    # ── doors ──

    def authority(self) -> Authority:
        """Who vouches for this hub. Raises CannotRun where certificates cannot be made."""
        if self._authority is None:
            self._authority = Authority(self.name)
        return self._authority

    def serve(self, path: str, answered: Path) -> None:
        """Have requests for this path answered by somebody else."""
        self._paths[path] = answered

    async def open(self, listen: str) -> str:
        """Listen on "host" (a port that is free) or "host:port"; the address, with its port. Raises BootFailed."""
        async with self._opening:
            found = self._servers.get(listen)
            if found is None:
                found = self._servers[listen] = await self._open(listen)
            return found[1]

    async def _open(self, listen: str) -> tuple[Server, str]:
        host, port = split(listen)
        if self._context is None:
            try:
                self._context = self.authority().server_context()
            except CannotRun as error:
                raise BootFailed(str(error), phase="creating") from error
        try:
            door = await self._porch.door(host, port)
            server = await serve(
                self._serve,
                sock=door,
                backlog=BACKLOG,
                ssl=self._context,
                process_request=self._judge,
                create_connection=Attentive,
                **WEBSOCKET,
                open_timeout=HELLO_WITHIN,
                close_timeout=1.0,
                server_header=None,
            )
        except OSError as error:
            raise BootFailed(
                f"the hub cannot listen on {listen}: {error.strerror or error}. Say on which address of this machine "
                "executors elsewhere can reach it.",
                phase="creating",
            ) from error
        return server, joined(host, door.getsockname()[1])

    async def close(self) -> None:
        for distant in list(self._distants.values()):
            distant.lose(wire.ExitReport())
        self._distants.clear()
        for server, _ in self._servers.values():
            server.close()
        for server, _ in self._servers.values():
            await server.wait_closed()

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Before any websocket exists; a certificate was shown already."""
        if "Origin" in request.headers:
            self._manners.trouble("a request with an Origin header was refused: browsers have no business here")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: pages of a browser are not served\n")
        if request.headers.get_all("Host") != [self.name]:
            self._manners.trouble("a request for another host was refused")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: unknown host\n")
        path = self._paths.get(request.path)
        if path is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "yonder: nothing is here\n")
        if path.kind and peer(connection.transport.get_extra_info("ssl_object")).kind != path.kind:
            self._manners.trouble(f"a request for {request.path} with another's certificate was refused")
            return connection.respond(HTTPStatus.FORBIDDEN, "yonder: this door is another's\n")
        connection.protocol.max_message_size = path.largest
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        if request is not None:
            path = self._paths[request.path]
            if path.kind:  # else its handler says who is none
                self._let_in(connection)
            await path.handler(connection)

    def _let_in(self, connection: ServerConnection) -> None:
        self._porch.let_in(connection.transport.get_extra_info("socket").fileno())

    # ── links ──

    async def _link(self, connection: ServerConnection) -> None:
        parser: wire.Parser[wire.Hello] = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                data = await connection.recv(decode=False)
            if len(data) > wire.MAX_HELLO:
                raise wire.WireError("a hello is shorter")
            await self._greet(connection, parser.message(data))
        except wire.WireError as error:
            self._manners.trouble(f"a link broke the protocol and was cut off: {error}")
        except (ConnectionClosed, TimeoutError):
            pass  # who has business here dials again

    async def _greet(self, connection: ServerConnection, hello: wire.Hello) -> None:
        certificate = peer(connection.transport.get_extra_info("ssl_object"))
        answer = self._admission.judge(hello, certificate.name if certificate.kind == "agent" else "")
        distant = self._distants.get(hello.id)
        if isinstance(answer, wire.Refused) or distant is None or distant.over:
            refusal = answer if isinstance(answer, wire.Refused) else self._unknown()
            self._manners.trouble(f"agent {hello.id!r} was refused: {refusal.sentence}")
            await connection.send(wire.encode(refusal))
            return
        self._let_in(connection)
        carrier = distant.carrier(answer.row)
        proved = functools.partial(self._admission.proved, answer)
        await connection.send(wire.encode(wire.Welcome(version=wire.VERSION, package=__version__, hub=self.name)))
        distant.arrived()
        await carrier.carry(connection, key=answer.key, bulk=answer.bulk, proved=proved)

    def _unknown(self) -> wire.Refused:
        sentence = "this agent is not expected here any more"
        return wire.Refused(code="spent", sentence=sentence, version=wire.VERSION, package=__version__)


def split(address: str) -> tuple[str, int]:
    """Host and port of "host", "host:port", "[v6]" or "[v6]:port"; port 0 where there is none. Raises ValueError."""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, int(rest[1:] or 0)
    if address.count(":") > 1:
        return address, 0  # a bare IPv6 address
    host, _, port = address.partition(":")
    return host, int(port or 0)


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reached(reach: str, address: str) -> str:
    """What an executor dials: `reach`, with the port of `address` where it names none; "": the address itself."""
    if not reach:
        return address
    host, port = split(reach)
    return joined(host, port or split(address)[1])
