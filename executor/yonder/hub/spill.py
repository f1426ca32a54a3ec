"""Values that the hub has to keep: small ones, and a few large ones, in memory, the others in files without a name.

Knows bytes and how much room there is; not whose they are. Such a file goes with the last who has it, or with the process.
"""

from __future__ import annotations

import asyncio
import mmap
import shutil
import tempfile
import threading
from collections import Counter, deque
from typing import cast

from yonder.gifts import Given, Givens
from yonder.paths import spell
from yonder.wire import Body, weight

MEMORY = 64 * 1024 * 1024
"""Bytes of large values that stay in memory, all together."""

BESIDE = 1024**3
"""Bytes in memory besides: small values, and what could not be written down because its disk was full."""

RESERVE = 512 * 1024 * 1024
"""Bytes of the disk that stay free."""

SMALL = 64 * 1024
PIECE = 1024 * 1024

_LARGE, _BESIDE, _FILING, _FILED = "large", "beside", "filing", "filed"


class Spilled:
    """One value. `where` says which of the spill's counts it is in."""

    __slots__ = ("_body", "_filing", "_pages", "_spill", "_where", "size")

    def __init__(self, spill: Spill, body: Body, where: str) -> None:
        self.size = weight(body)
        self._spill = spill
        self._where = where
        self._body: Body | None = body
        self._pages: mmap.mmap | None = None
        self._filing = threading.Lock()
        spill.counts(where, self.size)

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
                self._move(_BESIDE)
                return
            self._body = None
            self._move(_FILED)

    def _move(self, where: str) -> None:
        self._spill.counts(self._where, -self.size)
        self._where = where
        self._spill.counts(where, self.size)

    def body(self, *, near: bool = False) -> Body:
        """The value, whoever wants it, as it came or in other pieces, which are read from the disk as they are sent: the loop
        waits for one of them at a time, and the memory is that of none."""
        del near  # nobody opens it by a name
        body = self._body  # the thread may put it away meanwhile
        if body is not None:
            return body
        assert self._pages is not None  # noqa: S101 - it lies in one or the other
        view = memoryview(self._pages)
        return cast(Body, [view[at : at + PIECE] for at in range(0, self.size, PIECE)])

    def __del__(self) -> None:
        self._spill.counts(self._where, -self.size)


class Spill:
    """All of one hub's."""

    def __init__(self, memory: int = MEMORY, given: int | None = None) -> None:
        """`given` bytes may be memory that others have given; beyond them those go to files, too."""
        self._memory = memory
        self.givens = Givens(given)
        self._news: deque[tuple[str, int]] = deque()  # said in any thread
        self._sums: Counter[str] = Counter()

    def counts(self, where: str, size: int) -> None:
        """So many bytes more are there, or fewer. In any thread, also from within a finalizer."""
        self._news.append((where, size))

    def _sum(self, where: str) -> int:
        while self._news:
            changed, size = self._news.popleft()
            self._sums[changed] += size
        return self._sums[where]

    @property
    def taken(self) -> int:
        """Bytes of the large ones in memory."""
        return self._sum(_LARGE)

    def keep_given(self, words: bytes) -> Spilled | Given:
        """Keep a value that a process of this machine has put into memory for us. Raises Gone when it is not there."""
        given = Given(words, self.givens)
        return self.keep(given.body()) if self.givens.too_much else given

    def keep(self, body: Body) -> Spilled:
        """Keep a value for as long as somebody has what this returns. On the hub's loop, which does not wait for a disk."""
        size = weight(body)
        if size <= SMALL:
            return Spilled(self, body, _BESIDE)
        if self.taken + size <= self._memory:
            return Spilled(self, body, _LARGE)
        shelved = Spilled(self, body, _FILING)
        asyncio.get_running_loop().run_in_executor(None, shelved.file)
        return shelved

    def refusal(self, size: int, *, modest: bool = False, given: bool = False) -> str:
        """Why there is no room for so many bytes, "" when there is. `modest`: a worker asks, which may be hostile; all that is
        kept in files then has at most half of what the disk has for them. `given`: they lie in memory that was given."""
        if given and self.givens.takes(size):
            return ""
        beside = self._sum(_BESIDE)
        if size > SMALL and self.taken + size <= self._memory:
            return ""
        if beside + (size if size <= SMALL else 0) > BESIDE:
            return f"the hub has no room for {spell(size)}: it keeps {spell(beside)} in memory already. {_REMEDY}"
        return "" if size <= SMALL else self._refused_by_disk(size, modest)

    def _refused_by_disk(self, size: int, modest: bool) -> str:
        folder = tempfile.gettempdir()
        try:
            free = shutil.disk_usage(folder).free - self._sum(_FILING)
        except OSError as error:
            return f"the hub has no room for {spell(size)}: {folder} cannot be used ({error.strerror}). {_REMEDY}"
        filed = self._sum(_FILED) + self._sum(_FILING)
        if size + RESERVE > free:
            left = f"{spell(max(free, 0))} are left in {folder}, of which {spell(RESERVE)} stay free"
        elif modest and 2 * (filed + size) > free + filed:
            left = f"it keeps {spell(filed)} in {folder}, and what workers have it keep may take half of that disk"
        else:
            return ""
        return f"the hub has no room for {spell(size)}: {left}. {_REMEDY}"


_REMEDY = "Let go of handles that are not needed, or start the hub with TMPDIR on a larger disk"

SPILL = Spill()
"""This process's: it has one hub."""
