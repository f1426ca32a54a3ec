"""Group `calls`: what a call of a function that does nothing costs, beside `concurrent.futures.ProcessPoolExecutor`.

Both run one call at a time for the latency and keep two workers full for the throughput. Rounds are interleaved, so that
a slow moment of the machine meets both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tests.bench.figures import BenchError, Figure, median, quantile

import yonder

WORKERS = 2


def nothing(value: int) -> int:
    return value


def _latencies(call: Callable[[int], int], count: int) -> list[float]:
    found = []
    for number in range(count):
        begin = time.perf_counter()
        answer = call(number)
        found.append((time.perf_counter() - begin) * 1000)
        if answer != number:
            raise BenchError(f"the call of {number} answered {answer}")
    return found


def _rate(mapping: Callable[..., Iterator[Any]], count: int) -> float:
    begin = time.perf_counter()
    answers = list(mapping(nothing, range(count)))
    seconds = time.perf_counter() - begin
    if answers != list(range(count)):
        raise BenchError("map lost or reordered an answer")
    return count / seconds


def measure(quick: bool) -> Iterator[Figure]:
    """`call_p50_ms`, `call_p99_ms`, `call_throughput_per_s`."""
    rounds, single, many = (3, 200, 1000) if quick else (7, 1000, 5000)
    ours: list[float] = []
    theirs: list[float] = []
    our_rates: list[float] = []
    their_rates: list[float] = []
    # The peer first: it forks, and a program should fork before it has threads.
    with ProcessPoolExecutor(WORKERS) as peer:
        list(peer.map(nothing, range(100)))
        with yonder.Pool(min=WORKERS, max=WORKERS, preload=[]) as pool:
            list(pool.map(nothing, range(100)))
            for _ in range(rounds):
                ours += _latencies(lambda number: pool.call(nothing, number), single)
                theirs += _latencies(lambda number: peer.submit(nothing, number).result(), single)
                our_rates.append(_rate(pool.map, many))
                their_rates.append(_rate(peer.map, many))
    name = "ProcessPoolExecutor"
    yield Figure("call_p50_ms", median(ours), "ms", {name: median(theirs)})
    yield Figure("call_p99_ms", quantile(ours, 0.99), "ms", {name: quantile(theirs, 0.99)})
    yield Figure("call_throughput_per_s", median(our_rates), "1/s", {name: median(their_rates)})
