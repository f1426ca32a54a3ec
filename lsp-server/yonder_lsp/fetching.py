"""Files that runs wrote on executors elsewhere, on their way into the workspace: those that a person asks for, and `outputs`.

What belongs here: asking the hub for pieces, where outputs go, what the person is told. What this file must not know: the
store's tables, documents, LSP.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from yonder import wire
from yonder.errors import CannotRun, FetchFailed, YonderError
from yonder.incoming import ATTEMPTS, FileChanged, Incoming
from yonder.patterns import wanted
from yonder.snapshot import outside

CUTS = 20
"""How often a piece is asked for again after a cut, a second apart."""

AGAIN = 1.0


class Hub(Protocol):
    """The conversation with the hub."""

    async def ask(self, make: Callable[[int], wire.ReadFile]) -> object:
        """Raises CannotRun."""


class Fetching:
    """`folder` gives the workspace's folder ("" without one), `outputs` the patterns of what is fetched by itself; `fetched`
    is told of every file that is here; `warn` takes sentences for the person."""

    def __init__(
        self,
        hub: Hub,
        *,
        folder: Callable[[], str],
        outputs: Callable[[], Sequence[str]],
        fetched: Callable[[str, str, str, str], Awaitable[None]],
        warn: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._folder = folder
        self._outputs = outputs
        self._fetched = fetched
        self._warn = warn
        self._one = asyncio.Lock()  # one file at a time: all of them go through the same wire

    async def heard(self, event: wire.FilesWritten) -> None:
        """What was written: fetch what the settings name."""
        folder, patterns = self._folder(), self._outputs()
        if not folder or not patterns:
            return
        home = Path(folder) / "outputs" / outputs_name(event.run, time.localtime(event.at))
        for file in event.files:
            if not wanted(file.path, patterns):
                continue
            try:
                await self.fetch(event.run, event.executor, file.path, home / file.path)
            except (YonderError, OSError) as error:
                self._warn(f"The output {file.path} was not fetched: {error}")

    async def fetch(self, run: str, executor: str, path: str, target: Path) -> Path:
        """Bring a file to `target`, or beside what lies there; where it is now. Raises FetchFailed, CannotRun, OSError."""
        if outside(path):
            raise FetchFailed(f"the executor {executor} calls a file {path!r}, which is no path to write to")
        async with self._one:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    kept = await self._bring(executor, path, target)
                except FileChanged:
                    if attempt == ATTEMPTS:
                        raise
                else:
                    await self._fetched(run, executor, path, str(kept))
                    return kept
        raise AssertionError

    async def _bring(self, executor: str, path: str, target: Path) -> Path:
        incoming = await asyncio.to_thread(Incoming, path, target)
        under_way: deque[tuple[int, asyncio.Task[wire.FilePart]]] = deque()
        try:
            while not incoming.whole:
                while len(under_way) < wire.PIECES and (offset := incoming.wanted()) is not None:
                    under_way.append((offset, asyncio.create_task(self._part(executor, path, offset))))
                offset, part = under_way.popleft()
                await asyncio.to_thread(incoming.take, offset, await part)
            return await asyncio.to_thread(incoming.keep)
        finally:
            incoming.drop()
            for _, part in under_way:
                part.cancel()
            await asyncio.gather(*(part for _, part in under_way), return_exceptions=True)

    async def _part(self, executor: str, path: str, offset: int) -> wire.FilePart:
        """One piece, asked for again after a cut."""
        for _ in range(CUTS):
            try:
                answer = await self._hub.ask(lambda number: wire.ReadFile(number, executor, path, offset))
            except CannotRun:
                await asyncio.sleep(AGAIN)
                continue
            assert isinstance(answer, wire.FilePart)  # noqa: S101 - ids are never used twice
            return answer
        raise FetchFailed("the cluster cannot be reached")


def outputs_name(run: str, at: time.struct_time) -> str:
    """The folder of a run's outputs: sorted by day, and the run's own."""
    name = "".join(letter for letter in run if letter.isalnum())[:8] or "unknown"
    return f"{time.strftime('%Y-%m-%d', at)}-{name}"
