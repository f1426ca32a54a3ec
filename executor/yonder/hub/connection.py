"""One framed conversation on a Unix socket, from the hello to the end: bytes to messages and back.

Knows the wire and asyncio; not what any message means. Whoever accepts the hello becomes the receiver of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from yonder import wire
from yonder.places import foreigner


class Receiver(Protocol):
    """Gets one conversation's messages, in order, then `lost` exactly once."""

    def received(self, message: Any) -> None: ...

    def lost(self) -> None: ...


SPOKEN: dict[str, Any] = {
    "client": wire.ClientToHub,
    "agent": wire.AgentToHub,
    "call": wire.CallToHub,
    "control": wire.ControlToHub,
}
"""What each role may say on this socket."""

HELLO_WITHIN = 60.0
"""Seconds in which whoever dials has to say who it is."""

Accept = Callable[["Conversation", wire.Hello], "Receiver | wire.Refused"]
Trouble = Callable[[str], None]


class Conversation(asyncio.BufferedProtocol):
    """The hub's end of one connection. `accept` judges the hello; `trouble` is told what broke the protocol. `space` is
    where arriving bytes are put until they are parsed; all conversations of one loop may share it."""

    def __init__(self, accept: Accept, trouble: Trouble, space: bytearray) -> None:
        self._accept = accept
        self._trouble = trouble
        # The loop would make a new buffer of this size at every read, which costs more than a small message.
        self._space = space
        self._parser: wire.Parser[Any] = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
        self._receiver: Receiver | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self.hello: wire.Hello | None = None
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
            who = f"{self.hello.role} {self.hello.id}" if self.hello else "a stranger"
            self._trouble(f"{who} broke the protocol and was cut off: {error}")
            self.close()

    def _greet(self, data: memoryview) -> None:
        first = next(iter(self._parser.feed(data)), None)
        if first is None:
            return
        self._wait_no_more()
        rest = self._parser.pending
        hello = cast(wire.Hello, first)
        answer: Receiver | wire.Refused
        answer = self._accept(self, hello)
        if isinstance(answer, wire.Refused):
            self._trouble(f"{hello.role} {hello.id} (pid {hello.pid}) was refused: {answer.sentence}")
            self.send(answer)
            self.close()
            return
        self.hello = hello
        self._receiver = answer
        self._parser = wire.Parser(SPOKEN[hello.role])
        if rest:
            self._pass_on(rest)

    def _pass_on(self, data: memoryview | bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        for message in self._parser.feed(data):
            receiver.received(message)

    def send(self, message: wire.Message) -> None:
        """Queue a message; nothing happens when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(wire.frames(message))

    def hold(self, paused: bool) -> None:
        """Stop or go on reading, so that a fast producer waits."""
        if self._transport is None or self._transport.is_closing():
            return
        if paused and self._transport.is_reading():
            self._transport.pause_reading()
        elif not paused and not self._transport.is_reading():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.pressed(True)

    def resume_writing(self) -> None:
        self.pressed(False)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost()
