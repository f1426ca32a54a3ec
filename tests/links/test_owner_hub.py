"""The owner's link of a real hub: what a session's code says and shows comes through a line that breaks."""

import asyncio
import random

import pytest
from tests.links.session import STORY, a_hub, told


@pytest.fixture
async def hub(tmp_path):
    async with a_hub(tmp_path) as made:
        yield made


async def test_what_a_session_says_arrives_once_over_a_line_that_is_cut_again_and_again(hub):
    dice = random.Random(5)
    first = hub.proxy.down.passed
    hub.proxy.down.cut_at(*(first + dice.randrange(50_000, 2_000_000) for _ in range(8)))
    await told(hub, await hub.execute(STORY))
    assert hub.proxy.broken == 8


async def test_a_run_that_ends_in_a_cut_is_delivered_after_it(hub, tmp_path):
    gate = tmp_path / "gate"
    run = await hub.execute(
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.005)\nprint('over')\n6 * 7"
    )
    await hub.state(run, "running")
    await hub.proxy.refuse()
    hub.proxy.cut()
    gate.touch()
    await asyncio.sleep(1.0)  # this is the cut
    await hub.proxy.heal()
    assert (await hub.state(run, "ok")).short == "42"
    assert await hub.window.text(run) == "over\n"
