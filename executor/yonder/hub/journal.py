"""What the owner has not acknowledged yet: numbered events, in memory while they are few, on disk when they are many.

The journal is the replay buffer and the spill in one, with one bound. On disk it is a row of segments, each given back to
the system as soon as all in it is stored elsewhere. It knows bytes and numbers, not what they say.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import NamedTuple

MEMORY = 4 * 1024 * 1024
SEGMENT = 16 * 1024 * 1024


class _Segment:
    """A file without a name: its place on the disk is free as soon as it is closed, however this process ends."""

    def __init__(self, file: Path) -> None:
        self.descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        file.unlink()
        self.end = 0
        self.kept = 0

    def append(self, body: bytes) -> bool:
        """Put it behind the rest; False when the disk is full or broken."""
        try:
            if os.pwrite(self.descriptor, body, self.end) != len(body):
                return False
        except OSError:
            return False
        self.end += len(body)
        self.kept += 1
        return True


class _Spilt(NamedTuple):
    segment: _Segment
    start: int
    size: int


class Journal:
    """A queue of numbered bytes without holes. `file` names what is used on disk beyond `memory` bytes, private to the user
    and in pieces of about `segment` bytes."""

    def __init__(self, file: Path, *, memory: int = MEMORY, segment: int = SEGMENT) -> None:
        self._file = file
        self._memory = memory
        self._segment = segment
        self._kept: deque[bytes | _Spilt] = deque()
        self._first = 1
        self._in_memory = 0
        self._segments: deque[_Segment] = deque()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def on_disk(self) -> int:
        """Bytes that the files take."""
        return sum(segment.end for segment in self._segments)

    def append(self, body: bytes) -> None:
        """Keep the next number's bytes."""
        self.size += len(body)
        spilt = None if self._in_memory + len(body) <= self._memory else self._spill(body)
        if spilt is None:
            self._in_memory += len(body)
        self._kept.append(spilt or body)

    def _spill(self, body: bytes) -> _Spilt | None:
        """Put it on disk; None when that does not work: then memory is all there is."""
        last = self._segments[-1] if self._segments else None
        if last is None or last.end >= self._segment:
            try:
                last = _Segment(self._file)
            except OSError:
                return None
            self._segments.append(last)
        start = last.end
        return _Spilt(last, start, len(body)) if last.append(body) else None

    def read(self, n: int) -> bytes:
        """The bytes of number n, which must not have been forgotten."""
        found = self._kept[n - self._first]
        if isinstance(found, bytes):
            return found
        return os.pread(found.segment.descriptor, found.size, found.start)

    def forget(self, n: int) -> None:
        """Everything up to and including n is stored elsewhere."""
        while self._kept and self._first <= n:
            gone = self._kept.popleft()
            self._first += 1
            if isinstance(gone, bytes):
                self._in_memory -= len(gone)
                self.size -= len(gone)
            else:
                gone.segment.kept -= 1
                self.size -= gone.size
        while self._segments and not self._segments[0].kept:
            os.close(self._segments.popleft().descriptor)

    def close(self) -> None:
        """Forget everything."""
        self.forget(self._first + len(self._kept) - 1)
