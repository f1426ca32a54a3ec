"""How many executors a pool wants, the sentence that says why, and who of them works first. Arithmetic only.

What this file must not know: which executors there are, what they run, when one may end (the pool judges idleness).
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Demand(msgspec.Struct, frozen=True):
    """What the pool has and what is asked of it.

    `waiting` are calls that no worker takes by itself soon, `running` those on executors. `ready` executors accept calls,
    `busy` of them hold some, `booting` will be ready. Executors on their way out are in none of these.
    """

    waiting: int
    running: int
    ready: int
    booting: int
    busy: int = 0


class Bounds(msgspec.Struct, frozen=True):
    """`least` and `most` executors, `concurrency` calls on each, `buffer` spare ones while there is work."""

    least: int
    most: int
    concurrency: int
    buffer: int = 0


class Strategy(Protocol):
    """How a pool grows. Any object with these members can be given to `core.pool.Pool`."""

    @property
    def spreads(self) -> bool:
        """True: the emptiest executor takes the next call. False: the fullest, so that the others become idle and go."""

    def count(self, demand: Demand, bounds: Bounds) -> int:
        """How many executors that accept calls are needed; the pool keeps the answer within `bounds`.

        Fewer than there are ends none by itself: those idle for long enough go, down to this number.
        """

    def why(self, demand: Demand, bounds: Bounds) -> str:
        """Why the pool has its size, in one sentence without a full stop."""


class Pack:
    """As many as the queue needs; the fullest executor takes the next call."""

    spreads = False

    def count(self, demand: Demand, bounds: Bounds) -> int:
        """Enough for the queue and the buffer, never less than the least, never more than the most."""
        return min(_asked(demand, bounds), bounds.most)

    def why(self, demand: Demand, bounds: Bounds) -> str:
        """One clause about the size, one about what is asked."""
        return _why(demand, bounds)


class Spread(Pack):
    """As many as the queue needs; the emptiest executor takes the next call."""

    spreads = True


STRATEGIES: dict[str, Strategy] = {"pack": Pack(), "spread": Spread()}
"""The strategies that have a name in a pool's description."""


def _asked(demand: Demand, bounds: Bounds) -> int:
    for_queue = -(-demand.waiting // max(bounds.concurrency, 1))
    taken = demand.ready if demand.waiting else demand.busy  # who waits has found every ready executor full
    spare = bounds.buffer if demand.waiting or demand.running else 0
    return max(taken + for_queue + spare, bounds.least)


def _why(demand: Demand, bounds: Bounds) -> str:
    asked = max(_asked(demand, bounds), demand.ready + demand.booting)
    count = min(asked, bounds.most)
    doing = work(demand)
    if count < asked:
        return f"{executors(count)}, the most allowed (max = {bounds.most}): {doing}"
    if count == 0:
        return "no executors: nothing runs or waits"
    if demand.waiting == 0 and demand.running == 0:
        kept = (
            f"{bounds.least} always kept (min = {bounds.least})" if bounds.least else "kept until the idle time is over"
        )
        return f"{executors(count)}, {kept}: nothing runs or waits"
    starting = count - demand.ready
    spare = f", {bounds.buffer} spare while there is work (buffer = {bounds.buffer})" if bounds.buffer else ""
    return f"{executors(count)}{f', {starting} of them starting' if starting > 0 else ''}{spare}: {doing}"


def work(demand: Demand) -> str:
    """What runs and waits, in words."""
    parts = [f"{_calls(demand.running)} running"] if demand.running else []
    if demand.waiting:
        parts.append(f"{_calls(demand.waiting)} waiting")
    return ", ".join(parts) if parts else "nothing runs or waits"


def executors(count: int) -> str:
    """So many executors, in words."""
    return f"{count} executor{'' if count == 1 else 's'}" if count else "no executors"


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"
