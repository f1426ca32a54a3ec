"""What another machine may not do: speak for the workers of a third, or have anything started where the hub is."""

import msgspec
import pytest
from tests.integration.paper_hub import a_paper_hub

from yonder import wire
from yonder.testing import FakeBackend
from yonder.version import __version__

MARK = wire.PoolSpec(name="far", backend="docker", image="ours:1", options={"network": "n"})


class Elsewhere(FakeBackend):
    """A platform of machines with an agent each."""

    async def boot(self, spec, phase):
        number = len(self.booted) + 1
        handle = await super().boot(spec, phase)
        return msgspec.structs.replace(handle, agent=f"agent-{number}")


class Somebody:
    """The conversation of a worker elsewhere."""

    relayed = True
    moved = (0, 0)
    near = False

    def __init__(self):
        self.said = []

    def send(self, message):
        self.said.append(message)


class Machine:
    """What the hub knows of an agent elsewhere."""

    def __init__(self, agent):
        self.agent = agent
        self.lane = f"the lane of {agent}"


def hello(worker, role="call", token=""):
    return wire.Hello(version=wire.VERSION, package=__version__, role=role, token=token, id=worker)


async def two_machines(paper, **more):
    """Two executors elsewhere, one call each; the agents and the workers."""
    agents = [paper.an_agent("agent-1"), paper.an_agent("agent-2")]
    client = paper.client()
    await client.opens(msgspec.structs.replace(MARK, max=2, **more))
    calls = [client.submits("far"), client.submits("far")]
    workers = [await agent.worker(1) for agent in agents]
    tasks = [(await worker.hears(wire.Call)).task for worker in workers]
    return agents, workers, client, calls, tasks


async def test_an_agent_cannot_speak_for_another_machines_worker():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        agents, workers, client, calls, tasks = await two_machines(paper)
        victim = paper.hub.executors.workers[workers[0].name]
        pid = victim.pid
        for lie in (
            wire.Exited(victim.id, wire.ExitReport(signal=9)),
            wire.ForkFailed(victim.id, "it was never born"),
            wire.Forked(victim.id, 1, 1.0),
            wire.WorkerOutput(victim.id, tasks[0], 1, 1, "words put into its mouth", 1.0),
            wire.Beat([wire.Usage(victim.id, 9999.0, 9999)]),
        ):
            agents[1].told.received(lie)
        assert (victim.report, victim.pid, victim.usage.memory) == (None, pid, 0)
        assert not [event for event in paper.ear.heard if isinstance(event, wire.Output)]
        workers[0].done(tasks[0])
        assert (await client.end_of(calls[0])).outcome == "ok"


async def test_an_agent_speaks_for_its_own_workers():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        agents, workers, client, calls, tasks = await two_machines(paper)
        agents[0].told.received(wire.WorkerOutput(workers[0].name, tasks[0], 1, 1, "its own words", 1.0))
        agents[0].told.received(wire.Exited(workers[0].name, wire.ExitReport(signal=9)))
        assert (await client.end_of(calls[0])).outcome == "lost"
        assert [event.text for event in paper.ear.heard if isinstance(event, wire.Output)] == ["its own words"]


async def test_an_agent_tells_of_its_modules_once_and_not_at_length():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        agents, *_ = await two_machines(paper)
        for _ in range(3):
            agents[0].told.received(wire.Preloaded(["torch", "x" * 10_000], 1.0, {"torch": "why" * 10_000}))
        for start in range(0, 10_000, 100):
            agents[0].told.received(wire.Preloaded([f"m{start + n}" for n in range(100)], 1.0))
        told = [event for event in paper.ear.heard if isinstance(event, wire.Phase) and event.phase == "preloaded"]
        assert len(told) == 11
        assert max(len(event.detail) for event in told) < 1000


async def test_an_agents_end_takes_only_its_own_workers_along():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        agents, workers, client, calls, tasks = await two_machines(paper)
        agents[1].told.lost()
        assert (await client.end_of(calls[1])).outcome == "lost"
        workers[0].done(tasks[0])
        assert (await client.end_of(calls[0])).outcome == "ok"


@pytest.mark.parametrize("role", ["call", "control", "client"])
async def test_a_worker_cannot_come_in_as_one_of_another_machine(role):
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        thief, owner = Machine("agent-2"), Machine("agent-1")
        said = hello(workers[0].name, role, thief.lane)
        answer = paper.hub._accept_distant(thief, Somebody(), said)
        assert isinstance(answer, wire.Refused)
        assert answer.code == "role"
        # nor with its own machine's secret at the other's
        assert paper.hub._accept_distant(owner, Somebody(), said).code == "token"
        own = paper.hub._accept_distant(owner, Somebody(), hello(workers[0].name, role, owner.lane))
        assert not isinstance(own, wire.Refused)


async def test_an_agent_cannot_come_in_as_another():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        await two_machines(paper)
        thief = Machine("agent-2")
        answer = paper.hub._accept_distant(thief, Somebody(), hello("agent-1", "agent", thief.lane))
        assert isinstance(answer, wire.Refused)


@pytest.mark.parametrize("role", ["owner", "bulk"])
async def test_nobody_on_another_machine_is_an_owner(role):
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        machine = Machine("agent-1")
        answer = paper.hub._accept_distant(machine, Somebody(), hello(workers[0].name, role, machine.lane))
        assert answer.code == "role"


# ── pools that code on another machine opens ──


def asked_by(paper, worker, spec, *given, place=None):
    """What the hub answers code on that worker that opens such a pool."""
    guest = paper.client(worker, elsewhere=True)
    guest.says(wire.OpenPool(1, spec, list(given), place))
    return guest, guest.said[-1]


EVIL = wire.Place(python="/tmp/evil", core="/tmp/evil", folder="/tmp", env={"LD_PRELOAD": "/tmp/evil.so"})


@pytest.mark.parametrize(
    "wanted",
    [
        {"backend": "local"},
        {"backend": "fly"},
        {"image": "evil:1"},
        {"options": {"volumes": ["/etc:/mnt:ro"]}},
        {"options": {"host": "tcp://elsewhere:2375"}},
        {"concurrency": 10**9},
        {"min": 10**9, "max": 10**9},
        {"max": -1},
        {"name": "a\nb"},
        {"name": ""},
    ],
)
async def test_code_on_another_machine_does_not_choose_where_pools_run_nor_breaks_them(wanted):
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        boots = len(paper.backend.booted)
        _, answer = asked_by(paper, workers[0], wire.PoolSpec(**{"name": "mine", **wanted}), *wanted, place=EVIL)
        assert isinstance(answer, wire.Refused)
        assert answer.code == "role"
        assert list(paper.hub.desk.pools) == ["far"]
        assert len(paper.backend.booted) == boots
        assert paper.log.pop().startswith("a worker of ")


async def test_a_pool_opened_on_another_machine_is_of_that_machines_kind():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        _, answer = asked_by(paper, workers[0], wire.PoolSpec(name="inner", max=1), "max", place=EVIL)
        assert (answer.spec.backend, answer.spec.image, answer.spec.options) == ("docker", "ours:1", {"network": "n"})
        assert (
            paper.hub.desk.pools["inner"].place
            == paper.hub.executors.all[paper.hub.executors.workers[workers[0].name].executor].spec.place
        )


async def test_pools_of_the_settings_are_open_to_other_machines_unless_they_are_the_hubs_own():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        described = [
            wire.PoolSpec(name="gpus", backend="docker", image="cuda:1"),
            wire.PoolSpec(name="here", backend="local"),
        ]
        paper.hub.desk.configure(wire.Configure(wire.Place(), described, 20.0, 600.0, 1 << 20))
        _, answer = asked_by(paper, workers[0], wire.PoolSpec(name="gpus"))
        assert answer.spec.image == "cuda:1"
        _, answer = asked_by(paper, workers[0], wire.PoolSpec(name="here"))
        assert "starts nothing there" in answer.sentence
        paper.log.clear()


async def test_a_local_pool_that_is_open_already_takes_no_calls_from_another_machine():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        await paper.a_pool(name="here", max=1)
        guest, answer = asked_by(paper, workers[0], wire.PoolSpec(name="here"))
        assert isinstance(answer, wire.Refused)
        call = guest.submits("here")
        assert (await guest.end_of(call)).outcome == "closed"
        paper.log.clear()


async def test_code_of_a_machine_that_is_gone_opens_nothing():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        guest = paper.client(workers[0], elsewhere=True)
        paper.hub.executors.all.clear()
        guest.says(wire.OpenPool(1, wire.PoolSpec(name="mine"), []))
        assert isinstance(guest.said[-1], wire.Refused)
        assert "mine" not in paper.hub.desk.pools
        paper.log.clear()


async def test_a_pool_is_not_resized_from_another_machine_beyond_reason():
    async with a_paper_hub(docker=Elsewhere()) as paper:
        _, workers, *_ = await two_machines(paper)
        guest, _ = asked_by(paper, workers[0], wire.PoolSpec(name="inner", max=1), "max")
        guest.says(wire.Resize(2, "inner", min=10**9))
        assert isinstance(guest.said[-1], wire.Refused)
        guest.says(wire.Resize(3, "inner", max=2))
        assert guest.said[-1].spec.max == 2
        paper.log.clear()


async def test_a_local_worker_chooses_as_its_program_does():
    """It is a process of the same user: there is nothing that could be kept from it."""
    async with a_paper_hub(docker=Elsewhere()) as paper:
        client = await paper.a_pool(max=1)
        client.submits()
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        inner = paper.client(worker)
        inner.says(wire.OpenPool(1, msgspec.structs.replace(MARK, name="mine"), ["backend", "image", "options"]))
        assert inner.said[-1].spec.image == "ours:1"
