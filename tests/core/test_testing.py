"""What tests stand on: the fakes do what they say, and the paper catches a pool that breaks its promises."""

from __future__ import annotations

import asyncio

import pytest

from yonder.backends.base import Backend, BootSpec, Finding, Handle
from yonder.core import events
from yonder.errors import BootFailed
from yonder.testing import FakeBackend, FakeClock, LinkedPair, PaperPool, PlannedBoot, PromiseError
from yonder.wire import Place, PoolSpec, Resources


def spec(executor: str, owner: str = "o") -> BootSpec:
    return BootSpec(
        executor=executor, owner=owner, kind="pool", workers=("w",), place=Place(), pool=PoolSpec(), preload=[]
    )


class Phases(list[tuple[str, str]]):
    def __call__(self, phase: str, detail: str) -> None:
        self.append((phase, detail))


# ── clock ──


def test_the_clock_moves_only_when_told_and_never_back() -> None:
    clock = FakeClock(10)
    assert clock() == clock.now == 10
    assert clock.advance(2.5) == clock() == 12.5
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


# ── backend ──


async def test_the_fake_is_a_backend_whose_platform_says_what_exists() -> None:
    backend: Backend = FakeBackend(findings=[Finding(name="x", ok=True, sentence="fine")])
    phases = Phases()
    one = await backend.boot(spec("e1"), phases)
    await backend.boot(spec("e2", owner="other"), phases)
    assert await backend.owned("o") == [one]
    assert {handle.executor for handle in await backend.owned("")} == {"e1", "e2"}
    assert phases[:2] == [("creating", ""), ("booting", "")]
    assert [finding.name for finding in await backend.preflight()] == ["x"]


async def test_booting_and_ending_twice_is_as_once() -> None:
    backend = FakeBackend()
    one = await backend.boot(spec("e1"), Phases())
    assert await backend.boot(spec("e1"), Phases()) == one
    await backend.terminate(one)
    await backend.terminate(one)
    assert await backend.owned("o") == []
    assert len(backend.booted) == 1


async def test_a_planned_failure_says_its_phase_and_leaves_nothing() -> None:
    backend = FakeBackend()
    backend.plans.append(PlannedBoot(broken="no such image", phase="pulling"))
    with pytest.raises(BootFailed, match="no such image") as failed:
        await backend.boot(spec("e1"), Phases())
    assert failed.value.phase == "pulling"
    assert await backend.owned("") == []


async def test_a_held_boot_waits_for_its_event_and_exists_only_then() -> None:
    backend = FakeBackend()
    gate = asyncio.Event()
    backend.plans.append(PlannedBoot(until=gate))
    booting = asyncio.create_task(backend.boot(spec("e1"), Phases()))
    await asyncio.sleep(0)
    assert await backend.owned("o") == []
    gate.set()
    assert await backend.owned("o") == [] or booting.done()
    assert (await booting).executor == "e1"
    assert len(await backend.owned("o")) == 1


async def test_a_crash_is_told_once_and_to_nobody_after_the_end() -> None:
    gone: list[Handle] = []
    backend = FakeBackend(gone=gone.append)
    one = await backend.boot(spec("e1"), Phases())
    backend.crash("e1")
    await backend.terminate(one)
    assert gone == [one]
    assert await backend.owned("") == []


# ── the pair ──


def test_the_pair_loses_what_was_under_way_and_replays_it() -> None:
    pair: LinkedPair[str] = LinkedPair()
    for letter in "abc":
        pair.push(letter)
    pair.send()
    pair.deliver(1)
    pair.cut()
    assert pair.send() == 0
    assert pair.stored == ["a"]
    pair.reconnect()
    pair.settle()
    assert pair.stored == ["a", "b", "c"]
    assert pair.kept == {}


# ── the paper ──


class Rogue:
    """A pool that commands what it is told to."""

    def __init__(self, paper: PaperPool) -> None:
        self.orders: list[events.Command] = []
        self.queued, self.executors, self.booting = len(paper.waiting), len(paper.alive), len(paper.booting)
        self.busy, self.idle = 0, sum(1 for one in paper.ready if not paper.alive[one].held)
        self.next_wake: float | None = None

    def step(self, event: events.Event) -> list[events.Command]:
        return self.orders


def paper_with(orders: list[events.Command], **changes: object) -> PaperPool:
    """One idle executor x-1, one that boots (x-2), nobody waiting; then the pool is exchanged for a rogue."""
    paper = PaperPool(PoolSpec(max=2))
    call = paper.submit()
    paper.up("x-1")
    paper.submit()
    paper.cancel("c2")
    paper.over(call)
    rogue = Rogue(paper)
    rogue.orders = orders
    for name, value in changes.items():
        setattr(rogue, name, value)
    paper.pool = rogue  # type: ignore[assignment]
    return paper


def test_the_paper_has_nothing_against_a_pool_that_does_nothing() -> None:
    paper_with([]).tick()


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([events.Boot("x-3", Resources())], "beyond max = 2"),
        ([events.Boot("x-1", Resources())], "booted twice"),
        ([events.Assign("c9", "x-1", "x-1.0")], "out of turn"),
        ([events.Assign("c9", "x-1", "x-1.7")], "no worker of x-1"),
        ([events.Assign("c9", "x-8", "x-8.0")], "not there to take it"),
        ([events.Terminate("x-1", "-"), events.Assign("c9", "x-1", "x-1.0")], "not there to take it"),
        ([events.Terminate("x-1", "-"), events.Terminate("x-1", "-")], "ended twice"),
        ([events.Drop("c1", "lost", "running", "-")], "c1 ends twice: result, lost"),
        ([events.StopCall("c9", "x-1.0")], "stopped before its caller was told"),
        ([events.StopCall("c2", "x-1.0")], "does not run on"),
        ([events.Closed()], "something left"),
    ],
)
def test_the_paper_catches_broken_promises(orders: list[events.Command], said: str) -> None:
    with pytest.raises(PromiseError, match=said):
        paper_with(orders).tick()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"next_wake": 0.0}, "asks to be woken"),
        ({"queued": 1}, "1 queued"),
        ({"executors": 3}, "3 executors"),
        ({"busy": 1}, "1 busy"),
        ({"booting": 0}, "0 booting"),
        ({"idle": 0}, "0 idle"),
    ],
)
def test_the_paper_catches_wrong_counts(changes: dict[str, object], said: str) -> None:
    with pytest.raises(PromiseError, match=said):
        paper_with([], **changes).tick()


def test_the_paper_catches_a_second_call_in_one_worker_and_a_busy_one_sent_away() -> None:
    paper = paper_with([])
    for call in ("c8", "c9"):
        paper.waiting.append(call)
        paper.attempts[call], paper.calls[call] = 0, events.Submitted(0.0, call)
    paper._carry_out(events.Assign("c8", "x-1", "x-1.0"))
    with pytest.raises(PromiseError, match="second call"):
        paper._carry_out(events.Assign("c9", "x-1", "x-1.0"))
    with pytest.raises(PromiseError, match="while it holds calls"):
        paper._carry_out(events.Terminate("x-1", "-"))


def test_the_paper_catches_a_worker_left_free_while_calls_wait() -> None:
    paper = paper_with([], queued=1)
    paper.waiting, paper.calls["c9"] = ["c9"], events.Submitted(0.0, "c9")
    with pytest.raises(PromiseError, match="a worker is free"):
        paper.tick()
