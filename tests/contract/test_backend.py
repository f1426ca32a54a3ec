"""What every backend promises at the door, asked of each one in the same words. A new substrate adds one `Maker`."""

import asyncio
import secrets
import sys
from collections import deque
from pathlib import Path

import pytest
from msgspec import structs

from yonder.backends.base import BootSpec, Handle
from yonder.backends.docker import DockerBackend
from yonder.backends.gpus import Gpu, Gpus
from yonder.backends.local import LocalBackend, processes
from yonder.backends.standing import StandingBackend
from yonder.errors import BootFailed
from yonder.places import OwnerFolder
from yonder.testing import FakeBackend, PlannedBoot
from yonder.wire import Place, PoolSpec, Resources

CORE = str(Path(__file__).parents[2] / "executor")


class Local:
    """Processes of this machine. Nobody serves the owner's socket here: an agent that finds no hub ends by itself."""

    def __init__(self, request):
        self.owner = f"contract-{secrets.token_hex(6)}"
        self.ended = []
        self.backend = LocalBackend(OwnerFolder(self.owner), "a token", lambda agent, words: self.ended.append(words))

    def spec(self, broken=False):
        return spec(self.owner, Place(python="/no/such/python" if broken else sys.executable, core=CORE))

    async def running(self):
        return processes(self.owner)

    async def close(self):
        await self.backend.close()


class Fake:
    """The platform in memory."""

    def __init__(self, request):
        self.owner = "contract"
        self.backend = FakeBackend(plans=deque())

    def spec(self, broken=False):
        if broken:
            self.backend.plans.append(PlannedBoot(broken="the platform has no room"))
        return spec(self.owner, Place())

    async def running(self):
        return list(self.backend._platform.values())

    async def close(self):
        for handle in await self.backend.owned(self.owner):
            await self.backend.terminate(handle)


class Pier:
    """A `Boarding` whose invitations nobody answers."""

    def __init__(self):
        self.invited, self.withdrawn, self.ends = [], [], []

    async def invite(self, agent, *, listen, reach="", lifetime=0.0):
        self.invited.append((agent, listen, reach, lifetime))
        return b'{"nobody": "listens"}'

    def withdraw(self, agent):
        self.withdrawn.append(agent)

    def ended(self, agent, sentence, report=None):
        self.ends.append((agent, sentence, report))


class Docker:
    """Containers of a real engine. Nobody answers the invitations here, so that an agent may end by itself."""

    def __init__(self, request):
        self.engine = request.getfixturevalue("engine")
        self.owner = f"contract-{secrets.token_hex(6)}"
        self.boarding = Pier()
        self.said = []
        self.backend = DockerBackend(OwnerFolder(self.owner), self.boarding, Gpus(list), self.said.append)

    def spec(self, broken=False):
        made = spec(self.owner, Place())
        image = "yonder-no-such-image:0" if broken else self.engine.image
        options = {"host": self.engine.host, "pull": "never"}
        return structs.replace(made, pool=PoolSpec(backend="docker", image=image, options=options))

    async def running(self):
        wanted = ("--all", "--no-trunc", "--quiet", "--filter", f"label=dev.yonder.owner={self.owner}")
        listed = await asyncio.to_thread(self.engine.docker, "ps", *wanted)
        return listed.split()

    async def close(self):
        for handle in await self.backend.owned(self.owner):
            await self.backend.terminate(handle)
        await self.backend.close()
        assert [line for line in self.said if "failed" in line] == []


class Standing:
    """Machines that came by themselves, on paper."""

    def __init__(self, request):
        self.owner = "contract"
        self.machines = [f"machine-{n}" for n in range(4)]
        self.swept = []
        self.invited = 4
        self.backend = StandingBackend(self)

    def here(self):
        return self.machines

    def listen(self, told):
        self.told = told

    async def sweep(self, machine, executor):
        await asyncio.sleep(0)
        self.swept.append((machine, executor))
        return 0

    def spec(self, broken=False):
        made = spec(self.owner, Place())
        return structs.replace(
            made, pool=PoolSpec(backend="standing", resources=Resources(cpus=2.0 if broken else 0.0))
        )

    async def running(self):
        return await self.backend.owned(self.owner)

    async def close(self):
        for handle in await self.backend.owned(self.owner):
            await self.backend.terminate(handle)
        await self.backend.close()


def spec(owner, place):
    name = f"x-{secrets.token_hex(4)}"
    return BootSpec(
        executor=name, owner=owner, kind="pool", workers=(f"{name}.0",), place=place, pool=PoolSpec(), preload=[]
    )


@pytest.fixture(
    params=[Local, Fake, Standing, pytest.param(Docker, marks=pytest.mark.docker)],
    ids=["local", "fake", "standing", "docker"],
)
async def platform(request, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # an installation of its own: nobody sweeps it
    made = request.param(request)
    yield made
    await made.close()
    assert await made.running() == []


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


async def test_a_handle_that_is_found_ends_it_as_well_as_the_one_that_boot_gave(platform):
    await platform.backend.boot(platform.spec(), lambda *_: None)
    for handle in await platform.backend.owned(platform.owner):
        assert (handle.owner, bool(handle.native)) == (platform.owner, True)
        await platform.backend.terminate(handle)
    assert await platform.backend.owned(platform.owner) == []


async def test_a_boot_that_is_cancelled_at_any_phase_leaves_nothing(platform):
    told = []
    handle = await platform.backend.boot(platform.spec(), lambda phase, detail: told.append(phase))
    await platform.backend.terminate(handle)
    for step in range(1, len(told) + 1):
        handle = await cancelled_at(step, platform)
        if handle is not None:  # too late for that: nothing was awaited any more
            await platform.backend.terminate(handle)
        assert await platform.backend.owned(platform.owner) == []


async def cancelled_at(step, platform):
    """Cancel a boot when it says its `step`th phase; its handle if that came too late."""
    heard = []

    def at_this_one(phase, detail):
        heard.append(phase)
        if len(heard) == step:
            booting.cancel()

    booting = asyncio.create_task(platform.backend.boot(platform.spec(), at_this_one))
    await asyncio.gather(booting, return_exceptions=True)
    return None if booting.cancelled() else booting.result()


async def test_ending_what_is_still_booting_ends_it(platform):
    wanted = platform.spec()
    begun = asyncio.Event()
    booting = asyncio.create_task(platform.backend.boot(wanted, lambda *_: begun.set()))
    await begun.wait()
    booting.cancel()
    await platform.backend.terminate(Handle(executor=wanted.executor, owner=platform.owner, native=""))
    await asyncio.gather(booting, return_exceptions=True)
    if not booting.cancelled():
        await platform.backend.terminate(booting.result())
    assert await platform.backend.owned(platform.owner) == []


async def test_boots_at_the_same_time_do_not_disturb_each_other(platform):
    wanted = [platform.spec() for _ in range(4)]
    handles = await asyncio.gather(*(platform.backend.boot(one, lambda *_: None) for one in wanted))
    assert [handle.executor for handle in handles] == [one.executor for one in wanted]


async def test_another_owners_executors_are_not_ours_but_anybodys(platform):
    handle = await platform.backend.boot(platform.spec(), lambda *_: None)
    assert await platform.backend.owned("somebody else") == []
    anybodys = {one.native for one in await platform.backend.owned("")}
    assert {one.native for one in await platform.backend.owned(platform.owner)} <= anybodys
    await platform.backend.terminate(handle)


async def test_preflight_speaks_in_sentences(platform):
    for finding in await platform.backend.preflight():
        assert finding.name
        assert finding.sentence
        assert finding.ok or finding.remedy


async def test_closing_twice_is_as_good_as_once(platform):
    await platform.backend.close()
    await platform.backend.close()


async def test_local_gpus_go_to_one_executor_each_and_come_back(request):
    two = [Gpu(0, "NVIDIA L40S", "GPU-a"), Gpu(1, "NVIDIA L40S", "GPU-b")]
    maker = Local(request)
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
