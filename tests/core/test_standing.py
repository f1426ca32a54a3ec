"""Machines that stay: who gets which, who waits, and when one is free again. The machines are on paper."""

import asyncio

import pytest
from msgspec import structs

from yonder.backends.base import HELD, BootSpec
from yonder.backends.standing import StandingBackend
from yonder.errors import BootFailed, CannotRun
from yonder.wire import Place, PoolSpec, Resources


class Machines:
    def __init__(self, *here, invited=None):
        self._here = list(here)
        self.invited = len(here) if invited is None else invited
        self.left = {}
        self.swept = []
        self.sweeping = None
        self._told = None

    def here(self):
        return self._here

    def listen(self, told):
        self._told = told

    async def sweep(self, machine, executor):
        self.swept.append((machine, executor))
        if self.sweeping is not None:
            await self.sweeping.wait()
        return self.left.get(machine, 0)

    def come(self, machine):
        self._here.append(machine)
        self._told()

    def go(self, machine):
        self._here.remove(machine)
        self._told()


class Phases(list):
    """What a boot says; `said(word)` waits for it."""

    def __init__(self):
        self._news = asyncio.Event()

    def __call__(self, phase, detail):
        self.append((phase, detail))
        self._news.set()

    async def said(self, phase):
        async with asyncio.timeout(10):
            while phase not in [one for one, _ in self]:
                self._news.clear()
                await self._news.wait()


def spec(executor, **pool):
    return BootSpec(
        executor=executor,
        owner="me",
        kind="pool",
        workers=(f"{executor}.0",),
        place=Place(),
        pool=PoolSpec(backend="standing", **pool),
        preload=[],
    )


async def test_each_executor_gets_a_machine_of_its_own_in_the_order_in_which_they_came():
    backend = StandingBackend(Machines("a", "b"))
    handles = [await backend.boot(spec(name), lambda *_: None) for name in ("x", "y")]
    assert [(one.native, one.agent) for one in handles] == [("a", "a"), ("b", "b")]
    assert await backend.owned("me") == handles
    assert await backend.owned("somebody else") == []
    assert await backend.boot(spec("x"), lambda *_: None) == handles[0]


async def test_who_finds_all_taken_waits_in_words_until_one_is_free():
    machines = Machines("a")
    backend = StandingBackend(machines)
    first = await backend.boot(spec("x"), lambda *_: None)
    phases = Phases()
    late = asyncio.create_task(backend.boot(spec("y"), phases))
    await phases.said(HELD)
    assert phases[-1] == (HELD, "waits for one of 1 standing machine")
    await backend.terminate(first)
    assert (await late).native == "a"
    assert phases[-1] == ("creating", "")
    assert machines.swept == [("a", "x")]


async def test_who_comes_later_is_taken_at_once():
    machines = Machines(invited=2)
    backend = StandingBackend(machines)
    phases = Phases()
    waiting = [asyncio.create_task(backend.boot(spec(name), phases)) for name in ("x", "y")]
    await phases.said(HELD)
    machines.come("a")
    machines.come("b")
    assert sorted([(await one).native for one in waiting]) == ["a", "b"]


async def test_a_machine_is_not_free_before_what_was_on_it_is_gone():
    machines = Machines("a")
    machines.sweeping = asyncio.Event()
    backend = StandingBackend(machines)
    first = await backend.boot(spec("x"), lambda *_: None)
    phases = Phases()
    late = asyncio.create_task(backend.boot(spec("y"), phases))
    ending = asyncio.create_task(backend.terminate(first))
    await phases.said(HELD)
    assert await backend.owned("me") == [first]
    assert not late.done()
    machines.sweeping.set()
    await ending
    assert (await late).executor == "y"


async def test_what_does_not_end_there_is_said_and_the_machine_stays_taken():
    machines = Machines("a")
    machines.left["a"] = 2
    backend = StandingBackend(machines)
    handle = await backend.boot(spec("x"), lambda *_: None)
    with pytest.raises(CannotRun, match="2 processes of it do not end on the standing machine a"):
        await backend.terminate(handle)
    assert await backend.owned("me") == [handle]
    machines.left.clear()
    await backend.terminate(handle)
    assert await backend.owned("me") == []


async def test_a_machine_that_has_gone_runs_nothing_any_more():
    machines = Machines("a", invited=1)
    backend = StandingBackend(machines)
    handle = await backend.boot(spec("x"), lambda *_: None)
    machines.go("a")
    assert await backend.owned("") == []
    await backend.terminate(handle)
    machines.come("a2")
    assert (await backend.boot(spec("y"), lambda *_: None)).native == "a2"


async def test_ending_the_old_executor_late_does_not_touch_the_next_one():
    machines = Machines("a")
    backend = StandingBackend(machines)
    old = await backend.boot(spec("x"), lambda *_: None)
    await backend.terminate(old)
    new = await backend.boot(spec("y"), lambda *_: None)
    await backend.terminate(old)
    assert await backend.owned("me") == [new]
    assert machines.swept == [("a", "x")]


async def test_a_boot_that_is_cancelled_while_it_waits_takes_no_machine():
    machines = Machines(invited=1)
    backend = StandingBackend(machines)
    phases = Phases()
    waiting = asyncio.create_task(backend.boot(spec("x"), phases))
    await phases.said(HELD)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    machines.come("a")
    assert await backend.owned("") == []


@pytest.mark.parametrize("wish", [Resources(gpu=["any:1"]), Resources(cpus=2.0), Resources(memory=1)])
async def test_a_machine_is_not_chosen_by_its_size(wish):
    with pytest.raises(BootFailed, match="as it is"):
        await StandingBackend(Machines("a")).boot(spec("x", resources=wish), lambda *_: None)


async def test_where_none_is_to_come_nobody_waits():
    with pytest.raises(BootFailed, match="yonder hub --invite"):
        await StandingBackend(Machines()).boot(spec("x"), lambda *_: None)


async def test_preflight_counts():
    machines = Machines("a", invited=3)
    backend = StandingBackend(machines)
    await backend.boot(spec("x"), lambda *_: None)
    (finding,) = await backend.preflight()
    assert (finding.ok, finding.sentence) == (True, "1 of 3 are here, 1 in use")
    (finding,) = await StandingBackend(Machines(invited=3)).preflight()
    assert not finding.ok
    assert "yonder executor" in finding.remedy
    (finding,) = await StandingBackend(Machines()).preflight()
    assert not finding.ok
    assert structs.asdict(finding)["sentence"] == "none is invited"
