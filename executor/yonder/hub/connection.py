"""One framed conversation on a Unix socket, from the hello to the end: bytes to messages and back.

Knows the wire and asyncio; not what any message means. Whoever accepts the hello becomes the receiver of the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from yonder import wire
from yonder.hub.room import STALLED, Load, Room, passed_on
from yonder.places import foreigner, peer_pid


class Receiver(Protocol):
    """Gets one conversation's messages, in order, then `lost` exactly once."""

    def received(self, message: Any) -> None: ...

    def lost(self) -> None: ...


SPOKEN: dict[str, Any] = {
    "client": wire.ClientToHub,
    "agent": wire.AgentToHub,
    "bulk": wire.AgentBulk,
    "call": wire.CallToHub,
    "control": wire.ControlToHub,
}
"""What each role may say on this socket."""

LONGEST = {"agent": 64 * 1024 * 1024, "bulk": 2 * wire.PIECE, "control": 256 * 1024 * 1024}
"""Bytes of one message of those who carry no values."""

HELLO_WITHIN = 60.0
"""Seconds in which whoever dials has to say who it is."""

Accept = Callable[["Conversation", wire.Hello], "Receiver | wire.Refused"]
Trouble = Callable[[str], None]


class Conversation(asyncio.BufferedProtocol):
    """The hub's end of one connection. `accept` judges the hello; `trouble` is told what broke the protocol. `space` is
    where arriving bytes are put until they are parsed; all conversations of one loop may share it. Large results of
    workers wait for `room`."""

    def __init__(self, accept: Accept, trouble: Trouble, space: bytearray, room: Room | None = None) -> None:
        self._room = room or Room()
        self._accept = accept
        self._trouble = trouble
        # The loop would make a new buffer of this size at every read, which costs more than a small message.
        self._space = space
        self._parser: wire.Parser[Any] = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
        self._receiver: Receiver | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._backlog: deque[tuple[Iterator[bytes], wire.Message]] = deque()
        self._full = False
        self._passed = 0
        self._holds: set[object] = set()  # why nothing is read at present
        self.hello: wire.Hello | None = None
        self.near = False
        """Is it a process of this machine, with the same number here and there? Then it may be named memory of ours."""
        self.pressed: Callable[[bool], None] = lambda _: None
        """Told when the other side does not read what it is sent, and when it does again."""

    @property
    def relayed(self) -> bool:
        """Does it come over the link of another machine? Then its end is told for certain, and late."""
        return self._transport is not None and self._transport.get_extra_info("socket") is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 20)
        if (uid := foreigner(transport.get_extra_info("socket"))) is not None:
            self._trouble(f"a process of user {uid} knocked and was refused")
            self.close()
            return
        self._waiting = asyncio.get_running_loop().call_later(HELLO_WITHIN, self._unheard)

    def _unheard(self) -> None:
        self._trouble(f"somebody knocked, did not say who it is within {HELLO_WITHIN:g} s, and was cut off")
        self.close()

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        data = memoryview(self._space)[:nbytes]
        try:
            if self._receiver is None:
                self._greet(data)
            else:
                self._pass_on(data)
        except wire.WireError as error:
            self._trouble(f"{self._who()} broke the protocol and was cut off: {error}")
            self.close()
        except Exception as error:  # noqa: BLE001 - below may be a link with other conversations, which go on
            self._trouble(f"{self._who()} said what this hub could not take, and was cut off: {error!r}")
            self.close()

    def _who(self) -> str:
        return f"{self.hello.role} {self.hello.id!r}" if self.hello else "a stranger"

    def _greet(self, data: memoryview) -> None:
        first = next(iter(self._parser.feed(data)), None)
        if first is None:
            return
        self._wait_no_more()
        rest = self._parser.pending
        hello = cast(wire.Hello, first)
        endpoint = self._transport.get_extra_info("socket") if self._transport is not None else None
        self.near = peer_pid(endpoint) == hello.pid
        answer: Receiver | wire.Refused
        answer = self._accept(self, hello)
        if isinstance(answer, wire.Refused):
            self._trouble(f"{hello.role} {hello.id!r} (pid {hello.pid}) was refused: {answer.sentence}")
            self.send(answer)
            self.close()
            return
        self.hello = hello
        self._receiver = answer
        announced = self._announced if hello.role == "call" else None
        limit = LONGEST.get(hello.role, wire.MAX_MESSAGE)
        self._parser = wire.Parser(SPOKEN[hello.role], limit, announced=announced)
        if rest:
            self._pass_on(rest)

    def _pass_on(self, data: memoryview | bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        for message in self._parser.feed(data):
            receiver.received(message)

    # ── out ──

    def send(self, message: wire.Message) -> None:
        """Queue a message; nothing happens when the connection has ended. A large one goes piece by piece, as the other
        side reads it."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._backlog and (light := wire.light(message)) is not None:
            self._transport.write(light)
            return
        self._backlog.append((iter(wire.parts(message)), message))
        self._pump()

    def _pump(self) -> None:
        transport = self._transport
        while self._backlog and not self._full and transport is not None and not transport.is_closing():
            parts, message = self._backlog[0]
            part = next(parts, None)
            if part is not None:
                transport.write(part)
                self._passed += 1
                continue
            self._backlog.popleft()
            passed_on(wire.loads(message))

    @property
    def moved(self) -> tuple[int, int]:
        """Something else whenever the other side has read more of what waits for it."""
        return self._passed, self._transport.get_write_buffer_size() if self._transport is not None else 0

    def pause_writing(self) -> None:
        self._full = True
        self.pressed(True)

    def resume_writing(self) -> None:
        self._full = False
        self._pump()
        if not self._full:
            self.pressed(False)

    # ── in ──

    def _announced(self, size: int) -> Load:
        return self._room.enter(size, self._wait_for_room)

    def _wait_for_room(self) -> Callable[[], None]:
        load = object()  # several may have begun in what was read last
        self.hold(True, load)
        asyncio.get_running_loop().call_later(STALLED, self._look, load)
        return lambda: self.hold(False, load)

    def _look(self, load: object) -> None:
        """Does what it waits for go on?"""
        if load in self._holds:
            loop = asyncio.get_running_loop()
            self._room.look(loop.time())
            loop.call_later(STALLED, self._look, load)

    def hold(self, paused: bool, why: object = None) -> None:
        """Stop or go on reading, so that a fast producer waits; it goes on when nobody wants it to stop any more."""
        (self._holds.add if paused else self._holds.discard)(why)
        if self._transport is None or self._transport.is_closing():
            return
        if self._holds and self._transport.is_reading():
            self._transport.pause_reading()
        elif not self._holds and not self._transport.is_reading():
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._backlog.clear()
        self._holds.clear()
        self._parser = wire.Parser(wire.Hello)  # half a load takes no room from others; the parser knows us, we it
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost()
