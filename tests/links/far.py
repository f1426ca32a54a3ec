"""A window and a hub elsewhere in one process: the real gate with TLS, the key file, and a proxy between. Made for a
virtual loop.

    Window: Lifecycle ⇄ Proxy ⇄ Gate ── OwnerLink ── Desk (the lease)
"""

import asyncio
import contextlib

import msgspec
from tests.links.proxy import Proxy
from tests.links.window import CONFIGURE, OWNER, Desk, Window

from yonder import keyfile, wire
from yonder.hub.distant import Manners
from yonder.hub.gate import Gate, Path, attend, joined, split
from yonder.hub.journal import Journal
from yonder.hub.owner import MAX_REQUEST, OwnerLink
from yonder.version import __version__

NAME = "abc.hub.yonder"
TOKEN = "the token of this test"


class Elsewhere:
    """The hub's end."""

    def __init__(self, tmp_path, name=NAME):
        self.desk = Desk(distant=True)
        self.complaints = []
        self.link = self.desk.link = OwnerLink(
            hub=name,
            package=__version__,
            token=TOKEN,
            journal=Journal(tmp_path / f"{name}.journal", memory=1 << 16),
            requests=self.desk,
            trouble=self.complaints.append,
        )
        manners = Manners(None, lambda *_: None, lambda *_: None, self.complaints.append)
        self.gate = Gate(name, "hub", manners, silence=lambda: 600.0, told_ended=lambda *_: None)
        self.gate.serve("/owner", Path(self._owner, "owner", MAX_REQUEST))

    async def _owner(self, connection):
        watching = asyncio.create_task(attend(connection))
        try:
            await self.link.serve(connection)
        finally:
            watching.cancel()

    async def open(self, listen="127.0.0.1"):
        """The key of a hub that listens."""
        address = await self.gate.open(listen)
        return self.key(address)

    def key(self, address, kind="owner"):
        ours = self.gate.authority().certify(kind, "owner")
        return keyfile.HubKey(
            version=wire.VERSION,
            package=__version__,
            hub=address,
            name=self.gate.name,
            authority=self.gate.authority().pem,
            certificate=ours.certificate,
            key=ours.key,
            token=TOKEN,
        )

    async def close(self):
        await self.link.close()
        await self.gate.close()


class FarRoom(Window):
    """A window that dials a proxy as its key file says, and a hub behind it."""

    def __init__(self, tmp_path):
        self.file = tmp_path / "hub.json"
        clock = asyncio.get_running_loop().time
        super().__init__(tmp_path, OWNER, CONFIGURE, key_file=lambda: str(self.file), clock=clock)
        self.hub = Elsewhere(tmp_path)
        self.link, self.desk = self.hub.link, self.hub.desk
        self.proxy = None

    async def open(self):
        key = await self.hub.open()
        self.proxy = Proxy(split(key.hub))
        self.address = joined(*await self.proxy.listen())
        self.key = msgspec.structs.replace(key, hub=self.address)
        keyfile.write(self.file, self.key)

    async def connect(self):
        await self.life.ensure(CONFIGURE)
        await self.ear.until(lambda: self.ear.statuses)

    async def everything(self):
        await self.stored(self.link.last)

    async def close(self):
        await super().close()
        await self.proxy.close()
        await self.hub.close()


@contextlib.asynccontextmanager
async def a_far_room(tmp_path):
    made = FarRoom(tmp_path)
    await made.open()
    try:
        await made.connect()
        yield made
    finally:
        await made.close()
