"""Boots that wait, and boots that nobody wants any more."""

import asyncio

from tests.integration.paper_hub import Remembers, a_paper_hub

from yonder import wire
from yonder.backends.base import HELD, Handle
from yonder.testing import FakeBackend, PlannedBoot


class OneDevice(FakeBackend):
    """A platform with one device: the others are held back until it is free."""

    def __init__(self):
        super().__init__()
        self.free = asyncio.Semaphore(1)
        self.cancelled = 0

    async def boot(self, spec, phase):
        if self.free.locked():
            phase(HELD, "all devices are in use")
        try:
            await self.free.acquire()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        phase("creating", "")
        return await super().boot(spec, phase)

    async def terminate(self, handle: Handle) -> None:
        if handle.executor in self._platform:
            self.free.release()
        await super().terminate(handle)


async def test_a_boot_that_waits_for_a_device_is_no_failed_boot_and_goes_on_when_one_is_free():
    async with a_paper_hub(OneDevice()) as paper:
        client = await paper.a_pool(max=3, boot_timeout=0.05, idle_timeout=0.05)
        calls = [client.submits() for _ in range(3)]
        worker = await paper.agent.worker(1)
        first = await worker.hears(wire.Call)
        await asyncio.sleep(0.2)  # several boot timeouts: nothing may happen in them
        assert client.of(wire.CallDone) == []
        assert not any(event.phase == "boot failed" for event in paper.ear.heard if isinstance(event, wire.Phase))
        worker.done(first.task)
        for nth, call in enumerate(calls[1:], 2):
            task = (await worker.hears(wire.Call, nth)).task
            worker.done(task)
            assert (await client.end_of(call)).outcome == "ok"


async def test_closing_does_not_wait_for_boots_that_wait():
    backend = OneDevice()
    async with a_paper_hub(backend) as paper:
        client = await paper.a_pool(max=3, boot_timeout=100.0)
        for _ in range(3):
            client.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        client.says(wire.ClosePool(7, "default", True))
        await paper.until(lambda: backend.cancelled == 2, "the end of the boots that wait")
        worker.dies()
        await client.hears(wire.PoolClosedNow, id=7)


async def test_a_boot_that_is_not_begun_yet_can_be_ended():
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        call = client.submits()
        client.says(wire.Cancel(call))
        client.says(wire.ClosePool(7, "default", True))
        await client.hears(wire.PoolClosedNow, id=7)
        assert paper.hub.executors.all == {}


async def test_a_call_that_waited_for_a_boot_says_so_in_its_times():
    backend = FakeBackend()
    gate = asyncio.Event()
    backend.plans.append(PlannedBoot(until=gate))
    async with a_paper_hub(backend) as paper:
        client = await paper.a_pool(max=1)
        call = client.submits()
        await asyncio.sleep(0.05)  # the time that is to be told
        gate.set()
        worker = await paper.agent.worker(1)
        worker.done((await worker.hears(wire.Call)).task)
        times = (await client.end_of(call)).times
        assert times["booting"] >= 0.05 > times["queued"]


async def test_an_agent_that_dials_when_all_is_over_is_sent_away():
    async with a_paper_hub() as paper:
        paper.hub.executors.agents.dismiss("the program ended")
        late = Remembers()
        hello = wire.Hello(version=wire.VERSION, package="", role="agent", token="token", id="late")
        paper.hub.executors.agents.said_hello(hello, late)
        assert late.said == [wire.AgentExit("the program ended")]
