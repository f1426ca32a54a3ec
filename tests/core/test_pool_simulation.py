"""Whole lives of pools in virtual time: nobody is lost, nobody runs twice, everything ends."""

from __future__ import annotations

import pytest
from tests.bench.simulator import Simulation, World

from yonder.wire import PoolSpec


def test_calm_weather() -> None:
    outcome = Simulation(World(PoolSpec(max=50), waves=((0.0, 2_000),))).run()
    assert outcome.ends == {"result": 2_000}
    assert outcome.boots == 50
    assert outcome.left == 0


@pytest.mark.parametrize("seed", range(4))
def test_machines_and_workers_die_boots_are_slow_or_fail_and_every_call_has_one_end(seed: int) -> None:
    world = World(
        PoolSpec(max=60, min=5, concurrency=1 + seed % 3, buffer=seed % 2 * 5, boot_timeout=30, idle_timeout=20),
        waves=((0.0, 400), (1.0, 5), (60.0, 900), (300.0, 50), (301.0, 300)),
        call=3.0,
        slow=0.05,
        broken=0.1,
        lifetime=60.0,
        worker_dies=0.05,
        retries=2,
        tenants=7,
        seed=seed,
    )
    outcome = Simulation(world).run()
    assert outcome.ends.total() == 1_655
    assert set(outcome.ends) <= {"result", "lost"}
    assert outcome.ends["result"] > 1_600
    assert outcome.left == 0


@pytest.mark.parametrize("isolation", ["process", "executor"])
def test_fresh_processes_and_fresh_executors(isolation: str) -> None:
    spec = PoolSpec(max=20, min=3, isolation=isolation, max_lifetime=40, grace=5)  # type: ignore[arg-type]
    outcome = Simulation(World(spec, waves=((0.0, 300), (200.0, 100)), worker_dies=0.02, retries=9, seed=3)).run()
    assert outcome.ends == {"result": 400}
    assert outcome.left == 0


def test_a_platform_on_which_nothing_boots_tells_everybody() -> None:
    outcome = Simulation(World(PoolSpec(max=10), waves=((0.0, 100), (50.0, 100)), broken=1.0)).run()
    assert outcome.ends == {"boot_failed": 200}
    assert outcome.left == 0


def test_a_run_can_be_repeated() -> None:
    world = World(PoolSpec(max=10), waves=((0.0, 200),), broken=0.2, lifetime=30.0, retries=1, seed=5)
    first, second = Simulation(world).run(), Simulation(world).run()
    assert (first.events, first.drained, first.ends) == (second.events, second.drained, second.ends)
