"""Values that the hub has to keep: small ones, and a few large ones, in memory, the others in files without a name.

Knows bytes; not whose they are. Such a file goes with the last who has it, or with the process.
"""

from __future__ import annotations

import asyncio
import mmap
import tempfile
import threading
from typing import cast

from yonder.gifts import Given, Givens
from yonder.wire import Body, weight

MEMORY = 64 * 1024 * 1024
"""Bytes of large values that stay in memory, all together."""

SMALL = 64 * 1024
PIECE = 1024 * 1024


class Spilled:
    """One value."""

    __slots__ = ("_body", "_counted", "_filing", "_pages", "_spill", "size")

    def __init__(self, spill: Spill, body: Body, *, counted: bool) -> None:
        self.size = weight(body)
        self._spill = spill
        self._counted = counted
        self._body: Body | None = body
        self._pages: mmap.mmap | None = None
        self._filing = threading.Lock()

    @property
    def filed(self) -> bool:
        """Does it lie in a file?"""
        return self._pages is not None

    def file(self) -> None:
        """Move it into a file, in a thread of its own; it stays in memory where there is no room for one."""
        with self._filing:
            body = self._body
            if body is None:
                return
            try:
                with tempfile.TemporaryFile(prefix="yonder-") as file:
                    file.writelines(body if isinstance(body, list) else [body])
                    file.flush()
                    self._pages = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ)
            except OSError:
                return
            self._body = None

    def body(self, *, near: bool = False) -> Body:
        """The value, whoever wants it, as it came or in other pieces, which are read from the disk as they are sent: the loop waits for one of
        them at a time, and the memory is that of none."""
        del near  # nobody opens it by a name
        body = self._body  # the thread may put it away meanwhile
        if body is not None:
            return body
        assert self._pages is not None  # noqa: S101 - it lies in one or the other
        view = memoryview(self._pages)
        return cast(Body, [view[at : at + PIECE] for at in range(0, self.size, PIECE)])

    def __del__(self) -> None:
        if self._counted:
            self._spill.taken -= self.size


class Spill:
    """All of one hub's. `taken` counts the large ones in memory."""

    def __init__(self, memory: int = MEMORY, given: int | None = None) -> None:
        """`given` bytes may be memory that others have given; beyond them those go to files, too."""
        self._memory = memory
        self.givens = Givens(given)
        self.taken = 0

    def keep_given(self, words: bytes) -> Spilled | Given:
        """Keep a value that a process of this machine has put into memory for us. Raises Gone when it is not there."""
        given = Given(words, self.givens)
        return self.keep(given.body()) if self.givens.too_much else given

    def keep(self, body: Body) -> Spilled:
        """Keep a value for as long as somebody has what this returns. On the hub's loop, which does not wait for a disk."""
        size = weight(body)
        if size <= SMALL:
            return Spilled(self, body, counted=False)
        if self.taken + size <= self._memory:
            self.taken += size
            return Spilled(self, body, counted=True)
        shelved = Spilled(self, body, counted=False)
        asyncio.get_running_loop().run_in_executor(None, shelved.file)
        return shelved


SPILL = Spill()
"""This process's: it has one hub."""
