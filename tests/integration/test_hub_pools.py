"""What a hub does with pools: sizes, watchers, closed ones; and with executors whose workers come and go."""

from msgspec import structs
from tests.integration.paper_hub import a_paper_hub

from yonder import wire
from yonder.testing import FakeBackend


async def test_status_of_a_pool_that_is_closed_is_an_answer():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.ClosePool(7, "default", cancel=False))
        await client.hears(wire.PoolClosedNow)
        client.says(wire.GetPool(8, "default"))
        status = await client.hears(wire.PoolStatus)
        assert (status.id, status.state.executors, status.state.why) == (8, 0, "the pool is closed")
        end = await client.end_of(client.submits())
        assert end.outcome == "closed"


async def test_resize_counts_at_once():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.Watch("default", on=True))
        client.says(wire.Resize(5, "default", min=2, max=3))
        assert (await client.hears(wire.PoolOpened, id=5)).spec.max == 3
        await paper.agent.worker(2)
        assert (await client.hears(wire.PoolEvent, kind="resized")).sentence


async def test_watchers_hear_a_pools_life_in_order():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.Watch("default", on=True))
        call = client.submits()
        worker = await paper.agent.worker(1)
        worker.done((await worker.hears(wire.Call)).task)
        await client.end_of(call)
        client.says(wire.ClosePool(7, "default", cancel=False))
        await worker.hears(wire.Leave)
        paper.agent.leave(worker.name)
        await client.hears(wire.PoolClosedNow)
        kinds = [one.kind for one in client.of(wire.PoolEvent)]
        assert kinds == ["boot", "ready", "draining", "gone", "closed"]


async def test_who_watches_no_more_hears_no_more():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.Watch("default", on=True))
        client.says(wire.Watch("default", on=False))
        client.submits()
        await (await paper.agent.worker(1)).hears(wire.Call)
        assert client.of(wire.PoolEvent) == []


async def test_two_pools_share_one_budget():
    async with a_paper_hub() as paper:
        paper.hub.limit(2, 0)
        client = paper.client()
        for name in ("a", "b"):
            await client.opens(wire.PoolSpec(name=name, max=2), "name")
        first, second = client.submits("a"), client.submits("a")
        workers = [await paper.agent.worker(n) for n in (1, 2)]
        asked = [await worker.hears(wire.Call) for worker in workers]
        other = client.submits("b")
        await paper.until(lambda: paper.hub.desk.pools["b"].state().queued, "a call that waits")
        assert len(paper.agent.forks.said) == 2
        workers[0].done(asked[0].task)
        await client.end_of(first)
        await workers[0].hears(wire.Leave)
        paper.agent.leave(workers[0].name)
        third = await paper.agent.worker(3)
        third.done((await third.hears(wire.Call)).task)
        assert (await client.end_of(other)).outcome == "ok"
        workers[1].done(asked[1].task)
        assert (await client.end_of(second)).outcome == "ok"


async def test_a_bound_on_gpus_is_a_bound_on_the_executors_that_have_one():
    async with a_paper_hub() as paper:
        paper.hub.limit(0, 2)
        client = await paper.a_pool(max=4, resources=wire.Resources(gpu=["any:1"]))
        for _ in range(4):
            client.submits()
        workers = [await paper.agent.worker(n) for n in (1, 2)]
        for worker in workers:
            await worker.hears(wire.Call)
        assert paper.hub.desk.pools["default"].state().executors == 2
        paper.hub.limit(0, 0)
        await paper.agent.worker(4)


async def test_when_the_executor_hours_are_spent_nothing_new_begins_and_what_runs_ends():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1, min=1)
        running, waiting = client.submits(), client.submits()
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        paper.hub.limit(0, 0, 1e-9)
        refused = await client.end_of(waiting)
        assert refused.outcome == "boot_failed"
        assert "executor-hours is spent: raise max_executor_hours" in refused.sentence
        assert (await client.end_of(client.submits())).outcome == "boot_failed"
        worker.done(asked.task)
        assert (await client.end_of(running)).outcome == "ok"
        await worker.hears(wire.Leave)
        paper.agent.leave(worker.name)
        later = await client.opens(wire.PoolSpec(name="later"), "name")
        assert later is not None
        assert (await client.end_of(client.submits("later"))).outcome == "boot_failed"
        assert len(paper.agent.forks.said) == 1
        paper.hub.limit(0, 0, 1000.0)
        again = client.submits()
        successor = await paper.agent.worker(2)
        successor.done((await successor.hears(wire.Call)).task)
        assert (await client.end_of(again)).outcome == "ok"


async def test_the_hours_run_out_while_nothing_else_happens():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        waiting = client.submits()
        paper.hub.limit(0, 0, 0.05 / 3600)
        assert (await client.end_of(waiting)).outcome == "boot_failed"


async def test_a_lost_call_is_begun_again_with_everything_it_needs():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1, retries=1)
        client.says(wire.Watch("default", on=True))
        call = client.submits()
        for nth in (1, 2):
            worker = await paper.agent.worker(nth)
            asked = await worker.hears(wire.Call)
            assert (asked.function_body, asked.arguments) == (b"body f", b"args")
            assert (await client.hears(wire.CallPhase, nth)).attempt == nth
            worker.dies(wire.ExitReport(signal=11))
        end = await client.end_of(call)
        assert (end.outcome, end.attempts, end.report.signal) == ("lost", 2, 11)
        assert "2 times" in end.sentence
        assert len(client.of(wire.PoolEvent, kind="retry")) == 1


async def test_a_stream_that_has_given_something_is_not_begun_again():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1, retries=1)
        silent = client.submits(retries=1, mode=wire.Mode("stream", credit=1))
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        worker.dies()
        worker = await paper.agent.worker(2)
        asked = await worker.hears(wire.Call)
        worker.says(wire.Yielded(asked.task, 1, b"a"))
        worker.dies()
        assert (await client.end_of(silent)).outcome == "lost"


async def test_calls_that_wait_for_calls_of_a_full_pool_are_refused_when_the_last_place_waits():
    async with a_paper_hub() as paper:
        program = await paper.a_pool(max=2)
        outer = [program.submits(), program.submits()]
        workers = [await paper.agent.worker(n) for n in (1, 2)]
        nested = []
        for worker in workers:
            await worker.hears(wire.Call)
            inside = paper.client(worker)
            await inside.opens(wire.PoolSpec())
            inside.says(wire.Waits([inside.submits()]))
            nested.append(inside)
        refused = await nested[1].end_of(1)
        assert refused.outcome == "deadlock"
        assert "max 2" in refused.sentence
        assert nested[0].of(wire.CallDone) == []
        workers[1].done(workers[1].of(wire.Call)[0].task)
        inner = await workers[1].hears(wire.Call, 2)
        workers[1].done(inner.task)
        assert (await nested[0].end_of(1)).outcome == "ok"
        assert (await program.end_of(outer[1])).outcome == "ok"


async def test_a_call_that_computes_while_another_waits_is_no_deadlock():
    async with a_paper_hub() as paper:
        program = await paper.a_pool(max=1)
        program.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        inside = paper.client(worker)
        await inside.opens(wire.PoolSpec())
        inside.says(wire.Waits([inside.submits()]))
        inside.says(wire.Waits([]))
        await paper.turns(5)
        assert inside.of(wire.CallDone) == []


async def test_a_smaller_max_may_make_a_deadlock():
    async with a_paper_hub() as paper:
        program = await paper.a_pool(max=2)
        program.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        inside = paper.client(worker)
        await inside.opens(wire.PoolSpec())
        paper.agent.shy = True
        inside.says(wire.Waits([inside.submits()]))
        await paper.turns(5)
        assert inside.of(wire.CallDone) == []
        program.says(wire.Resize(3, "default", max=1))
        assert (await inside.end_of(1)).outcome == "deadlock"


async def test_calls_of_different_programs_take_turns():
    async with a_paper_hub() as paper:
        one, two = await paper.a_pool(max=1), await paper.a_pool(max=1)
        order = []
        for client, function in ((one, b"1"), (one, b"1"), (one, b"1"), (two, b"2")):
            client.submits(function=function)
        worker = await paper.agent.worker(1)
        for n in range(1, 5):
            asked = await worker.hears(wire.Call, n)
            order.append(asked.function)
            worker.done(asked.task)
        assert order.index(b"2") < 3


async def test_a_clients_end_takes_its_calls_along_and_nobody_elses():
    async with a_paper_hub() as paper:
        one, two = await paper.a_pool(max=1), await paper.a_pool(max=1)
        one.submits()
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        mine = two.submits()
        one.client.lost()
        await worker.control.hears(wire.Raise, task=asked.task)
        worker.done(asked.task)
        worker.done((await worker.hears(wire.Call, 2)).task)
        assert (await two.end_of(mine)).outcome == "ok"


class HasDevices(FakeBackend):
    async def boot(self, spec, phase):
        return structs.replace(await super().boot(spec, phase), env={"CUDA_VISIBLE_DEVICES": "3"})


async def test_what_the_platform_gives_an_executor_is_in_its_workers_environment():
    async with a_paper_hub(HasDevices()) as paper:
        client = await paper.a_pool(max=1, env={"OWN": "1"}, resources=wire.Resources(cpus=3))
        client.submits()
        fork = await paper.agent.forks.hears(wire.Fork)
        assert fork.env == {"OWN": "1", "CUDA_VISIBLE_DEVICES": "3"}
        assert fork.threads == 3
