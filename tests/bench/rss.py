"""Memory of a process and what it has started, from the kernel."""

from __future__ import annotations

import psutil


def resident_mb(pid: int, *, children: bool = False) -> float:
    """Resident megabytes; with `children`, of everything below it too that is its own kind (no hub, which lives on)."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)] if children else [process]
    return sum(one.memory_info().rss for one in family) / 1e6
