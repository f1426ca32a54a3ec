"""A large part of arguments, or a value that lives elsewhere, here for any number of calls; each of them gets it as memory
of its own.

What belongs here: where the bytes lie. What this file must not know: names, calls.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from pathlib import Path
from typing import Any, cast

from yonder import segments, wire

MOST_FILES = 64
"""Parts that have a file each, which costs a descriptor; further ones are copied for every call, as small ones are."""

_filed: weakref.WeakSet[Part] = weakref.WeakSet()


class Part:
    """What came with Stow: words that say where it lies on this machine, or the bytes, which are put where every call can
    map them without a copy; or nothing, where it lies in this `file` of the agent's."""

    def __init__(self, body: wire.Body, file: Path | None = None) -> None:
        pieces: list[Any] = body if isinstance(body, list) else [body]
        self._reference = b""
        self._data: memoryview | None = None
        self._file = -1
        self._lies_in = file
        if file is not None:
            self.size = file.stat().st_size if file.is_file() else -1
            return
        if len(pieces) == 1 and segments.is_reference(pieces[0]):
            self._reference = cast(bytes, pieces[0])
            self.size = segments.size_of(self._reference)
            return
        self.size = sum(map(len, pieces))
        if self.size < segments.MAPPED_FROM or len(_filed) >= MOST_FILES or not self._into_file(pieces):
            self._data = memoryview(b"".join(pieces))

    def _into_file(self, pieces: list[Any]) -> bool:
        if not sys.platform.startswith("linux"):
            return False
        with contextlib.suppress(OSError):  # too many files are open
            self._file = os.memfd_create("yonder-part", os.MFD_CLOEXEC)
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._file, view) :]
            _filed.add(self)
            return True
        return False

    def content(self) -> memoryview:
        """Writable, and seen by nobody else. Raises ExecutorLost when whoever had it is gone."""
        if self._reference:
            return segments.take(self._reference)
        if self._lies_in is not None:
            return self._mapped(self._lies_in)
        if self._data is not None:
            return memoryview(bytearray(self._data))
        return segments.view(self._file, self.size)

    def _mapped(self, file: Path) -> memoryview:
        try:
            opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise segments.Gone(f"a part of the arguments cannot be read on this machine: {error.strerror}") from error
        try:
            return segments.view(opened, self.size)
        finally:
            os.close(opened)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)
