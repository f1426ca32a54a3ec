"""One connection of a machine's link in asyncio: conversations as transports that outlive the websocket below them.

    protocol ◀─▶ Channel ◀─▶ Carrier (core.channels.Track) ◀─▶ a websocket now, another one after a cut

What belongs here: moving frames between the pure machine and a connection, and noticing that nothing is heard. What this
file must not know: who dials, who is let in, what conversations are about. The same at both ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from websockets.exceptions import ConnectionClosed, WebSocketException

from yonder import wire
from yonder.core.channels import Begun, Bytes, Finished, Track
from yonder.core.link import Heartbeat

SMALL_WINDOW = 1024 * 1024
BULK_WINDOW = 4 * 1024 * 1024
BEAT = 2.0
MISSES = 4
"""After so many beats of silence a connection is given up and dialled again; the conversations live on."""

RESUME_WITHIN = 10.0
MANNERS = 0.2
"""Seconds for the other end's first word, and for a polite end."""

HIGH_WATER = 1024 * 1024
LARGEST = wire.MAX_PIECE + 1024
"""Bytes of one websocket message of a link, at most."""

WEBSOCKET: Final[dict[str, Any]] = {
    "compression": None,
    "max_size": LARGEST,
    "max_queue": 64,  # messages that may lie unread before the socket is not read; few of them cost a third of the speed
    "ping_interval": None,
}
"""How both ends set up a link's websockets."""


class Sender(Protocol):
    """A websocket's state."""

    def send_binary(self, data: bytes) -> None: ...


class Connection(Protocol):
    """What is needed of a websocket."""

    async def send(self, message: bytes) -> None: ...

    async def recv(self, decode: bool | None = None) -> str | bytes: ...

    async def close(self) -> None: ...

    @property
    def transport(self) -> asyncio.Transport: ...

    @property
    def protocol(self) -> Sender: ...

    def send_data(self) -> None:
        """Hand over what the protocol has got to send."""


class Channel(asyncio.Transport):
    """One conversation, as the transport of an asyncio protocol. It is over when either end closes it, or the link is."""

    def __init__(self, carrier: Carrier, number: int, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.number = number
        self._carrier = carrier
        self._protocol = protocol
        self._closing = False
        self._lost = False
        self._reading = True
        self._unread: deque[bytes] = deque()
        self._finished = False  # by the other end
        self._high = HIGH_WATER
        self._low = HIGH_WATER // 4
        self._pressed = False

    # ── what protocols ask of a transport ──

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._carrier.track.write(self.number, data)
        self._carrier.more()
        if not self._pressed and self.get_write_buffer_size() > self._high:
            self._pressed = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """What was written still goes."""
        if not self._closing:
            self._closing = True
            self._discard(sum(map(len, self._unread)))
            self._unread.clear()
            self._carrier.track.finish(self.number)
            self._carrier.more()
            asyncio.get_running_loop().call_soon(self.over)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading and not self._closing:
            self._reading = True
            asyncio.get_running_loop().call_soon(self._catch_up)

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return self._carrier.track.queued(self.number)

    def can_write_eof(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        del name  # there is no socket of its own below
        return default

    # ── what the carrier tells ──

    def went(self) -> None:
        """Some of what was written is on its way."""
        if self._pressed and self.get_write_buffer_size() <= self._low:
            self._pressed = False
            self._protocol.resume_writing()

    def came(self, body: bytes) -> None:
        if self._closing:
            self._discard(len(body))
        elif not self._reading or self._unread:
            self._unread.append(body)
        else:
            self._deliver(body)

    def _catch_up(self) -> None:
        while self._unread and self._reading and not self._closing:
            self._deliver(self._unread.popleft())
        if self._finished and not self._unread:
            self.over()

    def _deliver(self, body: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            rest = memoryview(body)
            while rest:
                space = memoryview(protocol.get_buffer(len(rest)))
                size = min(len(space), len(rest))
                space[:size] = rest[:size]
                protocol.buffer_updated(size)
                rest = rest[size:]
        elif isinstance(protocol, asyncio.Protocol):
            protocol.data_received(body)
        self._discard(len(body))

    def _discard(self, size: int) -> None:
        """So much is out of the way: the other end may say as much more, or get rid of it and end."""
        self._carrier.track.consumed(self.number, size)
        self._carrier.more()

    def finished(self) -> None:
        """The other end closed it; what it said before is still delivered, as soon as it is wanted."""
        self._finished = True
        if self._closing or not self._unread:
            self.over()
        else:
            self.went()  # what was written is read by nobody, and nobody waits for that

    def over(self) -> None:
        if not self._lost:
            self._lost = True
            self._closing = True
            self._carrier.forget(self)
            try:
                self._protocol.connection_lost(None)
            except Exception as error:  # noqa: BLE001 - other conversations end, or go on, all the same
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a conversation's end was not taken", "exception": error, "protocol": self._protocol}
                )


class Carrier:
    """One of a link's two connections. `accept` makes the protocol of a conversation that the other end begins (None: it
    may begin none)."""

    def __init__(self, *, dialled: bool, window: int, accept: Callable[[], asyncio.BaseProtocol] | None = None) -> None:
        self.track = Track(dialled=dialled, window=window)
        self.connected = False
        self._accept = accept
        self._ahead = window // 4  # bytes that may lie in front of the next turn
        self._channels: dict[int, Channel] = {}
        self._more = asyncio.Event()
        self._parser: wire.Parser[wire.LinkFrame] = wire.Parser(wire.LinkFrame)
        self._alive = False
        self._connection: Connection | None = None
        self._lost = False
        self._carrying = asyncio.Lock()
        self.heard: Callable[[], None] = lambda: None
        """Told at every sign of life of the other end."""

    def open(self, protocol: asyncio.BaseProtocol) -> Channel:
        """Begin a conversation; it may be spoken at once, whether there is a connection now or not."""
        channel = self._add(self.track.open(), protocol)
        self.more()
        return channel

    def _add(self, number: int, protocol: asyncio.BaseProtocol) -> Channel:
        channel = self._channels[number] = Channel(self, number, protocol)
        protocol.connection_made(channel)
        return channel

    def more(self) -> None:
        """There may be something to send."""
        self._more.set()

    def forget(self, channel: Channel) -> None:
        self._channels.pop(channel.number, None)

    @property
    def carried(self) -> bool:
        """Is there a connection, or one that is about to be?"""
        return self._connection is not None

    @property
    def speaks(self) -> bool:
        """Is there a conversation, or something of one that has not gone yet?"""
        return next(self.track.channels(), None) is not None

    def finish(self) -> None:
        """End every conversation in order: what was written still goes."""
        for channel in list(self._channels.values()):
            channel.close()

    def farewell(self) -> None:
        """This process ends now: end every conversation, as far as that can be said without waiting for anything."""
        connection = self._connection
        if connection is None or not self.connected:
            return
        for number in self.track.channels():
            self.track.finish(number)
        with contextlib.suppress(WebSocketException):  # it is closing just now
            while (frame := self.track.next()) is not None:
                connection.protocol.send_binary(wire.encode(frame))
            connection.send_data()

    def lose(self) -> None:
        """The link is over for good, and with it every conversation and the connection that it has."""
        self._lost = True
        for channel in list(self._channels.values()):
            channel.over()
        self.more()

    # ── one connection ──

    async def carry(
        self,
        connection: Connection,
        *,
        key: str = "",
        bulk: str = "",
        told: Callable[[wire.Resume], None] = lambda _: None,
        proved: Callable[[], None] = lambda: None,
    ) -> None:
        """Be carried by this connection, fresh from its welcome, until it ends or nothing is heard on it any more. `key`
        and `bulk` are said to the other end, `told` gets what it says, `proved` hears that it got what was said: it says
        more than its first word, which it does not wait for ours to say. A newer connection replaces an older one.
        Raises WireError when the other end breaks the protocol, TimeoutError when it says nothing at all."""
        if self._lost:
            await hang_up(connection)
            return
        previous, self._connection = self._connection, connection
        if previous is not None:
            await hang_up(previous)
        async with self._carrying:
            try:
                if self._connection is connection:  # else it was replaced while it waited
                    await self._carried(connection, wire.Resume(self.track.got, key, bulk), told, proved)
            except (ConnectionClosed, OSError):
                pass  # it is dialled again
            finally:
                if self._connection is connection:
                    self._connection = None
                await hang_up(connection)

    async def _carried(
        self,
        connection: Connection,
        ours: wire.Resume,
        told: Callable[[wire.Resume], None],
        proved: Callable[[], None],
    ) -> None:
        connection.transport.set_write_buffer_limits(high=self._ahead)
        await connection.send(wire.encode(ours))
        async with asyncio.timeout(RESUME_WITHIN):
            theirs = self._parser.message(_bytes(await connection.recv(decode=False)))
        if not isinstance(theirs, wire.Resume):
            raise wire.WireError(f"the first word on a link is Resume, not {type(theirs).__name__}")
        self.track.resume(theirs.received)
        told(theirs)
        self.heard()
        self.more()
        work = (self._read(connection, proved), self._write(connection), self._beat(connection))
        tasks = [asyncio.ensure_future(one) for one in work]
        self.connected = True
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, connection: Connection, proved: Callable[[], None]) -> None:
        first = True
        while True:
            data = _bytes(await connection.recv(decode=False))
            if first:
                first = False
                proved()
            self._alive = True
            self.heard()
            self._take(self._parser.message(data))

    def _take(self, frame: wire.LinkFrame) -> None:
        match self.track.received(frame):
            case Bytes(number, body):
                if (channel := self._channels.get(number)) is not None:
                    channel.came(body)
                else:
                    self.track.consumed(number, len(body))  # nobody is there for it, and it must not hold up its end
            case Begun(number):
                if self._accept is None or self._lost:
                    self.track.finish(number)
                else:
                    self._add(number, self._accept())
            case Finished(number):
                if (channel := self._channels.get(number)) is not None:
                    channel.finished()
            case None:
                pass
        self.more()  # an acknowledgement, credit, or the end of a channel may be due

    async def _write(self, connection: Connection) -> None:
        while True:
            self._more.clear()
            while (frame := self.track.next()) is not None:
                await connection.send(wire.encode(frame))
                if isinstance(frame, wire.Carry) and (channel := self._channels.get(frame.channel)) is not None:
                    channel.went()
            if self._lost:
                return
            await self._more.wait()

    async def _beat(self, connection: Connection) -> None:
        """Acknowledge now and then, which is a sign of life as well; return when the other end gives none."""
        clock = asyncio.get_running_loop().time
        ear = Heartbeat(BEAT, MISSES)
        self._alive = True
        while True:
            if self._alive:
                ear.heard(clock())
                self._alive = False
            if ear.tick(clock()):
                return
            with contextlib.suppress(TimeoutError):  # what is in front of it is not read at the other end
                async with asyncio.timeout(BEAT):  # unlike wait_for it never swallows that this task is cancelled
                    await connection.send(wire.encode(self.track.acknowledge()))
            await asyncio.sleep(BEAT)


async def hang_up(connection: Connection) -> None:
    """Close it, politely for a moment."""
    with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
        await asyncio.wait_for(connection.close(), MANNERS)
    connection.transport.abort()


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()
