"""What each pool of one owner may have under the owner's limits: gathers the claims, has them divided, tells the pools.

The rule is `core.budget`'s. Knows that claims change often and are divided once for all changes of one moment.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from yonder import wire
from yonder.core.budget import Claim, Limits, divide


class Claimant(Protocol):
    """A pool, as far as this file needs it."""

    def claim(self) -> Claim:
        """What it has and needs now, under a name of its own."""

    def allow(self, executors: int | None) -> None:
        """It may have so many from now on; None: as many as it wants."""


class Allowances:
    """One owner's limits and the pools under them."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._pools: dict[Claimant, None] = {}
        self._due: asyncio.Handle | None = None

    @property
    def bound(self) -> bool:
        """Is there any limit?"""
        return self._limits != Limits()

    def limit(self, executors: int, gpus: int) -> None:
        """At most so many executors and GPUs in all pools together; 0 = no bound."""
        self._limits = Limits(executors or None, gpus or None)
        self._divide()

    def join(self, pool: Claimant) -> None:
        """A pool opens. Under a limit it has nothing until its claim was weighed against the others'."""
        self._pools[pool] = None
        if self.bound:
            pool.allow(0)
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
        by_name = {pool.claim().pool: pool for pool in self._pools}
        shares = divide(self._limits, [pool.claim() for pool in self._pools])
        for name, share in shares.items():
            by_name[name].allow(share)


def gpus_of(resources: wire.Resources) -> int:
    """How many devices an executor takes: the most that one of its alternatives asks for."""
    counts = (text.partition(":")[2] or "1" for text in resources.gpu)
    return max((int(count) if count.isdigit() else 1 for count in counts), default=0)
