"""What a cluster costs that does nothing, and what a call costs that only waits: a detached hub as in the editor.

Read from /proc: nobody is asked how busy he believes to be. On systems without it these figures are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.contestant import proportional_mb
from tests.bench.figures import BenchError, Figure
from tests.integration.cluster import a_cluster

from yonder import wire

EXECUTORS = 64
SETTLING = 3.0
QUEUED = 20_000

FILL = f"""
import yonder
pool = yonder.Pool("sixtyfour", min={EXECUTORS}, max={EXECUTORS}, preload=[])
import time
while (state := pool.status()).executors - state.booting < {EXECUTORS}:
    time.sleep(0.02)
"""
QUEUE = """
import yonder, time
narrow = yonder.Pool("narrow", max=1, preload=[])
narrow.call(abs, 1)
waiting = [narrow.submit(time.sleep, 600) for _ in range({count})]
while narrow.status().queued < {count} - 1:
    time.sleep(0.02)
"""


def measure(quick: bool) -> Iterator[Figure]:
    """`idle_cpu_percent_64` (of one processor, hub, agent and executors together) and `hub_mb_per_1000_queued`."""
    if not Path("/proc/self/schedstat").exists():
        print("  not measured: idle costs; this system has no /proc with scheduler statistics", file=sys.stderr)
        return
    folder = Path(tempfile.mkdtemp(prefix="yonder-bench-"))
    try:
        idle, queued = asyncio.run(_measured(folder, 3.0 if quick else 10.0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield Figure("idle_cpu_percent_64", idle, "%")
    yield Figure("hub_mb_per_1000_queued", queued, "MB")


async def _measured(folder: Path, seconds: float) -> tuple[float, float]:
    async with a_cluster(folder, pools=[wire.PoolSpec(max=1)]) as (cluster, owner):
        await _run(owner, FILL)
        executors = len(cluster.processes("executor"))
        if executors < EXECUTORS:
            raise BenchError(f"only {executors} executors are there")
        await asyncio.sleep(SETTLING)
        before = _processor_time(cluster)
        await asyncio.sleep(seconds)
        after = _processor_time(cluster)
        if lost := before.keys() - after.keys():
            raise BenchError(f"{len(lost)} processes ended while they were idle")
        idle = sum(after[pid] - before[pid] for pid in before) / seconds * 100
        empty = proportional_mb(cluster.note.pid)
        await _run(owner, QUEUE.format(count=QUEUED))
        return idle, (proportional_mb(cluster.note.pid) - empty) / QUEUED * 1000


async def _run(owner: Any, code: str) -> None:
    ended = await owner.run(code)
    if ended.outcome != "ok":
        raise BenchError(f"the cell ended with {ended.outcome}: {ended.failure or ended.sentence}")


def _processor_time(cluster: Any) -> dict[int, float]:
    """Seconds that each process has been on a processor, all its threads, to the nanosecond."""
    found: dict[int, float] = {}
    for one in cluster.processes():
        with contextlib.suppress(OSError):  # it ended while we looked; the caller compares who was there
            tasks = Path(f"/proc/{one.pid}/task").iterdir()
            found[one.pid] = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    return found
