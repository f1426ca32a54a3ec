"""Calls that wait for calls: a deadlock is found when there is one, and never otherwise."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from yonder.core.waiting import Waiting


def nested(most: int, concurrency: int = 1, pool: str = "p") -> Waiting:
    """A pool whose every place is held by a call (p.1, p.2 …)."""
    waiting = Waiting()
    waiting.sized(pool, most, concurrency)
    for n in range(1, most * concurrency + 1):
        waiting.queued(f"{pool}.{n}", pool)
        waiting.running(f"{pool}.{n}")
    return waiting


def test_all_places_held_by_calls_that_wait_for_queued_ones_is_a_deadlock_of_the_newest() -> None:
    waiting = nested(2)
    for n, outer in ((3, 1), (4, 2)):
        waiting.queued(f"p.{n}", "p")
        assert waiting.deadlock("p") is None
        waiting.waits(f"p.{outer}", [f"p.{n}"])
    found = waiting.deadlock("p")
    assert found is not None
    assert found.refuse == ["p.4"]
    assert found.sentence == (
        "pool 'p' (max 2): p.2 waits for p.4, which waits for a free executor; all 2 are held by calls that wait like it. "
        "Raise max, or let the inner calls go to a pool of their own"
    )


def test_after_the_refusal_the_rest_goes_on() -> None:
    waiting = nested(2)
    for n, outer in ((3, 1), (4, 2)):
        waiting.queued(f"p.{n}", "p")
        waiting.waits(f"p.{outer}", [f"p.{n}"])
    waiting.over("p.4")
    assert waiting.deadlock("p") is None


def test_one_that_computes_is_enough() -> None:
    waiting = nested(2)
    waiting.queued("p.3", "p")
    waiting.waits("p.1", ["p.3"])
    assert waiting.deadlock("p") is None
    waiting.waits("p.2", ["p.3"])
    assert waiting.deadlock("p") is not None
    waiting.waits("p.2", [])
    assert waiting.deadlock("p") is None


def test_one_awaited_call_that_runs_is_enough() -> None:
    waiting = nested(1)
    waiting.queued("p.2", "p")
    waiting.queued("q.1", "q")
    waiting.waits("p.1", ["p.2", "q.1"])
    assert waiting.deadlock("p") is None
    waiting.over("q.1")
    assert waiting.deadlock("p") is None  # its end is on the way to the waiter
    waiting.waits("p.1", ["p.2"])
    assert waiting.deadlock("p") is not None


def test_the_way_may_lead_through_calls_of_another_pool() -> None:
    waiting = nested(1)
    waiting.sized("q", 4)
    waiting.queued("q.1", "q")
    waiting.waits("p.1", ["q.1"])
    assert waiting.deadlock("p") is None
    waiting.running("q.1")
    waiting.queued("p.2", "p")
    assert waiting.deadlock("p") is None
    waiting.waits("q.1", ["p.2"])
    found = waiting.deadlock("p")
    assert found is not None
    assert found.refuse == ["p.2"]
    assert "p.1 waits for q.1, which waits for p.2, which waits for a free executor;" in found.sentence


def test_two_pools_may_wait_for_places_of_each_other() -> None:
    waiting = nested(1)
    waiting.sized("q", 1)
    waiting.queued("q.1", "q")
    waiting.running("q.1")
    waiting.queued("p.2", "p")
    waiting.queued("q.2", "q")
    waiting.waits("p.1", ["q.2"])
    assert waiting.deadlock("p") is None
    waiting.waits("q.1", ["p.2"])
    found = waiting.deadlock("q")
    assert found is not None
    assert found.refuse == ["p.2"]
    assert "a free executor of pool 'p'" in found.sentence


def test_a_larger_pool_ends_the_deadlock() -> None:
    waiting = nested(1, concurrency=2)
    for n, outer in ((3, 1), (4, 2)):
        waiting.queued(f"p.{n}", "p")
        waiting.waits(f"p.{outer}", [f"p.{n}"])
    found = waiting.deadlock("p")
    assert found is not None
    assert "all 1 x 2 are held" in found.sentence
    waiting.sized("p", 2, 2)
    assert waiting.deadlock("p") is None


def test_what_is_over_is_forgotten() -> None:
    waiting = nested(3)
    for n in range(1, 4):
        waiting.over(f"p.{n}")
    waiting.over("p.9")
    waiting.running("p.9")
    waiting.waits("p.9", ["p.1"])
    assert len(waiting) == 0
    assert waiting.deadlock("p") is None
    waiting.queued("p.4", "p")
    waiting.closed("p")
    assert len(waiting) == 0


POOLS = ["p", "q", "r"]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Waiting, dict[str, tuple[str, bool, list[str]]], dict[str, int]]:
    """Pools with sizes, calls running as far as there are places, and who waits for whom."""
    waiting = Waiting()
    sizes = {pool: draw(st.integers(1, 3)) for pool in POOLS}
    for pool, size in sizes.items():
        waiting.sized(pool, size)
    calls: dict[str, tuple[str, bool, list[str]]] = {}
    held = dict.fromkeys(POOLS, 0)
    ids = [f"c{n}" for n in range(draw(st.integers(1, 12)))]
    for id_ in ids:
        pool = draw(st.sampled_from(POOLS))
        running = held[pool] < sizes[pool]  # a pool serves whoever it can
        held[pool] += running
        others = draw(st.lists(st.sampled_from(ids), max_size=3, unique=True)) if running else []
        calls[id_] = (pool, running, [other for other in others if other != id_])
        waiting.queued(id_, pool)
        if running:
            waiting.running(id_)
    for id_, (_, running, others) in calls.items():
        if running and others:
            waiting.waits(id_, others)
    return waiting, calls, sizes


def can_end(calls: dict[str, tuple[str, bool, list[str]]], sizes: dict[str, int]) -> set[str]:
    """Play it to the end by the plainest means: who is over, when everybody who can end does."""
    over: set[str] = set()
    running = {id_ for id_, (_, runs, _) in calls.items() if runs}
    while True:
        ending = {id_ for id_ in running if not calls[id_][2] or any(other in over for other in calls[id_][2])}
        if not ending:
            return over
        running -= ending
        over |= ending
        for id_, (pool, _, _) in calls.items():
            held = sum(1 for one in running if calls[one][0] == pool)
            if id_ not in over and id_ not in running and held < sizes[pool]:
                running.add(id_)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_what_is_reported_can_never_end_and_what_can_never_end_is_reported(
    world: tuple[Waiting, dict[str, tuple[str, bool, list[str]]], dict[str, int]],
) -> None:
    waiting, calls, sizes = world
    over = can_end(calls, sizes)
    for pool in POOLS:
        holders = [id_ for id_, (its, running, _) in calls.items() if its == pool and running]
        found = waiting.deadlock(pool)
        dead = len(holders) >= sizes[pool] and not any(id_ in over for id_ in holders)
        if found is not None:
            assert dead
            assert found.refuse
            assert all(not calls[id_][1] and id_ not in over for id_ in found.refuse)
        elif dead:
            newest = max(holders, key=lambda id_: list(calls).index(id_))
            assert not queued_behind(calls, newest)


def queued_behind(calls: dict[str, tuple[str, bool, list[str]]], waiter: str) -> set[str]:
    """Queued calls that the waiter's waiting leads to, by way of running ones."""
    found, seen, todo = set(), set(), [waiter]
    while todo:
        id_ = todo.pop()
        if id_ in seen:
            continue
        seen.add(id_)
        if calls[id_][1]:
            todo += calls[id_][2]
        else:
            found.add(id_)
    return found


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(worlds(), st.integers(0, 20))
def test_nothing_is_reported_while_a_holder_computes(
    world: tuple[Waiting, dict[str, tuple[str, bool, list[str]]], dict[str, int]], pick: int
) -> None:
    waiting, calls, _ = world
    running = [id_ for id_, (_, runs, _) in calls.items() if runs]
    assume(running)
    one = running[pick % len(running)]
    waiting.waits(one, [])
    assert waiting.deadlock(calls[one][0]) is None
