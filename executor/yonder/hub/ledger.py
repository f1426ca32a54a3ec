"""The ledger: every executor of this hub, from its start to its end, and the receipt that is made of it.

The receipt is written whenever that changes, soon: a hub that is killed leaves one that says what it knew. What this file
must not know: files and folders, backends, why an executor ends.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import msgspec

from yonder.errors import YonderError
from yonder.hub.worker import clock
from yonder.places import started_at
from yonder.receipts import Sheet
from yonder.version import __version__
from yonder.wire import Life

PAUSE = 0.5
"""Seconds between two writes; longer where one takes long."""

SHARE = 50
"""Between two writes passes so many times what one takes."""

LISTED = 10_000
"""Lives that a receipt lists; of more the first are only counted."""


class Ledger:
    """Of this process's hub for `owner`. `write` puts a receipt in the place of the one before (None: nowhere); it may raise
    OSError or YonderError, of which `trouble` is told. Not `live`: only the end is written."""

    def __init__(
        self,
        owner: str,
        write: Callable[[Sheet], None] | None,
        trouble: Callable[[str], None],
        *,
        live: bool = True,
    ) -> None:
        me = os.getpid()
        self._sheet = Sheet(owner=owner, package=__version__, pid=me, started=started_at(me), began=clock())
        self._write = write
        self._trouble = trouble
        self._live = live
        self._lives: dict[str, Life] = {}
        self._written = 0.0
        self._pause = PAUSE
        self._due: asyncio.TimerHandle | None = None

    @property
    def lives(self) -> list[Life]:
        return list(self._lives.values())

    def begun(self, executor: str, pool: str, backend: str) -> None:
        """An executor is being started."""
        self._lives[executor] = Life(executor, pool, backend, "", clock(), 0.0, "")
        if len(self._lives) > LISTED:
            self._unlist()
        self._changed()

    def named(self, executor: str, native: str) -> None:
        """The platform has it, under this name."""
        self._change(executor, native=native)

    def ended(self, executor: str, reason: str) -> None:
        """The platform says that it is gone."""
        self._change(executor, ended=clock(), reason=reason)

    def close(self, reason: str, left: int) -> list[Life]:
        """The hub ends. Returns all lives that are listed."""
        if self._due is not None:
            self._due.cancel()
        self._live = False
        if self._lives:
            self._sheet = msgspec.structs.replace(self._sheet, ended=clock(), reason=reason, left=left)
            self._put_down()
        return self.lives

    def _change(self, executor: str, **news: str | float) -> None:
        life = self._lives.get(executor)
        if life is not None:
            self._lives[executor] = msgspec.structs.replace(life, **news)
            self._changed()

    def _unlist(self) -> None:
        """Forget the first that is over (or the first, if none is)."""
        first = next((one for one in self._lives.values() if one.ended), next(iter(self._lives.values())))
        del self._lives[first.executor]
        sheet = self._sheet
        self._sheet = msgspec.structs.replace(
            sheet,
            unlisted=sheet.unlisted + 1,
            unlisted_seconds=sheet.unlisted_seconds + max(0.0, first.ended - first.started),
        )

    def _changed(self) -> None:
        if not self._live or self._write is None or self._due is not None:
            return
        wait = self._written + self._pause - time.monotonic()
        self._due = asyncio.get_running_loop().call_later(max(0.0, wait), self._put_down)

    def _put_down(self) -> None:
        self._due = None
        if self._write is None:
            return
        began = time.monotonic()
        try:
            self._write(msgspec.structs.replace(self._sheet, lives=self.lives))
        except (OSError, YonderError) as error:
            self._live = False
            self._trouble(f"no receipt can be written: {error}")
        self._written = time.monotonic()
        self._pause = max(PAUSE, SHARE * (self._written - began))
