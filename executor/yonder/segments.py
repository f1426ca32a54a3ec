"""Shared memory between processes of one machine: what is large is written once, and mapped by who receives it.

    sender: Store.put ── a few words (pid, descriptor, inode, secret, size) ──▶ receiver: take ── a view of its own

A segment is an anonymous file that only its sender has open; the receiver opens it through `/proc`. It is written again
when it has been taken, nobody's hold is on it and nobody maps it any more (a lock on the file says so: it ends with the
last view, or with the process). Nothing is left behind whoever dies: the kernel frees what nobody has open.

What belongs here: the files, the bounds, the checks. What this file must not know: what is inside, messages, who is near.
Where it does not work (`None` of `put`), messages carry the bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import struct
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from yonder.errors import ExecutorLost

LEAST = 256 * 1024
"""Bytes below which a message is as good."""

MAPPED_FROM = 1024 * 1024
"""Bytes from which a receiver maps a segment; it copies smaller ones, which costs less than to keep them open."""

MOST_SEGMENTS = 64
MOST_MAPPED = 64
"""Further ones are copied: each costs a descriptor."""

MOST_BYTES = 4 * 1024**3
IDLE = 10.0
"""Seconds after which memory that nobody wanted again is given back."""

UNTAKEN = 120.0
"""Seconds after which one that its receiver never took may be used for something else, when there is need."""

_MAGIC = b"\xffYs\x01"
_REFERENCE = struct.Struct("<4sIIQQ16s")
_HEADER = struct.Struct("<4s16sB")
_TAKEN_AT = 20
_OFFSET = 64
_LINK = "/memfd:yonder (deleted)"
_AT_ONCE = 512
THREADS = min(4, os.cpu_count() or 1)
"""That copy one large value."""
_POPULATE_READ, _POPULATE_WRITE = 22, 23
_PAGES = 64 * 1024 * 1024
_STEP = 4 * 1024 * 1024
"""Bytes that are copied before other threads may go on."""

Buffer = bytes | bytearray | memoryview


Pieces = Sequence[Buffer]


class Gone(ExecutorLost):
    """The memory that a value lay in is not there any more: its process ended before the value was fetched."""


class Hold:
    """What its sender may still need: segments are not used again before `release`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._segments: list[Segment] = []

    def put(self, pieces: Sequence[Buffer]) -> bytes | None:
        """See Store.put."""
        segment = self._store.fill(pieces, held=True)
        if segment is None:
            return None
        self._segments.append(segment)
        return segment.reference

    def release(self) -> None:
        """Harmless when said twice, and in any thread."""
        segments, self._segments = self._segments, []
        for segment in segments:
            segment.held = False


class _Writing:
    """Somebody writes to a segment, for as long as this lives: an interrupt may end that at any moment, and unsaid."""

    __slots__ = ("__weakref__",)


class Segment:
    """One file. `held`: it must not be used again whoever has taken it. `writing`: somebody is at it, or was when he was
    interrupted. `reference` are the words that tell where it is."""

    def __init__(self, size: int) -> None:
        """With room for so many bytes; memory is taken as it is written. Raises OSError."""
        grain = 1 << max(16, size.bit_length() - 4)
        self.capacity = _OFFSET + size + -size % grain
        self.held = False
        self.writing: weakref.ref[_Writing] | None = None
        self.used = 0.0
        self.reference = b""
        self._warm = 0  # bytes that have memory already
        self._map: mmap.mmap | None = None
        self.fd = os.memfd_create("yonder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, self.capacity)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)  # else a receiver could be made to fall
        except OSError:
            self.close()
            raise

    def write(self, pieces: Sequence[Buffer], size: int) -> None:
        """Raises OSError when there is no memory."""
        secret = secrets.token_bytes(16)
        header = _HEADER.pack(_MAGIC, secret, 0).ljust(_OFFSET, b"\0")
        if _OFFSET + size <= self._warm:
            self._copy([header, *pieces])
        else:
            self._warm = 0
            _write(self.fd, [header, *pieces])
            self._warm = _OFFSET + size
        inode = os.fstat(self.fd).st_ino
        self.reference = _REFERENCE.pack(_MAGIC, os.getpid(), self.fd, inode, size, secret)

    def _copy(self, pieces: Sequence[Buffer]) -> None:
        """Into memory that is there, which takes half the time of writing to a file; a new one is written twice as fast."""
        if self._map is None:
            self._map = mmap.mmap(self.fd, self.capacity)
            with contextlib.suppress(OSError):  # an old kernel; then page by page
                self._map.madvise(_POPULATE_WRITE, 0, self._warm)
        at = 0
        with memoryview(self._map) as target:
            for piece in pieces:
                _fill(target[at : at + len(piece)], memoryview(piece))
                at += len(piece)

    @property
    def taken(self) -> bool:
        return os.pread(self.fd, 1, _TAKEN_AT) == b"\x01"

    def lock(self) -> bool:
        """Does nobody map it? Then nobody opens it either, until `unlock`."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def unlock(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def seal(self) -> None:
        """Nobody can write to it any more. It must have been written once, as nobody's before. Raises OSError."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)

    def close(self) -> None:
        if self._map is not None:
            with contextlib.suppress(BufferError):  # a copy was interrupted; it ends by itself
                self._map.close()
        os.close(self.fd)


def _fill(target: memoryview, source: memoryview) -> None:
    """Copy, in several threads where that is worth it: one alone does not use all that the memory gives."""
    numpy = sys.modules.get("numpy")  # its copies let other threads run
    share = max(_STEP, -(-len(source) // THREADS))
    if len(source) <= share or not hasattr(numpy, "frombuffer"):
        for at in range(0, len(source), _STEP):
            target[at : at + _STEP] = source[at : at + _STEP]
        return
    to, of = (numpy.frombuffer(view, numpy.uint8) for view in (target, source))  # type: ignore[union-attr]

    def copy(at: int) -> None:
        to[at : at + share] = of[at : at + share]

    helpers = [threading.Thread(target=copy, args=(at,), daemon=True) for at in range(share, len(source), share)]
    for helper in helpers:
        helper.start()
    try:
        copy(0)
    finally:
        for helper in helpers:
            helper.join()


def _write(fd: int, pieces: Sequence[Buffer]) -> None:
    left = [memoryview(piece) for piece in pieces]
    at = 0
    while left:
        wrote = os.pwritev(fd, left[:_AT_ONCE], at)
        at += wrote
        while left and wrote >= len(left[0]):
            wrote -= len(left.pop(0))
        if wrote:
            left[0] = left[0][wrote:]


class Store:
    """The segments of this process, the longest unused first. `most` bytes at a time; `clock` gives seconds; `kept`: a thread
    of its own gives back what lies idle, as long as there is anything."""

    def __init__(
        self, most: int | None = None, clock: Callable[[], float] = time.monotonic, *, kept: bool = False
    ) -> None:
        self._most = most
        self._clock = clock
        self._kept = kept
        self._keeper: threading.Thread | None = None
        self._segments: list[Segment] = []
        self._lock = threading.Lock()
        self._possible: bool | None = None

    # ── out ──

    def put(self, pieces: Sequence[Buffer]) -> bytes | None:
        """Write these, to be taken once; the words that tell the receiver where. None: it is not possible, or there is no
        room now."""
        segment = self.fill(pieces, held=False)
        return None if segment is None else segment.reference

    def fill(self, pieces: Sequence[Buffer], *, held: bool) -> Segment | None:
        """A segment with these bytes, None as `put`."""
        size = sum(map(len, pieces))
        writing = _Writing()
        segment = self._room(size, writing)
        if segment is None:
            return None
        try:
            segment.write(pieces, size)
        except BaseException as error:
            with self._lock:
                self._drop(segment)
            if isinstance(error, OSError):  # no memory, or no room where it is counted
                return None
            raise
        segment.used = self._clock()
        segment.unlock()
        segment.held = held
        segment.writing = None
        return segment

    def _room(self, size: int, writing: _Writing) -> Segment | None:
        """A segment for so many bytes, locked, and nobody else's as long as `writing` lives."""
        if not self.works():
            return None
        with self._lock:
            self._trim()
            self._keep()
            found = self._again(size)
            if found is None and self._make_room(size):
                try:
                    found = Segment(size)
                except OSError:  # too many files are open
                    return None
                self._segments.append(found)
            if found is not None:
                found.writing = weakref.ref(writing)
                self._segments.remove(found)
                self._segments.append(found)
            return found

    def _again(self, size: int) -> Segment | None:
        """The smallest one that is free and large enough, but not far too large."""
        fits = [one for one in self._segments if size <= one.capacity - _OFFSET <= 4 * max(size, LEAST)]
        return next((one for one in sorted(fits, key=lambda one: one.capacity) if self._free(one)), None)

    def _make_room(self, size: int) -> bool:
        if self._most is None:
            self._most = min(MOST_BYTES, memory() // 8)
        for old in list(self._segments):
            if len(self._segments) < MOST_SEGMENTS and self.bytes + size <= self._most:
                break
            if self._free(old):
                self._drop(old)
        return len(self._segments) < MOST_SEGMENTS and self.bytes + size <= self._most

    def _free(self, segment: Segment) -> bool:
        """May it be written? Then it is locked."""
        if segment.held:
            return False
        if segment.writing is not None:
            return segment.writing() is None and segment.lock()
        return (segment.taken or self._clock() - segment.used >= UNTAKEN) and segment.lock()

    def _drop(self, segment: Segment) -> None:
        self._segments.remove(segment)
        segment.close()

    # ── how much there is ──

    @property
    def bytes(self) -> int:
        """What all segments take."""
        return sum(segment.capacity for segment in self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    def trim(self, idle: float = IDLE) -> None:
        """Give back what is free and was not used for so many seconds."""
        with self._lock:
            self._trim(idle)

    def _trim(self, idle: float = IDLE) -> None:
        now = self._clock()
        for old in [one for one in self._segments if now - one.used >= idle]:
            if self._free(old):
                self._drop(old)

    def _keep(self) -> None:
        if self._kept and self._keeper is None:
            self._keeper = threading.Thread(target=self._watch, name="yonder-memory", daemon=True)
            self._keeper.start()

    def _watch(self) -> None:
        """The keeper's life."""
        while True:
            time.sleep(IDLE)
            with self._lock:
                self._trim()
                if not self._segments:
                    self._keeper = None
                    return

    def settle(self, seconds: float) -> None:
        """This process is about to end: give receivers so long to take what was put for them."""
        end = self._clock() + seconds
        while self._clock() < end and any(self._awaited(one) for one in self._segments):
            time.sleep(0.002)

    @staticmethod
    def _awaited(segment: Segment) -> bool:
        return not segment.held and segment.writing is None and not segment.taken

    def forked(self) -> None:
        """In a forked child: these are the parent's."""
        self._lock, self._keeper = threading.Lock(), None
        segments, self._segments = self._segments, []
        for segment in segments:
            with contextlib.suppress(OSError):
                segment.close()

    def works(self) -> bool:
        """Can memory be shared here at all?"""
        if self._possible is None:
            self._possible = possible()
        return self._possible


def possible() -> bool:
    """Can a process of this machine's be given memory in this way?"""
    if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create") or not hasattr(fcntl, "F_ADD_SEALS"):
        return False
    try:
        tried = Segment(1)
    except OSError:
        return False
    try:
        tried.write([b"?"], 1)
        return bytes(take(tried.reference)) == b"?" and tried.taken and tried.lock()
    except (OSError, Gone):
        return False
    finally:
        tried.close()


def memory() -> int:
    """Bytes that this process and its like may use in all."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # "max", or no such file
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found


OWN = Store(kept=True)
"""This process's."""

os.register_at_fork(after_in_child=OWN.forked)


# ── in ──

_mapped: list[weakref.ref[mmap.mmap]] = []
"""Without callbacks: one would run wherever the last view goes, in user code that is just being interrupted, too."""


def _crowded() -> bool:
    if len(_mapped) >= MOST_MAPPED:
        _mapped[:] = [one for one in _mapped if one() is not None]
    return len(_mapped) >= MOST_MAPPED


def is_reference(data: object) -> bool:
    """Are these the words of `put`?"""
    return type(data) is bytes and len(data) == _REFERENCE.size and data.startswith(_MAGIC)


def size_of(reference: bytes) -> int:
    """The bytes that these words tell of."""
    size: int = _REFERENCE.unpack(reference)[4]
    return size


def take(reference: bytes, *, read: bool = False) -> memoryview:
    """What was put there, writable and seen by nobody else; it may be asked for again as long as its sender holds it. `read`:
    all of it will be read now, so its pages are brought together. Raises Gone. Whoever makes words up finds nothing: what is opened is memory of this user's and this program's, and only who
    knows its secret reads it."""
    with opened(reference) as fd:
        found = view(fd, size_of(reference), at=_OFFSET, read=read)
        if not is_sealed(fd):  # else nobody waits to write there again
            os.pwrite(fd, b"\x01", _TAKEN_AT)
        return found


def leave(reference: object) -> None:
    """Nobody will take what was put there: its sender may use the memory again. Harmless for anything else."""
    if is_reference(reference):
        with contextlib.suppress(Gone), opened(cast(bytes, reference)) as fd:
            if not is_sealed(fd):
                os.pwrite(fd, b"\x01", _TAKEN_AT)


@contextlib.contextmanager
def opened(reference: bytes) -> Iterator[int]:
    """The file that these words tell of, as long as this lasts. Raises Gone, as `take`."""
    _, pid, number, inode, size, secret = _REFERENCE.unpack(reference)
    with _opened(f"/proc/{pid}/fd/{number}") as fd:
        about = os.fstat(fd)
        if about.st_ino != inode or about.st_uid != os.geteuid() or about.st_size < _OFFSET + size:
            raise _gone()
        if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
            raise _gone()
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.pread(fd, _HEADER.size - 1, 0) != _MAGIC + secret:
            raise _gone()
        yield fd


def is_sealed(fd: int) -> bool:
    """Will nobody ever write to it again?"""
    return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)


def named(reference: bytes, fd: int) -> bytes:
    """The same words, for this process's own descriptor of that file."""
    magic, _, _, inode, size, secret = _REFERENCE.unpack(reference)
    return _REFERENCE.pack(magic, os.getpid(), fd, inode, size, secret)


def content(reference: bytes, fd: int) -> memoryview:
    """What lies there, from a descriptor that is open already; mapped for reading. Raises OSError."""
    size = size_of(reference)
    return memoryview(mmap.mmap(fd, _OFFSET + size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))[_OFFSET:]


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        if str(Path(path).readlink()) != _LINK:
            raise _gone()
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _gone() from error
    try:
        yield fd
    except OSError as error:
        raise _gone() from error
    finally:
        os.close(fd)


def view(fd: int, size: int, *, at: int = 0, read: bool = False) -> memoryview:
    """Bytes of a file from `at` on, writable and seen by nobody else: mapped, or copied where that is better. Raises OSError,
    and Gone when the file is shorter."""
    if size < MAPPED_FROM or _crowded():
        return _copied(fd, size, at)
    found = mmap.mmap(fd, at + size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    if read:
        with contextlib.suppress(OSError):  # an old kernel; then they come one by one
            for start in range(0, size, _PAGES):
                found.madvise(_POPULATE_READ, start, min(_PAGES, size - start))
    _mapped.append(weakref.ref(found))  # it has the file open too, and the lock with it, for as long as it lives
    return memoryview(found)[at:]


def _copied(fd: int, size: int, at: int) -> memoryview:
    found = memoryview(bytearray(size))
    come = 0
    while come < size:
        read = os.preadv(fd, [found[come:]], at + come)
        if not read:
            raise _gone()
        come += read
    return found


def _gone() -> Gone:
    return Gone(
        "the memory that holds this value is not there any more: the process that made it ended before the value was "
        "fetched, or may not be looked at from here"
    )
