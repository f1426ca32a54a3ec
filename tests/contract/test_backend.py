"""What every backend promises at the door, asked of each one in the same words. A new substrate adds one `Maker`."""

import asyncio
import secrets
import sys
from collections import deque
from pathlib import Path

import pytest
from msgspec import structs

from yonder.backends.base import BootSpec, Handle
from yonder.backends.gpus import Gpu, Gpus
from yonder.backends.local import LocalBackend, processes
from yonder.errors import BootFailed
from yonder.places import OwnerFolder
from yonder.testing import FakeBackend, PlannedBoot
from yonder.wire import Place, PoolSpec, Resources

CORE = str(Path(__file__).parents[2] / "executor")


class Local:
    """Processes of this machine. Nobody serves the owner's socket here: an agent that finds no hub ends by itself."""

    def __init__(self):
        self.owner = f"contract-{secrets.token_hex(6)}"
        self.ended = []
        self.backend = LocalBackend(OwnerFolder(self.owner), "a token", lambda agent, words: self.ended.append(words))

    def spec(self, broken=False):
        return spec(self.owner, Place(python="/no/such/python" if broken else sys.executable, core=CORE))

    def running(self):
        return processes(self.owner)

    async def close(self):
        await self.backend.close()


class Fake:
    """The platform in memory."""

    def __init__(self):
        self.owner = "contract"
        self.backend = FakeBackend(plans=deque())

    def spec(self, broken=False):
        if broken:
            self.backend.plans.append(PlannedBoot(broken="the platform has no room"))
        return spec(self.owner, Place())

    def running(self):
        return list(self.backend._platform.values())

    async def close(self):
        for handle in await self.backend.owned(self.owner):
            await self.backend.terminate(handle)


def spec(owner, place):
    name = f"x-{secrets.token_hex(4)}"
    return BootSpec(
        executor=name, owner=owner, kind="pool", workers=(f"{name}.0",), place=place, pool=PoolSpec(), preload=[]
    )


@pytest.fixture(params=[Local, Fake], ids=["local", "fake"])
async def platform(request):
    made = request.param()
    yield made
    await made.close()
    assert made.running() == []


async def test_boot_names_its_executor_and_tells_phases(platform):
    phases = []
    wanted = platform.spec()
    handle = await platform.backend.boot(wanted, lambda phase, detail: phases.append(phase))
    assert (handle.executor, handle.owner) == (wanted.executor, platform.owner)
    assert handle.native
    assert phases[0] == "creating"


async def test_a_boot_that_cannot_work_says_why_and_leaves_nothing(platform):
    with pytest.raises(BootFailed) as failed:
        await platform.backend.boot(platform.spec(broken=True), lambda *_: None)
    assert len(str(failed.value).split()) >= 4
    assert failed.value.phase
    assert await platform.backend.owned(platform.owner) == []


async def test_terminate_is_safe_twice_and_for_what_never_was(platform):
    handle = await platform.backend.boot(platform.spec(), lambda *_: None)
    await platform.backend.terminate(handle)
    await platform.backend.terminate(handle)
    await platform.backend.terminate(Handle(executor="never-was", owner=platform.owner, native="0"))
    assert await platform.backend.owned(platform.owner) == []


async def test_boots_at_the_same_time_do_not_disturb_each_other(platform):
    wanted = [platform.spec() for _ in range(4)]
    handles = await asyncio.gather(*(platform.backend.boot(one, lambda *_: None) for one in wanted))
    assert [handle.executor for handle in handles] == [one.executor for one in wanted]


async def test_another_owners_executors_are_not_ours(platform):
    await platform.backend.boot(platform.spec(), lambda *_: None)
    assert await platform.backend.owned("somebody else") == []


async def test_preflight_speaks_in_sentences(platform):
    for finding in await platform.backend.preflight():
        assert finding.name
        assert finding.sentence
        assert finding.ok or finding.remedy


async def test_local_gpus_go_to_one_executor_each_and_come_back():
    two = [Gpu(0, "NVIDIA L40S", "GPU-a"), Gpu(1, "NVIDIA L40S", "GPU-b")]
    maker = Local()
    backend = LocalBackend(OwnerFolder(maker.owner), "a token", lambda agent, words: None, Gpus(lambda: two))
    try:
        wish = Resources(gpu=["h100", "l40s"])
        boots = [with_resources(maker.spec(), wish) for _ in range(3)]
        handles = [await backend.boot(boot, lambda phase, detail: None) for boot in boots[:2]]
        assert [handle.env["CUDA_VISIBLE_DEVICES"] for handle in handles] == ["0", "1"]
        said = asyncio.Event()
        late = asyncio.create_task(backend.boot(boots[2], lambda phase, detail: said.set()))
        await said.wait()
        await backend.terminate(handles[0])
        assert (await late).env["CUDA_VISIBLE_DEVICES"] == "0"
        with pytest.raises(BootFailed, match="NVIDIA L40S"):
            await backend.boot(with_resources(maker.spec(), Resources(gpu=["h100"])), lambda phase, detail: None)
    finally:
        await backend.close()
        await maker.close()


def with_resources(boot, resources):
    return structs.replace(boot, pool=structs.replace(boot.pool, resources=resources))
