"""How many executors a pool wants, and the sentence that says why. Arithmetic only.

What this file must not know: which executors there are, what they run, when one may end (the pool judges idleness).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Demand:
    """What the pool has and what is asked of it. `waiting` are calls that no free worker of a ready executor can take;
    `ready` and `booting` are executors that do or will accept calls, not those on their way out."""

    waiting: int
    running: int
    ready: int
    booting: int


@dataclass(frozen=True, slots=True)
class Bounds:
    least: int
    most: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """`count` executors that accept calls, `why` in words."""

    count: int
    why: str


def wanted(demand: Demand, bounds: Bounds) -> Wanted:
    """Enough for the queue, never less than the least, never more than the most.

    Growth only: executors that exist are counted as wanted unless they are over the most.
    """
    asked = _asked(demand, bounds)
    count = min(asked, bounds.most)
    return Wanted(count, _why(demand, bounds, asked=asked, count=count))


def size(demand: Demand, bounds: Bounds) -> int:
    """`wanted(...).count` without the sentence: it is asked at every event, the sentence by people only."""
    return min(_asked(demand, bounds), bounds.most)


def _asked(demand: Demand, bounds: Bounds) -> int:
    for_queue = -(-demand.waiting // max(bounds.concurrency, 1))
    return max(demand.ready + max(demand.booting, for_queue), bounds.least)


def _why(demand: Demand, bounds: Bounds, *, asked: int, count: int) -> str:
    """One clause about the size, one about what is asked."""
    work = _work(demand)
    if count < asked:
        return f"{_executors(count)}, the most allowed (max = {bounds.most}): {work}"
    if count == 0:
        return "no executors: nothing runs or waits"
    if demand.waiting == 0 and demand.running == 0:
        kept = (
            f"{bounds.least} always kept (min = {bounds.least})" if bounds.least else "kept until the idle time is over"
        )
        return f"{_executors(count)}, {kept}: nothing runs or waits"
    grown = count - demand.ready
    return f"{_executors(count)}{f', {grown} of them starting' if grown else ''}: {work}"


def _work(demand: Demand) -> str:
    parts = [f"{_calls(demand.running)} running"] if demand.running else []
    if demand.waiting:
        parts.append(f"{_calls(demand.waiting)} waiting")
    return ", ".join(parts) if parts else "nothing runs or waits"


def _executors(count: int) -> str:
    return f"{count} executor{'' if count == 1 else 's'}" if count else "no executors"


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"
