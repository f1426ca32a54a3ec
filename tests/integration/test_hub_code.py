"""What a hub does with code: it is where a call runs before the call does, and workers that hold older code are replaced."""

import pytest
from msgspec import structs
from tests.integration.paper_hub import Remembers, a_paper_hub, written

from yonder import wire
from yonder.hub.freshness import MOST_REFUSALS
from yonder.snapshot import version

OLD, NEW = written(helper="x = 1"), written(helper="x = 2")


@pytest.fixture
async def paper():
    async with a_paper_hub() as hub:
        yield hub


@pytest.fixture
async def client(paper):
    """A program with a pool of one worker, which has published the old code."""
    client = await paper.a_pool(max=1)
    await client.publishes(OLD)
    return client


def calls_of(worker):
    return worker.of(wire.Call)


async def fulfil(worker, nth=1):
    """It runs the nth call that it is given."""
    call = await worker.hears(wire.Call, nth)
    worker.done(call.task)
    return call


async def leaves(paper, worker):
    await worker.hears(wire.Leave)
    paper.agent.leave(worker.name)


# ── the way to the machine ──


async def test_a_calls_code_is_there_before_it(paper, client):
    paper.agent.slow = True
    number = client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    await paper.agent.code.hears(wire.Publish)
    assert calls_of(worker) == []
    assert client.of(wire.CallPhase) == []
    paper.agent.stows(OLD[0].digest)
    call = await fulfil(worker)
    assert call.snapshot == OLD[0].digest
    end = await client.end_of(number)
    assert (end.outcome, end.code) == ("ok", version(OLD[0].digest))
    assert {"queued", "syncing", "running"} <= set(end.times)
    await fulfil_again(client, worker)
    assert len(paper.agent.code.of(wire.Publish)) == 1


async def fulfil_again(client, worker):
    number = client.submits(code=OLD[0].digest)
    await fulfil(worker, 2)
    assert "syncing" not in (await client.end_of(number)).times


async def test_a_call_without_code_is_as_it_was(paper):
    client = await paper.a_pool(max=1)
    number = client.submits()
    assert (await fulfil(await paper.agent.worker(1))).snapshot == b""
    assert (await client.end_of(number)).code == ""
    assert paper.agent.code.said == []


async def test_a_machine_that_cannot_keep_the_code_fails_the_call_in_words(paper, client):
    paper.agent.slow = True
    number = client.submits(code=OLD[0].digest)
    await paper.agent.code.hears(wire.Publish)
    paper.agent.stows(OLD[0].digest, "the disk is full")
    end = await client.end_of(number)
    assert (end.outcome, end.phase) == ("lost", "syncing")
    assert "the disk is full" in end.sentence
    client.submits()  # the worker is free
    await (await paper.agent.worker(1)).hears(wire.Call)


async def test_a_call_that_waits_for_its_code_can_be_cancelled(paper, client):
    paper.agent.slow = True
    number = client.submits(code=OLD[0].digest)
    await paper.agent.code.hears(wire.Publish)
    client.says(wire.Cancel(number))
    end = await client.end_of(number)
    assert (end.outcome, end.phase) == ("cancelled", "syncing")
    other = client.submits()
    worker = await paper.agent.worker(1)
    paper.agent.stows(OLD[0].digest)
    await fulfil(worker)
    await client.end_of(other)
    assert len(calls_of(worker)) == 1


async def test_a_deadline_counts_while_the_code_is_on_the_way(paper, client):
    paper.agent.slow = True
    number = client.submits(code=OLD[0].digest, timeout=0.05)
    end = await client.end_of(number)
    assert (end.outcome, end.phase) == ("timeout", "syncing")
    assert "on the way" in end.sentence
    client.submits()
    await (await paper.agent.worker(1)).hears(wire.Call)


async def test_a_worker_that_dies_meanwhile_is_a_loss_like_any_other(paper, client):
    paper.agent.slow = True
    number = client.submits(code=OLD[0].digest, retries=1)
    await paper.agent.code.hears(wire.Publish)
    (await paper.agent.worker(1)).dies()
    worker = await paper.agent.worker(2)
    paper.agent.stows(OLD[0].digest)
    await fulfil(worker)
    end = await client.end_of(number)
    assert (end.outcome, end.attempts) == ("ok", 2)


async def test_code_goes_beside_what_must_not_wait_and_all_of_it_the_same_way(paper):
    client = await paper.a_pool(max=1)
    await client.publishes(OLD, NEW)
    paper.agent.told.beside = beside = Remembers()
    client.submits(code=OLD[0].digest)
    await beside.hears(wire.Publish)
    paper.agent.told.beside = None
    client.submits(code=NEW[0].digest)
    paper.agent.stows(OLD[0].digest)
    await fulfil(await paper.agent.worker(1))
    await beside.hears(wire.Publish, 2)
    assert paper.agent.code.said == []


async def test_a_call_that_was_begun_elsewhere_meanwhile_is_not_begun_again():
    """Its worker dies while the code comes; the next one waits for the same."""
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        await client.publishes(OLD)
        paper.agent.slow = True
        number = client.submits(code=OLD[0].digest, retries=1)
        await paper.agent.code.hears(wire.Publish)
        first = await paper.agent.worker(1)
        first.dies()
        second = await paper.agent.worker(2)
        await paper.turns(10)
        paper.agent.stows(OLD[0].digest)
        await fulfil(second)
        assert (await client.end_of(number)).outcome == "ok"
        assert (len(calls_of(first)), len(calls_of(second))) == (0, 1)


async def test_code_that_nobody_published_is_asked_for_again(paper):
    client = await paper.a_pool(max=1)
    end = await client.end_of(client.submits(code=OLD[0].digest))
    assert (end.outcome, end.attempts) == ("lost", 0)
    assert "submit it again" in end.sentence


async def test_nested_calls_run_on_the_code_of_their_worker(paper):
    client = await paper.a_pool(max=2)
    await client.publishes(OLD)
    client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    await worker.hears(wire.Call)
    nested = paper.client(worker)
    await nested.opens(wire.PoolSpec())
    nested.submits()
    assert (await fulfil(await paper.agent.worker(2))).snapshot == OLD[0].digest


async def test_code_is_not_published_from_inside_of_a_call(paper):
    client = await paper.a_pool(max=1)
    client.submits()
    worker = await paper.agent.worker(1)
    await worker.hears(wire.Call)
    nested = paper.client(worker)
    nested.says(wire.Blobs(OLD[1]))
    nested.says(OLD[0].publish(None))
    assert "not from inside" in (await nested.hears(wire.Published)).sentence
    assert len(paper.hub.executors.library) == paper.hub.executors.library.size == 0


async def test_what_a_program_published_goes_when_it_goes_and_nothing_runs_on_it(paper, client):
    client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    await worker.hears(wire.Call)
    client.client.lost()
    assert len(paper.hub.executors.library) == 1
    await paper.agent.kills.hears(wire.Kill)
    await paper.until(lambda: not paper.hub.desk.pools, "the end of the pool")
    assert len(paper.hub.executors.library) == 0
    assert paper.agent.snapshots == {}


async def test_what_was_published_last_stays_however_many_calls_ran_on_it(paper, client):
    for nth in (1, 2, 3, 4):
        number = client.submits(code=OLD[0].digest)
        await fulfil(await paper.agent.worker(1), nth)
        await client.end_of(number)
    client.says(wire.Blobs(NEW[1]))
    client.says(NEW[0].publish(OLD[0]))
    assert (await client.hears(wire.Published, snapshot=NEW[0].digest)).sentence == ""


# ── older code ──


async def test_a_stale_worker_is_replaced_in_its_executor_and_the_call_runs(paper):
    client = await paper.a_pool(max=1)
    await client.publishes(OLD, NEW)
    client.says(wire.Watch("default", on=True))
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    number = client.submits(code=NEW[0].digest)
    old.says(wire.Stale((await old.hears(wire.Call, 2)).task, ["helper"]))
    fresh = await paper.agent.worker(2)
    await leaves(paper, old)
    call = await fulfil(fresh)
    end = await client.end_of(number)
    assert (call.snapshot, end.outcome, end.attempts) == (NEW[0].digest, "ok", 1)
    first, second = paper.agent.forks.said
    assert first.executor == second.executor == end.executor
    event = await client.hears(wire.PoolEvent, kind="outdated")
    assert event.sentence == f"helper changed: worker {old.name} is replaced"
    assert not client.of(wire.PoolEvent, kind="worker_lost")
    assert not client.of(wire.PoolEvent, kind="gone")


async def test_a_stale_call_goes_before_those_that_came_later(paper):
    client = await paper.a_pool(max=1)
    await client.publishes(OLD, NEW)
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    first = client.submits(code=NEW[0].digest)
    second = client.submits(code=NEW[0].digest)
    old.says(wire.Stale((await old.hears(wire.Call, 2)).task, ["helper"]))
    await leaves(paper, old)
    fresh = await paper.agent.worker(2)
    await fulfil(fresh)
    await client.end_of(first)
    await fulfil(fresh, 2)
    await client.end_of(second)


async def test_who_always_says_stale_does_not_go_on_for_ever(paper, client):
    number = client.submits(code=OLD[0].digest, retries=5)
    for nth in range(1, MOST_REFUSALS + 1):
        worker = await paper.agent.worker(nth)
        worker.says(wire.Stale((await worker.hears(wire.Call)).task, ["helper"]))
        await leaves(paper, worker)
    end = await client.end_of(number)
    assert end.outcome == "lost"
    assert "fresh workers in a row" in end.sentence
    client.submits(code=OLD[0].digest)
    await fulfil(await paper.agent.worker(MOST_REFUSALS + 1))


async def test_a_worker_that_says_stale_of_nothing_is_not_heard(paper):
    client = await paper.a_pool(max=1)
    number = client.submits()
    worker = await paper.agent.worker(1)
    call = await worker.hears(wire.Call)
    worker.says(wire.Stale(0, ["helper"]))
    worker.says(wire.Stale(call.task + 1, ["helper"]))
    worker.done(call.task)
    assert (await client.end_of(number)).outcome == "ok"
    worker.says(wire.Stale(call.task, ["helper"]))
    worker.says(wire.Stale(0, ["helper"]))
    client.submits()
    await worker.hears(wire.Call, 2)
    assert len(paper.agent.forks.said) == 1


async def test_a_cancelled_call_that_proves_stale_is_over(paper):
    client = await paper.a_pool(max=1)
    await client.publishes(OLD, NEW)
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    number = client.submits(code=NEW[0].digest)
    call = await old.hears(wire.Call, 2)
    client.says(wire.Cancel(number))
    old.says(wire.Stale(call.task, ["helper"]))
    assert (await client.end_of(number)).outcome == "cancelled"
    await leaves(paper, old)
    client.submits(code=NEW[0].digest)
    await fulfil(await paper.agent.worker(2))
    assert not client.client.asked


async def test_a_fresh_process_per_call_is_replaced_the_same_way(paper):
    client = await paper.a_pool(max=1, isolation="process")
    await client.publishes(OLD)
    number = client.submits(code=OLD[0].digest)
    first = await paper.agent.worker(1)
    first.says(wire.Stale((await first.hears(wire.Call)).task, ["helper"]))
    await leaves(paper, first)
    fresh = await paper.agent.worker(2)
    await fulfil(fresh)
    assert (await client.end_of(number)).outcome == "ok"


async def test_processes_that_were_forked_ahead_on_older_code_are_not_used(paper):
    client = await paper.a_pool(max=1, isolation="process", concurrency=2)
    client.says(wire.Watch("default", on=True))
    await client.publishes(OLD, NEW)
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", OLD[0].digest))
    client.submits(code=OLD[0].digest)
    first, second = await paper.agent.worker(1), await paper.agent.worker(2)
    await fulfil(first)
    await fulfil(second)
    early = await paper.agent.worker(3)  # forked ahead, beside the first call
    assert (await fulfil(early)).snapshot == OLD[0].digest
    busy, other = (first, second) if len(calls_of(first)) == 2 else (second, first)
    number = client.submits(code=NEW[0].digest)
    call = await other.hears(wire.Call, 2)
    ahead = await paper.agent.worker(4)
    assert (await fulfil(ahead)).snapshot == NEW[0].digest
    other.says(wire.Stale(call.task, ["helper"]))
    assert [kill.worker for kill in paper.agent.kills.said] == [early.name]
    await leaves(paper, other)
    await fulfil(ahead, 2)
    assert (await client.end_of(number)).outcome == "ok"
    await paper.turns(5)
    assert len(calls_of(early)) == 1
    assert len(calls_of(busy)) == 2
    assert client.of(wire.PoolEvent, kind="worker_lost") == []


async def test_an_executor_for_one_call_is_followed_by_another(paper):
    client = await paper.a_pool(max=1, isolation="executor")
    await client.publishes(OLD)
    number = client.submits(code=OLD[0].digest)
    first = await paper.agent.worker(1)
    first.says(wire.Stale((await first.hears(wire.Call)).task, ["helper"]))
    await leaves(paper, first)
    await fulfil(await paper.agent.worker(2))
    end = await client.end_of(number)
    assert (end.outcome, end.attempts) == ("ok", 1)


# ── ahead of calls ──


async def test_idle_workers_are_told_ahead_and_stale_ones_are_replaced_before_the_next_call(paper, client):
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    await client.publishes(NEW)
    assert (await old.hears(wire.Adopt)).snapshot == NEW[0].digest
    old.says(wire.Stale(0, ["helper"]))
    await leaves(paper, old)
    fresh = await paper.agent.worker(2)
    number = client.submits(code=NEW[0].digest)
    await fulfil(fresh)
    assert (await client.end_of(number)).outcome == "ok"
    assert len(paper.agent.forks.said) == 2
    assert len(calls_of(old)) == 1


async def test_only_the_newest_code_is_adopted(paper, client):
    client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    await fulfil(worker)
    paper.agent.slow = True
    newest = written(helper="x = 3")
    await client.publishes(NEW, newest)
    paper.agent.stows(NEW[0].digest)
    paper.agent.stows(newest[0].digest)
    assert [one.snapshot for one in worker.of(wire.Adopt)] == [newest[0].digest]


async def test_busy_workers_finish_on_the_code_that_they_have_and_are_asked_then(paper, client):
    number = client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    call = await worker.hears(wire.Call)
    await client.publishes(NEW)
    await paper.agent.code.hears(wire.Publish, 2)
    await paper.turns(5)
    assert worker.of(wire.Adopt) == []
    worker.done(call.task)
    assert (await client.end_of(number)).code == version(OLD[0].digest)
    assert (await worker.hears(wire.Adopt)).snapshot == NEW[0].digest
    worker.says(wire.Stale(0, ["helper"]))
    await leaves(paper, worker)
    await paper.agent.worker(2)  # the next call meets a fresh one
    assert client.of(wire.CallDone)[0].attempts == 1


async def test_a_busy_worker_is_asked_for_the_newest_code_and_once(paper):
    client = await paper.a_pool(max=1)
    newest = written(helper="x = 3")
    await client.publishes(OLD)
    client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    call = await worker.hears(wire.Call)
    await client.publishes(NEW)
    await paper.agent.code.hears(wire.Publish, 2)
    await client.publishes(newest)
    await paper.agent.code.hears(wire.Publish, 3)
    second = client.submits(code=newest[0].digest)
    worker.done(call.task)
    await fulfil(worker, 2)
    assert (await client.end_of(second)).code == version(newest[0].digest)
    await paper.turns(5)
    assert worker.of(wire.Adopt) == []  # the call that was waiting has said what it runs on


async def test_a_worker_that_dies_busy_is_not_asked(paper, client):
    number = client.submits(code=OLD[0].digest)
    worker = await paper.agent.worker(1)
    await worker.hears(wire.Call)
    await client.publishes(NEW)
    await paper.agent.code.hears(wire.Publish, 2)
    worker.dies()
    assert (await client.end_of(number)).outcome == "lost"
    await paper.turns(5)
    assert worker.of(wire.Adopt) == []


async def test_a_call_overtakes_the_answer_to_an_adopt(paper, client):
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    await client.publishes(NEW)
    await old.hears(wire.Adopt)
    number = client.submits(code=NEW[0].digest)
    call = await old.hears(wire.Call, 2)
    old.says(wire.Stale(0, ["helper"]))
    old.says(wire.Stale(call.task, ["helper"]))
    await leaves(paper, old)
    await fulfil(await paper.agent.worker(2))
    assert (await client.end_of(number)).attempts == 1
    assert len(paper.agent.forks.said) == 2


async def test_machines_without_workers_of_the_publisher_get_nothing(paper, client):
    assert paper.agent.code.said == []


# ── broadcasts ──


async def test_a_broadcast_runs_on_its_code_and_again_on_the_code_of_the_worker_that_comes(paper):
    client = await paper.a_pool(max=1)
    await client.publishes(OLD, NEW)
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", OLD[0].digest))
    await client.hears(wire.BroadcastDone)
    number = client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    rite = await fulfil(old)
    await fulfil(old, 2)
    await client.end_of(number)
    assert rite.snapshot == OLD[0].digest
    number = client.submits(code=NEW[0].digest)
    old.says(wire.Stale((await old.hears(wire.Call, 3)).task, ["helper"]))
    await leaves(paper, old)
    fresh = await paper.agent.worker(2)
    assert (await fulfil(fresh)).snapshot == NEW[0].digest
    assert (await fulfil(fresh, 2)).snapshot == NEW[0].digest
    assert (await client.end_of(number)).outcome == "ok"


async def test_a_broadcast_whose_code_cannot_come_fails_the_boot_in_words(paper, client):
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", OLD[0].digest))
    paper.agent.slow = True
    client.says(wire.Watch("default", on=True))
    client.submits()
    await paper.agent.code.hears(wire.Publish)
    paper.agent.stows(OLD[0].digest, "the disk is full")
    event = await client.hears(wire.PoolEvent, kind="boot_failed")
    assert "the code of init did not come: the disk is full" in event.sentence


async def stale_for_a_broadcast(paper, client, **spec):
    """The only worker of a pool finds that it is stale when a broadcast comes; the answer is that worker and the next."""
    await client.publishes(OLD, NEW)
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", NEW[0].digest))
    old.says(wire.Stale((await old.hears(wire.Call, 2)).task, ["helper"]))
    return old


async def test_a_broadcast_that_meets_a_stale_worker_has_the_end_of_its_successor(paper):
    client = await paper.a_pool(max=1)
    old = await stale_for_a_broadcast(paper, client)
    fresh = await paper.agent.worker(2)
    call = await fresh.hears(wire.Call)
    assert call.snapshot == NEW[0].digest
    fresh.done(call.task, b"there")
    await leaves(paper, old)
    (end,) = (await client.hears(wire.BroadcastDone)).ends
    assert (end.outcome, end.body, end.attempts) == ("ok", b"there", 1)
    client.submits(code=NEW[0].digest)
    await fresh.hears(wire.Call, 2)
    assert len(fresh.of(wire.Call)) == 2
    client.says(wire.GetPool(8, "default"))
    assert (await client.hears(wire.PoolStatus)).state.lost == 0


async def test_a_broadcast_whose_stale_worker_has_no_successor_ends_without_it(paper):
    client = await paper.a_pool(max=1)
    old = await stale_for_a_broadcast(paper, client)
    fresh = await paper.agent.worker(2)
    for nth in range(2, 5):  # as often as a place is filled again
        fresh = await paper.agent.worker(nth)
        await fresh.hears(wire.Call)
        fresh.dies()
    old.dies()
    assert (await client.hears(wire.BroadcastDone)).ends == []


async def test_a_worker_that_is_being_replaced_counts_for_a_broadcast(paper, client):
    client.submits(code=OLD[0].digest)
    old = await paper.agent.worker(1)
    await fulfil(old)
    await client.publishes(NEW)
    await old.hears(wire.Adopt)
    old.says(wire.Stale(0, ["helper"]))
    fresh = await paper.agent.worker(2)
    await paper.turns(5)
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", NEW[0].digest))
    await fulfil(fresh)
    await leaves(paper, old)
    assert [end.outcome for end in (await client.hears(wire.BroadcastDone)).ends] == ["ok"]
    client.says(wire.Broadcast(51, "default", b"f", b"body", b"args", "init", NEW[0].digest))
    await fulfil(fresh, 2)
    assert len((await client.hears(wire.BroadcastDone, call=51)).ends) == 1


async def test_a_broadcast_that_waits_for_a_successor_can_be_cancelled(paper):
    client = await paper.a_pool(max=1)
    await stale_for_a_broadcast(paper, client)
    client.says(wire.Cancel(50))
    (end,) = (await client.hears(wire.BroadcastDone)).ends
    assert end.outcome == "cancelled"
    fresh = await paper.agent.worker(2)
    await fulfil(fresh)
    assert len(client.of(wire.BroadcastDone)) == 1


async def test_a_worker_that_proves_stale_where_nobody_follows_is_not_waited_for(paper):
    client = await paper.a_pool(max=1, concurrency=2)
    await client.publishes(OLD)
    for _ in range(2):
        client.submits(code=OLD[0].digest)
    idle, busy = [await paper.agent.worker(nth) for nth in (1, 2)]
    await fulfil(idle)
    await busy.hears(wire.Call)
    await client.publishes(NEW)
    await idle.hears(wire.Adopt)
    client.says(wire.OpenPool(901, wire.PoolSpec(max=1, concurrency=2), [], wire.Place(folder="elsewhere")))
    await client.hears(wire.PoolOpened, id=901)  # the executor goes as soon as its call has ended
    idle.says(wire.Stale(0, ["helper"]))
    client.says(wire.Broadcast(50, "default", b"f", b"body", b"args", "init", NEW[0].digest))
    assert (await client.hears(wire.BroadcastDone)).ends == []
    assert busy.of(wire.Leave) == []


# ── what reloads ──


async def test_a_worker_that_keeps_its_state_says_what_it_reloaded(paper):
    client = await paper.a_pool(max=1)
    client.says(wire.Watch("default", on=True))
    await client.publishes(NEW)
    number = client.submits(code=NEW[0].digest)
    worker = await paper.agent.worker(1)
    call = await worker.hears(wire.Call)
    worker.says(wire.Reloaded(call.task, ["helper"], {"model": "it has live instances"}))
    worker.done(call.task)
    assert (await client.end_of(number)).outcome == "ok"
    sentence = (await client.hears(wire.PoolEvent, kind="reloaded")).sentence
    assert "helper" in sentence
    assert "model is as it was: it has live instances" in sentence


# ── sessions ──


def execute(run="r1", code=OLD, **more):
    return wire.Execute(run, "main", "1", "work.py", 0, snapshot=code[0].digest if code else b"", **more)


def published(paper, *snapshots):
    for made, contents in snapshots:
        paper.hub.owner_asked(wire.Blobs(contents))
        paper.hub.owner_asked(made.publish(None))


def heard(paper, kind, **fields):
    return [
        one
        for one in paper.ear.heard
        if isinstance(one, kind) and all(getattr(one, key) == value for key, value in fields.items())
    ]


async def test_a_runs_code_is_there_before_it(paper):
    paper.agent.slow = True
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    await paper.agent.code.hears(wire.Publish)
    worker = await paper.agent.worker(1)
    assert worker.of(wire.Block) == []
    assert heard(paper, wire.Phase, run="r1", phase="syncing")
    paper.agent.stows(OLD[0].digest)
    block = await worker.hears(wire.Block)
    assert block.snapshot == OLD[0].digest
    worker.says(wire.Reloaded(block.task, ["helper"], {"model": "it has live instances"}))
    worker.says(wire.BlockDone(block.task, 0, 0))
    (end,) = heard(paper, wire.RunEnded)
    assert (end.outcome, end.code) == ("ok", version(OLD[0].digest))
    (changed,) = heard(paper, wire.CodeChanged)
    assert (changed.run, changed.reloaded, list(changed.kept)) == ("r1", ["helper"], ["model"])


async def test_a_run_whose_code_cannot_come_ends_in_words_and_the_next_one_begins(paper):
    paper.agent.slow = True
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    paper.hub.owner_asked(execute("r2", None))
    await paper.agent.code.hears(wire.Publish)
    paper.agent.stows(OLD[0].digest, "the disk is full")
    (end,) = heard(paper, wire.RunEnded)
    assert (end.run, end.outcome) == ("r1", "lost")
    assert "the disk is full" in end.sentence
    assert (await (await paper.agent.worker(1)).hears(wire.Block)).run == "r2"


async def test_a_run_that_waits_for_its_code_can_be_cancelled(paper):
    paper.agent.slow = True
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    await paper.agent.code.hears(wire.Publish)
    answer = await paper.hub.sessions["main"].interrupt(wire.Interrupt(1, "r1"))
    assert answer.outcome == "cancelled"
    paper.agent.stows(OLD[0].digest)
    assert [end.outcome for end in heard(paper, wire.RunEnded)] == ["cancelled"]
    assert (await paper.agent.worker(1)).of(wire.Block) == []


async def test_a_run_whose_code_nobody_published_ends_in_words(paper):
    paper.hub.owner_asked(execute())
    (end,) = heard(paper, wire.RunEnded)
    assert end.outcome == "lost"
    assert "run it again" in end.sentence


async def test_a_file_whose_code_cannot_come_leaves_no_process(paper):
    paper.agent.slow = True
    published(paper, OLD)
    paper.hub.owner_asked(execute(kind="file"))
    await paper.agent.code.hears(wire.Publish)
    paper.agent.stows(OLD[0].digest, "the disk is full")
    worker = await paper.agent.worker(1)
    await leaves(paper, worker)
    await paper.until(lambda: not paper.hub.executors.all, "the end of the process")


async def test_a_session_that_dies_while_its_code_comes_loses_the_run(paper):
    paper.agent.slow = True
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    await paper.agent.code.hears(wire.Publish)
    (await paper.agent.worker(1)).dies()
    await paper.until(lambda: heard(paper, wire.RunEnded, outcome="lost"), "the end of the run")
    paper.agent.stows(OLD[0].digest)
    assert len(heard(paper, wire.RunEnded)) == 1


async def test_a_sessions_worker_that_says_stale_is_none_of_ours(paper):
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    worker = await paper.agent.worker(1)
    worker.says(wire.Stale((await worker.hears(wire.Block)).task, ["helper"]))
    await paper.agent.kills.hears(wire.Kill)
    await paper.until(lambda: heard(paper, wire.RunEnded, outcome="lost"), "the end of the run")


async def test_what_the_owner_publishes_goes_ahead_to_the_pools_of_its_workspace(paper):
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    session = await paper.agent.worker(1)
    await session.hears(wire.Block)
    nested = paper.client(session)
    await nested.opens(wire.PoolSpec(max=1))
    nested.submits()
    worker = await paper.agent.worker(2)
    await fulfil(worker)
    published(paper, NEW)
    assert (await worker.hears(wire.Adopt)).snapshot == NEW[0].digest


async def test_what_a_worker_says_is_bounded(paper):
    published(paper, OLD)
    paper.hub.owner_asked(execute())
    worker = await paper.agent.worker(1)
    block = await worker.hears(wire.Block)
    long = ["x" * 10_000] * 10_000
    for _ in range(3):
        worker.says(wire.Reloaded(block.task, long, {f"{n}" + "y" * 10_000: "z" * 10_000 for n in range(1000)}))
    (changed,) = heard(paper, wire.CodeChanged)
    assert len(wire.encode(wire.Numbered(1, structs.replace(changed)))) < 200_000
