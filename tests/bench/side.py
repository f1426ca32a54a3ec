"""What looking costs where it happens: the side thread's processor time and the size of its answers, and what user code
loses while somebody types.

The overhead is measured in a real session: one cell does the same work again and again, and while every second piece of it
runs, a list is asked for ten times a second. Pieces are compared in pairs, so that a machine that slows down slows both.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scripts.editor import Document, Editor
from tests.bench.figures import BenchError, Figure, median
from tests.bench.window import run_cell, window

from yonder import wire
from yonder.agent.peek import look

NAMES = 2000
KEY = 0.1
PIECES = 8
WORK = """\
# %% make
import time
class Thing: pass
things = [Thing() for _ in range(400)]
def work():
    begin = time.perf_counter()
    total = 0
    for n in range({size}):
        total += n % 7
    return time.perf_counter() - begin
globals().update((f"thing_{{n}}", Thing()) for n in range(4000))

# %% piece
print(work())

# %% look
thing_0
"""


def cpu_ms(count: int) -> float:
    """Milliseconds of processor time of a look at a namespace of 2,000 names (the median of `count`)."""
    namespace: dict[str, Any] = {f"name_{number}": number for number in range(NAMES)}
    query = wire.Query("members")
    spent = []
    for _ in range(count):
        begin = time.thread_time()
        answer = look(namespace, query, 1)
        wire.encode(wire.Looked(1, answer))
        spent.append((time.thread_time() - begin) * 1000)
        if len(answer.members) < NAMES:
            raise BenchError(f"a look at {NAMES} names has told {len(answer.members)}")
    return median(spent)


def reply_kb() -> float:
    """Kilobytes of the answer to `np.` as it goes over the wire."""
    answer = look({"np": np}, wire.Query("members", [wire.Step("name", "np")]), 1)
    if len(answer.members) < 400:
        raise BenchError(f"numpy has {len(answer.members)} members")
    return len(wire.encode(wire.Looked(1, answer))) / 1000


async def _overhead(size: int, pairs: int) -> list[float]:
    async with window(WORK.format(size=size)) as (editor, document):
        await run_cell(editor, document, "# %% make")
        fresh = itertools.count()
        await _piece(editor, document)
        ratios = []
        for pair in range(pairs):
            order = (False, True) if pair % 2 else (True, False)
            spent = {}
            for typed in order:
                typing = asyncio.create_task(_type(editor, document, fresh)) if typed else None
                spent[typed] = await _piece(editor, document)
                if typing is not None:
                    typing.cancel()
                    await asyncio.gather(typing, return_exceptions=True)
            ratios.append(spent[True] / spent[False])
        if next(fresh) < pairs:
            raise BenchError("nobody has typed while the cell ran")
        return ratios


async def _piece(editor: Editor, document: Document) -> float:
    ended = await run_cell(editor, document, "# %% piece")
    output = await editor.output(ended.run)
    return float("".join(one.text for one in output.pieces))


async def _type(editor: Editor, document: Document, fresh: Iterator[int]) -> None:
    while True:
        now = document.text[document.text.index("# %% look") :]
        editor.replace(document, now, f"# %% look\nthing_{next(fresh)}.")
        await editor.complete(document, document.position(len(document.text)), trigger=".")
        await asyncio.sleep(KEY)


def measure(quick: bool) -> Iterator[Figure]:
    """`peek_cpu_2000_names_ms`, `np_reply_kb`, `user_code_overhead_percent`."""
    yield Figure("peek_cpu_2000_names_ms", cpu_ms(20 if quick else 200), "ms")
    yield Figure("np_reply_kb", reply_kb(), "kB")
    ratios = asyncio.run(_overhead(10_000_000 if quick else 30_000_000, 3 if quick else PIECES))
    yield Figure("user_code_overhead_percent", (median(ratios) - 1) * 100, "%")
