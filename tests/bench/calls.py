"""Group `calls`: what calling a function that does nothing costs, beside every other way there is to do it.

Each contestant has a program of its own and two workers. Ours, the standard library's and loky run in turns, round after
round, so that a slow moment of the machine meets all of them; Dask, Ray and ipyparallel, whose idle servers would disturb
the others, stand alone between those rounds. A bare socket pair to a child is the floor.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.bench.contestant import Contestant, Unable
from tests.bench.figures import BenchError, Figure, median, quantile

OURS, FLOOR = "yonder", "bare socket pair"
IN_TURNS = (OURS, "ProcessPoolExecutor", "loky")
ALONE = ("Dask", "Ray", "ipyparallel")
MAPPED = 100_000


@dataclass(frozen=True)
class Plan:
    """How often what is measured. `alone` are the counts of those that are ten times slower."""

    rounds: int
    turns: Mapping[str, int]
    alone: Mapping[str, int]
    mapped: int
    mapped_alone: int


FULL = Plan(
    rounds=2,
    turns={"latency": 500, "rate": 2000, "threads": 1200, "async": 2000, "stream": 3000},
    alone={"latency": 150, "rate": 300, "threads": 240, "async": 500, "stream": 500},
    mapped=MAPPED,
    mapped_alone=500,
)
QUICK = Plan(
    rounds=1,
    turns={"latency": 200, "rate": 500, "threads": 400, "async": 500, "stream": 500},
    alone={"latency": 50, "rate": 100, "threads": 80, "async": 100, "stream": 100},
    mapped=MAPPED // 10,
    mapped_alone=500,
)


@dataclass
class Board:
    """What was measured, by what and by whom; who cannot is said once, and the others go on."""

    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def ask(self, contestant: Contestant, what: str, count: int, scale: float = 1.0) -> None:
        try:
            values = contestant.ask(what, count)
        except Unable as error:
            self.unable(error)
        else:
            mine = self.found.setdefault(what, {}).setdefault(contestant.name, [])
            mine += [value * scale for value in values]

    def unable(self, error: Unable) -> None:
        if str(error) not in self.said:
            self.said.add(str(error))
            print(f"  not measured: {error}", file=sys.stderr, flush=True)

    def figure(self, name: str, what: str, unit: str, share: float = 0.5) -> Figure:
        """Raises BenchError when we ourselves were not measured."""
        values = {who: quantile(measured, share) for who, measured in self.found.get(what, {}).items()}
        if OURS not in values:
            raise BenchError(f"{name}: Yonder itself was not measured")
        return Figure(name, values.pop(OURS), unit, values)


def measure(quick: bool) -> Iterator[Figure]:
    """The figures of calls, maps and streams, and what an idle worker weighs."""
    plan, board = QUICK if quick else FULL, Board()
    with contextlib.ExitStack() as stack:
        turns = [one for name in (*IN_TURNS, FLOOR) if (one := entered(stack, name, board))]
        for name in ALONE:
            _rounds(turns, plan, board)
            _alone(name, plan, board)
        _rounds(turns, plan, board)
        _maps(turns, plan, board)
        for one in turns[: len(IN_TURNS)]:
            board.ask(one, "memory", 0)
    floor = board.found.get("latency", {}).get(FLOOR, [])
    yield board.figure("call_p50_ms", "latency", "ms")
    yield board.figure("call_p99_ms", "latency", "ms", 0.99)
    if floor:
        yield Figure("socket_round_trip_ms", median(floor), "ms")
    yield board.figure("call_throughput_per_s", "rate", "1/s")
    yield board.figure("call_many_callers_per_s", "threads", "1/s")
    yield board.figure("call_async_per_s", "async", "1/s")
    yield board.figure("map_100k_s", "map", "s")
    if OURS in board.found.get("stream", {}):
        yield board.figure("stream_values_per_s", "stream", "1/s")
    if OURS in board.found.get("memory", {}):
        yield board.figure("worker_idle_mb", "memory", "MB")


def entered(stack: contextlib.ExitStack, name: str, board: Board, workers: int = 2) -> Contestant | None:
    """A contestant for as long as the stack is open; None, and a word of why, where it cannot."""
    try:
        return stack.enter_context(Contestant(name, workers))
    except Unable as error:
        board.unable(error)
        return None


def _rounds(turns: list[Contestant], plan: Plan, board: Board) -> None:
    for _ in range(plan.rounds):
        for what, count in plan.turns.items():
            for one in turns:
                if one.name != FLOOR or what == "latency":
                    board.ask(one, what, count)


def _alone(name: str, plan: Plan, board: Board) -> None:
    with contextlib.ExitStack() as stack:
        one = entered(stack, name, board)
        if one is None:
            return
        for what, count in plan.alone.items():
            for _ in range(plan.rounds):
                board.ask(one, what, count)
        board.ask(one, "map", plan.mapped_alone, MAPPED / plan.mapped_alone)
        board.ask(one, "memory", 0)


def _maps(turns: list[Contestant], plan: Plan, board: Board) -> None:
    """The whole map for us and the standard library, plain and in chunks; a part, scaled, for those of the same speed."""
    for one in turns:
        if one.name in (OURS, "ProcessPoolExecutor"):
            board.ask(one, "map", plan.mapped, MAPPED / plan.mapped)
        elif one.name != FLOOR:
            board.ask(one, "map", plan.mapped // 10, 10 * MAPPED / plan.mapped)
    with contextlib.ExitStack() as stack:
        if chunks := entered(stack, "ProcessPoolExecutor, chunksize=500", board):
            board.ask(chunks, "map", plan.mapped, MAPPED / plan.mapped)
