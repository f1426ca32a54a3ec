"""Doors: the ways of a `Pool` to a hub. From a worker a socket to the hub that is there, in a plain program a hub of its
own in a thread, started by its first pool and stopped by its last.

This file must not know: calls, futures, pickles.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from yonder import seat, wire
from yonder.errors import CannotRun
from yonder.version import __version__

if TYPE_CHECKING:
    from yonder.core.scaling import Strategy
    from yonder.hub.program import HubThread


class Door(Protocol):
    """A way to a hub."""

    def send(self, message: wire.ClientToHub) -> None: ...

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """This thread has nothing to do until `done` or for `timeout` seconds: it may run the hub meanwhile. May return
        at any time."""

    def close(self) -> None: ...


class SocketDoor:
    """From inside a worker: a connection of its own to the worker's hub."""

    def __init__(self, where: seat.Seat, receive: Callable[[wire.HubToClient], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        # A `__del__` that garbage collection runs may come here in the middle of a send, before or after its one write.
        self._sending = threading.RLock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(where.hub)
        self._parser: wire.Parser[wire.HubToClient] = wire.Parser(wire.HubToClient)
        hello = wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role="client",
            token=where.token,
            id=where.worker,
            pid=os.getpid(),
        )
        self._socket.sendall(wire.frames(hello))
        self._thread = threading.Thread(target=self._listen, name="yonder-pool", daemon=True)
        self._thread.start()

    def send(self, message: wire.ClientToHub) -> None:
        try:
            with self._sending, _uninterrupted():
                self._socket.sendall(wire.frames(message))
        except OSError as error:
            raise CannotRun("the hub of this session has ended") from error

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """The hub is another process."""

    def _listen(self) -> None:
        try:
            while data := self._socket.recv(1 << 18):
                for message in self._parser.feed(data):
                    self._receive(message)
        except (OSError, wire.WireError):
            pass  # the connection is over either way; `lost` tells everybody who waits
        self._lost()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it was down already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interrupt of this thread's code waits: half a message on a socket would swallow all that follow."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Program:
    """The plain program's one hub thread, started by its first pool and stopped by its last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: HubThread | None = None
        self._users = 0
        self._limits = (0, 0, 0.0)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """Nothing of the parent's hub lives in the child, and a thread that is not there may have held the lock."""
        self._lock = threading.Lock()
        self._thread = None
        self._users = 0

    def enter(self) -> HubThread:
        # Only a plain program needs a hub of its own: workers import this file without asyncio servers and backends.
        from yonder.hub.program import HubThread

        with self._lock:
            if self._thread is None:
                self._thread, self._users = HubThread(), 0
                self._thread.limit(*self._limits)
            self._users += 1
            return self._thread

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """Bound all pools of this program together, those to come included; 0 = no bound."""
        with self._lock:
            self._limits = (executors, gpus, hours)
            if self._thread is not None:
                self._thread.limit(executors, gpus, hours)

    def lend(self, strategy: Strategy) -> str:
        """Let the hub size pools by an object of this program; the name by which a pool asks for it. A pool must be open
        or opening."""
        with self._lock:
            assert self._thread is not None  # noqa: S101 - the pool that asks has entered
            return self._thread.lend(strategy)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self._thread is None:
                return
            thread, self._thread = self._thread, None
        thread.stop()


PROGRAM = Program()
"""This process's own; a fork gets a fresh thread at its first pool."""
