"""Files that calls wrote on executors elsewhere, for the program that holds the pool: `pool.files()`, `File.fetch`, `outputs`.

What belongs here: asking for pieces, where outputs go, the warning about what nobody fetched. What this file must not know:
how files are found, who wrote them.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import re
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from yonder import wire
from yonder.errors import FetchFailed, YonderError
from yonder.incoming import ATTEMPTS, FileChanged, Incoming
from yonder.patterns import wanted
from yonder.snapshot import outside

NAMED = 5


class Mail(Protocol):
    """The conversation with the hub."""

    def post(self, question: Callable[[int], wire.ClientToHub]) -> tuple[int, concurrent.futures.Future[Any]]: ...

    def answer(self, waiter: concurrent.futures.Future[Any]) -> Any: ...


class File:
    """A file that a call wrote in the working directory of its executor, which is elsewhere. It is there until that
    executor ends.

    `path` is relative to that directory, `size` in bytes, `at` when it was written by the executor's clock, `fetched`
    whether somebody has read all of it.
    """

    def __init__(self, board: Mail, found: wire.FileThere) -> None:
        self.executor = found.executor
        self.path = found.path
        self.size = found.size
        self.at = found.at
        self.fetched = found.fetched
        self._board = board

    def fetch(self, to: str | os.PathLike[str] | None = None, *, replace: bool = False) -> Path:
        """Bring it here and say where it lies: at `to`, in `to` when that is a folder, in the current folder when it is left
        out. What lies there already and is another file stays, and this one gets a name beside it, unless `replace`.
        Raises FetchFailed, OSError when it cannot be written here, CannotRun when the hub is gone."""
        if outside(self.path):
            raise FetchFailed(f"the executor {self.executor} calls a file {self.path!r}, which is no path to write to")
        target = Path.cwd() if to is None else Path(to)
        if target.is_dir():
            target /= self.path.rpartition("/")[2]
        return self.bring(target, replace=replace)

    def bring(self, target: Path, *, replace: bool = False) -> Path:
        """`fetch` for a path that is known to be a file's."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                kept = self._once(target, replace=replace)
            except FileChanged:
                if attempt == ATTEMPTS:
                    raise
            else:
                self.fetched = True
                return kept
        raise AssertionError

    def _once(self, target: Path, *, replace: bool) -> Path:
        incoming = Incoming(self.path, target)
        under_way: deque[tuple[int, concurrent.futures.Future[wire.FilePart]]] = deque()
        try:
            while not incoming.whole:
                while len(under_way) < wire.PIECES and (offset := incoming.wanted()) is not None:
                    under_way.append((offset, self._asked(offset)))
                offset, waiter = under_way.popleft()
                incoming.take(offset, self._board.answer(waiter))
            return incoming.keep(replace=replace)
        finally:
            incoming.drop()
            for _, waiter in under_way:  # the hub counts them until they are answered
                self._board.answer(waiter)

    def _asked(self, offset: int) -> concurrent.futures.Future[wire.FilePart]:
        return self._board.post(lambda number: wire.ReadFile(number, self.executor, self.path, offset))[1]

    def __repr__(self) -> str:
        return f"<yonder.File {self.path!r} on {self.executor}, {self.size:,} bytes>"


def listed(board: Mail, pool: str, call: int = 0) -> list[File]:
    """What was written on the executors of a pool ("": of all that this program holds), or by that call alone. Raises
    CannotRun."""
    found: wire.Files = board.answer(board.post(lambda number: wire.GetFiles(number, pool))[1])
    return [File(board, one) for one in found.files if not call or one.call == call]


class Outputs:
    """What is fetched by itself from the executors of one pool: in a thread, as soon as it is heard of."""

    def __init__(self, pool: str) -> None:
        self.patterns: Sequence[str] = ()
        name = re.sub(r"[^\w-]+", "_", pool)
        self._folder = Path.cwd() / "outputs" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        self._queue: queue.SimpleQueue[File | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._had: dict[tuple[str, str], float] = {}

    def heard(self, board: Mail, files: list[wire.FileThere]) -> None:
        """These were written. In the hub's or the reader's thread: nothing is waited for here."""
        for file in (File(board, one) for one in files):
            if not self.wants(file) or outside(file.path) or self._had.get((file.executor, file.path)) == file.at:
                continue
            self._had[file.executor, file.path] = file.at
            if self._thread is None:
                self._thread = threading.Thread(target=self._fetch, name="yonder-outputs", daemon=True)
                self._thread.start()
            self._queue.put(file)

    def wants(self, file: File) -> bool:
        """Is it to be fetched?"""
        return wanted(file.path, self.patterns)

    def _fetch(self) -> None:
        while (file := self._queue.get()) is not None:
            try:
                file.bring(self._folder / file.path)
            except (YonderError, OSError) as error:
                warnings.warn(f"the output {file.path!r} of {file.executor} was not fetched: {error}", stacklevel=1)

    def finish(self) -> None:
        """Come back when all that was heard of is here."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()


def left_behind(files: Sequence[File]) -> str:
    """What ends with a pool and nobody has fetched, in a sentence with the remedy; "" when there is nothing."""
    left = sorted((file for file in files if not file.fetched), key=lambda file: -file.size)
    if not left:
        return ""
    named = ", ".join(f"{file.path} ({file.size:,} bytes)" for file in left[:NAMED])
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return (
        f"files that calls wrote on executors elsewhere end with these and were not fetched: {named}{more}; "
        f"fetch them before the pool closes (pool.files()), or name them: Pool(outputs=[{left[0].path!r}])"
    )
