"""The two ends of an owner's link in one process, with a proxy between: a hub's door and journal, a window's connection
and its store on disk. Made for a virtual loop.

    Window: Lifecycle ⇄ Proxy ⇄ OwnerLink ── Desk (the lease)
                └ StoreThread
"""

import asyncio
import contextlib
import os
from array import array

from tests.links.proxy import Proxy

from yonder import wire
from yonder.core.lease import OwnerLease
from yonder.errors import BootFailed
from yonder.hub.journal import Journal
from yonder.hub.owner import OwnerLink
from yonder.places import HubNote, OwnerFolder, started_at
from yonder.version import __version__
from yonder_lsp import protocol
from yonder_lsp.lifecycle import Lifecycle
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread

OWNER = "window-of-links"
HUB = "hub-1"
LINGER, SILENCE = 20.0, 600.0
CONFIGURE = wire.Configure(wire.Place(), [wire.PoolSpec()], LINGER, SILENCE, 1 << 30)


class Ear:
    """What the lifecycle tells a window."""

    def __init__(self):
        self.numbers = []
        self.notices = []
        self.lines = []
        self.clusters = []
        self.statuses = 0
        self._changed = asyncio.Condition()
        self._ringing = set()
        self.life = None

    def stored(self, batch):
        self.numbers += [numbered.n for numbered in batch]
        self._ring()

    def status_said(self, _):
        self.statuses += 1
        self._ring()

    def cluster_changed(self):
        self.clusters.append(self.life.cluster)
        self._ring()

    def notice(self, level, sentence):
        self.notices.append(sentence)

    def log(self, level, text):
        self.lines.append(text)

    def _ring(self):
        async def ring():
            async with self._changed:
                self._changed.notify_all()

        task = asyncio.create_task(ring())
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    async def until(self, condition, within=3600.0):
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)


class Desk:
    """The hub behind the link: keeps what the owner asked, holds the lease."""

    def __init__(self, *, distant):
        self._clock = asyncio.get_running_loop().time
        self.lease = OwnerLease(linger=LINGER, silence=SILENCE, at=self._clock(), distant=distant)
        self.said = asyncio.Queue()
        self.came = 0
        self.link = None

    def owner_connected(self):
        self.came += 1
        self.lease.connected(self._clock())

    def owner_dropped(self):
        self.lease.dropped(self._clock())

    def owner_said(self, message):
        match message:
            case wire.WindowAlive():
                self.lease.window_alive(self._clock())
            case wire.GetStatus(id=number):
                self.link.reply(wire.Status(number, [], [], [], 0, 0, self.link.last))
            case wire.Peek(id=number, session=name):
                self.link.reply(wire.Peeked(number, name, wire.Answer(found=True, type="int")))
            case wire.Execute():
                self.said.put_nowait(message)
            case _:
                pass

    async def ended(self):
        """Live as long as the lease allows; the reason to end."""
        while (reason := self.lease.judge(self._clock())) is None:  # noqa: ASYNC110 - a lease is judged by the clock
            await asyncio.sleep(min(2.0, max(0.01, self.lease.next_wake(self._clock()) - self._clock())))
        return reason


class Window:
    """The owner's side: its connection and its store on disk."""

    def __init__(self, tmp_path, owner, configure, **more):
        self.storing = StoreThread(tmp_path / "s" / "runs.sqlite")
        self.ear = Ear()
        self.life = self.ear.life = Lifecycle(owner, self.storing, self.ear, start=_never, **more)
        self._configure = configure

    async def connect(self):
        async def configured():
            return self._configure

        assert await self.life.find(configured)
        await self.ear.until(lambda: self.ear.statuses)

    async def stored(self, last):
        """Wait until all that the hub told up to `last` is stored; then nothing may be missing, double or out of order."""
        await self.ear.until(lambda: len(self.ear.numbers) >= last)
        assert self.ear.numbers == list(range(1, len(self.ear.numbers) + 1))

    async def run(self, name):
        (found,) = [one for one in (await self.storing.do(Store.runs, 0)).runs if one.run == name]
        return found

    async def text(self, run):
        found = await self.storing.do(Store.output, protocol.OutputParams(run=run, limit=1 << 30))
        return "".join(piece.text for piece in found.pieces)

    async def displays(self, run):
        found, since = [], 0
        while (some := await self.storing.do(Store.displays, protocol.DisplaysParams(run=run, since=since))).displays:
            found += [one.data for one in some.displays]
            since = some.next
        return found

    async def points(self, run):
        """How many points the one curve has, and its last value."""
        (curve,) = (await self.storing.do(Store.series, protocol.SeriesParams(run=run))).curves
        return curve.points, curve.last

    async def close(self):
        await self.life.close()
        self.storing.close()


class Room(Window):
    """A window that dials a proxy, and a hub's door behind it."""

    def __init__(self, tmp_path, *, distant):
        super().__init__(tmp_path, OWNER, CONFIGURE)
        self.folder = OwnerFolder(OWNER)
        self.folder.make_token("the token of this test")
        self.desk = Desk(distant=distant)
        self.complaints = []
        self.link = self.desk.link = OwnerLink(
            hub=HUB,
            package=__version__,
            token=self.folder.token(),
            journal=Journal(self.folder.journal_file, memory=1 << 16),
            requests=self.desk,
            trouble=self.complaints.append,
        )
        self.proxy = Proxy(self.folder.path / "behind.sock")

    async def open(self):
        await self.link.listen(self.proxy.target)
        await self.proxy.listen(self.folder.owner_socket)
        me = os.getpid()
        note = HubNote(owner=OWNER, pid=me, started=started_at(me), version=wire.VERSION, package=__version__, hub=HUB)
        self.folder.write_note(note)

    async def everything(self):
        await self.stored(self.link.last)

    async def close(self):
        await super().close()
        await self.proxy.close()
        await self.link.close()


@contextlib.asynccontextmanager
async def a_room(tmp_path, *, distant=True):
    made = Room(tmp_path, distant=distant)
    await made.open()
    try:
        await made.connect()
        yield made
    finally:
        await made.close()


async def _never(folder):
    raise BootFailed("no hub is started in this test")


# ── a run that says much ──────────────────────────────────────────────────────────────────────────────────────────────

AT_ONCE = 50
"""Lines that come in one piece, as from a pipe."""


def story(run, lines):
    """A run that prints `lines` numbered lines, logs as many points, shows a display and a bar now and then, and ends."""
    yield wire.Phase(run, "running", 1.0)
    for first in range(0, lines, AT_ONCE):
        some = range(first, min(first + AT_ONCE, lines))
        yield wire.Output(run, "", 1, "".join(f"{n}\n" for n in some), 1.0)
        yield wire.Metrics(run, "", [column(some)])
        if not first % (40 * AT_ONCE):
            yield wire.Display(run, "", "text/plain", str(first).encode(), "", 1.0)
            yield wire.Progress(run, "", "bar", "lines", first, lines, 1.0)
    yield wire.RunEnded(run, "ok", 2.0, 1.0)


def column(some):
    numbers = array("d", map(float, some)).tobytes()
    return wire.Column("loss", numbers, numbers, numbers)


async def told(room, run, lines):
    """The whole story is in the store: every line, point and display once, in order, and the end."""
    assert (await room.run(run)).state == "ok"
    assert await room.text(run) == "".join(f"{n}\n" for n in range(lines))
    assert await room.points(run) == (lines, float(lines - 1))
    assert await room.displays(run) == [str(n) for n in range(0, lines, 40 * AT_ONCE)]
