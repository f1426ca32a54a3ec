"""The pool's rules one by one, in the words of the design."""

from __future__ import annotations

import time

import pytest

from yonder.core import events
from yonder.core.pool import Pool
from yonder.testing import FakeClock, PaperPool
from yonder.wire import PoolSpec, Resources


def paper(**spec: float) -> PaperPool:
    return PaperPool(PoolSpec(**spec))


def with_ready(count: int, **spec: float) -> PaperPool:
    """A pool with `count` ready, idle executors."""
    pool = paper(**{"max": count, **spec})
    calls = [pool.submit() for _ in range(count * pool.spec.concurrency)]
    for name in pool.booting:
        pool.up(name)
    for call in calls:
        pool.over(call)
    return pool


# ── executors that keep objects ──


def test_an_executor_that_keeps_objects_is_not_ended_for_being_idle() -> None:
    pool = with_ready(2, idle_timeout=10)
    pool.keeps("x-1.0")
    pool.advance(11)
    assert pool.told == ["x-2"]
    pool.gone("x-2")
    pool.advance(1000)
    assert pool.ready == ["x-1"]
    pool.keeps("x-1.0", on=False)
    assert pool.reasons["x-1"] == "idle for 10 s"


def test_one_that_keeps_objects_while_it_boots_counts_from_the_start() -> None:
    pool = paper(max=1, idle_timeout=10)
    call = pool.submit()
    pool.pool.step(events.Kept(pool.clock.now, "x-1", "x-1.0", True))  # in a broadcast, before it is up
    pool.up("x-1")
    pool.over(call)
    pool.advance(1000)
    assert pool.ready == ["x-1"]


def test_a_death_a_replacement_and_a_smaller_max_win_over_what_is_kept() -> None:
    pool = with_ready(2, idle_timeout=10, concurrency=2)
    pool.keeps("x-1.0")
    pool.worker_dies("x-1.0")
    pool.renewed("x-1.0")
    pool.keeps("x-1.0")  # late words of the dead one
    pool.advance(11)
    assert set(pool.told) == {"x-1", "x-2"}
    pool = with_ready(2)
    pool.keeps("x-1.0")
    pool.resize(0, 1)
    assert pool.told == ["x-2"]  # the one that keeps nothing goes first
    pool.resize(0, 0)
    assert set(pool.told) == {"x-2", "x-1"}


def test_one_that_keeps_objects_does_not_make_room_for_other_resources() -> None:
    pool = with_ready(1, max=1)
    pool.keeps("x-1.0")
    pool.submit(resources=Resources(gpu=["l40s"]))
    assert pool.told == []
    pool.keeps("x-1.0", on=False)
    assert pool.told == ["x-1"]


# ── growing ──


def test_an_empty_pool_has_no_executors_and_wants_no_wake_up() -> None:
    pool = paper()
    assert pool.pool.executors == 0
    assert pool.pool.next_wake is None
    assert pool.pool.why == "no executors: nothing runs or waits"


def test_each_waiting_call_boots_an_executor_up_to_max() -> None:
    pool = paper(max=3)
    for _ in range(5):
        pool.submit()
    assert pool.booting == ["x-1", "x-2", "x-3"]
    assert pool.pool.why == "3 executors, the most allowed (max = 3): 5 calls waiting"


def test_concurrency_is_counted_before_another_executor_boots() -> None:
    pool = paper(max=8, concurrency=4)
    for _ in range(4):
        pool.submit()
    assert len(pool.booting) == 1
    pool.submit()
    assert len(pool.booting) == 2


def test_calls_are_served_in_their_order_when_an_executor_is_up() -> None:
    pool = paper(max=1)
    first, second = pool.submit(), pool.submit()
    pool.up("x-1")
    assert list(pool.held) == [first]
    pool.over(first)
    assert list(pool.held) == [second]
    assert pool.ended == {first: "result"}


def test_a_call_for_an_idle_executor_boots_nothing() -> None:
    pool = with_ready(1, max=8)
    pool.submit()
    assert pool.booting == []
    assert pool.pool.busy == 1


def test_a_booting_executor_that_nobody_needs_any_more_becomes_idle() -> None:
    pool = paper()
    call = pool.submit()
    pool.cancel(call)
    assert pool.told == []
    pool.up("x-1")
    assert pool.pool.idle == 1


def test_min_is_booted_before_the_first_call_and_kept_after_a_loss() -> None:
    pool = paper(min=2)
    assert pool.booting == ["x-1", "x-2"]
    pool.up("x-1")
    pool.up("x-2")
    pool.advance(10)
    pool.gone("x-1")
    assert pool.booting == ["x-3"]


def test_a_new_pool_with_min_asks_for_its_first_tick_at_once() -> None:
    assert Pool(PoolSpec(min=1), prefix="x").next_wake == float("-inf")


def test_min_above_max_means_max() -> None:
    assert len(paper(min=9, max=2).booting) == 2


def test_packing_comes_before_spreading() -> None:
    pool = with_ready(3, concurrency=2)
    calls = [pool.submit() for _ in range(2)]
    assert pool.pool.busy == 1
    assert {pool.held[call].split(".")[0] for call in calls} == {next(iter(pool.held.values())).split(".")[0]}


def test_among_idle_executors_the_last_used_takes_the_call_so_that_the_others_can_go() -> None:
    pool = with_ready(3, idle_timeout=60)
    used = set()
    for _ in range(4):
        pool.advance(30)
        call = pool.submit()
        used.add(pool.held[call])
        pool.over(call)
    assert used == {"x-3.0"}
    assert pool.told == ["x-1", "x-2"]


# ── shrinking ──


def test_an_executor_idle_for_long_enough_ends() -> None:
    pool = with_ready(2, idle_timeout=60)
    pool.advance(59)
    assert pool.told == []
    pool.advance(1)
    assert pool.told == ["x-1", "x-2"]
    pool.gone("x-1")
    pool.gone("x-2")
    assert pool.pool.executors == 0
    assert pool.booting == []


def test_min_is_not_shrunk_below_and_gives_way_when_min_falls() -> None:
    pool = with_ready(3, min=2, idle_timeout=60)
    pool.advance(500)
    assert pool.told == ["x-1"]
    assert pool.pool.next_wake is None
    pool.resize(1, 3)
    assert pool.told == ["x-1", "x-2"]


def test_only_work_on_the_executor_itself_resets_its_idle_clock() -> None:
    pool = with_ready(2, idle_timeout=60)
    pool.advance(50)
    call = pool.submit()
    pool.over(call)
    pool.cancel("unknown")
    pool.advance(10)
    assert pool.told == ["x-1"]


def test_a_busy_executor_is_never_idle() -> None:
    pool = with_ready(1, idle_timeout=60)
    pool.submit()
    pool.advance(1000)
    assert pool.told == []


def test_a_call_at_the_very_moment_of_the_idle_end_gets_the_executor() -> None:
    pool = with_ready(1, idle_timeout=60)
    pool.clock.advance(60)
    pool.submit()
    assert pool.told == []
    assert pool.pool.busy == 1


def test_an_executor_told_to_go_gets_no_call_and_its_room_is_free_when_it_is_gone() -> None:
    pool = with_ready(1, max=1, idle_timeout=60)
    pool.advance(60)
    call = pool.submit()
    assert pool.held == {}
    assert pool.booting == []
    pool.gone("x-1")
    pool.up("x-2")
    assert list(pool.held) == [call]


def test_a_smaller_max_ends_boots_then_idle_ones_and_drains_busy_ones() -> None:
    pool = paper(max=4)
    first, second = pool.submit(), pool.submit()
    pool.up("x-1")
    pool.up("x-2")
    pool.submit()
    pool.cancel("c3")
    pool.resize(0, 1)
    assert pool.told == ["x-3"]
    pool.over(first)
    assert sorted(pool.told) == ["x-1", "x-3"]
    pool.submit()
    pool.over(second)
    assert list(pool.held) == ["c4"]


def test_a_drained_executor_ends_with_its_last_call() -> None:
    pool = with_ready(1, concurrency=2)
    first, second = pool.submit(), pool.submit()
    waiting = pool.submit()
    pool.resize(0, 0)
    pool.over(first)
    assert pool.told == []
    assert pool.waiting == [waiting]
    pool.over(second)
    assert pool.told == ["x-1"]


def test_a_larger_max_boots_for_those_who_wait() -> None:
    pool = paper(max=1)
    pool.submit()
    pool.submit()
    pool.resize(0, 2)
    assert pool.booting == ["x-1", "x-2"]


# ── losses ──


def test_a_falling_executor_gets_no_call_and_a_new_one_boots_as_far_as_there_is_room() -> None:
    pool = with_ready(1, max=2)
    pool.falling("x-1")
    call = pool.submit()
    assert pool.held == {}
    assert pool.booting == ["x-2"]
    pool.gone("x-1")
    pool.up("x-2")
    assert list(pool.held) == [call]


def test_calls_on_a_falling_executor_end_with_the_platforms_word() -> None:
    pool = paper(max=1, concurrency=2)
    first, second = pool.submit(), pool.submit()
    pool.up("x-1")
    pool.falling("x-1")
    assert pool.ended == {}
    pool.over(first)  # its end was on the way
    pool.gone("x-1", "was killed by signal 9")
    assert pool.ended == {first: "result", second: "lost"}


def test_an_executor_that_falls_before_it_ever_worked_counts_as_a_failed_boot() -> None:
    pool = paper(min=1, max=1)
    pool.up("x-1")
    pool.falling("x-1")
    pool.gone("x-1")
    assert pool.booting == []
    pool.advance(1.0)
    assert pool.booting == ["x-2"]


def test_a_lost_executor_ends_its_calls_with_its_last_words_and_no_others() -> None:
    pool = with_ready(2, concurrency=2)
    calls = [pool.submit() for _ in range(3)]
    lost = pool.held[calls[0]].split(".")[0]
    pool.gone(lost, "was killed by signal 9 (SIGKILL)")
    assert [pool.ended.get(call) for call in calls] == ["lost", "lost", None]
    assert pool.drops[calls[0]].sentence == "was killed by signal 9 (SIGKILL)"
    assert pool.drops[calls[0]].phase == "running"


def test_when_the_last_executor_dies_at_work_those_who_wait_get_a_new_one_at_once() -> None:
    pool = with_ready(1, max=1)
    running, waiting = pool.submit(), pool.submit()
    pool.gone("x-1")
    assert pool.ended[running] == "lost"
    assert pool.booting == ["x-2"]
    pool.up("x-2")
    assert list(pool.held) == [waiting]


def test_a_loss_during_a_back_off_still_boots_at_once() -> None:
    pool = with_ready(1, max=2)
    pool.submit()
    waiting = pool.submit()
    for name in ("x-2", "x-3", "x-4"):
        assert pool.booting == [name]
        pool.broken(name, "quota")
        pool.advance(4)
    assert pool.waiting == [waiting]
    pool.broken(pool.booting[0], "quota")
    assert pool.booting == []
    pool.gone("x-1")
    assert len(pool.booting) == 1


def test_an_executor_that_dies_before_any_call_counts_as_a_failed_boot() -> None:
    pool = paper(min=1)
    pool.up("x-1")
    pool.advance(0.1)
    pool.gone("x-1")
    assert pool.booting == []
    pool.advance(1)
    assert pool.booting == ["x-2"]


def test_executors_that_come_up_and_die_at_once_are_tried_ever_more_rarely() -> None:
    pool = paper(min=1)
    pauses = []
    for _ in range(6):
        pool.advance(0.01)
        (name,) = pool.booting
        pool.up(name)
        died = pool.clock.now
        pool.gone(name)
        pool.advance(pool.pool.next_wake - died)
        pauses.append(round(pool.clock.now - died))
    assert pauses == [1, 2, 4, 8, 16, 30]


def test_one_that_lived_for_a_while_clears_the_failures() -> None:
    pool = paper(min=1)
    for seconds in (0.0, 0.0, 6.0):
        pool.advance(10.0)
        (name,) = pool.booting
        pool.up(name)
        pool.advance(seconds)
        pool.gone(name)
    assert len(pool.booting) == 1


def test_a_thousand_failures_are_still_only_a_pause() -> None:
    pool = paper(min=1)
    for _ in range(1100):
        pool.advance(50.0)
        pool.broken(pool.booting[0])
    assert pool.pool.next_wake is not None


# ── boots that fail ──


def test_a_boot_that_would_fail_again_is_told_at_once() -> None:
    pool = paper(max=1)
    call = pool.submit()
    pool.broken("x-1", "it runs another Python", final=True)
    assert pool.drops[call].outcome == "boot_failed"
    assert pool.drops[call].sentence == "it runs another Python"
    later = pool.submit()
    pool.advance(2)
    assert later not in pool.ended
    assert pool.booting == ["x-2"]  # the person may have changed something since


def test_failed_boots_back_off_and_those_who_wait_are_told_after_three() -> None:
    pool = paper(max=1)
    call = pool.submit()
    pool.broken("x-1")
    assert pool.booting == []
    assert "no such image" in pool.pool.why
    pool.advance(1)
    pool.broken("x-2")
    pool.advance(1)
    assert pool.booting == []
    pool.advance(1)
    pool.broken("x-3")
    assert pool.drops[call].outcome == "boot_failed"
    assert pool.drops[call].phase == "booting"
    assert pool.drops[call].sentence == "no executor came up, 3 boots failed in a row; the last: no such image"


def test_after_the_verdict_a_new_call_gets_three_tries_again() -> None:
    pool = paper(max=1)
    pool.submit()
    for _ in range(3):
        pool.broken(pool.booting[0])
        pool.advance(4)
    again = pool.submit()
    for _ in range(2):
        pool.broken(pool.booting[0])
        pool.advance(4)
    assert again not in pool.ended
    pool.broken(pool.booting[0])
    assert pool.ended[again] == "boot_failed"


def test_old_failures_are_no_verdict_over_a_new_call() -> None:
    pool = paper(min=1)
    for _ in range(5):
        pool.broken(pool.booting[0])
        pool.advance(31)
    pool.broken(pool.booting[0])
    call = pool.submit()
    assert call not in pool.ended
    pool.up(pool.booting[0])
    assert list(pool.held) == [call]


def test_the_pause_between_failed_boots_ends_at_thirty_seconds() -> None:
    pool = paper(min=1)
    pauses = []
    for _ in range(7):
        pool.broken(pool.booting[0])
        assert pool.pool.next_wake is not None
        pauses.append(pool.pool.next_wake - pool.clock.now)
        pool.advance(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_batch_that_fails_together_is_one_failure() -> None:
    pool = paper(max=8)
    calls = [pool.submit() for _ in range(8)]
    for name in pool.booting:
        pool.broken(name)
    assert pool.ended == {}
    pool.advance(1)
    assert len(pool.booting) == 8
    pool.up(pool.booting[0])
    assert list(pool.held) == calls[:1]


def test_the_verdict_waits_for_boots_that_are_still_under_way() -> None:
    pool = paper(max=2)
    call, _ = pool.submit(), pool.submit()
    for _ in range(2):
        for name in pool.booting:
            pool.broken(name)
        pool.advance(2)
    last, other = pool.booting
    pool.broken(last)
    assert pool.ended == {}
    pool.advance(10)
    assert pool.booting == [other]
    pool.up(other)
    assert list(pool.held) == [call]


def test_one_good_boot_clears_the_failures() -> None:
    pool = paper(max=1)
    call = pool.submit()
    for _ in range(2):
        pool.broken(pool.booting[0])
        pool.advance(2)
    pool.up(pool.booting[0])
    pool.advance(10)
    pool.over(call)
    pool.advance(60)
    pool.gone(pool.told[0])
    pool.submit()
    pool.broken(pool.booting[0])
    pool.advance(1)
    assert len(pool.booting) == 1


def test_a_boot_that_takes_too_long_is_ended_and_counts_as_failed() -> None:
    pool = paper(max=1, boot_timeout=120)
    call = pool.submit()
    pool.advance(120)
    assert pool.told == ["x-1"]
    pool.up("x-1")
    assert pool.held == {}
    pool.gone("x-1")
    pool.advance(1)
    assert pool.booting == ["x-2"]
    pool.up("x-2")
    assert list(pool.held) == [call]


def test_an_executor_without_workers_is_a_failed_boot() -> None:
    pool = paper(max=1)
    pool.submit()
    pool.up("x-1", workers=0)
    assert pool.told == ["x-1"]


# ── deadlines and cancelling ──


def test_a_deadline_names_the_phase_it_passed_in() -> None:
    pool = paper(max=1)
    running = pool.submit(within=10)
    waiting = pool.submit(within=5)
    pool.advance(1)
    booting = pool.submit(within=1)
    pool.advance(1)
    pool.up("x-1")
    pool.advance(20)
    assert {call: pool.drops[call].phase for call in (running, waiting, booting)} == {
        running: "running",
        waiting: "queued",
        booting: "booting",
    }
    assert {drop.outcome for drop in pool.drops.values()} == {"timeout"}
    assert pool.drops[running].sentence.endswith("running: 2.0 s booting, 8.0 s running")
    assert pool.drops[waiting].sentence.endswith("queued: 3.0 s queued, 2.0 s booting")


def test_a_deadline_that_has_passed_already_is_told_at_once() -> None:
    pool = paper()
    assert pool.ended[pool.submit(within=0)] == "timeout"
    assert pool.booting == []


def test_a_late_end_of_a_dropped_call_only_frees_the_worker() -> None:
    pool = with_ready(1)
    late = pool.submit(within=1)
    waiting = pool.submit()
    pool.advance(1)
    assert pool.ended == {"c1": "result", late: "timeout"}
    assert pool.waiting == [waiting]
    pool.over(late)
    assert list(pool.held) == [waiting]


def test_a_result_in_time_is_a_result() -> None:
    pool = with_ready(1)
    call = pool.submit(within=5)
    pool.clock.advance(5)
    pool.over(call)
    pool.advance(10)
    assert pool.ended[call] == "result"


def test_cancelling_a_waiting_call_takes_it_out_of_the_queue() -> None:
    pool = paper(max=1)
    first, second, third = (pool.submit() for _ in range(3))
    pool.cancel(second)
    pool.up("x-1")
    pool.over(first)
    assert list(pool.held) == [third]
    assert pool.ended[second] == "cancelled"


def test_cancelling_a_running_call_tells_its_caller_and_stops_it() -> None:
    pool = with_ready(1)
    call = pool.submit()
    pool.cancel(call)
    pool.cancel(call)
    assert pool.ended[call] == "cancelled"
    assert list(pool.held) == [call]
    pool.gone("x-1")
    assert pool.ended[call] == "cancelled"


def test_the_deadline_of_a_call_that_was_told_its_end_wakes_nobody() -> None:
    pool = with_ready(1)
    pool.cancel(pool.submit(within=30))
    assert pool.pool.next_wake is None


def test_what_is_not_known_changes_nothing() -> None:
    pool = with_ready(1)
    pool.cancel("nobody")
    pool.over("nobody")
    pool.gone("nobody")
    pool.broken("nobody")
    pool.up("nobody")
    assert pool.pool.executors == 1


def test_the_same_call_twice_is_the_shells_mistake() -> None:
    pool = Pool(PoolSpec(), prefix="x")
    pool.step(events.Submitted(1.0, "c"))
    with pytest.raises(ValueError, match="'c'"):
        pool.step(events.Submitted(2.0, "c"))


# ── the end ──


def test_a_pool_without_executors_closes_at_once_and_answers_everybody_who_asks() -> None:
    pool = paper()
    pool.close()
    pool.close()
    assert pool.closings == 2
    assert pool.pool.closed


def test_closing_lets_running_and_queued_calls_finish() -> None:
    pool = paper(max=1, min=1)
    first, second = pool.submit(), pool.submit()
    pool.up("x-1")
    pool.close()
    refused = pool.submit()
    assert pool.ended == {refused: "closed"}
    pool.over(first)
    pool.over(second)
    assert pool.told == ["x-1"]
    assert not pool.pool.closed
    pool.gone("x-1")
    assert pool.closings == 1
    assert pool.pool.why == "the pool is closed"


def test_closing_boots_what_the_queue_still_needs_after_a_loss() -> None:
    pool = paper(max=1)
    pool.submit()
    waiting = pool.submit()
    pool.up("x-1")
    pool.close()
    pool.gone("x-1")
    pool.up("x-2")
    pool.over(waiting)
    pool.gone("x-2")
    assert pool.pool.closed


def test_closing_with_cancel_ends_every_call_now_and_the_executors_when_they_are_free() -> None:
    pool = with_ready(1, max=1)
    running, waiting = pool.submit(), pool.submit()
    pool.close(cancel=True)
    assert pool.ended[running] == pool.ended[waiting] == "closed"
    assert pool.told == []
    pool.over(running)
    assert pool.told == ["x-1"]
    pool.gone("x-1")
    assert pool.pool.closed


def test_a_second_close_may_be_harsher_than_the_first() -> None:
    pool = with_ready(1, max=1)
    running = pool.submit()
    pool.close()
    pool.close(cancel=True)
    assert pool.ended[running] == "closed"


def test_closing_ends_boots_that_nobody_waits_for() -> None:
    pool = paper(min=2)
    pool.close()
    assert pool.told == ["x-1", "x-2"]
    pool.broken("x-1")
    pool.gone("x-2")
    assert pool.pool.closed


# ── cost ──


@pytest.mark.parametrize("size", [100, 10_000])
def test_cost_of_a_call_does_not_depend_on_the_number_of_executors(
    size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed, not asserted: machines differ. Three events a call: submitted, over, and half of them with a deadline."""
    clock = FakeClock()
    pool = Pool(PoolSpec(max=size), prefix="x")
    for n in range(size):
        pool.step(events.Submitted(clock.now, f"w{n}"))
    for n in range(size):
        pool.step(events.Booted(clock.now, f"x-{n + 1}", (f"x-{n + 1}.0",)))
    for n in range(size):
        pool.step(events.CallOver(clock.now, f"w{n}"))
    assert pool.idle == size
    rounds = 5_000
    begun = time.perf_counter()
    for n in range(rounds):
        clock.advance(0.001)
        pool.step(events.Submitted(clock.now, f"c{n}", clock.now + 50 if n % 2 else None))
        assert pool.next_wake is not None
        pool.step(events.CallOver(clock.now, f"c{n}"))
    spent = time.perf_counter() - begun
    assert pool.idle == size
    with capsys.disabled():
        print(f"\n{size} executors: {spent / rounds / 2 * 1e6:.1f} µs an event")


# ── boots that are held back ──


def hold(pool: PaperPool, name: str, sentence: str = "all devices are in use") -> None:
    pool._step(events.Held(pool.clock.now, name, sentence))


def test_a_boot_that_is_held_back_waits_without_a_clock_and_is_no_failure() -> None:
    pool = paper(max=3, boot_timeout=10)
    calls = [pool.submit() for _ in range(3)]
    first, *others = pool.booting
    for name in others:
        hold(pool, name)
    pool.up(first)
    pool.advance(1000.0)
    assert pool.booting == others
    assert pool.ended == {}
    assert "2 executors held back: all devices are in use" in pool.pool.why
    hold(pool, others[0], "")
    pool.advance(11.0)
    assert others[0] in pool.told
    assert pool.pool.idle == 0
    assert calls[0] in pool.held


def test_a_boot_that_takes_too_long_says_how_far_it_came() -> None:
    pool = paper(max=1, boot_timeout=10)
    call = pool.submit()
    [first] = pool.booting
    pool._step(events.Progress(pool.clock.now, first, "its image is being pulled (1 of 2 MB)"))
    assert pool.pool.why.endswith("; its image is being pulled (1 of 2 MB)")
    pool._step(events.Progress(pool.clock.now, first, "it dials 10.0.0.1"))
    pool.advance(10.0)
    assert first in pool.told
    assert pool.pool.why.count("it dials 10.0.0.1") == 1  # that of the boot that is over, not of the next one
    assert "not ready within 10 s: it dials 10.0.0.1" in pool.pool.why
    pool._step(events.Progress(pool.clock.now, "nobody", "of an executor that is gone"))
    assert "gone" not in pool.pool.why
    assert call not in pool.ended


def test_an_executor_that_is_up_says_no_more_how_its_boot_went() -> None:
    pool = paper(max=1)
    pool.submit()
    [first] = pool.booting
    pool._step(events.Progress(pool.clock.now, first, "it dials 10.0.0.1"))
    pool.up(first)
    assert "dials" not in pool.pool.why


def test_a_held_boot_that_nobody_waits_for_any_more_is_given_up() -> None:
    pool = paper(max=2, idle_timeout=5)
    first, second = pool.submit(), pool.submit()
    one, other = pool.booting
    hold(pool, other)
    pool.up(one)
    pool.over(first)
    pool.over(second)
    pool.advance(5.0)
    assert sorted(pool.told) == sorted([one, other])


def test_an_executor_does_not_remember_every_key_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yonder.core.placing.KEPT", 5)
    pool = paper(max=2, min=2)
    for name in pool.booting:
        pool.up(name)
    home = pool.where(first := pool.submit(affinity="often"))
    for n in range(50):
        pool.over(first)
        pool.over(pool.submit(affinity=f"once {n}"))
        first = pool.submit(affinity="often")
        assert pool.where(first) == home
    assert len(pool.pool._placing.plain.keys) <= 2 * 5
