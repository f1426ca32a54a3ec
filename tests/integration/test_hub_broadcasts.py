"""A broadcast reaches every worker before its first call after it, also those that stand ready and serve nobody yet."""

from tests.integration.paper_hub import a_paper_hub

from yonder import wire


def broadcasts(client, call, function=b"rite"):
    client.says(wire.Broadcast(call, "default", function, b"body", b"args", "setting"))


async def test_a_spare_that_was_forked_before_the_broadcast_runs_it_before_it_serves():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1, isolation="process")
        client.submits()
        second = client.submits()
        first = await paper.agent.worker(1)
        task = (await first.hears(wire.Call)).task
        spare = await paper.agent.worker(2)
        await paper.until(lambda: paper.hub.executors.workers[spare.name].initiated, "the spare")
        broadcasts(client, 50)
        rite = await spare.hears(wire.Call, function=b"rite")
        first.done(task)
        await first.hears(wire.Leave)
        paper.agent.leave(first.name)
        await paper.turns(20)
        assert spare.of(wire.Call, function=b"f") == []
        spare.done(rite.task)
        spare.done((await spare.hears(wire.Call, function=b"f")).task)
        assert (await client.end_of(second)).outcome == "ok"
        assert len(spare.of(wire.Call, function=b"rite")) == 1
        assert (await client.hears(wire.BroadcastDone, call=50)).ends == []


async def test_a_worker_that_waits_for_its_sibling_runs_what_is_broadcast_meanwhile():
    async with a_paper_hub() as paper:
        paper.agent.shy = True
        client = await paper.a_pool(max=1, concurrency=2)
        call = client.submits()
        one, other = await paper.agent.worker(1), await paper.agent.worker(2)
        one.hello()
        broadcasts(client, 50)
        rite = await one.hears(wire.Call, function=b"rite")
        other.hello()
        other.done((await other.hears(wire.Call, function=b"rite")).task)
        await paper.turns(20)
        assert client.of(wire.CallPhase) == []
        one.done(rite.task)
        await client.hears(wire.CallPhase, call=call)
        assert len(one.of(wire.Call, function=b"rite")) == len(other.of(wire.Call, function=b"rite")) == 1
