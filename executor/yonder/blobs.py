"""Large parts of arguments that are the same again: named by their content, and sent once.

    a buffer of 256 kB or more ─▶ name: known? ─▶ the name alone travels with the call
                                    └─ new ─▶ Stow, once for this conversation ─▶ … and Drop, when others need the room

What belongs here: names, what the hub has been given, what goes first. What this file must not know: pickles, calls. On one
machine the content lies in shared memory and the hub is told where; there a value that is used once costs a copy and no
more, so only what comes a second time is kept. Elsewhere the network costs more than a hash, and the first time counts.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

from yonder import segments
from yonder.parcel import Named
from yonder.wire import BLOB, Drop, Stow

try:
    from xxhash import xxh3_128_digest
except ImportError:
    # An interpreter that was chosen for its other packages: only a network is slower than the other hash.
    FAST = False
else:
    FAST = True

LEAST = 256 * 1024
"""Bytes from which a part has a name of its own."""

MOST_NEAR = 2 * 1024**3
MOST_FAR = 1024**3
"""Bytes that are kept at most, in shared memory or by hub and workers elsewhere; on a small machine a quarter of its memory."""

SEEN = 4096
_SAMPLE = 4096

_SALT = os.urandom(8)
_SEED = int.from_bytes(_SALT, "big")
_PROCESS = os.urandom(BLOB - 16)


def digest_of(content: memoryview) -> bytes:
    """Its name: good in this process's conversations, and for nobody to guess."""
    if FAST:
        return xxh3_128_digest(content, seed=_SEED) + _PROCESS
    return hashlib.blake2b(content, digest_size=16, salt=_SALT).digest() + _PROCESS


def _glance(content: memoryview) -> tuple[int, bytes]:
    """What tells most contents apart, at next to no cost: the size and a few samples."""
    size = content.nbytes
    found = hashlib.blake2b(digest_size=8, salt=_SALT)
    for part in range(8):
        at = part * (size - _SAMPLE) // 7
        found.update(content[at : at + _SAMPLE])
    return size, found.digest()


class _Blob:
    """One content. `uses` counts the calls under way that name it."""

    __slots__ = ("hold", "size", "uses")

    def __init__(self, size: int, hold: segments.Hold) -> None:
        self.size = size
        self.hold = hold
        self.uses = 0


class Blobs:
    """Of one conversation. `near`: who opens them is on this machine."""

    def __init__(self, say: Callable[[Stow | Drop], None], *, near: bool, most: int | None = None) -> None:
        self._say = say
        self._near = near
        self._most = most or min(MOST_NEAR if near else MOST_FAR, segments.memory() // 4)
        self._blobs: OrderedDict[bytes, _Blob] = OrderedDict()  # the one that was used longest ago first
        self._seen: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def weight(self) -> int:
        """The bytes that are kept now."""
        return sum(blob.size for blob in self._blobs.values())

    def use(self, content: memoryview) -> bytes | None:
        """Its name, for a call that says `done` with it later; None: it travels with the call. Raises as `say` does."""
        if content.nbytes < LEAST or content.nbytes > self._most or (self._near and not FAST):
            return None
        with self._lock:
            if self._near and not self._again(content):
                return None
            digest = digest_of(content)
            blob = self._blobs.get(digest)
            if blob is None:
                blob = self._add(digest, content)
                if blob is None:
                    return None
            self._blobs.move_to_end(digest)
            blob.uses += 1
            return digest

    def done(self, digests: list[bytes]) -> None:
        """One call that named these has ended."""
        with self._lock:
            for digest in digests:
                if (blob := self._blobs.get(digest)) is not None:
                    blob.uses -= 1

    def close(self) -> None:
        """The conversation is over."""
        with self._lock:
            for blob in self._blobs.values():
                blob.hold.release()
            self._blobs.clear()

    def _again(self, content: memoryview) -> bool:
        """Has something like it been here before?"""
        glance = _glance(content)
        known = glance in self._seen
        self._seen[glance] = None
        self._seen.move_to_end(glance)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return known

    def _add(self, digest: bytes, content: memoryview) -> _Blob | None:
        if not self._make_room(content.nbytes):
            return None
        hold = segments.Hold(segments.OWN)
        body = hold.put([content]) if self._near else None
        if self._near and body is None:
            return None
        blob = self._blobs[digest] = _Blob(content.nbytes, hold)
        try:
            self._say(Stow(digest, body if body is not None else [bytes(content)]))
        except BaseException:
            del self._blobs[digest]
            hold.release()
            raise
        return blob

    def _make_room(self, size: int) -> bool:
        dropped: list[bytes] = []
        free = self._most - self.weight
        for digest, blob in list(self._blobs.items()):
            if free >= size:
                break
            if not blob.uses:
                dropped.append(digest)
                free += blob.size
        if free < size:
            return False
        if dropped:
            self._say(Drop(dropped))
            for digest in dropped:
                self._blobs.pop(digest).hold.release()
        return True


class Packing(segments.Hold):
    """The memory and the names that one call needs until it has ended."""

    def __init__(self, blobs: Blobs, *, near: bool) -> None:
        super().__init__(segments.OWN)
        self._blobs = blobs
        self._near = near
        self.digests: list[bytes] = []

    def put(self, pieces: segments.Pieces) -> bytes | None:
        """See Store.put; None where nobody could open it."""
        return super().put(pieces) if self._near else None

    def name(self, content: memoryview) -> Named | None:
        """What travels in its place; None: itself."""
        digest = self._blobs.use(content)
        if digest is None:
            return None
        self.digests.append(digest)
        return Named(digest, content.nbytes)

    def release(self) -> None:
        """Harmless when said twice."""
        super().release()
        digests, self.digests = self.digests, []
        if digests:
            self._blobs.done(digests)

    def __del__(self) -> None:
        self.release()  # the call never left
