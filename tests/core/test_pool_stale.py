"""Workers that hold older code: they are replaced, and nobody loses a call, a place or a try by it."""

from __future__ import annotations

import pytest

from yonder.core import events
from yonder.testing import PaperPool
from yonder.wire import PoolSpec


def with_ready(count: int = 1, **spec: object) -> PaperPool:
    """A pool with `count` ready, idle executors."""
    pool = PaperPool(PoolSpec(**{"max": count, **spec}))  # type: ignore[arg-type]
    calls = [pool.submit() for _ in range(count * pool.spec.concurrency)]
    for name in pool.booting:
        pool.up(name)
    for call in calls:
        pool.over(call)
    return pool


def test_the_call_waits_again_and_the_fresh_worker_gets_it_with_no_attempt_counted() -> None:
    pool = with_ready()
    call = pool.submit()
    pool.stale("x-1.0")
    assert pool.waiting == [call]
    assert pool.renewing == ["x-1.0"]
    pool.renewed("x-1.0")
    assert pool.held == {call: "x-1.0+"}
    assert pool.attempts[call] == 1
    pool.over(call)
    assert pool.ended[call] == "result"
    assert (pool.pool.retried, pool.pool.lost, pool.pool.running) == (0, 0, 0)
    assert pool.told == []


def test_it_goes_before_calls_of_all_tenants_that_wait() -> None:
    pool = with_ready()
    call = pool.submit(tenant="a")
    pool.submit(tenant="b")
    pool.submit(tenant="a")
    pool.stale("x-1.0")
    pool.renewed("x-1.0")
    assert list(pool.held) == [call]


def test_another_free_worker_takes_it_at_once() -> None:
    pool = with_ready(2)
    call = pool.submit()
    pool.stale(pool.held[call])
    assert call in pool.held
    assert len(pool.renewing) == 1


def test_its_retries_are_all_left() -> None:
    pool = with_ready()
    call = pool.submit(retries=1)
    pool.stale("x-1.0")
    pool.renewed("x-1.0")
    pool.worker_dies("x-1.0+")
    pool.renewed("x-1.0+")
    assert pool.attempts[call] == 2
    pool.worker_dies("x-1.0++")
    assert pool.ended[call] == "lost"


def test_an_idle_worker_is_replaced_while_nobody_waits() -> None:
    pool = with_ready()
    pool.stale("x-1.0")
    assert pool.renewing == ["x-1.0"]
    call = pool.submit()
    assert pool.waiting == [call]
    pool.renewed("x-1.0")
    assert pool.held == {call: "x-1.0+"}


def test_a_call_that_goes_to_its_key_s_executor_returns_to_it() -> None:
    pool = with_ready(2)
    first = pool.submit(affinity="k")
    home = pool.where(first)
    pool.stale(pool.held[first])
    assert pool.waiting == [first]
    pool.renewed(pool.renewing[0])
    assert pool.where(first) == home


def test_a_pinned_call_has_lost_its_worker() -> None:
    pool = with_ready()
    call = pool.submit(pin="x-1.0")
    pool.stale("x-1.0")
    assert pool.ended[call] == "lost"
    assert pool.pool.lost == 0  # for the people who read it, it is not


def test_a_hopeless_call_is_lost_in_words() -> None:
    pool = with_ready()
    call = pool.submit(retries=3)
    pool.stale("x-1.0", hopeless="it always says so")
    assert pool.drops[call].sentence == "it always says so"
    assert pool.drops[call].outcome == "lost"
    assert pool.pool.lost == 1


def test_a_call_whose_caller_was_told_is_over() -> None:
    pool = with_ready()
    call = pool.submit()
    pool.cancel(call)
    pool.stale("x-1.0")
    assert pool.pool.running == 0
    assert pool.waiting == []
    assert pool.ended == {"c1": "result", call: "cancelled"}


def test_a_draining_executor_goes_and_the_call_finds_another_one() -> None:
    pool = with_ready(1, max=2)
    call = pool.submit()
    pool.outdate()
    pool.stale("x-1.0")
    assert pool.told == ["x-1"]
    (other,) = pool.booting
    pool.up(other)
    assert pool.where(call) == other


def test_one_executor_for_each_call_is_no_exception() -> None:
    pool = PaperPool(PoolSpec(max=2, isolation="executor"))
    call = pool.submit()
    pool.up("x-1")
    pool.stale("x-1.0")
    assert pool.told == ["x-1"]
    pool.up(pool.booting[0])
    assert pool.where(call) == "x-2"


def test_the_time_on_the_stale_worker_counts_and_the_deadline_holds() -> None:
    pool = with_ready()
    call = pool.submit(10)
    pool.advance(4)
    pool.stale("x-1.0")
    pool.advance(5)
    assert pool.waiting == [call]
    pool.advance(1)
    assert pool.ended[call] == "timeout"
    assert sum(pool.drops[call].times.values()) == pytest.approx(10)
    pool.renewed("x-1.0")


def test_patience_is_over_once_a_worker_had_it() -> None:
    pool = with_ready()
    call = pool.submit(patience=2)
    pool.stale("x-1.0")
    pool.advance(5)
    assert pool.waiting == [call]


def test_a_worker_whose_place_is_not_filled_again_takes_its_executor_with_it() -> None:
    pool = with_ready(1, boot_timeout=5.0)
    pool.submit()
    pool.stale("x-1.0")
    pool.advance(6)
    assert pool.told == ["x-1"]


def test_somebody_who_has_a_call_by_now_is_asked_for_that_one() -> None:
    pool = with_ready()
    call = pool.submit()
    pool._step(events.WorkerStale(pool.clock.now, "x-1", "x-1.0"))  # of an Adopt that the call has overtaken
    assert pool.held == {call: "x-1.0"}
    pool._step(events.WorkerStale(pool.clock.now, "x-1", "x-1.0", "c-999"))
    assert pool.held == {call: "x-1.0"}


def test_all_workers_at_once() -> None:
    pool = with_ready(2, concurrency=3)
    calls = [pool.submit() for _ in range(6)]
    for worker in list(pool.held.values()):
        pool.stale(worker)
    assert pool.pool.busy == 0
    for worker in pool.renewing:
        pool.renewed(worker)
    assert set(pool.held) == set(calls)
    for call in calls:
        pool.over(call)
    assert [pool.ended[call] for call in calls] == ["result"] * 6
