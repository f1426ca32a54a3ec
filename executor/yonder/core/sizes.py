"""How large a pool may and should be: its spec, the owner's budget and the strategy, asked kind by kind.

What this file must not know: calls one by one, who is told to go (the pool decides), time.
"""

from __future__ import annotations

from yonder.core.placing import Kind, Placing
from yonder.core.roster import Roster
from yonder.core.scaling import STRATEGIES, Bounds, Demand, Strategy, executors, work
from yonder.wire import PoolSpec


class Sizes:
    """Judges; changes nothing."""

    __slots__ = ("_placing", "_roster", "_strategy", "allowed", "closing", "spec")

    def __init__(self, spec: PoolSpec, roster: Roster, placing: Placing, strategy: Strategy | None) -> None:
        self.spec = spec
        self.allowed: int | None = None
        self.closing = False
        self._roster = roster
        self._placing = placing
        self._strategy = strategy

    @property
    def strategy(self) -> Strategy:
        """The one that was given, else the one that the spec names; a name that nobody knows means packing. One that was
        given has no say in a pool that closes: it may want executors for ever."""
        given = None if self.closing else self._strategy
        return given or STRATEGIES.get(self.spec.strategy) or STRATEGIES["pack"]

    @property
    def concurrency(self) -> int:
        """Calls that one executor serves."""
        return 1 if self.spec.isolation == "executor" else max(self.spec.concurrency, 1)

    @property
    def fickle(self) -> bool:
        """Does the wanted size depend on each call that starts or ends? (Else only on those that wait.)"""
        return self.spec.buffer > 0 or self._strategy is not None or not self._placing.uniform

    @property
    def most(self) -> int:
        """As many as max and the budget allow."""
        return self.spec.max if self.allowed is None else min(self.spec.max, self.allowed)

    @property
    def room(self) -> int:
        """How many more may exist; those on their way out still take their room."""
        return self.most - len(self._roster)

    def needed(self, kind: Kind, running: int) -> int:
        """How many executors of that kind that accept calls are needed, as far as they are allowed."""
        bounds = self._bounds(kind)
        return max(min(self.strategy.count(self._demand(kind, running), bounds), bounds.most), bounds.least)

    def lacking(self, kind: Kind, running: int) -> int:
        """How many executors of that kind are needed and neither there nor coming, whether there is room or not."""
        return self.needed(kind, running) - self._roster.stand(kind.name).serving

    def waiting(self, kind: Kind) -> int:
        """Calls of that kind that need an executor: not those that follow another, nor those a fresh worker will take."""
        return max(len(kind.queue) - kind.tied - self._roster.stand(kind.name).renewing, 0)

    def why(self, running: int) -> str:
        """Why the pool has its size, all kinds together."""
        up = self._roster.ready + self._roster.draining
        demand = Demand(self._placing.length, running, up, self._roster.booting, up - self._roster.idle)
        if self.allowed is not None and self.allowed < self.spec.max and self.room <= 0 and self._placing.length:
            there = executors(len(self._roster))
            return f"{there}, the most that the owner's budget allows this pool at present: {work(demand)}"
        plain = self._bounds(self._placing.plain)
        return self.strategy.why(demand, Bounds(plain.least, self.spec.max, plain.concurrency, plain.buffer))

    def _demand(self, kind: Kind, running: int) -> Demand:
        stand = self._roster.stand(kind.name)
        return Demand(self.waiting(kind), running, stand.ready, len(stand.booting), stand.busy)

    def _bounds(self, kind: Kind) -> Bounds:
        most = max(self.most, 0)
        if kind.name:
            return Bounds(0, most, self.concurrency)
        least = 0 if self.closing else min(self.spec.min, most)
        return Bounds(least, most, self.concurrency, 0 if self.closing else self.spec.buffer)
