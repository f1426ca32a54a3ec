"""What each pool of one owner may have under the owner's limits: gathers the claims, has them divided, tells the pools.

The rule is `core.budget`'s. Knows that claims change often and are divided once for all changes of one moment.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from yonder import wire
from yonder.core.budget import Claim, Limits, divide
from yonder.core.meter import Meter

_NONE = Limits()


class Claimant(Protocol):
    """A pool, as far as this file needs it."""

    def claim(self) -> Claim:
        """What it has and needs now, under a name of its own."""

    def allow(self, executors: int | None) -> None:
        """It may have so many from now on; None: as many as it wants."""

    def halt(self, why: str) -> None:
        """No call begins any more, for this reason; "": they begin again."""


class Allowances:
    """One owner's limits and the pools under them."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._meter = Meter()
        self._spent = False
        self._pools: dict[Claimant, None] = {}
        self._due: asyncio.Handle | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def bound(self) -> bool:
        """Is there any limit?"""
        return self._limits != _NONE or self._meter.limit is not None

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """At most so many executors and GPUs in all pools together at any time, and so many executor-hours in all, those
        before this moment included where they were counted; 0 = no bound."""
        self._limits = Limits(executors or None, gpus or None)
        self._meter.limit = hours * 3600 or None
        self._divide()

    def join(self, pool: Claimant) -> None:
        """A pool opens. Under a limit it has nothing until its claim was weighed against the others'."""
        self._pools[pool] = None
        if self.bound:
            pool.allow(0)
            if self._spent:
                pool.halt(self._why())
            self.changed()

    def leave(self, pool: Claimant) -> None:
        """A pool has closed."""
        self._pools.pop(pool, None)
        self.changed()

    def changed(self) -> None:
        """Some claim is another one now: weigh all of them soon."""
        if self.bound and self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._divide)

    def _divide(self) -> None:
        self._due = None
        claims = {pool: pool.claim() for pool in self._pools}
        self._count(sum(claim.have for claim in claims.values()))
        shares = divide(self._limits, list(claims.values()))
        for pool, claim in claims.items():
            pool.allow(0 if self._spent else shares[claim.pool])

    def _count(self, executors: int) -> None:
        """The meter runs; at its limit nothing new begins, and what runs comes to its end."""
        now = time.monotonic()
        self._meter.runs(now, executors)
        if self._end is not None:
            self._end.cancel()
            self._end = None
        spent = self._meter.over(now)
        if not spent and (end := self._meter.ends(now)) is not None:
            self._end = asyncio.get_running_loop().call_later(end - now, self._divide)
        if spent != self._spent:
            self._spent = spent
            for pool in self._pools:
                pool.halt(self._why() if spent else "")

    def _why(self) -> str:
        hours = (self._meter.limit or 0.0) / 3600
        return (
            f"the limit of {hours:g} executor-hours is spent: raise max_executor_hours of [tool.yonder] (in a plain program "
            f"yonder.limit(executor_hours=…))"
        )


def gpus_of(resources: wire.Resources) -> int:
    """How many devices an executor takes: the most that one of its alternatives asks for."""
    counts = (text.partition(":")[2] or "1" for text in resources.gpu)
    return max((int(count) if count.isdigit() else 1 for count in counts), default=0)
