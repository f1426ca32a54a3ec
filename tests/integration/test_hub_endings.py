"""Ends that a platform confirms late or not at all, and what an earlier hub has left: a real hub over one of paper."""

import asyncio

import pytest
from tests.integration.paper_hub import a_paper_hub

from yonder import wire
from yonder.backends.base import BootSpec, Handle
from yonder.hub import endings
from yonder.receipts import Sheet
from yonder.testing import FakeBackend, PlannedBoot


class Sulking(FakeBackend):
    """A platform that says no to the next `refusals` questions after an end."""

    refusals = 0

    async def terminate(self, handle):
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("the engine does not answer")
        await super().terminate(handle)

    async def owned(self, owner):
        if self.refusals:
            raise ConnectionError("the engine does not answer")
        return await super().owned(owner)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(endings, "RETRY_FIRST", 0.0)


async def up(paper):
    """A pool's client whose one call runs, its worker, and the call's number."""
    client = await paper.a_pool(max=1)
    call = client.submits()
    worker = await paper.agent.worker(1)
    await worker.hears(wire.Call)
    return client, worker, call


def lives(paper):
    return paper.hub._ledger.lives


async def test_an_end_that_is_not_confirmed_is_asked_for_again_and_nobody_is_told_before():
    async with a_paper_hub(Sulking()) as paper:
        client, worker, call = await up(paper)
        paper.backend.refusals = 3
        worker.dies()
        await paper.until(lambda: len(paper.log) >= 2, "two refusals")
        assert not client.of(wire.CallDone)
        assert (await client.end_of(call)).outcome == "lost"
        assert len(paper.log) == 3
        assert "did not confirm its end: the engine does not answer" in paper.log[0]
        drained = [one.reason for one in paper.ear.heard if isinstance(one, wire.ExecutorChanged) and one.reason]
        assert any("did not confirm" in reason for reason in drained)
        assert lives(paper)[0].reason == "was killed by signal 9 (SIGKILL)"
        paper.log.clear()


async def test_one_whose_agent_is_gone_is_not_waited_for():
    async with a_paper_hub(Sulking()) as paper:
        client, _, call = await up(paper)
        paper.backend.refusals = 1
        paper.agent.told.lost()
        assert (await client.end_of(call)).outcome == "lost"
        assert lives(paper)[0].reason == (
            "ended; how is not known; the backend 'local' did not confirm its end: the engine does not answer"
        )
        paper.log.clear()


async def test_what_cannot_be_asked_at_the_end_is_said():
    async with a_paper_hub(Sulking()) as paper:
        await up(paper)
        receipt = await paper.hub.close("the test is over")
        assert receipt.sentence == "1 executors ended (the test is over); 0 left, says the platform"
        paper.backend.refusals = 1
        receipt = await paper.hub.close("again")
        assert receipt.left == 0
        assert receipt.sentence.endswith("as far as it could be asked: the engine does not answer")
        paper.log.clear()


async def test_the_ledger_knows_every_executor_from_its_start_to_its_end():
    async with a_paper_hub(FakeBackend()) as paper:
        paper.backend.plans.append(PlannedBoot(broken="no such image"))
        client = await paper.a_pool(max=1)
        client.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        first, second = lives(paper)
        assert (first.pool, first.backend, first.native) == ("default", "local", "")
        assert first.ended >= first.started > 0
        assert "no such image" in first.reason
        assert (second.native, second.ended, second.reason) == ("fake:2", 0.0, "")
        receipt = await paper.hub.close("the test is over")
        assert [one.reason for one in receipt.lives][1] == "the test is over"
        assert all(one.ended for one in receipt.lives)
        paper.log.clear()


# ── an earlier hub ──


def abandoned(owner, *names, backend="local"):
    there = [wire.Life(name, "default", backend, f"c-{name}", 10.0, 0.0, "") for name in names]
    over = wire.Life("over", "default", backend, "c", 10.0, 20.0, "idle")
    return Sheet(owner=owner, package="1", pid=1, started="never", began=5.0, lives=[over, *there])


async def left_behind(backend, owner, name):
    spec = BootSpec(
        executor=name, owner=owner, kind="pool", workers=("w",), place=wire.Place(), pool=wire.PoolSpec(), preload=[]
    )
    return await backend.boot(spec, lambda phase, detail: None)


async def test_what_a_killed_hub_has_left_is_ended_and_its_receipt_finished():
    async with a_paper_hub(FakeBackend()) as paper:
        owner = paper.hub.owner
        handle = await left_behind(paper.backend, owner, "a")
        [sheet] = await paper.hub.executors.endings.sweep([abandoned(owner, "a", "b")])
        assert paper.backend.terminated == [handle]
        assert sheet.finished
        over, there, gone = sheet.lives
        assert over.reason == "idle"
        assert there.reason == "its hub was killed; the next one found it and ended it"
        assert there.ended == sheet.ended
        assert (gone.ended, gone.reason) == (0.0, "its hub was killed; it was gone when the next one looked")
        assert paper.log == ["an earlier hub was killed; 1 of its executors were found and ended"]
        paper.log.clear()


async def test_nothing_is_started_beside_what_is_left():
    """Names of executors begin anew with every hub: an old one and a new one could bear the same."""
    wait = asyncio.Event()

    class Slow(FakeBackend):
        async def terminate(self, handle: Handle) -> None:
            if handle.executor == "a":
                await wait.wait()
            await super().terminate(handle)

    async with a_paper_hub(Slow()) as paper:
        await left_behind(paper.backend, paper.hub.owner, "a")
        sweeping = asyncio.create_task(paper.hub.executors.endings.sweep([abandoned(paper.hub.owner, "a")]))
        client = await paper.a_pool(max=1)
        client.submits()
        await paper.turns(20)
        assert len(paper.backend.booted) == 1
        wait.set()
        await sweeping
        await paper.agent.worker(1)
        assert len(paper.backend.booted) == 2
        paper.log.clear()


async def test_a_platform_that_cannot_be_asked_leaves_the_receipt_for_the_next_hub():
    async with a_paper_hub(Sulking()) as paper:
        paper.backend.refusals = 1
        assert await paper.hub.executors.endings.sweep([abandoned(paper.hub.owner, "a")]) == []
        assert "could not be looked for: the engine does not answer" in paper.log[0]
        await paper.hub.executors.endings.swept()
        paper.log.clear()


async def test_backends_on_which_nothing_was_left_are_not_asked():
    async with a_paper_hub(FakeBackend()) as paper:
        finished = abandoned(paper.hub.owner)
        [sheet] = await paper.hub.executors.endings.sweep([finished])
        assert sheet.finished
        assert list(paper.hub.executors.endings._substrates.made()) == []
        paper.log.clear()
