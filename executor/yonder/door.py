"""Doors: the ways of a `Pool` to a hub. A socket to a hub in another process; the way to one in this process is
`hub.program`'s.

This file must not know: calls, futures, pickles, where hubs come from.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from yonder import wire
from yonder.errors import CannotRun
from yonder.terminal import show
from yonder.version import __version__

READ_AT_ONCE = 1 << 18
"""Bytes taken from the socket by one read."""


class Door(Protocol):
    """A way to a hub."""

    def send(self, message: wire.ClientToHub) -> None: ...

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """This thread has nothing to do until `done` or for `timeout` seconds: it may run the hub meanwhile. May return
        at any time."""

    def close(self) -> None: ...


class SocketDoor:
    """A connection of its own to the hub that listens at `hub`, for the code of `worker` ("": for a plain program).
    `receive` gets every message, `lost` the end of the connection, both in a thread of the door's. Raises CannotRun when
    nobody listens."""

    def __init__(
        self,
        hub: str,
        token: str,
        worker: str,
        receive: Callable[[wire.HubToClient], None],
        lost: Callable[[], None],
    ) -> None:
        self._receive = receive
        self._lost = lost
        # A `__del__` that garbage collection runs may come here in the middle of a send, before or after its one write.
        self._sending = threading.RLock()
        self._parser: wire.Parser[wire.HubToClient] = wire.Parser(wire.HubToClient, gather=True)
        self._inbox: deque[wire.HubToClient] = deque()
        self._over = False
        self.closed = False
        """Is it we who have hung up?"""
        hello = wire.Hello(
            version=wire.VERSION, package=__version__, role="client", token=token, id=worker, pid=os.getpid()
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(hub)
            self._socket.sendall(wire.frames(hello))
        except OSError as error:
            self._socket.close()
            raise CannotRun(f"the hub does not answer: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._listen, name="yonder-pool", daemon=True)
        self._thread.start()

    def send(self, message: wire.ClientToHub) -> None:
        try:
            with self._sending, _uninterrupted():
                for part in wire.parts(message):
                    self._socket.sendall(part)
        except OSError as error:
            raise CannotRun("the hub has ended") from error

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """The hub is another process. But a callback in the door's own thread that waits must itself read what it waits
        for: nobody else does."""
        if threading.current_thread() is not self._thread:
            return
        end = None if timeout is None else time.monotonic() + timeout
        while not done() and (end is None or time.monotonic() < end):
            if not self._step(end):
                return

    def _listen(self) -> None:
        while self._step(None):
            pass

    def _step(self, end: float | None) -> bool:
        """Hand on the next message, as soon as there is one and before the moment `end`. False: there will be no more."""
        if not self._inbox and end is not None and not self._comes_before(end):
            return True
        while not self._inbox and self._read():
            pass
        if not self._inbox:
            self._lost()
            return False
        self._receive(self._inbox.popleft())
        return True

    def _read(self) -> bool:
        """Take what has come; False when the connection is over, which `lost` then tells everybody who waits."""
        try:
            data = b"" if self._over else self._socket.recv(READ_AT_ONCE)
            self._inbox.extend(self._parser.feed(data))
        except (OSError, wire.WireError):
            data = b""
        self._over = not data
        return not self._over

    def _comes_before(self, end: float) -> bool:
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN)
        except ValueError:  # it was closed
            return True
        return bool(poll.poll(max(0.0, end - time.monotonic()) * 1000))

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):  # it was down already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def forked(self) -> None:
        """In a forked child: let go of the parent's connection, which must end with the parent."""
        self._socket.close()


Receive = Callable[[wire.HubToClient], None]


class Doors:
    """All conversations of this program with a hub that is another process and listens at `hub`."""

    def __init__(self, hub: str, token: str) -> None:
        self.broken = False
        """Has it ended though nobody stopped it?"""
        self.reason = ""
        """Why, where that is known."""
        self._hub = hub
        self._token = token
        self._doors: list[SocketDoor] = []
        self._keeper: SocketDoor | None = None

    def keep(self) -> None:
        """Have a conversation that lasts as long as the hub is wanted. Raises CannotRun."""
        self._keeper = self.client(lambda _: None, lambda: None)

    def client(self, receive: Receive, lost: Callable[[], None]) -> SocketDoor:
        """A pool's conversation. Raises CannotRun."""

        def heard(message: wire.HubToClient) -> None:
            if isinstance(message, wire.Printed):
                show(message.fd, message.text)
            else:
                receive(message)

        door: SocketDoor | None = None

        def ended() -> None:
            # Before anybody is told: who hears of it opens the next pool, and must not find this hub again.
            self.broken = self.broken or door is None or not door.closed
            if door is not None:  # else it was over before it was noted
                with contextlib.suppress(ValueError):  # said twice
                    self._doors.remove(door)
            if self.reason:
                receive(wire.Refused(code="closing", sentence=self.reason, version=wire.VERSION, package=__version__))
            lost()

        door = SocketDoor(self._hub, self._token, "", heard, ended)
        self._doors.append(door)
        return door

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """Bound all pools there together; 0 = no bound."""
        if self._keeper is not None:
            with contextlib.suppress(CannotRun):
                self._keeper.send(wire.Limit(executors, gpus, hours))

    def hang_up(self) -> None:
        """It is not wanted any more."""
        if self._keeper is not None:
            self._keeper.close()

    def forked(self) -> None:
        """This is a child of the process whose hub it is."""
        for door in list(self._doors):
            door.forked()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interrupt of this thread's code waits: half a message on a socket would swallow all that follow."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
