"""Messages to bytes and back: frames, loads, the incremental parser."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

import msgspec

from yonder.wire.agent import AgentToHub, HubToAgent
from yonder.wire.base import LARGE, MAX_FRAME, MAX_MESSAGE, Body, WireError
from yonder.wire.client import ActorCall, ActorReply, Broadcast, CallDone, CallYield, ClientToHub, HubToClient, Submit
from yonder.wire.link import LinkFrame
from yonder.wire.owner import HubToOwner, OwnerToHub
from yonder.wire.remotes import Put, Stow
from yonder.wire.worker import Call, CallToHub, ControlToHub, Done, HubToCall, HubToControl, Method, MethodDone, Yielded

_MORE = 0x8000_0000
_LOAD = 0x4000_0000
_HEADER = struct.Struct("<I")
_SIZE = struct.Struct("<Q")

Message = (
    OwnerToHub
    | HubToOwner
    | ClientToHub
    | HubToClient
    | HubToAgent
    | AgentToHub
    | HubToCall
    | CallToHub
    | HubToControl
    | ControlToHub
    | LinkFrame
)
"""Anything that may be said by anybody."""

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """One message as msgpack, without a frame (websockets frame by themselves)."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        return _encoder.encode(_speakable(msgspec.to_builtins(message, builtin_types=(bytes,))))


def _speakable(value: Any) -> Any:
    """The same with every text such that it is UTF-8. A file name that is none, which Python keeps as half a character,
    may stand in an exception's words: it must not be the end of the conversation."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_speakable(item) for item in value]
    if isinstance(value, dict):
        return {_speakable(key): _speakable(item) for key, item in value.items()}
    return value


_BODIES: dict[type, tuple[str, ...]] = {
    Submit: ("function_body", "arguments"),
    ActorCall: ("arguments",),
    Broadcast: ("function_body", "arguments"),
    CallDone: ("body",),
    CallYield: ("body",),
    ActorReply: ("body",),
    Call: ("function_body", "arguments"),
    Method: ("arguments",),
    Done: ("body",),
    Yielded: ("body",),
    MethodDone: ("body",),
    Put: ("body",),
    Stow: ("body",),
}
"""What may travel as a load, in this order."""


def heavy(message: Message) -> bool:
    """Has it a body that travels as a load?"""
    for name in _BODIES.get(type(message), ()):
        body = getattr(message, name)
        if type(body) is not bytes or len(body) > LARGE:
            return True
    return False


def loads(message: Message) -> list[Any]:
    """Its bodies that came in pieces."""
    return [body for name in _BODIES.get(type(message), ()) if isinstance(body := getattr(message, name), list)]


def whole(body: Body) -> bytes | bytearray:
    """A body in one piece."""
    if not isinstance(body, list):
        return body
    return body[0] if len(body) == 1 else b"".join(body)


def weight(body: Body) -> int:
    """Bytes of a body."""
    return sum(map(len, body)) if isinstance(body, list) else len(body)


def parts(message: Message) -> Iterable[bytes]:
    """One message as length-prefixed frames, a few at a time, so that a large one is never held twice.

    Raises WireError when it is larger than MAX_MESSAGE.
    """
    return _parts(message) if heavy(message) else (_framed(message),)


def _parts(message: Message) -> Iterator[bytes]:
    light: dict[str, Any] = {}
    for name in _BODIES[type(message)]:
        body = getattr(message, name)
        if isinstance(body, list) or len(body) > LARGE:
            yield from _load(body if isinstance(body, list) else [body])
            light[name] = []
    yield _framed(msgspec.structs.replace(message, **light))


def _load(body: list[bytes]) -> Iterator[bytes]:
    size = sum(len(piece) for piece in body)
    if size > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE}")
    more = _MORE if size else 0
    yield _HEADER.pack(_SIZE.size | _LOAD | more) + _SIZE.pack(size)
    for piece in body:
        view = memoryview(piece)
        for start in range(0, len(view), MAX_FRAME):
            part = view[start : start + MAX_FRAME]
            size -= len(part)
            yield b"".join((_HEADER.pack(len(part) | _LOAD | (_MORE if size else 0)), part))


def light(message: Message) -> bytes | None:
    """One message as length-prefixed frames; None where it has a body that travels as a load."""
    return None if heavy(message) else _framed(message)


def frames(message: Message) -> bytes:
    """One message as length-prefixed frames, all at once. Raises WireError when it is larger than MAX_MESSAGE."""
    return b"".join(parts(message)) if heavy(message) else _framed(message)


def _framed(message: Message) -> bytes:
    body = encode(message)
    size = len(body)
    if size <= MAX_FRAME:
        return _HEADER.pack(size) + body
    if size > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE}")
    view = memoryview(body)
    parts: list[bytes | memoryview] = []
    for start in range(0, size, MAX_FRAME):
        piece = view[start : start + MAX_FRAME]
        more = _MORE if start + MAX_FRAME < size else 0
        parts += (_HEADER.pack(len(piece) | more), piece)
    return b"".join(parts)


M = TypeVar("M")


class Parser(Generic[M]):
    """Bytes to messages of one direction; what it does not know it refuses.

    `kind` is one of the unions above. `limit` bounds one message in bytes; raise it once the peer is trusted. `gather`:
    loads are wanted in one piece, else in the pieces in which they come. `announced` is told the size of each load before
    its first piece, and gives the list that holds them.
    """

    def __init__(
        self,
        kind: Any,
        limit: int = MAX_MESSAGE,
        *,
        gather: bool = False,
        announced: Callable[[int], list[bytes]] | None = None,
    ) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._gather = gather
        self._announced = announced or (lambda _: [])
        self._load: _Load | None = None
        self._loads: list[list[bytes]] = []
        self.limit = limit

    @property
    def pending(self) -> bytes:
        """Bytes fed but not yet part of a whole frame (what to hand to the next parser after Hello)."""
        return bytes(self._buffer)

    def message(self, body: bytes | bytearray | memoryview) -> M:
        """One unframed message. Raises WireError when it is none of this direction's."""
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"not a message of this conversation: {error}") from error

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[M]:
        """Take what a stream socket gave and yield the messages that are complete. Raises WireError."""
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= 4:
                (word,) = _HEADER.unpack_from(buffer, at)
                size = word & ~(_MORE | _LOAD)
                if size > MAX_FRAME:
                    raise WireError(f"a frame of {size} bytes is over the limit of {MAX_FRAME}")
                if word & _MORE and size != MAX_FRAME and not word & _LOAD:
                    raise WireError("only a full frame may have more after it")
                if len(buffer) - at < 4 + size:
                    break
                body = bytes(memoryview(buffer)[at + 4 : at + 4 + size])
                at += 4 + size
                if word & _LOAD:
                    self._loaded(body, more=bool(word & _MORE))
                    continue
                self._grow(size)
                if word & _MORE:
                    self._parts.append(body)
                    continue
                if self._parts:
                    self._parts.append(body)
                    body = b"".join(self._parts)
                    self._parts.clear()
                self._size = 0
                message = self.message(body)
                if self._loads or self._load is not None:
                    self._unload(message)
                yield message
        finally:
            del buffer[:at]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self.limit:
            raise WireError(f"a message of over {self.limit} bytes is not accepted here")

    def _loaded(self, body: bytes, *, more: bool) -> None:
        """One frame of a load: its size, or the next piece."""
        if self._parts:
            raise WireError("a load in the middle of a message")
        load = self._load
        if load is None:
            if len(body) != _SIZE.size or len(self._loads) == MOST_LOADS:
                raise WireError("a load begins with its size, and a message has few")
            (size,) = _SIZE.unpack(body)
            self._grow(size)
            load = self._load = _Load(size, self._announced(size), gather=self._gather)
        else:
            load.add(body)
        if not more:
            self._loads.append(load.all())
            self._load = None

    def _unload(self, message: M) -> None:
        """Put the loads where the message has room for them."""
        loads, self._loads = self._loads, []
        places = [
            name
            for name in _BODIES.get(type(message), ())
            if isinstance(body := getattr(message, name), list) and not body
        ]
        if self._load is not None or len(places) != len(loads):
            raise WireError("the loads are not those of the message behind them")
        for name, load in zip(places, loads, strict=True):
            msgspec.structs.force_setattr(cast(msgspec.Struct, message), name, load)


MOST_LOADS = 2


class _Load:
    """A body on its way in. `pieces` is empty yet; it is what the message will hold."""

    def __init__(self, size: int, pieces: list[bytes], *, gather: bool) -> None:
        self._left = size
        self._most = 64 + size // 1024  # each costs memory of its own, however small it is
        self._pieces = pieces
        self._space = bytearray(size) if gather else None

    def add(self, piece: bytes) -> None:
        space = self._space
        self._left -= len(piece)
        self._most -= 1
        if self._left < 0 or not piece:
            raise WireError("a load is not as large as it was said to be")
        if self._most < 0:
            raise WireError("a load comes in crumbs")
        if space is None:
            self._pieces.append(piece)
        else:
            end = len(space) - self._left
            space[end - len(piece) : end] = piece

    def all(self) -> list[bytes]:
        if self._left:
            raise WireError("a load is not as large as it was said to be")
        if self._space is not None:
            self._pieces.append(cast(bytes, self._space))
        return self._pieces
