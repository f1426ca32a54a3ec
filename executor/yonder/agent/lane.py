"""One of a worker's connections to the hub: blocking, on the thread that owns it.

What belongs here: dialling, the handshake, framed messages in and out. What this file must not know: tasks, user code,
who the other lane is.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import Any, Generic, TypeVar

from yonder import wire
from yonder.errors import CannotRun, VersionMismatch
from yonder.version import __version__

M = TypeVar("M")
SPACE = 256 * 1024
FIRST = 16 * 1024
"""Bytes read at a time, and at first: most processes never need more, and each page costs as much as a small message."""


class Lane(Generic[M]):
    """`kind` is the union of what comes in. One thread receives; sending is for one thread at a time, the owner's."""

    def __init__(self, sock: socket.socket, kind: Any) -> None:
        self.sock = sock
        self._space = bytearray(FIRST)  # made once: a new one for every read costs more than a small message
        self._parser: wire.Parser[M] = wire.Parser(kind, gather=True)
        self._waiting: deque[M] = deque()

    @classmethod
    def dial(cls, path: str, role: wire.Role, ident: str, token: str, kind: Any) -> Lane[M]:
        """Connect and say hello. Raises OSError, VersionMismatch or CannotRun (the hub's own sentence)."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        lane = cls(sock, kind)
        hello = wire.Hello(version=wire.VERSION, package=__version__, role=role, token=token, id=ident, pid=os.getpid())
        sock.sendall(wire.frames(hello))
        match lane.receive():
            case wire.Welcome():
                return lane
            case wire.Refused(code="version", package=package):
                raise VersionMismatch(ours=__version__, theirs=package, where="hub")
            case wire.Refused(sentence=sentence):
                raise CannotRun(sentence)
            case _:
                raise CannotRun("the hub closed the conversation before it began")

    @property
    def ready(self) -> bool:
        """Is a message here already?"""
        return bool(self._waiting)

    def receive(self) -> M | None:
        """The next message; None when the hub is gone."""
        while not self._waiting:
            if not self.fill():
                return None
        return self._waiting.popleft()

    def fill(self) -> bool:
        """Read once. False at the end of the conversation."""
        try:
            size = self.sock.recv_into(self._space)
        except OSError:  # reset by the hub's end, or closed by us
            return False
        self._waiting.extend(self._parser.feed(memoryview(self._space)[:size]))
        if size >= FIRST:
            self._expect_more()
        return size > 0

    def _expect_more(self) -> None:
        if len(self._space) < SPACE:
            self._space = bytearray(SPACE)

    def send(self, message: wire.Message) -> None:
        for part in wire.parts(message):
            self.sock.sendall(part)

    def close(self) -> None:
        self.sock.close()
