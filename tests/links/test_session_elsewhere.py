"""A window whose session runs on another machine: both links on the way break, and what must not wait does not."""

import asyncio
import os
import random
import signal
import time

import pytest
from tests.links.elsewhere import a_world
from tests.links.session import STORY, a_hub, told

from yonder import wire

BULK = int(os.environ.get("YONDER_BULK", "30"))
"""Megabytes that come to the session while it is looked at."""


@pytest.fixture
async def far(tmp_path):
    """A hub and its window; the world in which the session is."""
    with a_world(tmp_path / "meeting") as world:
        async with a_hub(tmp_path, world.meeting) as hub:
            yield hub, world


async def test_what_a_session_says_arrives_once_over_two_lines_that_are_cut_again_and_again(far):
    hub, world = far
    assert (await hub.state(await hub.execute("6 * 7"), "ok")).short == "42"
    dice = random.Random(9)
    near, far = hub.proxy.down.passed, world.proxy.up.passed
    hub.proxy.down.cut_at(*(near + dice.randrange(50_000, 2_000_000) for _ in range(5)))
    world.do(world.proxy.up.cut_at, *(far + dice.randrange(50_000, 2_500_000) for _ in range(15)))
    await told(hub, await hub.execute(STORY))
    assert (hub.proxy.broken, world.proxy.broken) == (5, 15)


async def test_a_session_is_looked_at_while_much_more_comes_to_it(far):
    """The results of a pool reach the session over the same machine's link."""
    hub, _ = far
    code = "import yonder\nkept = 41\npool = yonder.Pool(preload=[])\npool.submit(bytes, 1).result()\n"
    assert (await hub.state(await hub.execute(code), "ok", "error")).state == "ok"
    run = await hub.execute(f"sum(len(one) for one in pool.map(bytes, [5_000_000] * {BULK // 5}))")
    await hub.state(run, "running")
    query = wire.Query("describe", [wire.Step("name", "kept")])
    took = []
    while (state := (await hub.window.run(run)).state) == "running":
        asked = time.monotonic()
        async with asyncio.timeout(10):
            assert (await hub.window.life.peek("main", query)).short == "41"
        took.append(time.monotonic() - asked)
    assert (state, (await hub.window.run(run)).short) == ("ok", str(BULK // 5 * 5_000_000))
    print(f"{len(took)} looks, median {sorted(took)[len(took) // 2]:.4f} s, longest {max(took):.4f} s")
    assert len(took) > 10  # many were answered before the transfer was over


async def test_a_hub_that_stood_still_goes_on_and_nobody_died(far):
    """SIGSTOP for longer than the agent's patience with a connection and than a clock forgives; YONDER_STOPPED says how many
    seconds."""
    hub, _ = far
    await hub.state(await hub.execute("kept = 41"), "ok")
    run = await hub.execute("import time\nfor n in range(300):\n    print(n)\n    time.sleep(0.01)")
    await hub.state(run, "running")
    pid = hub.cluster.note.pid
    before = {one.pid for one in hub.cluster.processes()}
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(float(os.environ.get("YONDER_STOPPED", "10")))
    finally:
        os.kill(pid, signal.SIGCONT)
    await hub.state(run, "ok")
    assert await hub.window.text(run) == "".join(f"{n}\n" for n in range(300))
    assert (await hub.state(await hub.execute("kept + 1"), "ok")).short == "42"
    assert before <= {one.pid for one in hub.cluster.processes()}
    assert "lost" not in hub.window.ear.clusters
