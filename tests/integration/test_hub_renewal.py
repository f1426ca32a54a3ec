"""Workers come and go within one executor: the dead are replaced, those that served are, too, and siblings live on."""

import contextlib

from tests.integration.paper_hub import Remembers, a_paper_hub

from yonder import wire
from yonder.backends.base import BootSpec


class Resident(Remembers):
    """Who asked for the executor; remembers what it is told, as (what, who)."""

    def welcome(self, worker, done):
        done("")

    def learns(self):
        return False

    def up(self, executor):
        self.send("up")

    def boot_failed(self, executor, sentence):
        self.send(("boot_failed", sentence))

    def phase(self, executor, phase, detail):
        """Nobody watches it come up."""

    def worker_down(self, executor, worker, report):
        self.send(("worker_down", worker.id))

    def renewed(self, executor, old, worker):
        self.send(("renewed", old, worker.id))

    def falling(self, executor):
        self.send("falling")

    def down(self, executor, report, sentence):
        self.send(("down", report.signal))


class Task:
    run = ""
    call = ""

    def ended(self, end):
        pass


@contextlib.asynccontextmanager
async def an_executor(workers, **spec):
    """(paper hub, executor, its resident) with so many workers up."""
    async with a_paper_hub() as paper:
        resident = Resident()
        pool = wire.PoolSpec(**{"concurrency": workers, **spec})
        names = paper.hub.executors.worker_ids("x", workers)
        boot = BootSpec(executor="x", owner="o", kind="pool", workers=names, place=wire.Place(), pool=pool, preload=[])
        executor = paper.hub.executors.boot(boot, resident)
        await paper.until(lambda: "up" in resident.said, "an executor that is up")
        yield paper, executor, resident


async def test_one_dead_worker_of_several_is_replaced_and_its_siblings_live():
    async with an_executor(3) as (paper, executor, resident):
        paper.agent.workers["x.1"].dies()
        await paper.until(lambda: ("worker_down", "x.1") in resident.said, "the death")
        assert paper.agent.kills.said == []
        paper.hub.executors.renew(executor, "x.1")
        await paper.until(lambda: ("renewed", "x.1", "x.3") in resident.said, "the renewal")
        assert list(executor.workers) == ["x.0", "x.2", "x.3"]
        assert resident.said == ["up", ("worker_down", "x.1"), ("renewed", "x.1", "x.3")]


async def test_the_only_worker_of_an_executor_is_the_executor():
    async with an_executor(1) as (paper, _, resident):
        paper.agent.workers["x.0"].dies()
        await paper.until(lambda: ("down", 9) in resident.said, "the end")
        assert resident.said == ["up", "falling", ("down", 9)]


async def test_a_fresh_process_is_ready_before_the_old_one_has_left_and_takes_its_place_only_then():
    async with an_executor(1, isolation="process") as (paper, executor, resident):
        executor.workers["x.0"].start(Task())
        paper.hub.executors.prepare(executor)
        paper.hub.executors.prepare(executor)
        assert [fork.worker for fork in paper.agent.forks.said] == ["x.0", "x.1"]
        await paper.until(lambda: executor.spares["x.1"].initiated, "the spare")
        paper.hub.executors.renew(executor, "x.0")
        await paper.agent.workers["x.0"].hears(wire.Leave)
        assert resident.said == ["up"]
        paper.agent.leave("x.0")
        await paper.until(lambda: ("renewed", "x.0", "x.1") in resident.said, "the renewal")
        assert list(executor.workers) == ["x.1"]


async def test_a_spare_that_dies_is_nobodys_loss():
    async with an_executor(1, isolation="process") as (paper, executor, resident):
        executor.workers["x.0"].start(Task())
        paper.hub.executors.prepare(executor)
        await paper.until(lambda: executor.spares["x.1"].initiated, "the spare")
        paper.agent.workers["x.1"].dies()
        await paper.until(lambda: not executor.spares, "the spare's end")
        assert resident.said == ["up"]
        paper.hub.executors.renew(executor, "x.0")
        paper.agent.leave("x.0")
        await paper.until(lambda: ("renewed", "x.0", "x.2") in resident.said, "the renewal")


async def test_a_successor_that_dies_before_it_serves_has_another_one_and_siblings_live():
    async with an_executor(2) as (paper, executor, resident):
        paper.agent.shy = True
        paper.agent.workers["x.0"].dies()
        await paper.until(lambda: ("worker_down", "x.0") in resident.said, "the death")
        paper.hub.executors.renew(executor, "x.0")
        for name in ("x.2", "x.3"):
            paper.agent.workers[name].dies()
        paper.agent.workers["x.4"].hello()
        await paper.until(lambda: ("renewed", "x.0", "x.4") in resident.said, "the renewal")
        assert paper.agent.kills.said == []
        assert "falling" not in resident.said


async def test_a_place_in_which_every_successor_dies_is_the_executors_end():
    async with an_executor(2) as (paper, executor, resident):
        paper.agent.shy = True
        paper.agent.workers["x.0"].dies()
        await paper.until(lambda: ("worker_down", "x.0") in resident.said, "the death")
        paper.hub.executors.renew(executor, "x.0")
        for name in ("x.2", "x.3", "x.4"):
            paper.agent.workers[name].dies()
        await paper.until(lambda: ("down", 9) in resident.said, "the end")
        assert resident.said[2:] == ["falling", ("down", 9)]
        assert [kill.worker for kill in paper.agent.kills.said] == ["x.1"]


async def test_an_executor_whose_workers_are_all_dead_can_be_ended():
    async with an_executor(2) as (paper, executor, resident):
        for name in ("x.0", "x.1"):
            paper.agent.workers[name].dies()
        await paper.until(lambda: ("worker_down", "x.1") in resident.said, "the deaths")
        paper.hub.executors.end(executor, "of no use")
        await paper.until(lambda: ("down", 9) in resident.said, "the end")


async def test_an_agents_end_is_the_end_of_all_its_workers():
    async with an_executor(2) as (paper, executor, resident):
        paper.hub.executors.agents.find("").lost()
        for worker in paper.agent.workers.values():
            worker.dies()
        await paper.until(lambda: ("down", 0) in resident.said, "the end")
        assert not any(said[0] == "worker_down" for said in resident.said)
        assert executor.gone.is_set()
