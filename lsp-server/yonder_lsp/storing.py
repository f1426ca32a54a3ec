"""The store of runs in a thread of its own: the loop never waits for SQLite.

What this file must not know: what is stored.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from yonder_lsp.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread:
    """`await storing.do(Store.runs, 0)`: one call after another, in the order they were asked for."""

    def __init__(self, file: Path, *, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="yonder-store")
        self._opened: Store | None = None
        self._closed = threading.Event()
        self.revision = 0
        self.notice = ""

    def _store(self) -> Store:
        """Opened by the first call, in the thread that uses it (SQLite insists)."""
        if self._opened is None:
            self._opened = Store(self._file, now=self._now)
            self.notice = self._opened.notice
        return self._opened

    async def do(self, method: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call one method of the store. Raises what it raises."""

        def work() -> T:
            store = self._store()
            try:
                return method(store, *args, **kwargs)
            finally:
                self.revision = store.revision

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Close the file after what is under way."""
        if self._closed.is_set():
            return
        self._closed.set()

        def work() -> Any:
            if self._opened is not None:
                self._opened.close()

        self._pool.submit(work)
        self._pool.shutdown(wait=True)
