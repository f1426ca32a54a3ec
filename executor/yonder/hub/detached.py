"""The hub as a process of its own, detached from whoever started it: it outlives the language server and owns the ending.

`python -P -m yonder.hub.detached --owner ID` forks twice, lets go of every descriptor it was given, serves the owner's
folder and ends when the lease says so: after the linger when the window closed, after the silence when it vanished. With
`--program` it serves a plain program, and ends with the program's last conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from yonder import receipts, wire
from yonder.backends import known
from yonder.backends.base import Backend
from yonder.backends.gpus import Gpus
from yonder.backends.local import LocalBackend
from yonder.core.lease import OwnerLease
from yonder.errors import YonderError
from yonder.hub.hub import SILENCE, Hub, Teller, hub_id
from yonder.hub.journal import Journal
from yonder.hub.ledger import Ledger
from yonder.hub.log import Log
from yonder.hub.owner import OwnerLink
from yonder.hub.patron import Patron
from yonder.hub.substrates import Substrates
from yonder.places import HubNote, OwnerFolder, started_at
from yonder.version import __version__

LINGER = 20.0
"""Seconds for which work goes on after the owner went, until it has said otherwise."""


class Service(Protocol):
    """Whom a hub's process serves, and for how long."""

    @property
    def hub(self) -> Hub: ...

    @property
    def teller(self) -> Teller:
        """Where the hub's events go."""

    def backend(self, name: str) -> Backend | None:
        """One that this service alone has."""

    async def begin(self) -> None:
        """Everything is there: open the doors that are not the hub's own."""

    def asked_to_end(self) -> None:
        """A signal: end now, in order."""

    async def until_the_end(self) -> str:
        """Returns the reason to end."""

    def ended(self, receipt: wire.Receipt) -> None:
        """Every executor is gone."""

    async def close(self) -> None:
        """Close the doors that were opened here."""


class Attendance:
    """Connects the owner's link with the lease: who is there, and how long the hub may live on without."""

    def __init__(self, hub: Hub, log: Log, lease: OwnerLease, occupied: Callable[[], bool] = lambda: False) -> None:
        """While it is `occupied`, by others than the owner, a hub does not end because the owner went."""
        self._hub = hub
        self._log = log
        self._lease = lease
        self._occupied = occupied
        self._changed = asyncio.Event()
        self._stop: wire.Stop | None = None
        self.link: OwnerLink | None = None

    # ── owner.Requests ──

    def owner_connected(self) -> None:
        self._log.line("the owner is here")
        self._lease.connected(time.monotonic())
        self._hub.owner_came()
        self.moved()

    def owner_dropped(self) -> None:
        self._log.line("the owner's connection ended")
        self._lease.dropped(time.monotonic())
        self.moved()

    def owner_said(self, message: wire.OwnerToHub) -> None:
        now = time.monotonic()
        match message:
            case wire.WindowAlive():
                self._lease.window_alive(now)
            case wire.Goodbye():
                self._log.line(f"goodbye: {message.reason}")
                self._lease.goodbye(now)
            case wire.Stop():
                self._stop = message
                self._lease.stop(now)
            case wire.Configure():
                self._lease.configured(message.linger, message.silence)
                if self.link is not None:
                    self.link.bound = message.stream_bound
                self._hub.owner_asked(message)
            case _:
                self._hub.owner_asked(message)
        self.moved()

    def asked_to_end(self) -> None:
        """A signal: end now, in order."""
        self._lease.stop(time.monotonic())
        self.moved()

    def moved(self) -> None:
        """Something has changed that the lease, or what may be begun, depends on."""
        self._hub.linger(self._lease.stopped or (self._lease.closing and not self._occupied()))
        self._changed.set()

    async def until_the_end(self) -> str:
        """Returns the reason to end."""
        while (reason := self._lease.judge(time.monotonic())) is None or (self._occupied() and not self._lease.stopped):
            self._changed.clear()
            wait = max(0.01, self._lease.next_wake(time.monotonic()) - time.monotonic()) if reason is None else 2.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(2.0, wait))
        return reason

    def receipt(self, receipt: wire.Receipt) -> None:
        if self._stop is not None and self.link is not None:
            self.link.reply(msgspec.structs.replace(receipt, id=self._stop.id))


class WindowService:
    """For an editor's window, over the owner's websocket."""

    def __init__(self, folder: OwnerFolder, token: str, log: Log) -> None:
        self.hub = Hub(folder, token, log.line, beside_editor=True)
        self._folder = folder
        self._attendance = Attendance(self.hub, log, OwnerLease(linger=LINGER, silence=SILENCE, at=time.monotonic()))
        self.teller = self._attendance.link = OwnerLink(
            hub=hub_id(),
            package=__version__,
            token=token,
            journal=Journal(folder.journal_file),
            requests=self._attendance,
            trouble=log.line,
        )

    def backend(self, name: str) -> Backend | None:
        return None

    async def begin(self) -> None:
        await self.teller.listen(self._folder.owner_socket)

    def asked_to_end(self) -> None:
        self._attendance.asked_to_end()

    async def until_the_end(self) -> str:
        self.teller.ending = reason = await self._attendance.until_the_end()
        return reason

    def ended(self, receipt: wire.Receipt) -> None:
        self._attendance.receipt(receipt)

    async def close(self) -> None:
        await self.teller.close()


class ProgramService:
    """For a plain program, over the hub's own door: it ends with the program."""

    def __init__(self, folder: OwnerFolder, token: str, log: Log) -> None:
        self.hub = Hub(folder, token, log.line)
        self.teller = self.hub.patron = Patron(self.hub)

    def backend(self, name: str) -> Backend | None:
        return None

    async def begin(self) -> None:
        """The hub's own door is all there is."""

    def asked_to_end(self) -> None:
        self.teller.asked_to_end()

    async def until_the_end(self) -> str:
        return await self.teller.until_the_end()

    def ended(self, receipt: wire.Receipt) -> None:
        """The program waits for the end of this process."""

    async def close(self) -> None:
        """The hub closes its own."""


def _take_over(hub: Hub) -> None:
    """What killed hubs of this owner have left is ended before anything is started, and their receipts are finished."""
    try:
        abandoned = [sheet for sheet in receipts.read(hub.owner) if sheet.abandoned]
    except (OSError, YonderError) as error:
        hub.log(f"no receipt can be read: {error}")
        return
    if not abandoned:
        return
    sweep = hub.executors.endings.sweep(abandoned)

    async def finish() -> None:
        for sheet in await sweep:
            receipts.write(sheet)

    hub.spawn(finish())


async def serve(owner: str, service: Callable[[OwnerFolder, str, Log], Service]) -> None:
    """Serve one owner until there is no reason to."""
    folder = OwnerFolder(owner)
    log = Log(folder.log_file)
    token = folder.token()
    serving = service(folder, token, log)
    hub = serving.hub
    gpus = Gpus()  # one book, so that no device is given to a process and to a container
    local = LocalBackend(folder, token, hub.agent_ended, gpus)
    substrates = Substrates(
        lambda name: (
            local if name == "local" else serving.backend(name) or known.make(name, folder, hub.gate, gpus, log.line)
        )
    )
    hub.furnish(serving.teller, substrates, Ledger(owner, receipts.write, log.line))
    _take_over(hub)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, serving.asked_to_end)
    me = os.getpid()
    note = HubNote(owner=owner, pid=me, started=started_at(me), version=wire.VERSION, package=__version__, hub=hub_id())
    try:
        await hub.listen()
        await serving.begin()
        folder.write_note(note)
        log.line(f"hub {me} of yonder {__version__} serves")
        reason = await serving.until_the_end()
        log.line(f"ending: {reason}")
        serving.ended(await hub.close(reason))
        await substrates.close()
        await serving.close()
        await hub.shut()
    finally:
        folder.leave()
        log.line("the hub has ended")


def detach() -> None:
    """Become nobody's child, in a session of our own, holding none of the starter's descriptors."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, 4096)
    os.chdir("/")
    os.umask(0o077)


def main() -> None:
    parser = argparse.ArgumentParser(prog="yonder hub")
    parser.add_argument("--owner", required=True, help="the id of the window that owns the work")
    parser.add_argument("--foreground", action="store_true", help="stay with the terminal that started it")
    parser.add_argument("--program", action="store_true", help="serve a plain program, and end with it")
    arguments = parser.parse_args()
    if not arguments.foreground:
        detach()
    try:
        asyncio.run(serve(arguments.owner, ProgramService if arguments.program else WindowService))
    except Exception as error:
        Log(OwnerFolder(arguments.owner).log_file).line(f"the hub failed: {error!r}")
        raise
    sys.exit(0)


if __name__ == "__main__":
    main()
