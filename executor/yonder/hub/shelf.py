"""Values that the hub has to keep: small ones, and a few large ones, in memory, the others in files without a name.

Knows bytes; not whose they are. Such a file goes with the last who has it, or with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from typing import IO

from yonder.wire import Body, weight

MEMORY = 64 * 1024 * 1024
"""Bytes of large values that stay in memory, all together."""

SMALL = 64 * 1024
PIECE = 1024 * 1024


class Shelved:
    """One value."""

    __slots__ = ("_body", "_counted", "_file", "_filing", "_shelf", "size")

    def __init__(self, shelf: Shelf, body: Body, *, counted: bool) -> None:
        self.size = weight(body)
        self._shelf = shelf
        self._counted = counted
        self._body: Body | None = body
        self._file: IO[bytes] | None = None
        self._filing = threading.Lock()

    @property
    def filed(self) -> bool:
        """Does it lie in a file?"""
        return self._file is not None

    def file(self) -> None:
        """Move it into a file, in a thread of its own; it stays in memory where there is no room for one."""
        with self._filing:
            body = self._body
            if body is None:
                return
            try:
                file = tempfile.TemporaryFile(prefix="yonder-")  # noqa: SIM115 - as long as the value
            except OSError:
                return
            try:
                for piece in body if isinstance(body, list) else [body]:
                    file.write(piece)
                file.flush()
            except OSError:
                with contextlib.suppress(OSError):
                    file.close()
                return
            self._file, self._body = file, None

    def body(self) -> Body:
        """The value, as it came or in other pieces."""
        body = self._body  # the thread may put it away meanwhile
        if body is not None:
            return body
        assert self._file is not None  # noqa: S101 - it lies in one or the other
        self._file.seek(0)
        return [self._file.read(PIECE) for _ in range(-(-self.size // PIECE))]

    def __del__(self) -> None:
        if self._counted:
            self._shelf.taken -= self.size
        if self._file is not None:
            self._file.close()


class Shelf:
    """All of one hub's. `taken` counts the large ones in memory."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self.taken = 0

    def keep(self, body: Body) -> Shelved:
        """Keep a value for as long as somebody has what this returns. On the hub's loop, which does not wait for a disk."""
        size = weight(body)
        if size <= SMALL:
            return Shelved(self, body, counted=False)
        if self.taken + size <= self._memory:
            self.taken += size
            return Shelved(self, body, counted=True)
        shelved = Shelved(self, body, counted=False)
        asyncio.get_running_loop().run_in_executor(None, shelved.file)
        return shelved


SHELF = Shelf()
"""This process's: it has one hub."""
