"""A pool's executors: their states, their free workers, and which one takes the next call.

Every operation costs the same with one executor or ten thousand. What this file must not know: queues, deadlines,
how many executors there should be.

    booting ──▶ ready ──▶ draining ──▶ ending ──▶ (gone)
       └──────────┴───────────────────────▲
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

State = Literal["booting", "ready", "draining", "ending"]
# booting: asked for. ready: takes calls. draining: takes none, still holds some. ending: told to go, holds none.


@dataclass(slots=True)
class Executor:
    """One executor. `since` is when it entered its state, `calls` maps what it runs to the worker that runs it."""

    id: str
    since: float
    state: State = "booting"
    free: list[str] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    worked: bool = False


class Roster:
    """All executors that may still exist."""

    def __init__(self) -> None:
        self._all: dict[str, Executor] = {}
        self._counts: dict[State, int] = {"booting": 0, "ready": 0, "draining": 0, "ending": 0}
        # Ready executors with a free worker, by how many calls they hold; within one load the last used comes last.
        self._open: dict[int, OrderedDict[str, Executor]] = {}
        self._booting: dict[str, Executor] = {}
        self._busy: OrderedDict[str, Executor] = OrderedDict()  # ready or draining, at least one call

    def __len__(self) -> int:
        return len(self._all)

    def get(self, executor: str) -> Executor | None:
        return self._all.get(executor)

    def count(self, state: State) -> int:
        return self._counts[state]

    @property
    def serving(self) -> int:
        """Executors that do or will take calls."""
        return self._counts["booting"] + self._counts["ready"]

    @property
    def busy(self) -> int:
        return len(self._busy)

    @property
    def idle(self) -> int:
        return len(self._open.get(0, ()))

    def idle_ones(self) -> list[Executor]:
        return list(self._open.get(0, {}).values())

    def booting_ones(self) -> list[Executor]:
        return list(self._booting.values())

    def ready_and_busy(self) -> list[Executor]:
        return [one for one in self._busy.values() if one.state == "ready"]

    def add(self, executor: str, at: float) -> Executor:
        one = Executor(executor, at)
        self._all[executor] = self._booting[executor] = one
        self._counts["booting"] += 1
        return one

    def ready(self, one: Executor, at: float, workers: tuple[str, ...]) -> None:
        one.free = list(reversed(workers))
        self._enter(one, "ready", at)
        self._file(one)

    def drain(self, one: Executor, at: float) -> None:
        """It takes no more calls; it goes when the last one is over."""
        self._unfile(one)
        self._enter(one, "draining", at)

    def ending(self, one: Executor, at: float) -> None:
        """It was told to go."""
        self._unfile(one)
        self._enter(one, "ending", at)

    def remove(self, one: Executor) -> None:
        self._unfile(one)
        self._busy.pop(one.id, None)
        self._booting.pop(one.id, None)
        self._counts[one.state] -= 1
        del self._all[one.id]

    def fullest_open(self) -> Executor | None:
        """Who takes the next call: the fullest with room, so that the others may become idle and shrink; among equals
        the one that worked last."""
        load = max((load for load, ones in self._open.items() if ones), default=None)
        return None if load is None else next(reversed(self._open[load].values()))

    def take(self, one: Executor, call: str) -> str:
        """Give it the call; the answer is the worker."""
        self._unfile(one)
        worker = one.calls[call] = one.free.pop()
        one.worked = True
        self._busy[one.id] = one
        self._file(one)
        return worker

    def release(self, one: Executor, call: str, at: float) -> None:
        """The call is over and its worker free."""
        self._unfile(one)
        one.free.append(one.calls.pop(call))
        if not one.calls:
            self._busy.pop(one.id)
            one.since = at
        self._file(one)

    def _enter(self, one: Executor, state: State, at: float) -> None:
        self._booting.pop(one.id, None)
        self._counts[one.state] -= 1
        self._counts[state] += 1
        one.state, one.since = state, at

    def _file(self, one: Executor) -> None:
        if one.state == "ready" and one.free:
            self._open.setdefault(len(one.calls), OrderedDict())[one.id] = one

    def _unfile(self, one: Executor) -> None:
        if one.state == "ready" and one.free:
            del self._open[len(one.calls)][one.id]
