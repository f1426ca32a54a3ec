"""A real hub in this process over a platform of paper: agents, workers and clients are objects that remember what they
were told and say what a test has them say. No process, no socket, no time but the loop's."""

import asyncio
import contextlib
import secrets
import shutil

from yonder import snapshot, wire
from yonder.hub.clients import Client
from yonder.hub.hub import Hub
from yonder.hub.substrates import Substrates
from yonder.places import OwnerFolder
from yonder.testing import FakeBackend
from yonder.version import __version__

PATIENCE = 10.0


class Remembers:
    """A list of messages and a way to wait for one."""

    relayed = False
    near = False
    moved = (0, 0)

    def __init__(self):
        self.said = []
        self._changed = asyncio.Event()

    def send(self, message):
        self.said.append(message)
        self._changed.set()

    def close(self):
        pass

    def hold(self, paused):
        pass

    def of(self, type_, /, **fields):
        return [
            one for one in self.said if isinstance(one, type_) and all(getattr(one, k) == v for k, v in fields.items())
        ]

    async def hears(self, type_, nth=1, /, **fields):
        """The nth message of that kind, as soon as it is there."""
        try:
            async with asyncio.timeout(PATIENCE):
                while len(found := self.of(type_, **fields)) < nth:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"never came: {type_.__name__} {fields}; said: {self.said}") from None
        return found[nth - 1]


class PaperWorker(Remembers):
    """One worker process; `said` is what its call lane heard, `control` what its control lane did."""

    def __init__(self, hub, name):
        super().__init__()
        self.name = name
        self.control = Remembers()
        self.held = False
        self._hub = hub
        self._lanes = []

    def hold(self, paused):
        self.held = paused

    def hello(self):
        real = self._hub.executors.workers.get(self.name)
        if real is not None:
            self._lanes = [real.attach("call", self), real.attach("control", self.control)]

    def says(self, message):
        self._lanes[0].received(message)

    def done(self, task, body=b"v", **more):
        self.says(wire.Done(task, True, body, 0, 0, **more))

    def failed(self, task, kind="ValueError", words="bad"):
        self.says(wire.Done(task, False, b"", 0, 0, "", wire.Failure(kind, words, "")))

    def dies(self, report=None):
        worker = self._hub.executors.workers.get(self.name)
        if worker is not None:
            worker.exited(report or wire.ExitReport(signal=9))
            for lane in self._lanes:
                lane.lost()


class PaperAgent:
    """Forks when asked, kills when asked, keeps code when told. `shy`: workers do not say hello by themselves; `slow`: it
    says that it has a snapshot when the test has it do so (`stows`)."""

    relayed = False
    moved = (0, 0)

    def __init__(self, hub):
        self.code = Remembers()
        self.slow = False
        self.snapshots = {}
        self.contents = {}
        self.workers = {}
        self.forks = Remembers()
        self.kills = Remembers()
        self.shy = False
        self._hub = hub

    def send(self, message):
        loop = asyncio.get_running_loop()
        match message:
            case wire.Fork(worker=name):
                worker = self.workers[name] = PaperWorker(self._hub, name)
                self.forks.send(message)
                if not self.shy:
                    loop.call_soon(worker.hello)
            case wire.Kill(worker=name):
                self.kills.send(message)
                loop.call_soon(self.workers[name].dies)
            case wire.Blobs(contents=contents):
                self.code.send(message)
                self.contents.update(contents)
            case wire.Publish():
                self.code.send(message)
                made = snapshot.applied(self.snapshots.get(message.base), message)
                assert all(name in self.contents for name in made.files.values()), "a content that was never sent"
                self.snapshots[made.digest] = made
                if not self.slow:
                    loop.call_soon(self.stows, made.digest)
            case wire.Unpublish(snapshots=digests):
                self.code.send(message)
                for digest in digests:
                    del self.snapshots[digest]
                used = {name for one in self.snapshots.values() for name in one.files.values()}
                self.contents = {name: data for name, data in self.contents.items() if name in used}
            case _:
                pass

    def stows(self, digest, sentence=""):
        self.told.received(wire.Published(digest, sentence))

    async def worker(self, nth):
        """The nth worker that was forked, once it was told anything or said hello."""
        fork = await self.forks.hears(wire.Fork, nth)
        return self.workers[fork.worker]

    def leave(self, name):
        """It ends because it was asked to."""
        self.workers[name].dies(wire.ExitReport(code=0))


class PaperClient(Remembers):
    """A program with pools."""

    def __init__(self, hub, worker=None, *, elsewhere=False):
        super().__init__()
        self.client = Client(self.send, hub, worker, elsewhere=elsewhere)
        self._calls = 0

    def says(self, message):
        self.client.received(message)

    async def opens(self, spec, *given):
        self.says(wire.OpenPool(900, spec, list(given), wire.Place()))
        return (await self.hears(wire.PoolOpened, id=900)).spec

    def submits(self, pool="default", *, function=b"f", code=b"", **options):
        self._calls += 1
        wishes = wire.CallOptions(**options) if options else None
        self.says(wire.Submit(self._calls, pool, function, b"body " + function, b"args", "work", wishes, code))
        return self._calls

    async def publishes(self, *snapshots):
        """These snapshots, each with the contents of its files: path -> text."""
        for made, contents in snapshots:
            self.says(wire.Blobs(contents))
            self.says(made.publish(None))
            assert (await self.hears(wire.Published, snapshot=made.digest)).sentence == ""

    async def end_of(self, call):
        return await self.hears(wire.CallDone, call=call)


class Ear:
    """Where a hub's events go."""

    full = False
    last = 0

    def __init__(self):
        self.heard = []

    def tell(self, event):
        self.heard.append(event)

    def reply(self, message):
        pass


def written(folder="project", roots=("",), **files):
    """A snapshot and its contents; `helper="x = 1"` is the file helper.py."""
    contents = {snapshot.content(text.encode()): text.encode() for text in files.values()}
    names = {f"{name}.py": snapshot.content(text.encode()) for name, text in files.items()}
    return snapshot.Snapshot(folder, tuple(roots), names), contents


class PaperHub:
    def __init__(self, backend=None, **others):
        self.folder = OwnerFolder(f"paper-{secrets.token_hex(6)}")
        self.log = []
        self.hub = Hub(self.folder, "token", self.log.append)
        self.ear = Ear()
        self.backend = backend or FakeBackend()
        self.hub.furnish(self.ear, Substrates.only(local=self.backend, **others))
        self.agent = self.an_agent("")

    def an_agent(self, name):
        """One of that name has dialled."""
        agent = PaperAgent(self.hub)
        hello = wire.Hello(version=wire.VERSION, package=__version__, role="agent", token="token", id=name)
        agent.told = self.hub.executors.agents.said_hello(hello, agent)
        return agent

    def client(self, worker=None, *, elsewhere=False):
        return PaperClient(self.hub, worker and self.hub.executors.workers[worker.name], elsewhere=elsewhere)

    async def a_pool(self, **spec):
        """A client that has opened the pool of that spec."""
        client = self.client()
        await client.opens(wire.PoolSpec(**spec))
        return client

    async def turns(self, count):
        """So many turns of the loop: what was going to happen at once has happened."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def until(self, found, what):
        """Wait for something that nobody announces, turn by turn of the loop."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (value := found()):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0)
                return value
        except TimeoutError:
            raise AssertionError(f"never came: {what}; log: {self.log}") from None


@contextlib.asynccontextmanager
async def a_paper_hub(backend=None, **others):
    paper = PaperHub(backend, **others)
    try:
        yield paper
        assert paper.log == [], paper.log
    finally:
        for room in paper.hub.desk.pools.values():
            room.stop_timer()
        await paper.hub.shut()
        shutil.rmtree(paper.folder.path, ignore_errors=True)
