"""The owner's link of a real hub: what a session's code says and shows comes through a line that breaks, and a hub that
stood still goes on."""

import asyncio
import contextlib
import os
import random
import signal

import pytest
from tests.integration.cluster import ROOT, Cluster
from tests.links.proxy import Proxy
from tests.links.window import Window

from yonder import wire
from yonder_lsp.store import Store

LINES = 100_000

STORY = f"""
import yonder
for n in range({LINES}):
    print(n)
    yonder.log(loss=float(n))
    if not n % 1000:
        print(end="", flush=True)
        yonder.display(str(n))
"told"
"""


class Hub:
    """A detached hub, the proxy in the place of its socket, and a window that dials it."""

    def __init__(self, tmp_path):
        self.cluster = Cluster(tmp_path, linger=60.0)
        self._tmp_path = tmp_path
        self._runs = 0

    async def open(self):
        await self.cluster.start()
        files = self.cluster.files
        behind = files.path / "behind.sock"
        files.owner_socket.rename(behind)
        self.proxy = Proxy(behind)
        await self.proxy.listen(files.owner_socket)
        place = wire.Place(python=self.cluster.python, core=str(ROOT / "executor"), folder=str(self._tmp_path))
        configure = wire.Configure(place, self.cluster.pools, 60.0, 60.0, 1 << 30)
        self.window = Window(self._tmp_path, self.cluster.owner, configure)
        await self.window.connect()

    async def execute(self, code):
        self._runs += 1
        run = f"run-{self._runs}"
        await self.window.life.send(wire.Execute(run, "main", code, str(self._tmp_path / "work.py"), 0))
        return run

    async def state(self, run, *states):
        """Wait until the store says so of the run."""
        async with asyncio.timeout(60):
            while True:
                seen = len(self.window.ear.numbers)
                found = (await self.window.storing.do(Store.runs, 0)).runs
                for one in found:
                    if one.run == run and one.state in states:
                        return one
                await self.window.ear.until(lambda seen=seen: len(self.window.ear.numbers) > seen)

    async def close(self):
        await self.window.close()
        await self.proxy.close()
        await self.cluster.end()


@pytest.fixture
async def hub(tmp_path):
    made = Hub(tmp_path)
    async with contextlib.AsyncExitStack() as ending:
        ending.push_async_callback(made.cluster.end)
        await made.open()
        ending.pop_all()
    yield made
    await made.close()


async def test_what_a_session_says_arrives_once_over_a_line_that_is_cut_again_and_again(hub):
    dice = random.Random(5)
    first = hub.proxy.down.passed
    hub.proxy.down.cut_at(*(first + dice.randrange(50_000, 2_000_000) for _ in range(8)))
    run = await hub.execute(STORY)
    ended = await hub.state(run, "ok", "error", "lost")
    assert (ended.state, ended.short) == ("ok", "'told'"), ended.text
    assert await hub.window.text(run) == "".join(f"{n}\n" for n in range(LINES))
    assert await hub.window.points(run) == (LINES, float(LINES - 1))
    assert await hub.window.displays(run) == [repr(str(n)) for n in range(0, LINES, 1000)]
    await hub.window.stored(0)
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


async def test_a_hub_that_stood_still_goes_on_and_nobody_died(hub):
    """SIGSTOP for longer than a clock forgives; YONDER_STOPPED says how many seconds."""
    await hub.state(await hub.execute("kept = 41"), "ok")
    run = await hub.execute("import time\nfor n in range(100):\n    print(n)\n    time.sleep(0.01)")
    await hub.state(run, "running")
    pid = hub.cluster.note.pid
    before = {one.pid for one in hub.cluster.processes()}
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(float(os.environ.get("YONDER_STOPPED", "6")))
    finally:
        os.kill(pid, signal.SIGCONT)
    await hub.state(run, "ok")
    assert await hub.window.text(run) == "".join(f"{n}\n" for n in range(100))
    assert (await hub.state(await hub.execute("kept + 1"), "ok")).short == "42"
    assert before <= {one.pid for one in hub.cluster.processes()}
    assert "lost" not in hub.window.ear.clusters
