"""The pool's rules for executors: workers that die, isolation, sizes, budgets, lifetimes, kinds, strategies."""

from __future__ import annotations

import msgspec
import pytest
from tests.core.paper import paper, ready, up

from yonder.core import events
from yonder.core.pool import Pool
from yonder.core.scaling import Bounds, Demand, Pack
from yonder.testing import PaperPool
from yonder.wire import PoolSpec, Resources

GPU = Resources(gpu=["l40s"])


# ── workers ──


def test_a_dead_worker_costs_its_own_call_and_no_other() -> None:
    pool = ready(1, concurrency=2)
    first, second = pool.submit(), pool.submit()
    waiting = pool.submit()
    pool.worker_dies(pool.held[first], "ran out of memory")
    assert pool.ended == {first: "lost"}
    assert pool.drops[first].sentence == "ran out of memory"
    assert list(pool.held) == [second]
    pool.renewed("x-1.0")
    assert pool.held[waiting] == "x-1.0+"


def test_a_lost_call_may_go_to_a_sibling_at_once() -> None:
    pool = ready(1, concurrency=2)
    call = pool.submit(retries=1)
    pool.worker_dies(pool.held[call])
    assert pool.held[call] == "x-1.1"


def test_a_worker_that_comes_soon_is_counted_before_another_executor_boots() -> None:
    pool = ready(1, max=4)
    pool.worker_dies("x-1.0")
    call = pool.submit()
    assert pool.booting == []
    pool.submit()
    assert pool.booting == ["x-2"]
    pool.renewed("x-1.0")
    assert pool.where(call) == "x-1"


def test_three_workers_that_die_in_a_row_before_any_call_end_the_executor_as_a_failed_boot() -> None:
    pool = ready(1)
    for worker in ("x-1.0", "x-1.0+"):
        pool.worker_dies(worker)
        assert pool.told == []
        pool.renewed(worker)
    pool.worker_dies("x-1.0++", "exited with code 1")
    assert pool.told == ["x-1"]
    assert "3 of its workers died in a row before any call; the last exited with code 1" in pool.reasons["x-1"]
    pool.gone("x-1")
    assert pool.booting == []
    pool.advance(1)
    assert pool.booting == ["x-2"]


def test_a_call_between_breaks_the_row_of_deaths() -> None:
    pool = ready(1)
    for worker in ("x-1.0", "x-1.0+"):
        pool.worker_dies(worker)
        pool.renewed(worker)
    pool.over(pool.submit())
    pool.worker_dies("x-1.0++")
    pool.renewed("x-1.0++")
    pool.worker_dies("x-1.0+++")
    assert pool.told == []


def test_a_sibling_that_works_breaks_the_row_of_deaths() -> None:
    pool = ready(1, concurrency=2)
    for worker in ("x-1.0", "x-1.0+"):
        pool.worker_dies(worker)
        pool.renewed(worker)
    call = pool.submit(pin="x-1.1")
    pool.worker_dies("x-1.0++")
    pool.renewed("x-1.0++")
    assert list(pool.held) == [call]
    pool.over(call)
    assert pool.told == []


def test_workers_that_will_not_come_any_more_are_not_counted() -> None:
    pool = ready(2, max=8)
    pool.advance(10)
    pool.worker_dies("x-1.0")
    pool.gone("x-1")
    up(pool)
    for _ in range(4):
        pool.submit()
    assert len(pool.booting) == 2


def test_a_place_that_is_not_filled_again_in_time_ends_the_executor() -> None:
    pool = ready(1, concurrency=2, boot_timeout=30)
    call = pool.submit()
    pool.worker_dies("x-1.1")
    pool.advance(30)
    assert pool.told == []
    pool.over(call)
    assert pool.told == ["x-1"]
    assert pool.reasons["x-1"] == "a worker's place was not filled again within 30 s"


def test_a_dead_worker_of_a_draining_executor_is_not_replaced() -> None:
    pool = ready(1, concurrency=2)
    call = pool.submit()
    pool.resize(0, 0)
    pool.worker_dies(pool.held[call])
    assert pool.renewing == ["x-1.0"]  # nobody was asked: the paper would have checked it
    assert pool.told == ["x-1"]


# ── isolation ──


def test_a_process_per_call_is_free_again_when_it_was_replaced() -> None:
    pool = ready(1, isolation="process")
    first, second = pool.submit(), pool.submit()
    pool.over(first)
    assert pool.held == {}
    assert pool.pool.idle == 0
    pool.renewed("x-1.0")
    assert pool.held == {second: "x-1.0+"}
    assert pool.booting == []


def test_an_executor_per_call_ends_after_it() -> None:
    pool = paper(max=2, concurrency=4, isolation="executor")
    first, second, third = (pool.submit() for _ in range(3))
    assert len(pool.booting) == 2
    up(pool)
    assert set(pool.held) == {first, second}
    pool.over(first)
    assert pool.told == ["x-1"]
    assert pool.reasons["x-1"] == "one call per executor"
    pool.gone("x-1")
    up(pool)
    assert third in pool.held


def test_an_executor_per_call_never_starves_min() -> None:
    pool = ready(2, max=4, isolation="executor")
    for _ in range(5):
        call = pool.submit()
        assert call in pool.held
        up(pool)
        assert pool.pool.idle == 2
        pool.over(call)
        pool.gone(pool.told[0])


def test_what_an_executor_per_call_ran_is_lost_with_it_and_tried_on_another() -> None:
    pool = ready(1, max=2, isolation="executor")
    call = pool.submit(retries=1)
    pool.gone("x-1")
    up(pool)
    assert pool.where(call) == "x-2"


# ── sizes ──


def test_buffer_is_spare_while_there_is_work_and_goes_when_there_is_none() -> None:
    pool = paper(max=8, buffer=2, idle_timeout=60)
    assert pool.booting == []
    call = pool.submit()
    assert len(pool.booting) == 3
    up(pool)
    assert pool.pool.idle == 2
    pool.advance(300)
    assert pool.told == []
    pool.submit()
    assert len(pool.booting) == 1
    up(pool)
    pool.cancel("c2")
    pool.over("c2")
    pool.over(call)
    pool.advance(60)
    assert len(pool.told) == 4


def test_buffer_never_goes_beyond_max_and_says_why() -> None:
    pool = paper(max=2, buffer=5)
    pool.submit()
    assert len(pool.booting) == 2
    assert "max = 2" in pool.pool.why


def test_a_budget_holds_growth_back_and_says_so() -> None:
    pool = paper(max=8)
    pool.allow(2)
    for _ in range(5):
        pool.submit()
    assert len(pool.booting) == 2
    assert pool.pool.why == (
        "2 executors, the most that the owner's budget allows this pool at present: 5 calls waiting"
    )
    assert pool.pool.needed == 5
    pool.allow(None)
    assert len(pool.booting) == 5


def test_a_smaller_budget_takes_idle_ones_and_leaves_busy_ones_alone() -> None:
    pool = ready(3)
    pool.resize(0, 3)
    call = pool.submit()
    pool.allow(0)
    assert sorted(pool.told) == sorted(name for name in pool.alive if name != pool.where(call))
    pool.advance(1000)
    assert list(pool.held) == [call]
    pool.submit()
    name = pool.where(call)
    pool.over(call)
    assert pool.reasons[name or ""] == "the owner's budget allows this pool 0 at present"
    assert pool.held == {}


def test_max_lifetime_ends_an_idle_executor_and_another_takes_its_place() -> None:
    pool = ready(1, max=2, max_lifetime=100, idle_timeout=1000)
    pool.advance(100)
    assert pool.told == ["x-1"]
    assert pool.reasons["x-1"] == "its max_lifetime of 100 s is over"
    assert pool.booting == ["x-2"]
    assert "max_lifetime is 100 s" in pool.pool.why


def test_max_lifetime_lets_a_call_end_within_the_grace() -> None:
    pool = ready(1, max=2, max_lifetime=100, grace=5)
    call = pool.submit()
    pool.advance(100)
    waiting = pool.submit()
    assert pool.waiting == [waiting]
    up(pool)
    assert pool.where(waiting) == "x-2"
    pool.advance(4)
    pool.over(call)
    assert pool.ended == {call: "result"}
    assert pool.told == ["x-1"]


def test_max_lifetime_ends_a_call_that_outlives_the_grace() -> None:
    pool = ready(1, max=2, max_lifetime=100, grace=5)
    call = pool.submit()
    pool.advance(105)
    assert pool.drops[call].outcome == "lost"
    assert "its max_lifetime of 100 s is over" in pool.drops[call].sentence
    assert "x-1" in pool.told
    pool.gone("x-1")
    assert pool.pool.running == 0


def test_max_lifetime_holds_for_an_executor_that_drains_for_another_reason() -> None:
    pool = ready(1, max=2, max_lifetime=100, grace=5, isolation="executor")
    call = pool.submit()
    pool.advance(104)
    assert pool.ended == {}
    pool.advance(1)
    assert pool.ended == {call: "lost"}


# ── kinds ──


def test_a_call_with_other_resources_gets_an_executor_that_has_them() -> None:
    pool = ready(1, max=3)
    call = pool.submit(resources=GPU)
    assert pool.alive["x-2"].resources == GPU
    up(pool)
    assert pool.where(call) == "x-2"
    plain = pool.submit()
    assert pool.where(plain) == "x-1"


def test_resources_that_are_the_pools_own_make_no_other_kind() -> None:
    pool = ready(1, max=3, resources=GPU)
    assert pool.where(pool.submit(resources=Resources(gpu=["l40s"]))) == "x-1"


def test_at_max_an_idle_executor_that_nobody_waits_for_makes_room() -> None:
    pool = ready(2, max=2)
    busy = pool.submit()
    call = pool.submit(resources=GPU)
    (leaving,) = pool.told
    assert leaving != pool.where(busy)
    assert pool.reasons[leaving] == "its room is needed for calls with other resources"
    pool.gone(leaving)
    up(pool)
    assert pool.alive[pool.where(call) or ""].resources == GPU


def test_a_kind_is_not_starved_by_a_long_queue_of_another() -> None:
    pool = ready(1, max=1)
    running = pool.submit()
    other = pool.submit(resources=GPU)
    later = [pool.submit() for _ in range(3)]
    pool.over(running)
    assert pool.told == ["x-1"]
    pool.gone("x-1")
    up(pool)
    assert list(pool.held) == [other]
    pool.over(other)
    for name in pool.told:
        pool.gone(name)
    up(pool)
    assert list(pool.held) == later[:1]


def test_a_kind_that_does_not_boot_tells_only_those_who_need_it() -> None:
    pool = ready(1, max=3)
    call = pool.submit(resources=GPU)
    for _ in range(3):
        pool.broken(pool.booting[0], "this machine has no GPU")
        pool.advance(4)
    assert pool.ended == {call: "boot_failed"}
    assert pool.where(pool.submit()) == "x-1"
    pool.advance(60)
    assert pool.pool._placing.uniform


def test_an_executor_that_becomes_idle_makes_room_for_a_kind_that_has_too_few() -> None:
    pool = paper(max=2)
    plain, first = pool.submit(), pool.submit(resources=GPU)
    up(pool)
    second = pool.submit(resources=GPU)
    assert pool.told == []
    leaving = pool.where(plain)
    pool.over(plain)
    assert pool.told == [leaving]
    pool.gone(leaving or "")
    up(pool)
    assert set(pool.held) == {first, second}


def test_full_executors_give_way_to_a_kind_that_waits_longer() -> None:
    pool = ready(1, max=1, concurrency=2)
    first, second = pool.submit(), pool.submit()
    other = pool.submit(resources=GPU)
    later = pool.submit()
    pool.over(first)
    assert pool.waiting == [other, later]
    pool.over(second)
    assert pool.told == ["x-1"]
    pool.gone("x-1")
    up(pool)
    assert list(pool.held) == [other]


def test_executors_with_old_resources_go_when_the_pools_own_change() -> None:
    pool = ready(2)
    call = pool.submit()
    pool.respec(msgspec.structs.replace(pool.spec, resources=GPU))
    assert len(pool.told) == 1
    pool.over(call)
    assert len(pool.told) == 2


def test_a_pool_whose_own_resources_change_boots_with_the_new_ones() -> None:
    pool = paper(max=2)
    pool.respec(msgspec.structs.replace(pool.spec, resources=GPU))
    pool.submit()
    assert pool.alive["x-1"].resources == GPU


# ── strategies and chance ──


def test_spread_takes_the_emptiest_and_among_idle_ones_the_longest_idle() -> None:
    pool = ready(3, concurrency=2, strategy="spread")
    names = [pool.where(pool.submit()) for _ in range(6)]
    assert names == ["x-1", "x-2", "x-3", "x-1", "x-2", "x-3"]


class Crowd(Pack):
    """Four when anything waits, whatever it is."""

    spreads = True

    def count(self, demand: Demand, bounds: Bounds) -> int:
        return 4 if demand.waiting or demand.running else 0

    def why(self, demand: Demand, bounds: Bounds) -> str:
        return "four make a crowd"


def test_any_object_can_be_the_strategy() -> None:
    pool = PaperPool(PoolSpec(max=8, idle_timeout=10), strategy=Crowd())
    call = pool.submit()
    assert len(pool.booting) == 4
    assert pool.pool.why == "four make a crowd"
    up(pool)
    pool.advance(100)
    assert pool.told == []
    pool.over(call)
    pool.advance(10)
    assert len(pool.told) == 4


class Always(Pack):
    """One, whatever there is to do."""

    def count(self, demand: Demand, bounds: Bounds) -> int:
        return 1


def test_a_strategy_that_always_wants_one_lets_its_pool_close() -> None:
    pool = PaperPool(PoolSpec(max=2), strategy=Always())
    call = pool.submit()
    up(pool)
    pool.close()
    assert pool.told == []
    pool.over(call)
    [last] = pool.told
    pool.gone(last)
    assert pool.booting == []
    assert pool.pool.executors == 0


def test_a_strategy_is_kept_within_min_and_max() -> None:
    assert len(PaperPool(PoolSpec(min=1, max=8), strategy=Crowd()).booting) == 1
    pool = PaperPool(PoolSpec(max=3), strategy=Crowd())
    pool.submit()
    assert len(pool.booting) == 3


@pytest.mark.parametrize(("chance", "pauses"), [(0.0, [0.5, 1, 2]), (0.5, [1, 2, 4]), (1.0, [1.5, 3, 6])])
def test_pauses_between_failed_boots_differ_by_chance(chance: float, pauses: list[float]) -> None:
    pool = Pool(PoolSpec(min=1), prefix="x", jitter=lambda: chance)
    now = 0.0
    found = []
    for n in range(3):
        assert [type(command) for command in pool.step(events.Tick(now))] == [events.Boot]
        pool.step(events.BootBroke(now, f"x-{n + 1}", "no"))
        assert pool.next_wake is not None
        found.append(pool.next_wake - now)
        now = pool.next_wake
    assert found == pauses
