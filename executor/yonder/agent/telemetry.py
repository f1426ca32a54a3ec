"""How much processor and memory a worker uses, from the process table.

What belongs here: reading and subtracting. What this file must not know: who asks, and how often.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from yonder.wire import Usage


class Telemetry:
    """Keeps each process's last processor time, so that a reading is the share since the one before."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[float, float]] = {}
        self._tick = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")

    def read(self, workers: Iterable[tuple[str, int]]) -> list[Usage]:
        """One reading for each (worker, pid) that the process table shows; empty where there is no /proc."""
        usage: list[Usage] = []
        seen: dict[int, tuple[float, float]] = {}
        for worker, pid in workers:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            now, spent = time.monotonic(), (int(fields[11]) + int(fields[12])) / self._tick
            at, before = self._before.get(pid, (now, spent))
            seen[pid] = (now, spent)
            share = 100.0 * (spent - before) / (now - at) if now > at else 0.0
            usage.append(Usage(worker, round(share, 1), int(fields[21]) * self._page))
        self._before = seen
        return usage
