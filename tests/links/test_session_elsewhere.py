"""A window whose session runs on another machine: both links on the way break, and what must not wait does not."""

import asyncio
import os
import random
import signal
import time
import zlib

import pytest
from tests.links.elsewhere import a_world
from tests.links.session import STORY, a_hub, told

from yonder import wire
from yonder_lsp import fetching, protocol
from yonder_lsp.store import Store

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


async def test_a_file_that_a_session_wrote_is_listed_and_fetched_over_lines_that_are_cut(far, tmp_path, monkeypatch):
    """The same in a workspace: `outputs` of its settings."""
    monkeypatch.setattr(fetching, "AGAIN", 0.1)
    hub, world = far
    code = "import os\nopen('model.pt', 'wb').write(os.urandom(8_000_000))\nimport zlib\nzlib.crc32(open('model.pt', 'rb').read())"
    ended = await hub.state(await hub.execute(code), "ok", "error")
    asked = protocol.FilesParams(run="run-1")
    while not (found := await hub.window.storing.do(Store.files, asked)).files:  # told after the end
        seen = len(hub.window.ear.numbers)
        await hub.window.ear.until(lambda seen=seen: len(hub.window.ear.numbers) > seen)
    (row,) = found.files
    assert (row.path, row.size) == ("model.pt", 8_000_000)
    near, up = hub.proxy.down.passed, world.proxy.up.passed
    hub.proxy.down.cut_at(near + 1_000_000, near + 3_000_000)
    world.do(world.proxy.up.cut_at, up + 2_000_000, up + 5_000_000)

    async def kept(*words):
        await hub.window.storing.do(Store.fetched, *words)

    home = tmp_path / "workspace"
    made = fetching.Fetching(
        hub.window.life, folder=lambda: str(home), outputs=lambda: ["*.pt"], fetched=kept, warn=pytest.fail
    )
    await made.heard(wire.FilesWritten("run-1", "", row.executor, [wire.Written("model.pt", 1, 1.0)], 0, 1.7e9))
    (file,) = (one for one in home.rglob("*") if one.is_file())
    assert str(zlib.crc32(file.read_bytes())) == ended.short
    assert (hub.proxy.broken, world.proxy.broken) == (2, 2)
    (row,) = (await hub.window.storing.do(Store.files, asked)).files
    assert row.local == str(file)
