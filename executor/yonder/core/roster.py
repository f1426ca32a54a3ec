"""A pool's executors: their states, their kinds, their free workers, and which one takes the next call.

Every operation on one executor costs the same with one executor or ten thousand. What this file must not know: queues,
deadlines, how many executors there should be.

    booting ──▶ ready ──▶ draining ──▶ ending ──▶ (gone)
       └──────────┴───────────────────────▲
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

import msgspec

State = Literal["booting", "ready", "draining", "ending"]
# booting: asked for. ready: takes calls. draining: takes none, still holds some. ending: told to go, its calls are over
# for those who wait for them.


class Executor(msgspec.Struct, eq=False):
    """One executor.

    `born` is when it was asked for, `since` when it entered its state or became idle. `calls` maps what it runs to the
    worker that runs it, `free` are workers that wait, `renewing` those whose place is being filled again. `unproven`
    workers have never held a call, those in `kept` keep objects for others, `deaths` counts how many such died in a row. `reason` is why it drains,
    `held` what its boot waits for that others have, `progress` how far its boot is.
    """

    id: str
    kind: str
    stand: Stand
    born: float
    since: float
    state: State = "booting"
    free: list[str] = msgspec.field(default_factory=list)
    calls: dict[str, str] = msgspec.field(default_factory=dict)
    renewing: set[str] = msgspec.field(default_factory=set)
    unproven: set[str] = msgspec.field(default_factory=set)
    kept: set[str] = msgspec.field(default_factory=set)
    deaths: int = 0
    worked: bool = False
    reason: str = ""
    held: str = ""
    progress: str = ""
    shelf: OrderedDict[str, Executor] | None = None


class Stand:
    """The executors of one kind (equal resources) that accept calls: those with room on shelves, by load."""

    __slots__ = ("booting", "exist", "held", "idle", "loaded", "ready", "renewing", "stale")

    def __init__(self) -> None:
        self.exist = 0  # in whatever state
        self.booting: dict[str, Executor] = {}
        self.held: dict[str, Executor] = {}  # of those booting: they wait for what others have
        self.ready = 0
        self.renewing = 0  # workers of ready executors that will be free again by themselves
        # Without calls, the longest idle first; stale are those among them whose idle time is over but who are needed.
        self.idle: OrderedDict[str, Executor] = OrderedDict()
        self.stale: OrderedDict[str, Executor] = OrderedDict()
        self.loaded: list[OrderedDict[str, Executor]] = []  # at n: those with room that hold n + 1 calls

    @property
    def serving(self) -> int:
        """Executors that do or will take calls."""
        return self.ready + len(self.booting)

    @property
    def busy(self) -> int:
        """Ready executors that are not idle."""
        return self.ready - len(self.idle) - len(self.stale)

    def fullest(self) -> Executor | None:
        """The fullest with room; among equals the one that worked last, so that the others may become idle and go."""
        for shelf in reversed(self.loaded):
            if shelf:
                return next(reversed(shelf.values()))
        shelf = self.idle or self.stale
        return next(reversed(shelf.values())) if shelf else None

    def emptiest(self) -> Executor | None:
        """The emptiest; among equals the one that worked longest ago."""
        for shelf in (self.stale, self.idle, *self.loaded):
            if shelf:
                return next(iter(shelf.values()))
        return None

    def open(self) -> bool:
        return bool(self.idle or self.stale) or any(self.loaded)

    def without_calls(self) -> list[Executor]:
        """The longest idle first."""
        return [*self.stale.values(), *self.idle.values()]


class Roster:
    """All executors that may still exist."""

    __slots__ = ("_all", "_stands", "_workers", "busy", "draining", "ending", "plain")

    def __init__(self) -> None:
        self._all: dict[str, Executor] = {}
        self.plain = Stand()  # of the pool's own kind
        self._stands: dict[str, Stand] = {"": self.plain}
        self.busy = 0  # with at least one call, in whatever state
        self.draining = 0
        self.ending = 0
        self._workers: dict[str, str] = {}  # whose worker it is, from Booted until its executor or its place is gone

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Executor]:
        return iter(list(self._all.values()))

    def get(self, executor: str) -> Executor | None:
        return self._all.get(executor)

    def of_worker(self, worker: str) -> Executor | None:
        """The executor whose worker it is."""
        return self._all.get(self._workers.get(worker, ""))

    def serves(self, one: Executor, worker: str) -> bool:
        """Is it a worker of that executor, and not one that is being replaced?"""
        return self._workers.get(worker) == one.id and worker not in one.renewing

    def stand(self, kind: str) -> Stand:
        """The stand of that kind, made when it is asked for the first time."""
        found = self._stands.get(kind)
        if found is None:
            found = self._stands[kind] = Stand()
        return found

    def close_stand(self, kind: str) -> None:
        """Nothing of that kind is here any more."""
        del self._stands[kind]

    @property
    def booting(self) -> int:
        return sum(len(stand.booting) for stand in self._stands.values())

    @property
    def ready(self) -> int:
        return sum(stand.ready for stand in self._stands.values())

    @property
    def leaving(self) -> int:
        """On their way out."""
        return self.draining + self.ending

    @property
    def serving(self) -> int:
        """Those that do or will take calls."""
        return len(self._all) - self.draining - self.ending

    @property
    def idle(self) -> int:
        return sum(len(stand.idle) + len(stand.stale) for stand in self._stands.values())

    # ── an executor's life ──

    def add(self, executor: str, kind: str, at: float) -> Executor:
        stand = self.stand(kind)
        one = Executor(executor, kind, stand, at, at)
        stand.exist += 1
        self._all[executor] = stand.booting[executor] = one
        return one

    def up(self, one: Executor, at: float, workers: tuple[str, ...]) -> None:
        """Its workers wait for calls."""
        self._quit(one)
        one.free = list(reversed(workers))
        one.unproven = set(workers)
        one.state, one.since = "ready", at
        self._workers.update(dict.fromkeys(workers, one.id))
        one.stand.ready += 1
        self._shelve(one)

    def hold(self, one: Executor, sentence: str) -> None:
        """Its boot waits, or ("") goes on."""
        one.held = sentence
        if sentence:
            one.stand.held[one.id] = one
        else:
            one.stand.held.pop(one.id, None)

    def drain(self, one: Executor, at: float, reason: str) -> None:
        """It takes no more calls; it goes when the last one is over."""
        self._quit(one)
        self.draining += 1
        one.state, one.since, one.reason = "draining", at, reason

    def end(self, one: Executor, at: float) -> None:
        """It was told to go."""
        self._quit(one)
        self.ending += 1
        one.state, one.since = "ending", at

    def remove(self, one: Executor) -> None:
        """It is no more."""
        self._quit(one)
        if one.calls:
            self.busy -= 1
        one.stand.exist -= 1
        for worker in [*one.free, *one.calls.values(), *one.renewing]:
            self._workers.pop(worker, None)
        del self._all[one.id]

    def _quit(self, one: Executor) -> None:
        """Out of what its present state put it into."""
        match one.state:
            case "booting":
                del one.stand.booting[one.id]
                if one.held:
                    self.hold(one, "")
            case "ready":
                stand = one.stand
                stand.ready -= 1
                stand.renewing -= len(one.renewing)
                self._unshelve(one)
            case "draining":
                self.draining -= 1
            case "ending":
                self.ending -= 1

    # ── its workers ──

    def take(self, one: Executor, call: str, worker: str = "") -> str:
        """Give it the call, on `worker` if it must be that one; the answer is the worker."""
        if not worker:
            worker = one.free.pop()
        else:
            one.free.remove(worker)
        if one.shelf is not None:
            del one.shelf[one.id]
            one.shelf = None
        if not one.calls:
            self.busy += 1
            one.worked = True
        one.calls[call] = worker
        if one.unproven and worker in one.unproven:
            one.unproven.discard(worker)
            one.deaths = 0
        if one.free:
            self._shelve(one)
        return worker

    def release(self, one: Executor, call: str, at: float, *, free: bool) -> str:
        """The call is over; the answer is the worker that held it, `free` says whether it takes another one."""
        worker = one.calls.pop(call)
        if one.shelf is not None:
            del one.shelf[one.id]
            one.shelf = None
        if free:
            one.free.append(worker)
        else:
            self._workers.pop(worker, None)
        if not one.calls:
            self.busy -= 1
            if one.state == "ready":
                one.since = at
        if one.state == "ready" and one.free:
            self._shelve(one)
        return worker

    def renewing(self, one: Executor, worker: str) -> None:
        """`worker`, which holds no call, is out until another takes its place."""
        if worker in one.free:
            one.free.remove(worker)
            if not one.free:
                self._unshelve(one)
        one.unproven.discard(worker)
        one.kept.discard(worker)
        one.renewing.add(worker)
        self._workers[worker] = one.id
        one.stand.renewing += 1

    def renewed(self, one: Executor, old: str, worker: str, at: float) -> None:
        """`worker` stands where `old` was."""
        one.renewing.discard(old)
        self._workers.pop(old, None)
        self._workers[worker] = one.id
        one.stand.renewing -= 1
        one.unproven.add(worker)
        one.free.append(worker)
        if one.shelf is None:
            if not one.calls:
                one.since = at
            self._shelve(one)

    def expire(self, one: Executor, stand: Stand) -> None:
        """Its idle time is over, but it may be needed."""
        self._unshelve(one)
        stand.stale[one.id] = one
        one.shelf = stand.stale

    def _shelve(self, one: Executor) -> None:
        """Among those with room: it is ready and has a free worker."""
        stand = one.stand
        load = len(one.calls)
        if load == 0:
            shelf = stand.idle
        else:
            while len(stand.loaded) < load:
                stand.loaded.append(OrderedDict())
            shelf = stand.loaded[load - 1]
        shelf[one.id] = one
        one.shelf = shelf

    def _unshelve(self, one: Executor) -> None:
        if one.shelf is not None:
            del one.shelf[one.id]
            one.shelf = None
