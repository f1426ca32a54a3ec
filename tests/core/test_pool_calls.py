"""The pool's rules for calls: turns, limits, deadlines, retries, keys, pins."""

from __future__ import annotations

from tests.core.paper import paper, ready, up

from yonder.core import events
from yonder.core.pool import Pool
from yonder.testing import PaperPool
from yonder.wire import PoolSpec


def served(pool: PaperPool, rounds: int = 100) -> list[str]:
    """Let whoever runs end, one at a time, and say in which order calls were served."""
    order = list(pool.held)
    for _ in range(rounds):
        if not pool.held:
            break
        pool.over(next(iter(pool.held)))
        order += [call for call in pool.held if call not in order]
    return order


# ── turns ──


def test_tenants_take_turns_and_each_ones_calls_keep_their_order() -> None:
    pool = paper(max=1)
    first = [pool.submit(tenant="a") for _ in range(4)]
    second = [pool.submit(tenant="b") for _ in range(2)]
    up(pool)
    assert served(pool) == [first[0], second[0], first[1], second[1], first[2], first[3]]


def test_a_tenant_that_comes_back_does_not_overtake_one_that_still_waits() -> None:
    pool = ready(1)
    pool.submit(tenant="a")
    waiting = [pool.submit(tenant="a"), pool.submit(tenant="b"), pool.submit(tenant="b")]
    assert served(pool)[1:] == [waiting[0], waiting[1], waiting[2]]


def test_cancelled_calls_leave_no_holes_in_the_turns() -> None:
    pool = paper(max=1)
    calls = [pool.submit(tenant=tenant) for tenant in "abab"]
    for call in calls[:2]:
        pool.cancel(call)
    up(pool)
    assert served(pool) == calls[2:]


def test_many_cancelled_calls_are_not_remembered() -> None:
    pool = Pool(PoolSpec(max=1), prefix="x")
    pool.step(events.Submitted(0.0, "first"))
    pool.step(events.Submitted(0.0, "second"))
    for n in range(5_000):
        pool.step(events.Submitted(0.0, f"c{n}"))
        pool.step(events.CancelAsked(0.0, f"c{n}"))
    assert pool.queued == 2
    assert pool._placing.plain.queue._entries < 200


def test_a_full_queue_refuses_and_says_how_full_it_is() -> None:
    pool = paper(max=1, queue_limit=2)
    kept = [pool.submit(), pool.submit()]
    refused = pool.submit()
    assert pool.drops[refused].outcome == "queue_full"
    assert (
        pool.drops[refused].sentence == "2 calls wait already (queue_limit = 2): submit more slowly, or raise it or max"
    )
    up(pool)
    assert pool.submit() not in pool.ended
    assert served(pool)[:2] == kept


def test_a_queue_limit_counts_only_calls_that_wait() -> None:
    pool = ready(1, queue_limit=1)
    pool.submit()
    pool.submit()
    assert pool.ended == {}


def test_a_refused_call_ends_for_the_reason_given_and_a_running_one_is_not_refused() -> None:
    pool = ready(1)
    running, waiting = pool.submit(), pool.submit()
    pool.refuse(running)
    pool.refuse(waiting, "deadlock", "it waits for itself")
    assert pool.ended == {waiting: "deadlock"}
    assert pool.drops[waiting].sentence == "it waits for itself"


# ── deadlines ──


def test_times_say_how_long_a_call_was_in_each_phase() -> None:
    pool = paper(max=1)
    call = pool.submit(within=30)
    pool.advance(4)
    up(pool)
    pool.advance(30)
    assert pool.drops[call].times == {"queued": 0.0, "booting": 4.0, "running": 26.0}


def test_waiting_counts_as_booting_only_while_something_boots() -> None:
    pool = paper(max=2)
    pool.submit()
    pool.submit()
    late = pool.submit(within=10)
    pool.advance(3)
    up(pool)
    pool.advance(7)
    assert pool.drops[late].times == {"queued": 7.0, "booting": 3.0, "running": 0.0}
    assert pool.drops[late].sentence == "the call's deadline passed while it was queued: 7.0 s queued, 3.0 s booting"


def test_the_queue_deadline_ends_a_call_only_while_it_waits() -> None:
    pool = ready(1)
    running = pool.submit(patience=5)
    waiting = pool.submit(patience=5)
    pool.advance(60)
    assert pool.ended == {waiting: "timeout"}
    assert pool.drops[waiting].phase == "queued"
    assert pool.drops[waiting].sentence == "no worker was free within the call's queue_timeout: 5.0 s queued"
    assert list(pool.held) == [running]
    assert pool.pool.next_wake is None


def test_a_call_that_got_its_worker_in_time_has_no_queue_deadline_any_more() -> None:
    pool = ready(1)
    first, second = pool.submit(), pool.submit(patience=5)
    pool.over(first)
    pool.advance(60)
    assert pool.ended == {first: "result"}
    assert list(pool.held) == [second]


def test_a_queue_deadline_of_now_is_kept_by_a_free_worker() -> None:
    pool = ready(1)
    assert pool.submit(patience=0) in pool.held
    assert pool.ended[pool.submit(patience=0)] == "timeout"


# ── retries ──


def test_a_lost_call_with_retries_goes_first_in_line() -> None:
    pool = ready(1)
    lost = pool.submit(retries=1)
    waiting = pool.submit()
    pool.gone("x-1")
    assert pool.waiting == [lost, waiting]
    assert (pool.pool.retried, pool.pool.lost) == (1, 0)
    up(pool)
    assert served(pool) == [lost, waiting]
    assert pool.attempts[lost] == 2


def test_the_last_loss_is_told() -> None:
    pool = ready(1)
    call = pool.submit(retries=2)
    for _ in range(3):
        assert call not in pool.ended
        pool.gone(next(iter(pool.alive)), "was killed by signal 9")
        up(pool)
    assert pool.drops[call].outcome == "lost"
    assert pool.drops[call].sentence == "was killed by signal 9"
    assert pool.attempts[call] == 3
    assert pool.pool.lost == 1


def test_a_call_on_a_falling_executor_waits_for_the_platforms_word_before_it_is_tried_again() -> None:
    pool = ready(2)
    call = pool.submit(retries=1)
    name = pool.where(call)
    assert name is not None
    pool.falling(name)
    assert pool.waiting == []
    pool.gone(name)
    assert pool.where(call) not in (None, name)


def test_what_has_given_something_away_is_not_tried_again() -> None:
    pool = ready(1)
    call = pool.submit(retries=5)
    pool.unrepeatable(call)
    pool.gone("x-1")
    assert pool.ended[call] == "lost"


def test_a_cancelled_or_late_call_is_not_tried_again() -> None:
    pool = ready(2)
    cancelled, late = pool.submit(retries=5), pool.submit(retries=5, within=3)
    pool.cancel(cancelled)
    pool.advance(2)
    pool.clock.advance(1)
    for name in list(pool.alive):
        pool.gone(name)
    assert pool.ended == {cancelled: "cancelled", late: "lost"}


def test_a_retried_call_keeps_its_deadline_and_its_times_add_up() -> None:
    pool = ready(1)
    call = pool.submit(retries=1, within=20)
    pool.advance(5)
    pool.gone("x-1")
    pool.advance(3)
    up(pool)
    pool.advance(60)
    assert pool.drops[call].times == {"queued": 0.0, "booting": 3.0, "running": 17.0}


def test_results_and_losses_are_counted() -> None:
    pool = ready(2)
    pool.over(pool.submit())
    pool.submit()
    cancelled = pool.submit()
    pool.cancel(cancelled)
    pool.over(cancelled)
    pool.gone(pool.where("c2") or "")
    assert (pool.pool.done, pool.pool.lost, pool.pool.running) == (1, 1, 0)


# ── keys ──


def test_calls_of_one_key_go_to_one_executor_and_wait_for_it() -> None:
    pool = ready(2)
    first = pool.submit(affinity="user-7")
    home = pool.where(first)
    second = pool.submit(affinity="user-7")
    assert pool.waiting == [second]
    assert pool.pool.idle == 1
    pool.over(first)
    assert pool.where(second) == home


def test_calls_that_follow_a_key_ask_for_no_executors_of_their_own() -> None:
    pool = paper(max=8)
    calls = [pool.submit(affinity="k") for _ in range(5)]
    assert len(pool.booting) == 1
    pool.submit(affinity="other")
    assert len(pool.booting) == 2
    up(pool)
    pool.cancel(calls[1])
    assert calls[0] in pool.held
    assert pool.waiting == calls[2:]


def test_calls_that_have_found_their_executor_are_not_counted_as_followers_any_more() -> None:
    pool = paper(max=8)
    for _ in range(5):
        pool.submit(affinity="k")
    up(pool)
    for _ in range(3):
        pool.submit()
    assert len(pool.booting) == 3


def test_a_call_that_waits_for_its_executor_holds_up_nobody() -> None:
    pool = ready(2)
    first = pool.submit(affinity="k")
    bound = [pool.submit(affinity="k") for _ in range(3)]
    free = pool.submit()
    assert free in pool.held
    pool.over(free)
    assert pool.submit() in pool.held
    pool.over(first)
    assert pool.where(bound[0]) == pool.homes["Resources(gpu=[], cpus=0.0, memory=0)", "k"]


def test_the_general_queue_and_the_executors_own_line_take_turns_by_age() -> None:
    pool = ready(1)
    first = pool.submit(affinity="k")
    general, bound, later = pool.submit(), pool.submit(affinity="k"), pool.submit()
    assert served(pool) == [first, general, bound, later]


def test_one_tenants_bound_calls_do_not_starve_another_tenants() -> None:
    pool = ready(1)
    pool.submit(affinity="k", tenant="a")
    bound = [pool.submit(affinity="k", tenant="a") for _ in range(3)]
    other = pool.submit(tenant="b")
    order = served(pool)
    assert order.index(other) < order.index(bound[2])


def test_when_the_executor_dies_its_keys_are_free_again() -> None:
    pool = ready(2)
    first = pool.submit(affinity="k")
    waiting = [pool.submit(affinity="k") for _ in range(2)]
    home = pool.where(first)
    pool.gone(home or "")
    assert pool.where(waiting[0]) not in (None, home)
    assert pool.waiting == waiting[1:]
    pool.over(waiting[0])
    assert list(pool.held) == waiting[1:]


def test_calls_whose_executor_died_ask_for_one_executor_a_key() -> None:
    pool = up(paper(max=8))
    pool.submit(affinity="k")
    up(pool)
    for _ in range(3):
        pool.submit(affinity="k")
    pool.gone("x-1")
    assert pool.booting == ["x-2"]


def test_a_retried_call_goes_before_the_general_queue_on_its_executor() -> None:
    pool = ready(1, concurrency=2)
    retried = pool.submit(affinity="k", tenant="a", retries=1)
    pool.submit(tenant="a")
    other = pool.submit(tenant="b")
    worker = pool.held[retried]
    pool.worker_dies(worker)
    pool.renewed(worker)
    assert retried in pool.held
    assert pool.waiting == [other]


def test_calls_whose_executor_died_take_their_old_place() -> None:
    pool = ready(1)
    pool.submit(affinity="k")
    bound = pool.submit(affinity="k")
    general = pool.submit()
    pool.gone("x-1")
    assert served(up(pool)) == [bound, general]


def test_an_idle_executor_that_only_has_a_key_may_still_go_and_the_key_finds_another() -> None:
    pool = up(paper(max=2, idle_timeout=10, min=1))
    pool.over(pool.submit(affinity="k"))
    pool.resize(0, 2)
    pool.advance(10)
    assert pool.told == ["x-1"]
    call = pool.submit(affinity="k")
    assert pool.booting == ["x-2"]
    up(pool)
    assert pool.where(call) == "x-2"


def test_a_draining_executor_gives_its_keys_away() -> None:
    pool = ready(2)
    first = pool.submit(affinity="k")
    home = pool.where(first)
    waiting = pool.submit(affinity="k")
    pool.falling(home or "")
    assert pool.where(waiting) not in (None, home)


# ── pins ──


def test_a_pinned_call_runs_on_its_worker_and_before_others() -> None:
    pool = ready(2)
    calls = [pool.submit() for _ in range(4)]
    pinned = pool.submit(pin="x-2.0")
    on_second = next(call for call, worker in pool.held.items() if worker == "x-2.0")
    pool.over(next(call for call in pool.held if call != on_second))
    assert pinned not in pool.held
    pool.over(on_second)
    assert pool.held[pinned] == "x-2.0"
    assert calls[3] in pool.waiting


def test_a_pinned_call_without_its_worker_is_lost() -> None:
    pool = ready(1, concurrency=2)
    assert pool.drops[pool.submit(pin="x-9.0")].sentence == "worker x-9.0 is gone"
    running = pool.submit(pin="x-1.0")
    waiting = pool.submit(pin="x-1.0")
    pool.worker_dies("x-1.0")
    assert pool.ended == {"c1": "lost", running: "lost", waiting: "lost"}


def test_pinned_calls_are_lost_with_their_executor_and_ask_for_none() -> None:
    pool = ready(1)
    pool.submit()
    pinned = pool.submit(pin="x-1.0")
    pool.falling("x-1")
    assert pool.ended == {pinned: "lost"}
