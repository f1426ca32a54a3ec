"""Group `boot`: from nothing to executors that have torch imported and can take a call, and what they cost at rest.

`first_executor_cold_s` is the first answer of the first call, everything started for it. `boot64_s` begins where a
zygote has torch and no executor of the pool exists, and ends when all 64 are ready. Beside them, in the same run: an
interpreter that imports torch, the first answer of every other way to call, 64 bare forks of an interpreter that has
torch (what no process model can beat), and 64 fresh interpreters (8 at once, times 8).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import footprint
from tests.bench.contestant import Contestant, Unable
from tests.bench.figures import BenchError, Figure, median
from tests.bench.work import with_torch

import yonder

EXECUTORS = 64
AT_ONCE = 8
LIMIT = 300.0
PEERS = ("ProcessPoolExecutor", "loky", "Dask", "Ray", "ipyparallel")

FRESH = "import torch; print('ready', flush=True); input()"
FORKS = f"""
import os, time, torch
out, put = os.pipe()
gate, hold = os.pipe()
children = []
begin = time.perf_counter()
for _ in range({EXECUTORS}):
    child = os.fork()
    if not child:
        os.close(hold)
        os.write(put, b"1")
        os.read(gate, 1)
        os._exit(0)
    children.append(child)
seen = 0
while seen < {EXECUTORS}:
    seen += len(os.read(out, 4096))
print(time.perf_counter() - begin, flush=True)
os.close(hold)
for child in children:
    os.waitpid(child, 0)
"""


def _all_ready(pool: yonder.Pool) -> float:
    """Seconds until the pool itself says that everybody is ready. The pool is asked: its own clock would be too kind."""
    begin = time.perf_counter()
    while True:
        state = pool.status()
        ready = state.executors - state.booting
        if ready >= EXECUTORS:
            return time.perf_counter() - begin
        if time.perf_counter() - begin > LIMIT:
            raise BenchError(f"after {LIMIT:g} s {ready} of {EXECUTORS} are ready: {state.why}")
        time.sleep(0.002)


def _has_torch() -> bool:
    return "torch" in sys.modules


def _sixtyfour() -> float:
    """One pool keeps the zygote warm, another starts from no executor."""
    with yonder.Pool("warm", max=1, preload=["torch"]) as warm:
        warm.call(with_torch, 0)
        begin = time.perf_counter()
        with yonder.Pool("sixtyfour", min=EXECUTORS, max=EXECUTORS, preload=["torch"]) as pool:
            _all_ready(pool)
            seconds = time.perf_counter() - begin
            if not pool.call(_has_torch):
                raise BenchError("an executor has not torch imported")
    return seconds


def _first_answer(name: str) -> float:
    """In a program of its own: what a person waits for who has just started one."""
    with Contestant(name, workers=0) as contestant:
        return contestant.first[0]


def _said(code: str) -> float:
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def _until_ready(count: int) -> float:
    begin = time.perf_counter()
    processes = [
        subprocess.Popen([sys.executable, "-c", FRESH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise BenchError(f"a fresh interpreter ended with {process.wait()}")
        return time.perf_counter() - begin
    finally:
        for process in processes:
            process.communicate("\n")


def measure(quick: bool) -> Iterator[Figure]:
    """`first_executor_cold_s`, `boot64_s`, and the figures of `footprint`."""
    rounds = 1 if quick else 3
    _until_ready(1)  # torch's files are in the page cache for everybody
    ours: list[float] = []
    importing: list[float] = []
    cold: list[float] = []
    forks: list[float] = []
    for _ in range(rounds):
        cold.append(_first_answer("yonder with torch"))
        importing.append(_until_ready(1))
        ours.append(_sixtyfour())
        forks.append(_said(FORKS))
    peers = {"a fresh interpreter": median(importing)}
    for name in PEERS:
        try:
            peers[name] = median([_first_answer(name) for _ in range((rounds + 1) // 2)])
        except Unable as error:
            print(f"  not measured: {error}", file=sys.stderr, flush=True)
    yield Figure("first_executor_cold_s", median(cold), "s", peers)
    fresh = _until_ready(AT_ONCE) * EXECUTORS / AT_ONCE
    yield Figure("boot64_s", median(ours), "s", {"bare forks": median(forks), "fresh interpreters": fresh})
    yield from footprint.measure(quick)
