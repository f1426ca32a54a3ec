"""The page that an agent and one worker share: what the worker is doing, and how often its pipes were read.

What belongs here: the layout and the single-word reads and writes. What this file must not know: pipes, sockets, what a
task is. Every word has one writer, and each is one aligned store.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

SIZE = 4096
_TASK, _ON, _BEGUN, _ENDED = range(4)


def create() -> int:
    """A fresh page as a descriptor: anonymous memory where the system has it, else a file without a name."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("yonder-page", os.MFD_CLOEXEC)
    else:
        fd, name = tempfile.mkstemp(prefix="yonder-page-")
        Path(name).unlink()
    os.ftruncate(fd, SIZE)
    return fd


class Page:
    """`task` and `on` are the worker's words, `begun` and `ended` the agent's."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE)
        self._words = memoryview(self._map).cast("Q")

    @property
    def task(self) -> int:
        return self._words[_TASK]

    @property
    def on(self) -> bool:
        """Is the task still running (its end not yet told)?"""
        return bool(self._words[_ON])

    def begin(self, task: int) -> None:
        self._words[_TASK] = task
        self._words[_ON] = 1

    def rest(self) -> None:
        self._words[_ON] = 0

    @property
    def begun(self) -> int:
        """How many reads of the worker's pipes the agent has begun …"""
        return self._words[_BEGUN]

    @property
    def ended(self) -> int:
        """… and how many it has finished. Equal: none is in progress."""
        return self._words[_ENDED]

    def reading(self) -> None:
        self._words[_BEGUN] += 1

    def have_read(self) -> None:
        self._words[_ENDED] = self._words[_BEGUN]

    def close(self) -> None:
        self._words.release()
        self._map.close()
