"""What the owner has not acknowledged yet: numbered events, in memory while they are few, on disk when they are many.

The journal is the replay buffer and the spill in one, with one bound. It knows bytes and numbers, not what they say.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

MEMORY = 4 * 1024 * 1024


class Journal:
    """A queue of numbered bytes without holes. `file` is used only beyond `memory` bytes and is private to the user."""

    def __init__(self, file: Path, *, memory: int = MEMORY) -> None:
        self._file = file
        self._memory = memory
        self._kept: deque[bytes | tuple[int, int]] = deque()
        self._first = 1
        self._in_memory = 0
        self._on_disk = 0
        self._descriptor = -1
        self._end = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def append(self, body: bytes) -> None:
        """Keep the next number's bytes."""
        self.size += len(body)
        if self._in_memory + len(body) <= self._memory or not self._written(body):
            self._in_memory += len(body)
            self._kept.append(body)
            return
        self._kept.append((self._end, len(body)))
        self._on_disk += 1
        self._end += len(body)

    def _written(self, body: bytes) -> bool:
        """Put it behind what the file has; False when the disk is full or broken: then memory is all there is."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            return os.pwrite(self._descriptor, body, self._end) == len(body)
        except OSError:
            return False

    def read(self, n: int) -> bytes:
        """The bytes of number n, which must not have been forgotten."""
        found = self._kept[n - self._first]
        if isinstance(found, bytes):
            return found
        return os.pread(self._descriptor, found[1], found[0])

    def forget(self, n: int) -> None:
        """Everything up to and including n is stored elsewhere."""
        while self._kept and self._first <= n:
            gone = self._kept.popleft()
            self._first += 1
            if isinstance(gone, bytes):
                self._in_memory -= len(gone)
                self.size -= len(gone)
            else:
                self._on_disk -= 1
                self.size -= gone[1]
        if self._end and not self._on_disk:
            os.ftruncate(self._descriptor, 0)
            self._end = 0

    def close(self) -> None:
        """Forget everything and remove the file."""
        self._kept.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._file.unlink(missing_ok=True)
