"""Group `core`: what one event costs the pure pool with ten and with ten thousand executors, and how long it takes to
bring a million queued calls to ten thousand executors that boot slowly, fail and die, in virtual time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.figures import BenchError, Figure, median
from tests.bench.simulator import Simulation, World

from yonder.core import events
from yonder.core.pool import Pool
from yonder.wire import PoolSpec


def cost(size: int, rounds: int) -> float:
    """Microseconds for one event of a call's life, `next_wake` included, with `size` executors idle beside it."""
    pool = Pool(PoolSpec(max=size), prefix="x")
    for n in range(size):
        pool.step(events.Submitted(0.0, f"w{n}"))
    for n in range(size):
        pool.step(events.Booted(0.0, f"x-{n + 1}", (f"x-{n + 1}.0",)))
    for n in range(size):
        pool.step(events.CallOver(0.0, f"w{n}"))
    life: list[events.Event] = []
    for n in range(rounds):
        now = n * 0.001
        life.append(events.Submitted(now, f"c{n}", now + 50 if n % 2 else None))
        life.append(events.CallOver(now, f"c{n}"))
    begun = time.perf_counter()
    for event in life:
        pool.step(event)
        if pool.next_wake is None:
            raise BenchError("idle executors have an end")
    return (time.perf_counter() - begun) / len(life) * 1e6


def measure(quick: bool) -> Iterator[Figure]:
    """`core_us_per_event_10`, `core_us_per_event_10000`, `core_drain_1m_s`, `core_drain_1m_virtual_s`."""
    rounds, times = (5_000, 3) if quick else (50_000, 5)
    small = [cost(10, rounds) for _ in range(times)]
    large = [cost(10_000, rounds) for _ in range(times)]
    yield Figure("core_us_per_event_10", median(small), "µs")
    yield Figure("core_us_per_event_10000", median(large), "µs", {"10 executors": median(small)})
    calls, executors = (50_000, 500) if quick else (1_000_000, 10_000)
    world = World(
        PoolSpec(max=executors, boot_timeout=120),
        waves=((0.0, calls // 2), (60.0, calls // 4), (90.0, calls - calls // 2 - calls // 4)),
        call=2.0,
        boot=20.0,
        slow=0.01,
        broken=0.05,
        lifetime=600.0,
        worker_dies=0.001,
        retries=3,
        tenants=50,
    )
    outcome = Simulation(world).run()
    if outcome.ends["result"] + outcome.ends["lost"] != calls or outcome.left:
        raise BenchError(f"{outcome.ends} of {calls} calls, {outcome.left} executors left")
    name = "core_drain_1m" if not quick else "core_drain_50k"
    yield Figure(f"{name}_s", outcome.core, "s", {"µs an event": outcome.us_per_event})
    ideal = calls * world.call / executors
    yield Figure(f"{name}_virtual_s", outcome.drained, "s", {"calls / executors": ideal})
