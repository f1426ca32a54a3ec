"""What agent and zygote say to each other, and the ends of a worker's pipes that travel with it.

What belongs here: message shapes, framing with descriptors, making the pipes. What this file must not know: processes,
loops, user code. Both sides are the same version always (the agent starts the zygote), so the shapes may change freely.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

import msgspec

from yonder.agent import page
from yonder.wire import WireError

_HEADER = struct.Struct("<I")
MAX_DESCRIPTORS = 8
MAX_REPLY = 1 << 24
"""Bytes of one thing that a zygote says, at most: modules, and why they failed."""


class _Msg(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of these messages."""


class Import(_Msg, frozen=True):
    """Import these now, from the folder `overlay`, too. `careful`: look for the module that makes children hang, one by
    one."""

    modules: list[str]
    careful: bool = False
    overlay: str = ""


class Read(_Msg, frozen=True):
    """Have the code of this snapshot in memory, for those who are born later. Not answered."""

    store: str
    snapshot: bytes


class Birth(_Msg, frozen=True):
    """Fork one worker; its descriptors come along in the order of `Ends.passed`. `become`: do not fork, be it.
    `store` is where the agent puts code (see `store`), `work`
    its working directory where that is not `folder`."""

    worker: str
    executor: str
    kind: str
    env: dict[str, str]
    folder: str
    threads: int
    hub: str
    token: str
    agent: int
    background: bool = False
    work: str = ""
    become: bool = False
    overlay: str = ""
    store: str = ""


class Importing(_Msg, frozen=True):
    """This one is next; if nothing follows, it was the one that killed the process."""

    module: str


class Imported(_Msg, frozen=True):
    """`failed` maps a module to why. `poisoned`: children of this process hang; do not use it."""

    seconds: float
    failed: dict[str, str]
    poisoned: bool = False


class Born(_Msg, frozen=True):
    worker: str
    pid: int


class Unborn(_Msg, frozen=True):
    worker: str
    sentence: str


ToZygote = Import | Read | Birth
FromZygote = Importing | Imported | Born | Unborn


def send(sock: socket.socket, message: ToZygote | FromZygote, fds: list[int] | None = None) -> None:
    """One message, whole; the descriptors ride on its first byte."""
    body = msgspec.msgpack.encode(message)
    data = _HEADER.pack(len(body)) + body
    sent = socket.send_fds(sock, [data], fds) if fds else sock.send(data)
    if sent < len(data):
        sock.sendall(data[sent:])


def receive(sock: socket.socket) -> tuple[ToZygote, list[int]] | None:
    """The next message for a zygote, or None at the end of the conversation. Blocks."""
    head, fds, _, _ = socket.recv_fds(sock, _HEADER.size, MAX_DESCRIPTORS)
    head += _exactly(sock, _HEADER.size - len(head)) if head else b""
    if len(head) < _HEADER.size:
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    (size,) = _HEADER.unpack(head)
    body = _exactly(sock, size)
    if len(body) < size:
        return None
    message: ToZygote = msgspec.msgpack.decode(body, type=ToZygote)
    return message, fds


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        data = sock.recv(size - len(parts))
        if not data:
            break
        parts += data
    return bytes(parts)


class Replies:
    """Bytes from a zygote to messages. What is none raises WireError: a module that was imported wrote into the socket."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._decoder: msgspec.msgpack.Decoder[FromZygote] = msgspec.msgpack.Decoder(FromZygote)

    def feed(self, data: bytes) -> list[FromZygote]:
        self._buffer += data
        found: list[FromZygote] = []
        while len(self._buffer) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._buffer)
            if size > MAX_REPLY:
                raise WireError(f"a zygote says {size} bytes at once")
            if len(self._buffer) < _HEADER.size + size:
                break
            try:
                found.append(self._decoder.decode(bytes(self._buffer[_HEADER.size : _HEADER.size + size])))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise WireError(f"a zygote says what is no message: {error}") from error
            del self._buffer[: _HEADER.size + size]
        return found


@dataclass
class Ends:
    """The agent's ends of one worker's descriptors, and those that go to the worker (closed here once sent).

    out, err: pipes the agent reads. page: shared words. talk: a socket pair for "have you read everything?". life: a
    pipe nobody writes; its end-of-file tells the worker that the agent is gone where no parent-death signal does. stacks:
    a pipe the agent reads, for where the worker's threads stand.
    """

    out: int
    err: int
    page: int
    talk: socket.socket
    life: int
    stacks: int
    passed: list[int]

    @classmethod
    def make(cls) -> Ends:
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        life_read, life_write = os.pipe()
        stacks_read, stacks_write = os.pipe()
        ours, theirs = socket.socketpair()
        shared = page.create()
        for fd in (out_read, err_read, stacks_read):
            os.set_blocking(fd, False)
        ours.setblocking(False)
        return cls(
            out_read,
            err_read,
            shared,
            ours,
            life_write,
            stacks_read,
            [out_write, err_write, os.dup(shared), theirs.detach(), life_read, stacks_write],
        )

    def sent(self) -> None:
        """The worker's ends are on their way; keep ours only."""
        for fd in self.passed:
            os.close(fd)
        self.passed = []

    def close(self) -> None:
        """Nobody will use them."""
        self.sent()
        self.talk.close()
        for fd in (self.out, self.err, self.page, self.life, self.stacks):
            os.close(fd)
