"""The pool under every order of events that Hypothesis can think of; PaperPool checks the promises after each step."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from yonder.testing import PaperPool
from yonder.wire import PoolSpec, Resources

PICK = st.integers(0, 1_000_000)
BIG = Resources(gpu=["l40s"])


class AnyOrder(RuleBasedStateMachine):
    """Only what the platform and people can really do; the numbers of what there is are left to chance."""

    paper: PaperPool

    @initialize(
        least=st.integers(0, 2),
        most=st.integers(1, 4),
        concurrency=st.integers(1, 3),
        boot=st.sampled_from([5.0, 120.0]),
        buffer=st.sampled_from([0, 0, 1, 2]),
        isolation=st.sampled_from(["worker", "worker", "process", "executor"]),
        lifetime=st.sampled_from([0.0, 0.0, 0.0, 20.0]),
        limit=st.sampled_from([0, 0, 0, 0, 5]),
        strategy=st.sampled_from(["pack", "spread"]),
    )
    def begin(
        self,
        least: int,
        most: int,
        concurrency: int,
        boot: float,
        buffer: int,
        isolation: str,
        lifetime: float,
        limit: int,
        strategy: str,
    ) -> None:
        self.paper = PaperPool(
            PoolSpec(
                min=min(least, most),
                max=most,
                concurrency=concurrency,
                boot_timeout=boot,
                idle_timeout=7.0,
                buffer=buffer,
                isolation=isolation,  # type: ignore[arg-type]
                max_lifetime=lifetime,
                queue_limit=limit,
                strategy=strategy,
            )
        )

    @rule(
        within=st.none() | st.sampled_from([0.0, 1.0, 4.0, 30.0]),
        patience=st.none() | st.sampled_from([0.0, 2.0, 10.0]),
        tenant=st.sampled_from(["", "", "a", "b"]),
        retries=st.sampled_from([0, 0, 1, 3]),
        affinity=st.sampled_from(["", "", "", "k1", "k2"]),
        resources=st.sampled_from([None, None, None, BIG]),
    )
    def submit(
        self,
        within: float | None,
        patience: float | None,
        tenant: str,
        retries: int,
        affinity: str,
        resources: Resources | None,
    ) -> None:
        self.paper.submit(
            within, patience=patience, tenant=tenant, retries=retries, affinity=affinity, resources=resources
        )

    @rule(count=st.integers(2, 6))
    def submit_plain_ones(self, count: int) -> None:
        for _ in range(count):
            self.paper.submit()

    @precondition(lambda self: any(paper.workers for paper in self.paper.alive.values()))
    @rule(pick=PICK)
    def submit_pinned(self, pick: int) -> None:
        workers = [worker for paper in self.paper.alive.values() for worker in paper.workers]
        self.paper.submit(pin=workers[pick % len(workers)])

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        self.paper.cancel(f"c{pick % (len(self.paper.ended) + len(self.paper.waiting) + 3)}")

    @precondition(lambda self: self.paper.waiting)
    @rule(pick=PICK)
    def refuse(self, pick: int) -> None:
        self.paper.refuse(self.paper.waiting[pick % len(self.paper.waiting)])

    @precondition(lambda self: self.paper.held)
    @rule(pick=PICK)
    def unrepeatable(self, pick: int) -> None:
        held = list(self.paper.held)
        self.paper.unrepeatable(held[pick % len(held)])

    @precondition(lambda self: self.paper.booting)
    @rule(pick=PICK)
    def up(self, pick: int) -> None:
        self.paper.up(self.paper.booting[pick % len(self.paper.booting)])

    @precondition(lambda self: self.paper.booting)
    @rule(pick=PICK)
    def boot_breaks(self, pick: int) -> None:
        self.paper.broken(self.paper.booting[pick % len(self.paper.booting)])

    @precondition(lambda self: self.paper.told)
    @rule(pick=PICK, how=st.sampled_from(["gone", "late up", "boot broke", "nothing"]))
    def told_to_go(self, pick: int, how: str) -> None:
        name = self.paper.told[pick % len(self.paper.told)]
        if how == "gone":
            self.paper.gone(name)
        elif how == "late up" and not self.paper.alive[name].up:
            self.paper.up(name)
        elif how == "boot broke" and not self.paper.alive[name].up:
            self.paper.broken(name)

    @precondition(lambda self: self.paper.held)
    @rule(pick=PICK)
    def over(self, pick: int) -> None:
        held = list(self.paper.held)
        self.paper.over(held[pick % len(held)])

    @precondition(lambda self: self.paper.alive)
    @rule(pick=PICK)
    def dies(self, pick: int) -> None:
        alive = list(self.paper.alive)
        self.paper.gone(alive[pick % len(alive)])

    @precondition(lambda self: any(paper.workers for paper in self.paper.alive.values()))
    @rule(pick=PICK)
    def a_worker_dies(self, pick: int) -> None:
        workers = [worker for paper in self.paper.alive.values() for worker in paper.workers]
        self.paper.worker_dies(workers[pick % len(workers)])

    @precondition(lambda self: self.paper.renewing)
    @rule(pick=PICK)
    def a_worker_is_renewed(self, pick: int) -> None:
        self.paper.renewed(self.paper.renewing[pick % len(self.paper.renewing)])

    @precondition(lambda self: any(paper.up and paper.workers for paper in self.paper.alive.values()))
    @rule(pick=PICK, hopeless=st.sampled_from(["", "", "", "it always says so"]))
    def a_worker_is_stale(self, pick: int, hopeless: str) -> None:
        workers = [
            worker
            for paper in self.paper.alive.values()
            for worker in paper.workers
            if paper.up and worker not in paper.renewing
        ]
        if workers:
            self.paper.stale(workers[pick % len(workers)], hopeless=hopeless)

    @precondition(lambda self: any(paper.workers for paper in self.paper.alive.values()))
    @rule(pick=PICK, on=st.booleans())
    def a_worker_keeps(self, pick: int, on: bool) -> None:
        workers = [worker for paper in self.paper.alive.values() for worker in paper.workers]
        self.paper.keeps(workers[pick % len(workers)], on=on)

    @precondition(lambda self: self.paper.alive)
    @rule(pick=PICK)
    def falls(self, pick: int) -> None:
        alive = list(self.paper.alive)
        self.paper.falling(alive[pick % len(alive)])

    @rule(least=st.integers(0, 2), most=st.integers(0, 4))
    def resize(self, least: int, most: int) -> None:
        self.paper.resize(least, most)

    @rule(executors=st.none() | st.integers(0, 4))
    def allow(self, executors: int | None) -> None:
        self.paper.allow(executors)

    @rule()
    def outdate(self) -> None:
        self.paper.outdate()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.paper.advance(seconds)

    @precondition(lambda self: len(self.paper.ended) > 12)
    @rule(cancel=st.booleans())
    def close(self, cancel: bool) -> None:
        self.paper.close(cancel=cancel)

    @rule()
    def an_event_about_nobody(self) -> None:
        self.paper.gone("x-999")
        self.paper.over("c-999")
        self.paper.cancel("c-999")
        self.paper.worker_dies("x-999.0")
        self.paper.renewed("x-999.0")
        self.paper.stale("x-999.0")
        self.paper.keeps("x-999.0")

    @invariant()
    def a_sentence_says_why(self) -> None:
        if hasattr(self, "paper"):
            assert self.paper.pool.why
            assert self.paper.pool.needed >= self.paper.pool.busy

    def teardown(self) -> None:
        """However ugly it was: on a platform that works from here on, every call ends exactly once and the pool closes."""
        if not hasattr(self, "paper"):
            return
        paper = self.paper
        for worker in [worker for one in paper.alive.values() for worker in one.kept]:
            paper.keeps(worker, on=False)
        paper.allow(None)
        paper.respec(msgspec.structs.replace(paper.spec, min=0, max=2, queue_limit=0))
        paper.submit()
        paper.submit(resources=BIG)
        for _ in range(150):
            for name in paper.told:
                paper.gone(name)
            for name in paper.booting:
                paper.up(name)
            for worker in paper.renewing:
                paper.renewed(worker)
            for call in list(paper.held):
                paper.over(call)
            paper.advance(1.0)
            if not paper.waiting and not paper.held:
                break
        assert not paper.waiting
        assert not paper.held
        paper.close()
        for name in list(paper.alive):
            paper.gone(name)
        assert paper.pool.closed
        assert len(paper.ended) == paper.submitted
        floor = paper.pool._floor
        books = (floor.calls, floor.alarms, floor.roster, floor.roster._workers, floor.placing._owns, floor.aged)
        assert [len(book) for book in books] == [0] * len(books), "something is remembered for ever"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
