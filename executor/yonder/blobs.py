"""Large parts of arguments that are the same again: named by their content, and sent once.

    256 kB or more, unless set ─▶ name: known? ─▶ the name alone travels with the call
                                    └─ new ─▶ Stow, once for this conversation ─▶ … and Drop, when others need the room

What belongs here: names, what the hub has been given, what goes first. What this file must not know: pickles, calls. On one
machine the content lies in shared memory and the hub is told where; there a value that is used once costs a copy and no
more, so only what comes a second time is kept. Elsewhere the network costs more than a hash, and the first time counts.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from yonder import segments, wire
from yonder.parcel import Named
from yonder.wire import BLOB, Drop, PoolSpec, Stow

try:
    from xxhash import xxh3_128_digest
except ImportError:
    # An interpreter that was chosen for its other packages: only a network is slower than the other hash.
    FAST = False
else:
    FAST = True

LEAST = PoolSpec().blob_bytes
"""Bytes from which a part has a name of its own, unless the pool says otherwise."""

MOST_NEAR = 2 * 1024**3
MOST_FAR = 1024**3
"""Bytes that are kept at most, in shared memory or by hub and workers elsewhere; on a small machine a quarter of its memory."""

PATIENCE = 5.0
"""Seconds for which a thread waits until another one has said the same content; then it travels with the call."""

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
        at = part * max(0, size - _SAMPLE) // 7
        found.update(content[at : at + _SAMPLE])
    return size, found.digest()


class _Blob:
    """One content. `uses` counts the calls under way that name it, `author` is the thread that says it to the hub."""

    __slots__ = ("author", "hold", "said", "size", "uses")

    def __init__(self, size: int) -> None:
        self.size = size
        self.hold = segments.Hold(segments.OWN)
        self.uses = 1
        self.author = threading.get_ident()
        self.said = threading.Event()


class Blobs:
    """Of one conversation. `near`: who opens them is on this machine; `least` bytes have a name (0: none has).

    Nothing is said under the lock: what the hub says in answer may run code of the program's, which may call again or wait
    for another thread that does."""

    def __init__(
        self, say: Callable[[Stow | Drop], None], *, near: bool, most: int | None = None, least: int = LEAST
    ) -> None:
        self._say = say
        self.least = least or wire.MAX_MESSAGE
        self._near = near
        self._most = most or min(MOST_NEAR if near else MOST_FAR, segments.memory() // 4)
        self._blobs: OrderedDict[bytes, _Blob] = OrderedDict()  # the one that was used longest ago first
        self._leaving: set[bytes] = set()  # the hub is about to be told to let go of these
        self._ended: deque[bytes] = (
            deque()
        )  # named by calls that have ended: said by collectors, too, which take no lock
        self._seen: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def weight(self) -> int:
        """The bytes that are kept now."""
        return sum(blob.size for blob in self._blobs.values())

    def use(self, content: memoryview) -> bytes | None:
        """Its name, for a call that says `done` with it later; None: it travels with the call. Raises as `say` does."""
        if not self.least <= content.nbytes <= self._most or (self._near and not FAST):
            return None
        if self._near and not self._again(content):
            return None
        digest = digest_of(content)
        dropped: list[bytes] | None = None
        with self._lock:
            self._count_ended()
            blob = self._blobs.get(digest)
            if blob is not None:
                blob.uses += 1
                self._blobs.move_to_end(digest)
            else:
                dropped = self._room(content.nbytes)
                if dropped is None or digest in self._leaving:
                    return None
                blob = self._add(digest, content.nbytes, dropped)
        if dropped is not None:
            return digest if self._tell(digest, blob, content, dropped) else None
        if blob.said.is_set() or (blob.author != threading.get_ident() and blob.said.wait(PATIENCE)):
            return digest
        self.done([digest])
        return None

    def done(self, digests: list[bytes]) -> None:
        """One call that named these has ended."""
        self._ended.extend(digests)

    def close(self) -> None:
        """The conversation is over."""
        with self._lock:
            for blob in self._blobs.values():
                blob.hold.release()
            self._blobs.clear()

    def _again(self, content: memoryview) -> bool:
        """Has something like it been here before?"""
        glance = _glance(content)
        with self._lock:
            known = glance in self._seen
            self._seen[glance] = None
            self._seen.move_to_end(glance)
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        return known

    # ── with the lock ──

    def _count_ended(self) -> None:
        while self._ended:
            if (blob := self._blobs.get(self._ended.popleft())) is not None:
                blob.uses -= 1

    def _room(self, size: int) -> list[bytes] | None:
        """What has to go for so many bytes; None: there is no room now."""
        dropped: list[bytes] = []
        free = self._most - self.weight
        for digest, blob in self._blobs.items():
            if free >= size:
                break
            if not blob.uses:
                dropped.append(digest)
                free += blob.size
        return dropped if free >= size else None

    def _add(self, digest: bytes, size: int, dropped: list[bytes]) -> _Blob:
        for old in dropped:
            self._blobs.pop(old).hold.release()
        self._leaving.update(dropped)
        blob = self._blobs[digest] = _Blob(size)
        return blob

    # ── without it ──

    def _tell(self, digest: bytes, blob: _Blob, content: memoryview, dropped: list[bytes]) -> bool:
        """Tell the hub what goes and what comes. False when there is no memory for it."""
        try:
            if dropped:
                self._say(Drop(dropped))
            body = blob.hold.put([content]) if self._near else [bytes(content)]
            if body is None:
                return False
            self._say(Stow(digest, body))
            blob.said.set()
            return True
        finally:
            with self._lock:
                self._leaving.difference_update(dropped)
                if not blob.said.is_set():
                    self._blobs.pop(digest, None)
                if self._blobs.get(digest) is not blob:  # or the conversation is over meanwhile
                    blob.hold.release()


class Packing(segments.Hold):
    """The memory and the names that one call needs until it has ended."""

    def __init__(self, blobs: Blobs, *, near: bool) -> None:
        super().__init__(segments.OWN)
        self._blobs = blobs
        self.least = blobs.least
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
