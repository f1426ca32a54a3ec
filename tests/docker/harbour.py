"""What the tests of the docker backend share: an image that does as it is told, a boarding that can be waited at, and a
line to the engine that loses one answer."""

import asyncio
import contextlib
import json
import secrets
import subprocess

from msgspec import structs

from yonder.backends.base import BootSpec
from yonder.backends.docker import DockerBackend
from yonder.backends.gpus import Gpus
from yonder.places import OwnerFolder
from yonder.wire import Place, PoolSpec, Resources

OBEDIENT = "yonder-obedient"
"""Its first process runs what it is handed on standard input, which must end."""

STAY = "import time; time.sleep(1000)"


def make_obedient(engine, tag=OBEDIENT, extra=""):
    """An executor image whose containers run their invitation as a program."""
    lines = f"""FROM {engine.image}
ENTRYPOINT ["python3", "-c", "import sys; exec(sys.stdin.read())"]
{extra}
"""
    command = ["docker", "--host", engine.host, "build", "--quiet", "--tag", tag, "-"]
    subprocess.run(command, input=lines.encode(), check=True, capture_output=True)
    return tag


class Pier:
    """A `Boarding` that invites with a program, and can be waited at for the end of a machine."""

    def __init__(self, program=STAY):
        self.program = program
        self.invited, self.withdrawn, self.ends = [], [], []
        self._told = asyncio.Event()

    async def invite(self, agent, *, listen, reach="", lifetime=0.0):
        self.invited.append((agent, listen, reach, lifetime))
        return self.program.encode()

    def withdraw(self, agent):
        self.withdrawn.append(agent)

    def ended(self, agent, sentence, report=None):
        self.ends.append((agent, sentence, report))
        self._told.set()

    async def told(self, count=1):
        """The `count`th end that is told."""
        async with asyncio.timeout(60):
            while len(self.ends) < count:
                await self._told.wait()
                self._told.clear()
        return self.ends[count - 1]


class Harbour:
    """One hub's backend on a real engine, without the hub. Close it."""

    def __init__(self, engine, *, owner="", host="", gpus=()):
        self.engine = engine
        self.host = host or engine.host
        self.owner = owner or f"harbour-{secrets.token_hex(6)}"
        self.pier = Pier()
        self.said = []
        self._spoke = asyncio.Event()
        self._hub = None
        self.folder = OwnerFolder(self.owner)
        self.backend = DockerBackend(self.folder, self.pier, Gpus(lambda: list(gpus)), self._log)

    def _log(self, line):
        self.said.append(line)
        self._spoke.set()

    async def logged(self, words):
        """Wait for a line of the log."""
        async with asyncio.timeout(60):
            while not any(words in line for line in self.said):
                await self._spoke.wait()
                self._spoke.clear()

    def spec(self, *, image=OBEDIENT, executor="", resources=None, **options):
        name = executor or f"x-{secrets.token_hex(4)}"
        pool = PoolSpec(
            backend="docker",
            image=image,
            resources=resources or Resources(),
            options={"host": self.host, "pull": "never"} | options,
        )
        return BootSpec(
            executor=name, owner=self.owner, kind="pool", workers=(f"{name}.0",), place=Place(), pool=pool, preload=[]
        )

    async def boot(self, spec=None, program="", phases=None, lifetime=0.0):
        """Boot, with the program that it is to run."""
        self.pier.program = program or STAY
        wanted = spec or self.spec()
        if lifetime:
            wanted = structs.replace(wanted, pool=structs.replace(wanted.pool, max_lifetime=lifetime))
        return await self.backend.boot(wanted, lambda *told: phases.append(told) if phases is not None else None)

    async def run(self, program, **wishes):
        """What a container prints that runs `program`, and how it ended."""
        count = len(self.pier.ends) + 1
        handle = await self.boot(self.spec(**wishes), program)
        _, _, report = await self.pier.told(count)
        await self.backend.terminate(handle)
        return report

    async def left(self):
        """What the engine has of this owner, asked with docker's own client."""
        return await containers(self.engine, f"label=dev.yonder.owner={self.owner}")

    async def serve(self):
        """Be a living hub to whoever knocks."""
        self._hub = await asyncio.start_unix_server(lambda _, writer: writer.close(), str(self.folder.hub_socket))

    async def die(self):
        """Be a dead one."""
        await self.backend.close()
        if self._hub is not None:
            self._hub.close()
            self.folder.hub_socket.unlink()
            self._hub = None

    async def close(self):
        await self.die()
        while left := await self.left():
            with contextlib.suppress(subprocess.CalledProcessError):  # it is being removed
                await docker(self.engine, "rm", "--force", *left)
        with contextlib.suppress(OSError):
            self.folder.path.rmdir()
        assert [line for line in self.said if line.startswith("a task of the docker backend failed")] == []


async def docker(engine, *words):
    return await asyncio.to_thread(engine.docker, *words)


async def containers(engine, *filters):
    words = [word for one in filters for word in ("--filter", one)]
    return (await docker(engine, "ps", "--all", "--no-trunc", "--quiet", *words)).split()


async def inspected(engine, native):
    return json.loads(await docker(engine, "inspect", native))[0]


class Gossip:
    """A line to the engine's socket. `lose` drops the answer to the next request that begins with it, `hold` keeps such a
    request back until `released`; `cut` ends all connections. Without a path it listens on TCP, with `tls` as that."""

    def __init__(self, target, path=None, tls=None):
        self._target = target.removeprefix("unix://")
        self._path = path
        self._tls = tls
        self.lose = self.hold = b""
        self.released = asyncio.Event()
        self.caught = asyncio.Event()
        self._tasks = set()

    async def __aenter__(self):
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._met, str(self._path))
            self.host = f"unix://{self._path}"
        else:
            self._server = await asyncio.start_server(self._met, "127.0.0.1", 0, ssl=self._tls)
            self.host = f"tcp://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self):
        for task in self._tasks:
            task.cancel()

    async def _met(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        engine_reader, engine_writer = await asyncio.open_unix_connection(self._target)
        lost = asyncio.Event()
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._up(reader, engine_writer, lost))
                    both.create_task(self._down(engine_reader, writer, lost))
        finally:
            writer.close()
            engine_writer.close()

    async def _up(self, source, sink, lost):
        while data := await source.read(65536):
            if self.lose and self.lose in data:
                self.lose = b""
                lost.set()
                self.caught.set()
            if self.hold and self.hold in data:
                self.hold = b""
                self.caught.set()
                lost.set()
                await self.released.wait()
            sink.write(data)
        sink.write_eof()

    async def _down(self, source, sink, lost):
        while data := await source.read(65536):
            if not lost.is_set():
                sink.write(data)
        if not lost.is_set() and sink.can_write_eof():
            sink.write_eof()
