"""Group `payload`: large values to a worker on this machine and back, beside other ways and a copy in memory.

A value's bytes count on both ways: 100 MB that come back are 200. Contestants run in turns, with one worker for there and
back and two for the fan; the floor, a copy of the same bytes within one process, has its turn too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from tests.bench.calls import OURS, Board, entered
from tests.bench.figures import BenchError, Figure

FLOOR = "a copy in memory"
CONTESTANTS = (OURS, "loky", "Dask", "Ray, 4 GB for objects")
NAMES = {"array": "array_100mb_roundtrip_gb_s", "state_dict": "state_dict_500mb_roundtrip_gb_s"}


def measure(quick: bool) -> Iterator[Figure]:
    """The two round trips and `fanout_16_vs_1`, the time of 16 calls with one argument over that of one."""
    rounds = 2 if quick else 5
    board = Board()
    with contextlib.ExitStack() as stack:
        alone = [one for name in CONTESTANTS if (one := entered(stack, name, board, 1))]
        for one in alone:
            board.ask(one, "state_dict", rounds)  # some take seconds for each
        for _ in range(rounds):
            for one in alone:
                board.ask(one, "array", 3)
            board.found.setdefault("array", {}).setdefault(FLOOR, []).extend(_copies(3))
    with contextlib.ExitStack() as stack:
        pairs = [one for name in CONTESTANTS if (one := entered(stack, name, board, 2))]
        for _ in range(rounds):
            for one in pairs:
                board.ask(one, "fan", 1)
    for what, name in NAMES.items():
        yield board.figure(name, what, "GB/s")
    yield board.figure("fanout_16_vs_1", "fan", "times")


def _copies(count: int) -> list[float]:
    """GB a second of copying 100 MB to memory that is there already. Raises BenchError without numpy."""
    try:
        import numpy
    except ImportError as error:
        raise BenchError("numpy is not installed; there is no array to send") from error
    source, target = numpy.ones(100_000_000, numpy.uint8), numpy.zeros(100_000_000, numpy.uint8)
    found = []
    for _ in range(count):
        begin = time.perf_counter()
        target[:] = source
        found.append(source.nbytes / 1e9 / (time.perf_counter() - begin))
    return found
