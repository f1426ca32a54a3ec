"""A window and its real hub, whose session runs on this machine or on another one; proxies lie on the way.

Window ── Proxy ── hub's process ── session                 ... ══ World's proxy ══ agent ── session
"""

import asyncio
import contextlib
import subprocess

from tests.integration.cluster import ROOT, Cluster
from tests.links.elsewhere import words
from tests.links.proxy import Proxy
from tests.links.window import Window

from yonder import wire
from yonder_lsp.store import Store


class FarCluster(Cluster):
    """A hub whose machines are elsewhere."""

    def __init__(self, folder, meeting, **more):
        pools = [wire.PoolSpec(name="session", backend="docker"), wire.PoolSpec(backend="docker", max=2)]
        super().__init__(folder, pools=pools, **more)
        self._meeting = meeting

    async def start(self):
        command = [*words(self._meeting), "--owner", self.owner]
        await asyncio.to_thread(subprocess.run, command, check=True, stdin=subprocess.DEVNULL)
        await self.wait_for(lambda: self.files.note() is not None, "the hub's note")
        self.note = self.files.note()


class Hub:
    """A detached hub, the proxy in the place of its socket, and a window that dials it."""

    def __init__(self, tmp_path, meeting=None):
        self.cluster = FarCluster(tmp_path, meeting, linger=60.0) if meeting else Cluster(tmp_path, linger=60.0)
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


@contextlib.asynccontextmanager
async def a_hub(tmp_path, meeting=None):
    """`meeting`: where its machines are (see `elsewhere`)."""
    made = Hub(tmp_path, meeting)
    async with contextlib.AsyncExitStack() as ending:
        ending.push_async_callback(made.cluster.end)
        await made.open()
        ending.push_async_callback(made.close)
        yield made


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


async def told(hub, run):
    """The whole story is in the window's store: every line, point and display once, in order, and the end."""
    ended = await hub.state(run, "ok", "error", "lost")
    assert (ended.state, ended.short) == ("ok", "'told'"), ended.text
    assert await hub.window.text(run) == "".join(f"{n}\n" for n in range(LINES))
    assert await hub.window.points(run) == (LINES, float(LINES - 1))
    assert await hub.window.displays(run) == [repr(str(n)) for n in range(0, LINES, 1000)]
    await hub.window.stored(0)
