"""Who waits for whom among an owner's calls, and when nobody can go on any more.

    a running call   goes on  if it waits for nobody, or somebody it waits for goes on or is over
    a queued call    goes on  if its pool does
    a pool           goes on  if it has a place left, or a call that holds one goes on

Whatever does not go on by these three lines never will. A call that waits for several may be content with the first of
them, so it counts as stuck only when none of them goes on. What this file must not know: executors, time, why they wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec


class Deadlock(msgspec.Struct, frozen=True):
    """`refuse` are queued calls that must not wait any longer, `sentence` says why."""

    refuse: list[str]
    sentence: str


class _Call(msgspec.Struct, eq=False):
    """A call that is not over. `waits` are those it waits for, and `turn` counts who began to wait when."""

    id: str
    pool: str
    running: bool = False
    waits: tuple[str, ...] = ()
    turn: int = 0


class _Pool(msgspec.Struct, eq=False):
    most: int = 0
    concurrency: int = 1
    known: bool = False
    holders: dict[str, _Call] = msgspec.field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.known and len(self.holders) >= self.most * self.concurrency


class Waiting:
    """All calls of one owner that are not over, in all its pools."""

    __slots__ = ("_calls", "_pools", "_turn")

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._pools: defaultdict[str, _Pool] = defaultdict(_Pool)
        self._turn = 0

    def __len__(self) -> int:
        return len(self._calls)

    # ── what happens ──

    def sized(self, pool: str, most: int, concurrency: int = 1) -> None:
        """The pool may have `most` executors, with `concurrency` calls on each. One that was never sized has no end."""
        size = self._pools[pool]
        size.most, size.concurrency, size.known = most, max(concurrency, 1), True

    def closed(self, pool: str) -> None:
        """The pool is no more; its calls are over."""
        self._pools.pop(pool, None)
        self._calls = {id_: call for id_, call in self._calls.items() if call.pool != pool}

    def queued(self, call: str, pool: str) -> None:
        """The call waits for a place in the pool, for the first time or again."""
        self.over(call)
        self._calls[call] = _Call(call, pool)

    def running(self, call: str) -> None:
        """The call has its place, and keeps it until it is over."""
        found = self._calls.get(call)
        if found is not None:
            found.running = True
            self._pools[found.pool].holders[call] = found

    def waits(self, call: str, others: Iterable[str]) -> None:
        """The running call does nothing but wait for these; none: it goes on."""
        found = self._calls.get(call)
        if found is not None:
            self._turn += 1
            found.waits, found.turn = tuple(others), self._turn

    def over(self, call: str) -> None:
        """The call has ended, or nobody waits for it any more and its place is about to be free."""
        found = self._calls.pop(call, None)
        if found is not None and found.running:
            self._pools[found.pool].holders.pop(call, None)

    # ── what follows ──

    def deadlock(self, pool: str) -> Deadlock | None:
        """None while any call that holds a place of `pool` may go on, or a place is left. Else the calls to refuse: those
        that the newest of the waiters waits for and that wait for a place themselves."""
        size = self._pools.get(pool)
        if size is None or not size.full or not size.holders:
            return None
        if not all(call.waits for call in size.holders.values()):
            return None
        stuck = self._stuck(pool)
        if not all(id_ in stuck for id_ in size.holders):
            return None
        newest = max(size.holders.values(), key=lambda call: call.turn)
        chain, refuse = self._chain(newest)
        if not refuse:
            return None  # calls that wait for each other in a ring: no refusal would free a place
        return Deadlock(refuse, self._sentence(pool, size, chain))

    def _stuck(self, pool: str) -> set[str]:
        """Of the calls that the holders' waiting leads to: those that will never go on."""
        calls: set[str] = set()
        pools: set[str] = set()
        waiters: defaultdict[str, list[str]] = defaultdict(list)  # call -> running calls that wait for it
        moving: list[str] = []  # calls and (with a slash before the name) pools that go on, to be followed
        todo = [("/", pool)]
        while todo:
            what, name = todo.pop()
            if what == "/":
                if name not in pools:
                    pools.add(name)
                    todo += [("", id_) for id_ in self._pools[name].holders]
                    if not self._pools[name].full:
                        moving.append("/" + name)
                continue
            call = self._calls.get(name)
            if name in calls:
                continue
            calls.add(name)
            if call is None or (call.running and not call.waits):
                moving.append(name)
            elif call.running:
                for other in call.waits:
                    waiters[other].append(name)
                    todo.append(("", other))
            else:
                todo.append(("/", call.pool))
        return calls - self._moved(moving, calls, waiters)

    def _moved(self, moving: list[str], calls: set[str], waiters: dict[str, list[str]]) -> set[str]:
        """All that go on because those in `moving` do."""
        queued: defaultdict[str, list[str]] = defaultdict(list)
        for id_ in calls:
            call = self._calls.get(id_)
            if call is not None and not call.running:
                queued["/" + call.pool].append(id_)
        seen: set[str] = set()
        while moving:
            name = moving.pop()
            if name in seen:
                continue
            seen.add(name)
            moving += queued.get(name, ()) if name.startswith("/") else waiters.get(name, ())
            call = self._calls.get(name)
            if call is not None and call.running:
                moving.append("/" + call.pool)
        return seen

    def _chain(self, waiter: _Call) -> tuple[list[str], list[str]]:
        """From the waiter by way of running calls to those that are queued: the first way in names, and all of those."""
        refuse: list[str] = []
        first: list[str] = []
        seen: set[str] = set()
        todo = [(waiter, [waiter.id])]
        while todo:
            call, way = todo.pop(0)
            for id_ in call.waits:
                other = self._calls.get(id_)
                if other is None or id_ in seen:
                    continue
                seen.add(id_)
                if other.running:
                    todo.append((other, [*way, id_]))
                else:
                    refuse.append(id_)
                    first = first or [*way, id_]
        return first, refuse

    def _sentence(self, pool: str, size: _Pool, chain: list[str]) -> str:
        way = f"{chain[0]} waits for " + ", which waits for ".join(chain[1:])
        places = f"{size.most}" if size.concurrency == 1 else f"{size.most} x {size.concurrency}"
        scarce = self._calls[chain[-1]].pool
        elsewhere = "" if scarce == pool else f" of pool {scarce!r}"
        return (
            f"pool {pool!r} (max {size.most}): {way}, which waits for a free executor{elsewhere}; all {places} are held "
            "by calls that wait like it. Raise max, or let the inner calls go to a pool of their own"
        )
