"""A real cluster for tests: a detached hub of a private owner, and the owner's end of its websocket.

What is left is asked of the process table, never of the hub.
"""

import asyncio
import contextlib
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

from yonder import wire
from yonder.backends.local import processes
from yonder.places import OwnerFolder
from yonder.version import __version__

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


class Owner:
    """One connection of an owner: stores events, acknowledges them, and waits for what a test is curious about."""

    def __init__(self, connection, memory):
        self._connection = connection
        self._memory = memory
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def events(self):
        return [one.event for one in self._memory.events]

    async def say(self, message):
        await self._connection.send(wire.encode(message))

    async def _read(self):
        parser = wire.Parser(wire.HubToOwner)
        with contextlib.suppress(ConnectionClosed):
            async for body in self._connection:
                message = parser.message(body)
                if isinstance(message, wire.Numbered):
                    assert message.n == len(self._memory.events) + 1
                    self._memory.events.append(message)
                    await self.say(wire.Ack(message.n))
                else:
                    self._memory.answers.append(message)
                async with self._changed:
                    self._changed.notify_all()

    async def until(self, found, what="what the test waits for"):
        """Wait until `found()` is true (truthy) and return it; the last events are shown when it never is."""
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                while not (value := found()):
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise AssertionError(f"never came: {what}; the last events: {self.events[-8:]}") from None

    def of(self, kind, **fields):
        return [
            one
            for one in self.events
            if isinstance(one, kind) and all(getattr(one, key) == value for key, value in fields.items())
        ]

    def text(self, run, call=None):
        return "".join(one.text for one in self.of(wire.Output, run=run) if call is None or one.call == call)

    async def execute(self, code, *, run=None, session="main", **more):
        run = run or f"run-{next(self._memory.numbers)}"
        line = more.pop("line", 0)
        path = more.pop("path", str(Path(self._memory.folder) / "work.py"))
        await self.say(wire.Execute(run, session, code, path, line, **more))
        return run

    async def run(self, code, **more):
        """Run a block and return its RunEnded."""
        run = await self.execute(code, **more)
        return await self.ended(run)

    async def ended(self, run):
        return (await self.until(lambda: self.of(wire.RunEnded, run=run), f"the end of {run}"))[0]

    async def running(self, run):
        await self.until(lambda: self.of(wire.Phase, run=run, phase="running"), f"{run} running")

    async def answer(self, message, kind):
        """Send a request with an id and wait for its answer."""
        await self.say(message)
        found = await self.until(
            lambda: [one for one in self._memory.answers if isinstance(one, kind) and one.id == message.id], str(kind)
        )
        return found[0]

    async def peek(self, what, *names, **more):
        path = [wire.Step("name" if n == 0 else "attr", name) for n, name in enumerate(names)]
        number = next(self._memory.numbers)
        return (await self.answer(wire.Peek(number, "main", wire.Query(what, path, **more)), wire.Peeked)).answer

    async def hang_up(self, goodbye=False):
        if goodbye:
            await self.say(wire.Goodbye("the test closes the window"))
        await self._connection.close()
        await self._reader

    def cut(self):
        """No goodbye, no closing handshake."""
        self._connection.transport.abort()


class _Memory:
    """What an owner keeps over reconnects."""

    def __init__(self, folder):
        self.folder = folder
        self.events = []
        self.answers = []
        self.numbers = itertools.count(1)


class Cluster:
    """A hub of a fresh owner. `linger` and `silence` are short: a test does not wait for people."""

    def __init__(self, folder, *, linger=1.0, silence=60.0, pools=None, python=sys.executable):
        self.owner = f"test-{secrets.token_hex(6)}"
        self.files = OwnerFolder(self.owner)
        self.token = secrets.token_urlsafe(16)
        self.files.make_token(self.token)
        self.folder = folder
        self.memory = _Memory(folder)
        self.linger, self.silence = linger, silence
        self.pools = pools or [wire.PoolSpec(max=2, idle_timeout=30)]
        self.python = python
        self.note = None

    async def start(self):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'executor'}:{ROOT / 'lsp-server'}"}
        command = [sys.executable, "-P", "-m", "yonder.hub.detached", "--owner", self.owner]
        await asyncio.to_thread(subprocess.run, command, check=True, env=environment, stdin=subprocess.DEVNULL)
        await self.wait_for(lambda: self.files.note() is not None, "the hub's note")
        self.note = self.files.note()

    async def attach(self, configure=True):
        connection = await unix_connect(
            str(self.files.owner_socket),
            uri="ws://localhost/owner",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
            max_size=None,
            close_timeout=1,
        )
        hello = wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role="owner",
            token=self.token,
            id=self.owner,
            resume=len(self.memory.events),
        )
        await connection.send(wire.encode(hello))
        welcome = wire.Parser(wire.HubToOwner).message(await connection.recv())
        assert isinstance(welcome, wire.Welcome), welcome
        owner = Owner(connection, self.memory)
        if configure:
            place = wire.Place(python=self.python, core=str(ROOT / "executor"), folder=str(self.folder))
            await owner.say(wire.Configure(place, self.pools, self.linger, self.silence, 1 << 30))
        return owner

    def processes(self, *roles):
        return [one for one in processes(self.owner) if not roles or one.role in roles]

    async def wait_for(self, found, what):
        """Wait until the outside world says so; the process table and the file system send no events."""
        end = time.monotonic() + PATIENCE
        while not found():
            if time.monotonic() > end:
                raise AssertionError(f"never came: {what}; left: {self.processes()}; log: {self.log()}")
            await asyncio.sleep(0.02)

    async def gone(self):
        await self.wait_for(lambda: not self.processes() and self.files.note() is None, "the end of everything")

    def log(self):
        try:
            return self.files.log_file.read_text()[-2000:]
        except OSError:
            return ""

    def kill(self, pid, number=signal.SIGKILL):
        os.kill(pid, number)

    async def end(self):
        """After the test: nothing of ours may stay, whatever happened."""
        note = self.files.note()
        if note is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(note.pid, signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                await self.gone()
        for one in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        shutil.rmtree(self.files.path, ignore_errors=True)


@contextlib.asynccontextmanager
async def a_cluster(folder, **more):
    """A running hub with an owner attached: `async with a_cluster(tmp_path) as (cluster, owner)`."""
    cluster = Cluster(folder, **more)
    await cluster.start()
    try:
        yield cluster, await cluster.attach()
    finally:
        await cluster.end()
