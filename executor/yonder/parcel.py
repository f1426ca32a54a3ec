"""Parcels: one stream of bytes and the buffers beside it, as one body that is opened where it lies.

    head (magic, sizes, a row for each part) │ stream │ part │ part │ …        each begins at a multiple of 64 bytes

What belongs here: the layout. What this file must not know: pickles, who sends, where a body lies (in a message, in pieces,
in a segment). A part is in the body itself, or named by the hash of its content and fetched by whoever opens the parcel; so
is a stretch of the stream, which then has rows of its own, ahead of the parts'.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from yonder.errors import SerializationError

Buffer = bytes | bytearray | memoryview

MAGIC = b"\xffYp\x01"
"""No pickle begins like this, so that a body without buffers can be the bare stream."""

ALIGNMENT = 64
MOST_PARTS = 1_000_000

_HEAD = struct.Struct("<4sIQ")
_ROW = struct.Struct("<BQ32s")
_HERE, _NAMED, _STREAM_HERE, _STREAM_NAMED = 0, 1, 2, 3
_NO_HASH = bytes(32)


class Named(NamedTuple):
    """A part that is not in the body: the hash of its content (32 bytes) and its size in bytes."""

    digest: bytes
    size: int


Fetch = Callable[[Named], memoryview]
"""Gives a named part's content, writable and for nobody else. Raises SerializationError when it is not to be had."""


def is_parcel(data: Buffer) -> bool:
    """Does it begin like one?"""
    return bytes(data[: len(MAGIC)]) == MAGIC


def sealed(stream: Sequence[Buffer | Named], parts: Sequence[memoryview | Named]) -> list[Buffer]:
    """The pieces of a parcel, in order; `stream` is in pieces too. Nothing is copied: they are worth what was given
    until that changes. Views must be contiguous bytes."""
    rows = _stream_rows(stream) if any(isinstance(piece, Named) for piece in stream) else []
    rows += [
        _ROW.pack(_NAMED, part.size, part.digest) if isinstance(part, Named) else _ROW.pack(_HERE, len(part), _NO_HASH)
        for part in parts
    ]
    here = [piece for piece in stream if not isinstance(piece, Named)]
    size = sum(map(len, here))
    head = _HEAD.pack(MAGIC, len(rows), size) + b"".join(rows)
    pieces: list[Buffer] = [head + _padding(len(head)), *here]
    for part in parts:
        if not isinstance(part, Named):
            pieces += (_padding(size), part)
            size = len(part)
    return [piece for piece in pieces if len(piece)]


def _stream_rows(stream: Sequence[Buffer | Named]) -> list[bytes]:
    rows: list[bytes] = []
    size = 0
    for piece in stream:
        if isinstance(piece, Named):
            rows += (_ROW.pack(_STREAM_HERE, size, _NO_HASH), _ROW.pack(_STREAM_NAMED, piece.size, piece.digest))
            size = 0
        else:
            size += len(piece)
    return [*rows, _ROW.pack(_STREAM_HERE, size, _NO_HASH)]


def _padding(size: int) -> bytes:
    return bytes(-size % ALIGNMENT)


def opened(data: memoryview, fetch: Fetch | None = None) -> tuple[list[memoryview], list[memoryview]]:
    """The stream, in as many views as it has stretches, and the buffers of `sealed`, as views of `data`: writable where that
    is. Raises SerializationError when it is damaged, or names a part and there is no `fetch`."""
    count, size = _head(data)
    at = _aligned(_HEAD.size + count * _ROW.size)
    whole = _cut(data, at, size)
    at = _aligned(size) + at
    parts: list[memoryview] = []
    stretches: list[memoryview] = []
    read = 0
    for kind, length, digest in _rows(data, count):
        if kind == _HERE:
            parts.append(_cut(data, at, length))
            at += _aligned(length)
        elif kind == _STREAM_HERE:
            stretches.append(_cut(whole, read, length))
            read += length
        elif kind in (_NAMED, _STREAM_NAMED) and fetch is not None:
            (parts if kind == _NAMED else stretches).append(fetch(Named(digest, length)))
        else:
            raise SerializationError("what came has a part that cannot be fetched here")
    return stretches or [whole], parts


def names(data: memoryview) -> list[Named]:
    """The parts that are not in it. Raises SerializationError when it is damaged."""
    count, _ = _head(data)
    return [Named(digest, length) for kind, length, digest in _rows(data, count) if kind in (_NAMED, _STREAM_NAMED)]


def _head(data: memoryview) -> tuple[int, int]:
    if len(data) < _HEAD.size:
        raise _damaged()
    magic, count, size = _HEAD.unpack_from(data)
    if magic != MAGIC or count > MOST_PARTS or _HEAD.size + count * _ROW.size > len(data):
        raise _damaged()
    return count, size


def _rows(data: memoryview, count: int) -> Iterator[tuple[int, int, bytes]]:
    return _ROW.iter_unpack(data[_HEAD.size : _HEAD.size + count * _ROW.size])


def _cut(data: memoryview, at: int, size: int) -> memoryview:
    if at + size > len(data):
        raise _damaged()
    return data[at : at + size]


def _aligned(size: int) -> int:
    return size + -size % ALIGNMENT


def _damaged() -> SerializationError:
    return SerializationError("what came is not whole: it says that it is larger than it is")
