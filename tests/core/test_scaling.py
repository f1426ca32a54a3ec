"""How many executors, and why; alarms and back-off, on which the pool's time rests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder.core.alarms import Alarms
from yonder.core.backoff import Backoff
from yonder.core.scaling import STRATEGIES, Bounds, Demand

COUNT = st.integers(0, 200)


@pytest.mark.parametrize(
    ("demand", "bounds", "count", "why"),
    [
        (Demand(0, 0, 0, 0), Bounds(0, 8, 1), 0, "no executors: nothing runs or waits"),
        (Demand(1, 0, 0, 0), Bounds(0, 8, 1), 1, "1 executor, 1 of them starting: 1 call waiting"),
        (
            Demand(9, 2, 2, 1),
            Bounds(0, 8, 1),
            8,
            "8 executors, the most allowed (max = 8): 2 calls running, 9 calls waiting",
        ),
        (Demand(0, 0, 2, 0), Bounds(2, 8, 1), 2, "2 executors, 2 always kept (min = 2): nothing runs or waits"),
        (
            Demand(0, 0, 2, 0),
            Bounds(0, 8, 1),
            0,
            "2 executors, kept until the idle time is over: nothing runs or waits",
        ),
        (Demand(0, 3, 3, 0, 3), Bounds(0, 8, 1), 3, "3 executors: 3 calls running"),
        (Demand(5, 4, 1, 1), Bounds(0, 8, 4), 3, "3 executors, 2 of them starting: 4 calls running, 5 calls waiting"),
        (Demand(2, 0, 0, 0), Bounds(0, 0, 1), 0, "no executors, the most allowed (max = 0): 2 calls waiting"),
        (
            Demand(0, 1, 1, 0, 1),
            Bounds(0, 8, 1, 2),
            3,
            "3 executors, 2 of them starting, 2 spare while there is work (buffer = 2): 1 call running",
        ),
        (Demand(0, 1, 5, 0, 5), Bounds(0, 3, 1), 3, "3 executors, the most allowed (max = 3): 1 call running"),
    ],
)
def test_wanted_says_how_many_and_why(demand: Demand, bounds: Bounds, count: int, why: str) -> None:
    pack = STRATEGIES["pack"]
    assert (pack.count(demand, bounds), pack.why(demand, bounds)) == (count, why)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.integers(0, 50), st.integers(0, 50), st.integers(1, 9), st.integers(0, 3))
def test_the_count_keeps_its_bounds_and_covers_the_queue_and_the_buffer(
    waiting: int, running: int, ready: int, busy: int, booting: int, a: int, b: int, concurrency: int, buffer: int
) -> None:
    least, most = sorted((a, b))
    demand = Demand(waiting, running, ready, booting, min(busy, ready))
    count = STRATEGIES["pack"].count(demand, Bounds(least, most, concurrency, buffer))
    spare = buffer if waiting or running else 0
    assert min(least, most) <= count <= most
    if waiting:
        assert count == most or (count - ready - spare) * concurrency >= waiting
    else:
        assert count == most or count >= min(busy, ready) + spare


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 50)), max_size=300))
def test_alarms_are_what_a_plain_dictionary_would_be(moves: list[tuple[str, int | None]]) -> None:
    alarms = Alarms()
    plain: dict[str, float] = {}
    for key, at in moves:
        if at is None:
            alarms.clear(key)
            plain.pop(key, None)
        else:
            alarms.set(key, at)
            plain[key] = at
        assert alarms.next == min(plain.values(), default=None)
        assert len(alarms) == len(plain)
    due = alarms.due(25)
    assert sorted(due) == sorted(key for key, at in plain.items() if at <= 25)
    assert [plain[key] for key in due] == sorted(plain[key] for key in due)
    assert alarms.due(25) == []


def test_alarms_do_not_grow_with_what_was_replaced() -> None:
    alarms = Alarms()
    for n in range(10_000):
        alarms.set("same", n)
        alarms.set(f"{n}", 1e9)
        alarms.clear(f"{n}")
    assert len(alarms._heap) < 200


def test_back_off_doubles_up_to_thirty_seconds_and_forgets_on_success() -> None:
    backoff = Backoff()
    pauses = []
    for n in range(7):
        at = n * 100.0
        backoff.failed(at, begun=at - 1, sentence="no")
        assert backoff.not_before is not None
        pauses.append(backoff.not_before - at)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.spent
    backoff.worked()
    assert not backoff.spent
    assert not backoff.blocks(0)


def test_failures_of_one_batch_count_once() -> None:
    backoff = Backoff()
    for _ in range(64):
        backoff.failed(5.0, begun=1.0, sentence="no")
    assert backoff.failures == 1
    backoff.failed(7.0, begun=6.0, sentence="no")
    assert backoff.failures == 2


def test_a_final_failure_is_enough_and_the_next_try_is_far() -> None:
    backoff = Backoff()
    backoff.failed(5.0, begun=1.0, sentence="another Python", final=True)
    assert backoff.spent
    assert backoff.final
    assert backoff.not_before == 35.0
    backoff.worked()
    assert not backoff.final
