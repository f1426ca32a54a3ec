"""What a hub does with calls, streams, actors and broadcasts, over workers of paper."""

from tests.integration.paper_hub import a_paper_hub

from yonder import wire
from yonder.testing import FakeBackend

STREAM = wire.Mode("stream", credit=2)
ACTOR = wire.Mode("actor")


async def test_a_call_goes_out_whole_and_comes_back_with_its_figures():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits()
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        assert (asked.function_body, asked.arguments, asked.mode) == (b"body f", b"args", None)
        assert (await client.hears(wire.CallPhase)).attempt == 1
        worker.done(asked.task, micros=7)
        end = await client.end_of(call)
        assert (end.outcome, end.body, end.micros, end.attempts) == ("ok", b"v", 7, 1)
        assert {"queued", "running"} <= set(end.times) <= {"queued", "booting", "running"}


async def test_a_function_travels_once_to_a_worker_that_remembers_it():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        worker = None
        for n in (1, 2):
            client.submits()
            worker = worker or await paper.agent.worker(1)
            worker.done((await worker.hears(wire.Call, n)).task)
        assert [one.function_body for one in worker.of(wire.Call)] == [b"body f", b""]


async def test_a_worker_is_told_what_to_forget_and_gets_it_again():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        worker = None
        names = [b"f%d" % n for n in range(257)] + [b"f0"]
        for n, name in enumerate(names, 1):
            client.submits(function=name)
            worker = worker or await paper.agent.worker(1)
            worker.done((await worker.hears(wire.Call, n)).task)
        calls = worker.of(wire.Call)
        assert calls[255].forget == []
        assert calls[256].forget == [b"f0"]
        assert calls[257].function_body == b"body f0"
        assert calls[257].forget == [b"f1"]


async def test_a_client_forgets_functions():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.submits()
        client.says(wire.Forget([b"f"]))
        client.says(wire.Submit(77, "default", b"f", b"", b"", ""))
        assert (await client.end_of(77)).outcome == "lost"


async def test_options_of_the_pool_are_the_calls_when_it_says_nothing():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1, timeout=0.01)
        end = await client.end_of(client.submits())
        assert end.outcome == "timeout"


async def test_a_call_that_does_not_stop_is_killed_after_its_own_grace():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits(grace=0.01)
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        client.says(wire.Cancel(call))
        assert (await client.end_of(call)).outcome == "cancelled"
        await worker.control.hears(wire.Raise, task=asked.task)
        assert (await paper.agent.kills.hears(wire.Kill)).worker == worker.name


async def test_a_stream_goes_straight_through_and_its_end_comes_last():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits(mode=STREAM)
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        assert asked.mode == STREAM
        worker.says(wire.Yielded(asked.task, 1, b"a"))
        client.says(wire.Credit(call, 5))
        assert await worker.control.hears(wire.Allow) == wire.Allow(asked.task, 5)
        worker.says(wire.Yielded(asked.task, 2, b"b"))
        worker.done(asked.task)
        await client.end_of(call)
        assert [one.n for one in client.of(wire.CallYield)] == [1, 2]
        assert isinstance(client.said[-1], wire.CallDone)


async def test_credit_that_comes_before_the_stream_has_a_worker_goes_out_with_it():
    async with a_paper_hub() as paper:
        paper.agent.shy = True
        client = await paper.a_pool(max=1)
        call = client.submits(mode=STREAM)
        client.says(wire.Credit(call, 9))
        worker = await paper.agent.worker(1)
        worker.hello()
        assert (await worker.hears(wire.Call)).mode.credit == 9


async def test_a_cancelled_stream_says_no_more_values():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits(mode=STREAM)
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        client.says(wire.Cancel(call))
        await client.end_of(call)
        worker.says(wire.Yielded(asked.task, 1, b"late"))
        worker.done(asked.task)
        assert client.of(wire.CallYield) == []


async def test_an_actor_answers_methods_in_order_and_keeps_its_place_until_it_is_closed():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits(mode=ACTOR)
        client.says(wire.ActorCall(call, 1, "early", b"x"))
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        assert worker.of(wire.Method) == []
        worker.says(wire.Placed(asked.task, ["early", "late"]))
        ready = await client.hears(wire.ActorReady)
        assert (ready.call, ready.methods) == (call, ["early", "late"])
        client.says(wire.ActorCall(call, 2, "late", b"y"))
        assert [(one.number, one.name) for one in worker.of(wire.Method)] == [(1, "early"), (2, "late")]
        worker.says(wire.MethodDone(asked.task, 1, True, b"1"))
        worker.says(wire.MethodDone(asked.task, 2, False, b"2", wire.Failure("E", "m", "t")))
        replies = [(one.number, one.ok, one.body) for one in client.of(wire.ActorReply)]
        assert replies == [(1, True, b"1"), (2, False, b"2")]
        other = client.submits()
        client.says(wire.ActorClose(call))
        assert (await worker.hears(wire.Method, 3)).name == ""
        assert len(worker.of(wire.Call)) == 1
        worker.done(asked.task, b"")
        assert (await client.end_of(call)).outcome == "ok"
        worker.done((await worker.hears(wire.Call, 2)).task)
        assert (await client.end_of(other)).outcome == "ok"


async def test_an_actors_death_is_the_end_of_its_placing():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits(mode=ACTOR, retries=3)
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        worker.says(wire.Placed(asked.task, []))
        worker.dies(wire.ExitReport(signal=11, stderr="ouch"))
        end = await client.end_of(call)
        assert (end.outcome, end.report.signal, end.report.stderr) == ("lost", 11, "ouch")


async def test_an_idle_actor_whose_client_is_gone_is_asked_to_close():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.submits(mode=ACTOR)
        worker = await paper.agent.worker(1)
        asked = await worker.hears(wire.Call)
        worker.says(wire.Placed(asked.task, []))
        client.client.lost()
        assert (await worker.hears(wire.Method)).name == ""
        assert worker.control.of(wire.Raise) == []


async def test_a_broadcast_runs_once_in_every_worker_and_first_in_those_to_come():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=2, min=1)
        first = await paper.agent.worker(1)
        await paper.until(lambda: paper.hub.desk.pools["default"].state().idle, "an idle executor")
        client.says(wire.Broadcast(50, "default", b"b", b"body b", b"args b", "setup"))
        asked = await first.hears(wire.Call)
        assert (asked.function, asked.arguments) == (b"b", b"args b")
        calls = [client.submits(), client.submits()]
        second = await paper.agent.worker(2)
        rite = await second.hears(wire.Call)
        assert (rite.function, rite.function_body) == (b"b", b"body b")
        first.done(asked.task)
        done = await client.hears(wire.BroadcastDone)
        assert [end.outcome for end in done.ends] == ["ok"]
        second.done(rite.task)
        first.done((await first.hears(wire.Call, 2)).task)
        second.done((await second.hears(wire.Call, 2)).task)
        assert {(await client.end_of(call)).outcome for call in calls} == {"ok"}


async def test_a_broadcast_that_fails_in_a_fresh_worker_fails_its_boot():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.Watch("default", on=True))
        client.says(wire.Broadcast(50, "default", b"b", b"body b", b"", "setup"))
        assert (await client.hears(wire.BroadcastDone)).ends == []
        client.submits()
        worker = await paper.agent.worker(1)
        worker.failed((await worker.hears(wire.Call)).task, "KeyError", "no such model")
        failed = await client.hears(wire.PoolEvent, kind="boot_failed")
        assert "setup" in failed.sentence
        assert "KeyError: no such model" in failed.sentence


async def test_a_broadcast_that_failed_everywhere_is_not_tried_again():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=2, min=1)
        first = await paper.agent.worker(1)
        await paper.until(lambda: paper.hub.desk.pools["default"].state().idle, "an idle executor")
        client.says(wire.Broadcast(50, "default", b"b", b"body b", b"", "setup"))
        first.failed((await first.hears(wire.Call)).task)
        assert [end.outcome for end in (await client.hears(wire.BroadcastDone)).ends] == ["error"]
        client.submits()
        client.submits()
        second = await paper.agent.worker(2)
        assert (await second.hears(wire.Call)).function == b"f"


async def test_what_is_made_for_a_client_that_does_not_read_waits_where_it_is_made():
    async with a_paper_hub() as paper:
        slow, quick = await paper.a_pool(max=1), paper.client()
        await quick.opens(wire.PoolSpec())
        first, second, third = slow.submits(), slow.submits(), slow.submits()
        worker = await paper.agent.worker(1)
        task = (await worker.hears(wire.Call)).task
        slow.client.pressed(True)
        assert worker.held
        worker.done(task)
        task = (await worker.hears(wire.Call, 2)).task
        assert worker.held
        slow.client.pressed(False)
        assert not worker.held
        slow.client.pressed(True)
        slow.says(wire.Cancel(second))
        assert not worker.held  # its end is to be heard: nobody wants its value
        slow.says(wire.Cancel(third))
        other = quick.submits()
        worker.done(task)
        task = (await worker.hears(wire.Call, 3)).task
        assert not worker.held
        worker.done(task)
        assert (await quick.end_of(other)).outcome == "ok"
        assert (await slow.end_of(first)).outcome == "ok"


async def test_memory_is_named_only_between_processes_of_this_machine():
    async with a_paper_hub(docker=FakeBackend()) as paper:
        for n, (client_near, worker_near, backend) in enumerate(
            [
                (True, True, "local"),
                (True, False, "local"),
                (False, True, "local"),
                (True, True, "docker"),
            ],
            1,
        ):
            client = paper.client()
            client.client.near = client_near
            await client.opens(wire.PoolSpec(name=f"p{n}", max=1, backend=backend))
            assert client.of(wire.PoolOpened)[-1].near == (client_near and backend == "local")
            if backend != "local":
                continue
            client.submits(f"p{n}")
            worker = await paper.agent.worker(n)
            asked = await worker.hears(wire.Call)
            assert asked.near is False  # a worker of paper is near nobody
            worker.done(asked.task)
            await client.hears(wire.CallDone)
            paper.hub.executors.workers[worker.name].near = worker_near
            client.submits(f"p{n}")
            assert (await worker.hears(wire.Call, 2)).near == (client_near and worker_near)
