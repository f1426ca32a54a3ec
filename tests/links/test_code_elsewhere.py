"""Code that travels to another machine: a session and a pool there, on a line that is cut while it is on the way."""

import pytest
from tests.integration.paper_hub import written
from tests.links.elsewhere import a_world
from tests.links.session import a_hub

from yonder import wire

BLOCK = """
import helper, yonder
with yonder.Pool(max=1) as pool:
    there = pool.call(helper.value)
helper.value(), there, helper.__file__.startswith("/nowhere")
"""


@pytest.fixture
async def far(tmp_path):
    """A hub and its window; the world in which session and pool are."""
    with a_world(tmp_path / "meeting") as world:
        async with a_hub(tmp_path, world.meeting) as hub:
            yield hub, world


async def run(hub, name, made):
    snapshot, contents = made
    life = hub.window.life
    await life.send(wire.Blobs(contents))
    await life.send(snapshot.publish(None))
    await life.send(wire.Execute(name, "main", BLOCK, "/nowhere/work.py", 0, snapshot=snapshot.digest))
    return (await hub.state(name, "ok", "error")).text


def project(value):
    """A large module beside the one that is edited, so that there is something to cut through."""
    ballast = "".join(f"# {n:>60}\n" for n in range(30_000 + value))
    return written("/nowhere", helper=f"import ballast\ndef value(): return {value}\n", ballast=ballast)


async def test_new_code_is_there_before_the_run_though_the_line_is_cut_on_its_way(far):
    hub, world = far
    assert await run(hub, "r1", project(1)) == "(1, 1, False)"
    passed = world.proxy.up.passed, world.proxy.down.passed
    world.do(world.proxy.down.cut_at, passed[1] + 200_000, passed[1] + 1_500_000)
    assert await run(hub, "r2", project(2)) == "(2, 2, False)"
    assert world.proxy.broken == 2
