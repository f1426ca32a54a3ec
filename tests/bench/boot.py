"""Group `boot`: from nothing to 64 executors that have torch imported and can take a call.

Beside it: 64 fresh interpreters that import torch (8 at once, times 8), and one interpreter that imports torch and forks
64 times with nothing else (what no process model can beat).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.figures import BenchError, Figure, median

import yonder

EXECUTORS = 64
AT_ONCE = 8
LIMIT = 300.0

FRESH = "import torch; print('ready', flush=True); input()"
FORKS = f"""
import os, torch
out, put = os.pipe()
gate, hold = os.pipe()
children = []
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
print("ready", flush=True)
os.close(hold)
for child in children:
    os.waitpid(child, 0)
"""


def _ours() -> float:
    """Zero to all ready, as the pool itself says; one call proves that torch is there."""
    begin = time.perf_counter()
    with yonder.Pool(min=EXECUTORS, max=EXECUTORS, preload=["torch"]) as pool:
        while True:
            state = pool.status()
            if state.executors - state.booting >= EXECUTORS:
                break
            if time.perf_counter() - begin > LIMIT:
                raise BenchError(
                    f"after {LIMIT:g} s {state.executors - state.booting} of {EXECUTORS} are ready: {state.why}"
                )
            time.sleep(0.005)
        seconds = time.perf_counter() - begin
        if not pool.call(_has_torch):
            raise BenchError("an executor has not torch imported")
    return seconds


def _has_torch() -> bool:
    return "torch" in sys.modules


def _started(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _until_ready(code: str, count: int) -> float:
    begin = time.perf_counter()
    processes = [_started(code) for _ in range(count)]
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
    """`boot64_s`."""
    rounds = 1 if quick else 3
    _until_ready(FRESH, 1)  # torch's files are in the page cache for everybody
    ours, fresh, forks = [], [], []
    for _ in range(rounds):
        ours.append(_ours())
        fresh.append(_until_ready(FRESH, AT_ONCE) * EXECUTORS / AT_ONCE)
        forks.append(_until_ready(FORKS, 1))
    yield Figure("boot64_s", median(ours), "s", {"fresh interpreters": median(fresh), "bare forks": median(forks)})
