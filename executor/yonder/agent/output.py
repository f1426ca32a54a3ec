"""The agent's side of one worker's stdout and stderr: read, decode, attribute to a task, number, coalesce, forward.

What belongs here: from bytes on two pipes to numbered WorkerOutput. What this file must not know: how the worker writes,
who reads the messages.

The page says which task is current. It is read *after* the bytes: a worker does not go on to its next task before what
it wrote in this one was read, so bytes never belong to a later task than the page says.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from yonder import wire
from yonder.agent.birth import Ends
from yonder.agent.page import Page

PIECE = 32 * 1024
PAUSE = 0.010
DRAIN_AT_MOST = 1024 * 1024
TAIL_LINES = 20
TAIL_BYTES = 4096
_KEPT = 4 * TAIL_BYTES
_CRASH = "Fatal Python error"
_OURS = 'File "' + str(Path(__file__).parent) + "/"
ASK = struct.Struct("<Q")
"""Worker to agent: have you read and forwarded everything of this task?"""
ANSWER = struct.Struct("<Qq")
"""Agent to worker: of this task, up to this number."""


class Outlet:
    """Reads until `close`. `send` takes each message in order; `pause` and `resume` follow the hub's appetite."""

    def __init__(self, worker: str, ends: Ends, send: Callable[[wire.WorkerOutput], None]) -> None:
        self._worker = worker
        self._ends = ends
        self._page = Page(ends.page)
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._fds: dict[int, wire.Descriptor] = {ends.out: 1, ends.err: 2}
        self._open = set(self._fds)
        self._decoders = {fd: codecs.getincrementaldecoder("utf-8")("replace") for fd in self._fds}
        self._pending: list[tuple[int, wire.Descriptor, bool, str]] = []  # (task, fd, after, text)
        self._size = 0
        self._task = 0
        self._n = 0
        self._flushed = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._paused = True
        self._asked = bytearray()
        self._loop.add_reader(ends.talk.fileno(), self._question)
        self.resume()

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            for fd in self._open:
                self._loop.remove_reader(fd)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            for fd in self._open:
                self._loop.add_reader(fd, self._readable, fd)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _readable(self, fd: int) -> None:
        self._read(fd)
        self._soon()

    def _read(self, fd: int) -> int:
        """One read; how many bytes it gave, 0 when there is nothing now or no more ever."""
        self._page.reading()
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        finally:
            self._page.have_read()
        if not data:
            self._end_of(fd)
            return 0
        self._take(fd, self._decoders[fd].decode(data))
        return len(data)

    def _end_of(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            if not self._paused:
                self._loop.remove_reader(fd)
            self._take(fd, self._decoders[fd].decode(b"", True))

    def _take(self, fd: int, text: str) -> None:
        if not text:
            return
        task, after = self._page.task, not self._page.on
        number = self._fds[fd]
        if number == 2:
            self._remember(text)
        self._pending.append((task, number, after, text))
        self._size += len(text)

    def _remember(self, text: str) -> None:
        self._tail.append(text[-_KEPT:])
        self._tail_size += len(self._tail[-1])
        while self._tail_size - len(self._tail[0]) > _KEPT:
            self._tail_size -= len(self._tail.popleft())

    # ── forwarding ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _soon(self) -> None:
        """Forward now if the last time is long enough ago or there is much, else in a moment, together with the rest."""
        if not self._pending:
            return
        since = time.monotonic() - self._flushed
        if self._size >= PIECE or since >= PAUSE:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(PAUSE - since, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        self._size = 0
        self._flushed = time.monotonic()
        now = time.time()
        start = 0
        while start < len(pending):
            task, fd, after, _ = key = pending[start]
            end = start
            while end < len(pending) and pending[end][:3] == key[:3]:
                end += 1
            text = "".join(piece[3] for piece in pending[start:end])
            for at in range(0, len(text), PIECE):
                self._send(
                    wire.WorkerOutput(self._worker, task, self._number(task), fd, text[at : at + PIECE], now, after)
                )
            start = end

    def _number(self, task: int) -> int:
        if task != self._task:
            self._task, self._n = task, 0
        self._n += 1
        return self._n

    # ── "have you read everything?" ───────────────────────────────────────────────────────────────────────────────────

    def _question(self) -> None:
        try:
            data = self._ends.talk.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._ends.talk.fileno())
            return
        self._asked += data
        while len(self._asked) >= ASK.size:
            (task,) = ASK.unpack_from(self._asked)
            del self._asked[: ASK.size]
            self.drain()
            last = self._n if self._task == task else 0
            with contextlib.suppress(OSError):  # the worker died, or stopped listening: then nobody waits
                self._ends.talk.send(ANSWER.pack(task, last))

    def drain(self) -> None:
        """Read what the pipes hold now, whether paused or not, and forward it. Bounded, since a thread may flood on."""
        for fd in list(self._open):
            budget = DRAIN_AT_MOST
            while budget > 0 and (got := self._read(fd)):
                budget -= got
        self._flush()

    def close(self) -> str:
        """The worker is dead: take what is left and close. Returns the last lines of stderr."""
        self.drain()
        for fd in list(self._open):
            self._end_of(fd)
        self._flush()
        self._loop.remove_reader(self._ends.talk.fileno())
        self._page.close()
        self._ends.close()
        return last_words("".join(self._tail))


def last_words(text: str) -> str:
    """The end of what a process wrote to stderr. Of a crash's stack the top is kept, which names the culprit, and the
    runtime's own frames are left out."""
    _, crash, stack = text.rpartition(_CRASH)
    if crash:
        lines = [line for line in (crash + stack).splitlines() if _OURS not in line and 'File "<string>"' not in line]
        return "\n".join(lines[:TAIL_LINES])[:TAIL_BYTES]
    return "\n".join(text[-TAIL_BYTES:].splitlines()[-TAIL_LINES:])
