"""Looking into a session on another machine while the line to it stands still, is cut, and comes back."""

import asyncio
import time

import pytest
from tests.links.elsewhere import a_world
from tests.links.session import a_hub

from yonder import wire
from yonder_lsp.live import MISSES, Live
from yonder_lsp.sessions import Epoch

DOCUMENT = "file:///work.py"
BUSY = Epoch("main", 1, 1, busy=True)
SOON = 0.05
LONG = 60.0


@pytest.fixture
async def far(tmp_path):
    """A hub whose session is elsewhere and has a `kept`, the world, what looks, and what the status bar was told."""
    with a_world(tmp_path / "meeting") as world:
        async with a_hub(tmp_path, world.meeting) as hub:
            await hub.state(await hub.execute("class Thing: pass\nkept = Thing()\nkept.size = 3"), "ok")
            told: list[bool] = []
            eyes = Live(hub.window.life.peek, clock=time.monotonic, slow_changed=lambda: told.append(eyes.slow))
            yield world, eyes, told
            eyes.forget()
            await asyncio.sleep(0)


def members(name="kept", **more):
    return wire.Query("members", [wire.Step("name", name)], **more)


def has_size(look):
    return look.answer is not None and "size" in {one.name for one in look.answer.members}


async def recovered(eyes, told):
    """Ask as the editor does until the reply comes."""
    async with asyncio.timeout(LONG):
        while (look := await eyes.ask(DOCUMENT, BUSY, members(), 1.0)).late:  # noqa: ASYNC110 - as keys are pressed
            await asyncio.sleep(0)
    assert has_size(look)
    assert (eyes.slow, told[-1]) == (False, False)


async def test_a_line_that_stands_still_is_told_and_what_was_seen_is_shown_as_old(far):
    world, eyes, told = far
    look = await eyes.ask(DOCUMENT, BUSY, members(), LONG)
    assert (has_size(look), look.late) == (True, False)
    for way in (world.proxy.up, world.proxy.down):
        world.do(way.hold)
    for number in range(MISSES):
        look = await eyes.ask(DOCUMENT, BUSY, members(prefix=str(number)), SOON)
        assert look.late
    assert told == [True]
    look = await eyes.ask(DOCUMENT, BUSY, members(), LONG)  # would take a minute, were it asked
    assert (has_size(look), look.late) == (True, True)
    for way in (world.proxy.up, world.proxy.down):
        world.do(way.go)
    await recovered(eyes, told)


async def test_a_line_that_is_cut_while_it_is_looked_over_it_recovers(far):
    world, eyes, told = far
    assert has_size(await eyes.ask(DOCUMENT, BUSY, members(), LONG))
    world.do(world.proxy.up.hold)
    for number in range(MISSES):
        assert (await eyes.ask(DOCUMENT, BUSY, members(prefix=str(number)), SOON)).late
    assert told == [True]
    world.do(world.proxy.up.cut_at, world.proxy.up.passed + 1)
    world.do(world.proxy.up.go)
    await recovered(eyes, told)
    assert world.proxy.broken == 1
