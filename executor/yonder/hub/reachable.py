"""A hub that its owner reaches over TCP: on a machine that is not the laptop, started by a person (`yonder hub`).

    window  ══ wss, /owner ═══▶ Gate ──▶ OwnerLink ──▶ Hub       the key file is all that the other ends need
    program ══ wss, /client ══▶      ──▶ Guests ─────▶

It waits for its owner as long as it must. From then on the lease decides: a connection that drops says nothing, silence
does; and while a program is there, the hub is. What this file must not know: what is said on the link, what runs.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.server import ServerConnection

from yonder import keyfile, launch, wire
from yonder.backends.base import Backend
from yonder.backends.standing import StandingBackend
from yonder.core.lease import OwnerLease
from yonder.errors import UsageError
from yonder.hub import gate
from yonder.hub.clients import Client
from yonder.hub.detached import LINGER, Attendance, serve
from yonder.hub.guests import Guests
from yonder.hub.hub import SILENCE, Hub
from yonder.hub.journal import Journal
from yonder.hub.log import Log
from yonder.hub.machines import Machines
from yonder.hub.owner import MAX_REQUEST, OwnerLink
from yonder.hub.patron import Audience
from yonder.places import OwnerFolder, state_root
from yonder.version import __version__

OWNER_PATH, PROGRAM_PATH = "/owner", "/client"
ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - named to be told apart
CLAIM_WITHIN = 2.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class Wishes:
    """`listen` is an address of this machine ("host" or "host:port"), `reach` what others dial (the same form; "": the
    same), `key` where the key file goes, `scratch` the folder that code runs in; `invite` machines find an invitation each
    in the folder `invitations`; `say` shows a person a line."""

    listen: str
    reach: str
    key: Path
    scratch: Path
    invite: int
    invitations: Path
    say: Callable[[str], None]


class Visitors(Audience):
    """Programs beside a window: what their calls print is theirs, everything else the window's. Implements hub.Teller;
    `moved` is told when one comes or goes."""

    def __init__(self, hub: Hub, link: OwnerLink, moved: Callable[[], None]) -> None:
        super().__init__(hub)
        self._link = link
        self._moved = moved

    def joined(self, client: Client) -> None:
        super().joined(client)
        self._moved()

    def left(self, client: Client) -> None:
        super().left(client)
        self._moved()

    @property
    def full(self) -> bool:
        return self._link.full

    @property
    def last(self) -> int:
        return self._link.last

    def tell(self, event: wire.Event) -> None:
        asker = self.asker(event) if isinstance(event, wire.Output) else None
        if asker is not None and isinstance(event, wire.Output):
            self.show(asker, event)
        else:
            self._link.tell(event)

    def reply(self, message: wire.HubToOwner) -> None:
        self._link.reply(message)


class ReachableService:
    """For a window on another machine, and programs; a `detached.Service`."""

    def __init__(self, folder: OwnerFolder, token: str, log: Log, wishes: Wishes) -> None:
        self._wishes = wishes
        self._token = token
        self.hub = Hub(folder, token, log.line, home=_home(wishes.scratch))
        lease = OwnerLease(linger=LINGER, silence=SILENCE, at=time.monotonic(), distant=True, first=math.inf)
        self._attendance = Attendance(self.hub, log, lease, lambda: self.teller.present)
        self._link = self._attendance.link = OwnerLink(
            hub=self.hub.gate.name,
            package=__version__,
            token=token,
            journal=Journal(folder.journal_file),
            requests=self._attendance,
            trouble=log.line,
        )
        self.teller = self.hub.patron = Visitors(self.hub, self._link, self._attendance.moved)
        self._machines: Machines | None = None
        if wishes.invite:
            self._machines = Machines(
                self.hub.gate,
                wishes.invitations,
                wishes.invite,
                listen=wishes.listen,
                reach=wishes.reach,
                trouble=log.line,
            )
        self._guests = Guests(token, self.hub.accept_program, log.line)

    def backend(self, name: str) -> Backend | None:
        return StandingBackend(self._machines) if name == "standing" and self._machines is not None else None

    async def begin(self) -> None:
        door = self.hub.gate
        door.serve(OWNER_PATH, gate.Path(self._owner, "owner", MAX_REQUEST))
        door.serve(PROGRAM_PATH, gate.Path(self._guests.serve, "owner"))
        address = await door.open(self._wishes.listen)
        credentials = door.authority().certify("owner", "owner")
        key = keyfile.HubKey(
            version=wire.VERSION,
            package=__version__,
            hub=gate.reached(self._wishes.reach, address),
            name=door.name,
            authority=door.authority().pem,
            certificate=credentials.certificate,
            key=credentials.key,
            token=self._token,
            python=keyfile.python_version(),
        )
        if self._machines is not None:
            await self._machines.open(self.hub.executors.agents)
            self._wishes.say(f"{self._wishes.invite} invitations for machines: {self._wishes.invitations}")
        await asyncio.to_thread(keyfile.write, self._wishes.key, key)
        self._wishes.say(f"yonder hub: listens on {address} and is reached at {key.hub}")
        self._wishes.say(f"key file: {self._wishes.key}")

    async def _owner(self, connection: ServerConnection) -> None:
        watching = asyncio.create_task(gate.attend(connection))
        try:
            await self._link.serve(connection)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def asked_to_end(self) -> None:
        self._attendance.asked_to_end()

    async def until_the_end(self) -> str:
        self._link.ending = reason = await self._attendance.until_the_end()
        self.teller.dismiss()
        if self._machines is not None:
            await self._machines.close()
        return reason

    def ended(self, receipt: wire.Receipt) -> None:
        self._attendance.receipt(receipt)
        self._wishes.say(f"yonder hub: {receipt.sentence}")

    async def close(self) -> None:
        await self._guests.close()
        await self._link.close()
        keyfile.remove(self._wishes.key, self.hub.gate.name)


def run(
    name: str,
    listen: str,
    reach: str,
    key: Path | None,
    say: Callable[[str], None],
    *,
    invite: int = 0,
    invitations: Path | None = None,
) -> None:
    """Serve in the foreground until the lease, or a signal, ends it. Raises UsageError, BootFailed or CannotRun in words."""
    _check(name, listen, reach)
    if bool(invite) != (invitations is not None):
        raise UsageError("--invite N and --invitations FOLDER go together: how many machines, and where theirs lie")
    folder = OwnerFolder(f"hub-{name}")
    if (note := folder.note()) is not None:
        raise UsageError(f"a hub named {name} runs here already (process {note.pid}); name this one with --name")
    file = key or state_root() / "hubs" / f"{name}.json"
    with launch.locked(folder.lock_file, CLAIM_WITHIN), tempfile.TemporaryDirectory(prefix="yonder-hub-") as scratch:
        wishes = Wishes(listen, reach, file, Path(scratch), invite, invitations or Path(scratch), say)
        folder.make_token(secrets.token_urlsafe(32))
        asyncio.run(serve(folder.owner, lambda folder, token, log: ReachableService(folder, token, log, wishes)))


def _check(name: str, listen: str, reach: str) -> None:
    if not NAME.match(name):
        raise UsageError(f"--name {name!r}: letters, digits, - and _ only, 32 at most")
    for option, address in (("--listen", listen), ("--reach", reach)):
        try:
            host, port = gate.split(address)
        except ValueError:
            host, port = "", -1
        if not -1 < port < 65536:
            raise UsageError(f"{option} {address!r}: say HOST or HOST:PORT")
        if option == "--listen" and host in ANY_ADDRESS and not reach:
            raise UsageError(f"--listen {listen} is every address of this machine; say with --reach which one to dial")


def _home(scratch: Path) -> wire.Place:
    """Code runs on the hub's own Python, in a folder that is empty when it begins."""
    return wire.Place(python=sys.executable, core=str(Path(wire.__file__).parent.parent.parent), folder=str(scratch))
