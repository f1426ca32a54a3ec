"""A world of virtual time around the pure pool: machines that boot slowly or not at all and die, calls that come in
waves. The pool is the product's own; everything around it is a heap of things to come.

    wave ─▶ Submitted ─▶ pool ─▶ Boot, Assign, Renew, Terminate … ─▶ heap ─▶ Booted, CallOver, ExecutorGone … ─▶ pool

What it promises to find: a call that is lost, that runs in two places, that ends twice or never.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from yonder.core import events
from yonder.core.pool import Pool
from yonder.wire import PoolSpec


class SimulationError(AssertionError):
    """The pool broke its word."""


@dataclass(frozen=True)
class World:
    """What it is like out there. Times are seconds, chances are per boot or per call, `lifetime` is an executor's mean
    time until its machine dies (infinite: never). `waves` are moments and how many calls come then."""

    spec: PoolSpec
    waves: tuple[tuple[float, int], ...]
    call: float = 1.0
    boot: float = 5.0
    slow: float = 0.0
    broken: float = 0.0
    lifetime: float = math.inf
    worker_dies: float = 0.0
    retries: int = 0
    tenants: int = 1
    seed: int = 1


@dataclass
class Outcome:
    """What became of it. `ends` counts outcomes ("result" among them), `core` is the time the pool took, in seconds of
    the wall; `drained` the virtual moment of the last end, `left` what exists when all is closed."""

    ends: Counter[str] = field(default_factory=Counter)
    events: int = 0
    core: float = 0.0
    drained: float = 0.0
    boots: int = 0
    peak: int = 0
    left: int = 0

    @property
    def us_per_event(self) -> float:
        return self.core / max(self.events, 1) * 1e6


class Simulation:
    """One run of one world, from the first wave to the last executor's end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pool = Pool(world.spec, prefix="x", jitter=random.Random(world.seed).random)
        self.outcome = Outcome()
        self._chance = random.Random(world.seed)
        self._heap: list[tuple[float, int, events.Event | int]] = []
        self._order = itertools.count()
        self._places: dict[str, str] = {}  # call -> worker that runs it
        self._runs_on: dict[str, str] = {}  # worker -> call
        self._alive: dict[str, set[str]] = {}  # executor -> its workers
        self._ended: set[str] = set()
        self._assigned: Counter[str] = Counter()
        self._dropped: set[str] = set()
        self._names = itertools.count()  # of calls
        self._processes = itertools.count()  # of workers
        for at, count in world.waves:
            heapq.heappush(self._heap, (at, next(self._order), count))

    def run(self) -> Outcome:
        """Play until every call has ended, close the pool, and wait until nothing exists."""
        total = sum(count for _, count in self.world.waves)
        now = 0.0
        while len(self._ended) < total:
            now = self._next(now)
        self.outcome.drained = now
        self._tell(events.CloseAsked(now, cancel=False))
        while not self.pool.closed:
            now = self._next(now)
        self.outcome.left = len(self._alive)
        return self.outcome

    def _next(self, now: float) -> float:
        """The next thing that happens; the answer is when it did."""
        wake = self.pool.next_wake
        if not self._heap and wake is None:
            raise SimulationError(f"at {now} nothing will ever happen again, {self.pool.queued} calls wait")
        if wake is not None and (not self._heap or wake < self._heap[0][0]):
            now = max(now, wake)
            self._tell(events.Tick(now))
            return now
        now, _, what = heapq.heappop(self._heap)
        if isinstance(what, int):
            self._wave(now, what)
        else:
            self._happens(what)
        return now

    def _wave(self, now: float, count: int) -> None:
        for _ in range(count):
            n = next(self._names)
            tenant = f"t{n % self.world.tenants}"
            self._tell(events.Submitted(now, f"c{n}", tenant=tenant, retries=self.world.retries))

    def _happens(self, event: events.Event) -> None:
        """Things that were to come may have become impossible meanwhile."""
        match event:
            case events.CallOver(call=call):
                if call not in self._places:
                    return
                del self._runs_on[self._places.pop(call)]
                if call not in self._dropped:
                    self._end(call, "result")
            case events.Booted(executor=executor, workers=workers):
                if executor not in self._alive:
                    return
                self._alive[executor] = set(workers)
                if self.world.lifetime < math.inf:
                    death = event.at + self._chance.expovariate(1 / self.world.lifetime)
                    self._later(death, events.ExecutorGone(death, executor, "the machine died"))
            case events.BootBroke(executor=executor) | events.ExecutorGone(executor=executor):
                if executor not in self._alive:
                    return
                self._clear(self._alive.pop(executor))
            case events.WorkerGone(executor=executor, worker=worker):
                if worker not in self._alive.get(executor, ()):
                    return
                self._clear({worker})
            case events.WorkerRenewed(executor=executor, old=old, worker=worker):
                if executor not in self._alive:
                    return
                self._alive[executor] = self._alive[executor] - {old} | {worker}
            case _:
                raise SimulationError(f"{event} does not happen by itself")
        self._tell(event)

    def _clear(self, workers: set[str]) -> None:
        """Whatever ran there is over without an end."""
        for worker in workers:
            call = self._runs_on.pop(worker, None)
            if call is not None:
                del self._places[call]

    def _tell(self, event: events.Event) -> None:
        begun = time.perf_counter()
        commands = self.pool.step(event)
        self.outcome.core += time.perf_counter() - begun
        self.outcome.events += 1
        for command in commands:
            self._carry_out(event.at, command)

    def _carry_out(self, now: float, command: events.Command) -> None:
        match command:
            case events.Assign():
                self._runs(now, command)
            case events.Boot(executor=executor):
                self._boots(now, executor)
            case events.Terminate(executor=executor):
                self._later(now + 0.5, events.ExecutorGone(now + 0.5, executor, "as asked"))
            case events.Renew(executor=executor, worker=worker):
                renewed = events.WorkerRenewed(now + 0.05, executor, worker, f"{executor}.{next(self._processes)}")
                self._later(now + 0.05, renewed)
            case events.Drop(call=call, outcome=outcome):
                self._dropped.add(call)
                self._end(call, outcome)
            case events.StopCall(call=call):
                self._later(now + 0.1, events.CallOver(now + 0.1, call))
            case events.Retry() | events.Closed():
                pass

    def _runs(self, now: float, assign: events.Assign) -> None:
        call, worker = assign.call, assign.worker
        self._assigned[call] += 1
        if call in self._places or call in self._ended:
            raise SimulationError(f"{call} runs a second time")
        if self._assigned[call] != assign.attempt or assign.attempt > self.world.retries + 1:
            raise SimulationError(f"{call} counts attempt {assign.attempt} and has run {self._assigned[call]} times")
        if worker not in self._alive.get(assign.executor, ()):
            raise SimulationError(f"{call} goes to {worker}, which does not exist")
        if worker in self._runs_on:
            raise SimulationError(f"{worker} gets {call} beside {self._runs_on[worker]}")
        self._places[call], self._runs_on[worker] = worker, call
        if self.world.worker_dies and self._chance.random() < self.world.worker_dies:
            at = now + self.world.call * self._chance.random()
            self._later(at, events.WorkerGone(at, assign.executor, worker, "killed"))
        else:
            at = now + self.world.call * (0.5 + self._chance.random())
            self._later(at, events.CallOver(at, call))

    def _boots(self, now: float, executor: str) -> None:
        self._alive[executor] = set()
        self.outcome.boots += 1
        self.outcome.peak = max(self.outcome.peak, len(self._alive))
        if len(self._alive) > self.world.spec.max:
            raise SimulationError(f"{len(self._alive)} executors, max is {self.world.spec.max}")
        at = now + self.world.boot * (0.5 + self._chance.random())
        if self._chance.random() < self.world.broken:
            self._later(at, events.BootBroke(at, executor, "no such image"))
            return
        if self._chance.random() < self.world.slow:
            at += self.world.spec.boot_timeout
        workers = tuple(f"{executor}.{next(self._processes)}" for _ in range(self.world.spec.concurrency))
        self._later(at, events.Booted(at, executor, workers))

    def _later(self, at: float, event: events.Event) -> None:
        heapq.heappush(self._heap, (at, next(self._order), event))

    def _end(self, call: str, outcome: str) -> None:
        if call in self._ended:
            raise SimulationError(f"{call} ends twice")
        self._ended.add(call)
        self.outcome.ends[outcome] += 1
