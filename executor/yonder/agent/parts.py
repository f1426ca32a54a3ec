"""A large part of arguments that is here for any number of calls; each of them gets it as memory of its own.

What belongs here: where the bytes lie. What this file must not know: names, calls.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any, cast

from yonder import segments, wire


class Part:
    """What came with Stow: words that say where it lies on this machine, or the bytes, which are put where every call can
    map them without a copy."""

    def __init__(self, body: wire.Body) -> None:
        pieces: list[Any] = body if isinstance(body, list) else [body]
        self._reference = b""
        self._data: memoryview | None = None
        self._file = -1
        if len(pieces) == 1 and segments.is_reference(pieces[0]):
            self._reference = cast(bytes, pieces[0])
            self.size = segments.size_of(self._reference)
            return
        self.size = sum(map(len, pieces))
        if sys.platform.startswith("linux") and self.size:
            self._file = os.memfd_create("yonder-part", os.MFD_CLOEXEC)
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._file, view) :]
        else:
            self._data = memoryview(b"".join(pieces))

    def content(self) -> memoryview:
        """Writable, and seen by nobody else. Raises ExecutorLost when whoever had it is gone."""
        if self._reference:
            return segments.take(self._reference)
        if self._data is not None:
            return memoryview(bytearray(self._data))
        return memoryview(mmap.mmap(self._file, self.size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE))

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)
