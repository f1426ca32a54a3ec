"""A contestant: one caller in a program of its own, so that nobody's threads disturb another's measurement.

Two halves of one conversation, a line of JSON each way: `Contestant` asks, `main` (the program's own) measures and
answers. Everything a contestant starts carries a mark in its environment, by which its end is checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.callers import Caller, opened
from tests.bench.figures import BenchError
from tests.bench.work import echo, nothing, process, size, with_torch

ROOT = Path(__file__).resolve().parents[2]
MARK = "YONDER_BENCH"
PATIENCE = 60.0
GRACE = 5.0
WARM = 2
"""Calls with large values that are not counted: they make the memory that later ones use again."""


class Unable(Exception):
    """This contestant cannot be measured here, or not in this; the message is a sentence for a person."""


# ── the side that asks ────────────────────────────────────────────────────────────────────────────────────────────────


class Contestant:
    """One caller in its own program. Raises Unable when it does not come up or fails; leaving ends all it started.

    With no workers it measures only its first answer that needs torch: `first` holds the seconds.
    """

    def __init__(self, name: str, workers: int = 2) -> None:
        self.name = name
        self._mark = secrets.token_hex(8)
        self._words = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 - closed with the contestant
        environment = {
            **os.environ,
            MARK: self._mark,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one into the person's home
        }
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.contestant", name, str(workers)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,
        )
        try:
            self.first = self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, what: str, count: int = 0) -> list[float]:
        """Have something measured (a key of MEASURES). Raises Unable with the reason."""
        assert self._program.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: the answer that does not come says so
            self._program.stdin.write(json.dumps([what, count]).encode() + b"\n")
            self._program.stdin.flush()
        return self._answer()

    def _answer(self) -> list[float]:
        line = self._line()
        if not line:
            self._words.seek(0)
            said = self._words.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise Unable(f"{self.name} ended or was silent for {PATIENCE:g} s: {said[0][:200]}")
        answer = json.loads(line)
        if "unable" in answer:
            raise Unable(f"{self.name}: {answer['unable']}")
        return [float(value) for value in answer["values"]]

    def _line(self) -> bytes:
        """Its next line, empty when there will be none. Its end is no end-of-file: workers it forked keep the pipe."""
        assert self._program.stdout is not None
        pipe, line = self._program.stdout.fileno(), b""
        end = time.monotonic() + PATIENCE
        while not line.endswith(b"\n"):
            if select.select([pipe], [], [], 0.1)[0]:
                if not (piece := os.read(pipe, 1 << 16)):
                    return b""
                line += piece
            elif self._program.poll() is not None or time.monotonic() > end:
                return b""
        return line

    def close(self) -> None:
        """End it, and whatever it has left running after `GRACE` seconds."""
        if self._program.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._program.stdin.close()
        try:
            self._program.wait(GRACE * 4)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        if left := self._left_after(GRACE):
            print(f"  {self.name} left {len(left)} processes behind; they were killed", file=sys.stderr)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._left_after(GRACE)
        if self._program.stdout is not None:
            self._program.stdout.close()
        self._words.close()

    def _left_after(self, seconds: float) -> list[int]:
        """What is still there when nothing is left or the time is over."""
        end = time.monotonic() + seconds
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.05)  # the kernel sends no event to a non-parent
        return left

    def _left(self) -> list[int]:
        wanted = f"{MARK}={self._mark}".encode()
        found = []
        for entry in os.scandir("/proc") if Path("/proc/self/environ").exists() else ():
            with contextlib.suppress(OSError):  # it ended while we looked, or is somebody else's
                if entry.name.isdigit() and wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


# ── the side that measures ────────────────────────────────────────────────────────────────────────────────────────────


def latency(caller: Caller, count: int) -> list[float]:
    """Milliseconds of each of `count` calls, one after the other."""
    found = []
    for number in range(count):
        begin = time.perf_counter()
        answer = caller.call(nothing, number)
        found.append((time.perf_counter() - begin) * 1000)
        if answer != number:
            raise BenchError(f"the call of {number} answered {answer}")
    return found


def seconds_of(work: Callable[[int], list[int]], count: int) -> float:
    begin = time.perf_counter()
    answers = work(count)
    seconds = time.perf_counter() - begin
    if answers != list(range(count)):
        raise BenchError("an answer was lost or came out of order")
    return seconds


def threads(caller: Caller, count: int) -> list[float]:
    """Calls a second when 8 threads call one after the other, `count` calls in all."""
    each = count // 8
    failures: list[BaseException] = []
    begin_together = threading.Barrier(9)

    def work() -> None:
        begin_together.wait()
        try:
            for number in range(each):
                caller.call(nothing, number)
        except Exception as error:
            failures.append(error)

    callers = [threading.Thread(target=work) for _ in range(8)]
    for one in callers:
        one.start()
    begin_together.wait()
    begin = time.perf_counter()
    for one in callers:
        one.join()
    if failures:
        raise failures[0]
    return [each * 8 / (time.perf_counter() - begin)]


def together(caller: Caller, count: int) -> float:
    """Seconds of `count` awaited calls at once, without the loop's own start and end."""

    async def work() -> float:
        begin = time.perf_counter()
        answers = await caller.gather(count)
        if answers != list(range(count)):
            raise BenchError("an answer was lost or came out of order")
        return time.perf_counter() - begin

    return asyncio.run(work())


def streamed(caller: Caller, count: int) -> list[float]:
    return [count / seconds_of(lambda end: list(caller.stream(end)), count)]


def memory(caller: Caller, count: int) -> list[float]:
    """Megabytes of a worker, what it shares with others counted by its part."""
    return [proportional_mb(caller.call(process, 0))]


def proportional_mb(pid: int) -> float:
    """A process's memory, shared pages divided among those who share them. Raises Unable where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError as error:
        raise Unable(f"this system does not tell a process's share of memory ({error.strerror})") from error
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def there_and_back(caller: Caller, value: Any, size: int, count: int) -> list[float]:
    """GB a second of each of `count` calls that return what they are given; its bytes count on both ways."""
    found: list[float] = []
    enough = time.monotonic() + PATIENCE / 3  # of warming up those whose calls take seconds
    while len(found) < count + WARM and (len(found) < count or time.monotonic() < enough):
        begin = time.perf_counter()
        answer = caller.call(echo, value)
        found.append(2 * size / 1e9 / (time.perf_counter() - begin))
        if type(answer) is not type(value) or len(answer) != len(value):
            raise BenchError("what came back is not what was sent")
    return found[-count:]


def array(caller: Caller, count: int) -> list[float]:
    import numpy

    return there_and_back(caller, numpy.ones(100_000_000, numpy.uint8), 100_000_000, count)


def state_dict(caller: Caller, count: int) -> list[float]:
    import torch

    return there_and_back(caller, {f"layer{n}": torch.ones(2_500_000) for n in range(50)}, 500_000_000, count)


def fanned(caller: Caller, count: int) -> list[float]:
    """How many times as long 16 calls with the same 100 MB take as one."""
    import numpy

    value, seconds = numpy.ones(100_000_000, numpy.uint8), {}
    for _ in range(count + 1):
        for calls in (1, 16):
            begin = time.perf_counter()
            if caller.fan(size, value, calls) != [value.nbytes] * calls:
                raise BenchError("an answer was lost")
            seconds[calls] = [*seconds.get(calls, []), time.perf_counter() - begin]
    return [many / one for one, many in list(zip(seconds[1], seconds[16], strict=True))[1:]]


MEASURES: dict[str, Callable[[Caller, int], list[float]]] = {
    "latency": latency,
    "rate": lambda caller, count: [count / seconds_of(caller.many, count)],
    "threads": threads,
    "async": lambda caller, count: [count / together(caller, count)],
    "map": lambda caller, count: [seconds_of(caller.map, count)],
    "stream": streamed,
    "memory": memory,
    "array": array,
    "state_dict": state_dict,
    "fan": fanned,
}


def first(name: str) -> float:
    """Seconds from nothing to the first answer of a call that needs torch."""
    begin = time.perf_counter()
    caller = opened(name, 1)
    try:
        if not caller.call(with_torch, 0):
            raise BenchError("the worker has no torch")
        return time.perf_counter() - begin
    finally:
        caller.close()


def _answers(name: str, workers: int, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    if workers == 0:
        yield {"values": [first(name)]}
        return
    caller = opened(name, workers)
    try:
        for number in range(50):
            caller.call(nothing, number)
        yield {"values": []}
        for line in lines:
            what, count = json.loads(line)
            try:
                yield {"values": MEASURES[what](caller, count)}
            except (NotImplementedError, Unable) as error:
                yield {"unable": str(error)}
    finally:
        caller.close()


def main() -> None:
    """`python -m tests.bench.contestant NAME WORKERS`; 0 workers: measure the first answer and end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        for answer in _answers(sys.argv[1], int(sys.argv[2]), iter(sys.stdin)):
            print(json.dumps(answer), file=answers, flush=True)
    except ImportError as error:
        print(json.dumps({"unable": f"is not installed ({error})"}), file=answers, flush=True)
    except Exception as error:
        print(json.dumps({"unable": f"failed: {type(error).__name__}: {error}"[:500]}), file=answers, flush=True)


if __name__ == "__main__":
    main()
