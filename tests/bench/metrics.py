"""Group `metrics`: points from 16 executors at once into the window's store, none lost.

The clock runs from the first call's beginning until the store can show every point. The peer is SQLite in this process:
one row a point, committed in batches of 1,000, which is what a training loop with a logger of its own would do.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.editor import Editor
from tests.bench.figures import BenchError, Figure, median
from tests.bench.window import run_cell, window

from yonder_lsp import protocol

WORKERS = 16
NAMES = ("loss", "accuracy")

TEXT = """\
# %% make
import yonder

def emit(seed):
    for step in range({steps}):
        yonder.log(step=step, loss=seed / (1 + step), accuracy=1 - 1 / (1 + step))

# %% warm
pool = yonder.Pool(min={workers}, max={workers})
list(pool.map(abs, range({workers})))

# %% emit
list(pool.map(emit, range({workers})))
None
"""


async def _all_points(editor: Editor, run: str, wanted: int) -> None:
    """Wait until the store shows every point. Raises BenchError when some do not come."""
    news = asyncio.Event()
    seen = 0
    with editor.listening("yonder/runsChanged", lambda _: news.set()):
        try:
            async with asyncio.timeout(10):
                while seen < wanted:
                    news.clear()
                    asked = protocol.SeriesParams(run=run, pixels=10)
                    shown = await editor.ask("yonder/series", asked, protocol.SeriesResult)
                    seen = sum(curve.points for curve in shown.curves)
                    if seen < wanted:
                        await news.wait()
        except TimeoutError:
            raise BenchError(f"{seen} of {wanted} points are in the store") from None
    if seen != wanted:
        raise BenchError(f"{seen} points are in the store, {wanted} were logged")


async def _rates(steps: int, rounds: int) -> list[float]:
    rates = []
    wanted = WORKERS * steps * len(NAMES)
    async with window(TEXT.format(steps=steps, workers=WORKERS), executors=WORKERS) as (editor, document):
        await run_cell(editor, document, "# %% make")
        await run_cell(editor, document, "# %% warm")
        for _ in range(rounds):
            ended = await run_cell(editor, document, "# %% emit")
            await _all_points(editor, ended.run, wanted)
            arrived = time.time()
            calls = (await editor.calls(ended.run)).calls
            rates.append(wanted / (arrived - min(call.started for call in calls)))
    return rates


def _sqlite_rate(points: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        base = sqlite3.connect(Path(name) / "points.sqlite")
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE point (call INTEGER, name TEXT, step REAL, value REAL, at REAL)")
        begin = time.perf_counter()
        for start in range(0, points, 1000):
            rows = (
                (step % WORKERS, NAMES[step % 2], step, 1 / (1 + step), begin) for step in range(start, start + 1000)
            )
            base.executemany("INSERT INTO point VALUES (?, ?, ?, ?, ?)", rows)
            base.commit()
        seconds = time.perf_counter() - begin
        base.close()
    return points / seconds


def measure(quick: bool) -> Iterator[Figure]:
    """`metrics_per_s`."""
    steps, rounds = (1000, 2) if quick else (5000, 3)
    rates = asyncio.run(_rates(steps, rounds))
    peer = median([_sqlite_rate(WORKERS * steps * len(NAMES)) for _ in range(rounds)])
    yield Figure("metrics_per_s", median(rates), "1/s", {"sqlite rows, one process": peer})
