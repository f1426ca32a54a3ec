"""What a hub does with pools: sizes, watchers, closed ones; and with executors whose workers come and go."""

from tests.integration.paper_hub import a_paper_hub

from yonder import wire


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
