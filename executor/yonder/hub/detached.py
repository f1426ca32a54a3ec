"""The hub as a process of its own, detached from whoever started it: it outlives the language server and owns the ending.

`python -P -m yonder.hub.detached --owner ID` forks twice, lets go of every descriptor it was given, serves the owner's
folder and ends when the lease says so: after the linger when the window closed, after the silence when it vanished.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time

from yonder import wire
from yonder.backends.local import LocalBackend
from yonder.core.lease import OwnerLease
from yonder.hub.hub import Hub, hub_id
from yonder.hub.journal import Journal
from yonder.hub.log import Log
from yonder.hub.owner import OwnerLink
from yonder.hub.substrates import Substrates
from yonder.places import HubNote, OwnerFolder, started_at
from yonder.version import __version__


class Attendance:
    """Connects the owner's link with the lease: who is there, and how long the hub may live on without."""

    def __init__(self, hub: Hub, log: Log) -> None:
        self._hub = hub
        self._log = log
        self._lease = OwnerLease(linger=20.0, silence=600.0, at=time.monotonic())
        self._changed = asyncio.Event()
        self._stop: wire.Stop | None = None
        self.link: OwnerLink | None = None

    # ── owner.Requests ──

    def owner_connected(self) -> None:
        self._log.line("the owner is here")
        self._lease.connected(time.monotonic())
        self._hub.owner_came()
        self._moved()

    def owner_dropped(self) -> None:
        self._log.line("the owner's connection ended")
        self._lease.dropped(time.monotonic())
        self._moved()

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
        self._moved()

    def asked_to_end(self) -> None:
        """A signal: end now, in order."""
        self._lease.stop(time.monotonic())
        self._moved()

    def _moved(self) -> None:
        self._hub.linger(self._lease.closing)
        self._changed.set()

    async def until_the_end(self) -> str:
        """Returns the reason to end."""
        while (reason := self._lease.judge(time.monotonic())) is None:
            self._changed.clear()
            wait = min(2.0, max(0.01, self._lease.next_wake(time.monotonic()) - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
        return reason

    def receipt(self, receipt: wire.Receipt) -> None:
        if self._stop is not None and self.link is not None:
            number = self._stop.id
            self.link.reply(
                wire.Receipt(number, receipt.executors, receipt.peak, receipt.left, receipt.seconds, receipt.sentence)
            )


async def serve(owner: str) -> None:
    """Serve one owner until the lease ends."""
    folder = OwnerFolder(owner)
    log = Log(folder.log_file)
    token = folder.token()
    hub = Hub(folder, token, log.line, beside_editor=True)
    attendance = Attendance(hub, log)
    journal = Journal(folder.journal_file)
    link = OwnerLink(
        hub=hub_id(), package=__version__, token=token, journal=journal, requests=attendance, trouble=log.line
    )
    attendance.link = link
    backend = LocalBackend(folder, token, hub.agent_ended)
    hub.furnish(link, Substrates.only(local=backend))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, attendance.asked_to_end)
    await hub.listen()
    await link.listen(folder.owner_socket)
    me = os.getpid()
    note = HubNote(owner=owner, pid=me, started=started_at(me), version=wire.VERSION, package=__version__, hub=hub_id())
    folder.write_note(note)
    log.line(f"hub {me} of yonder {__version__} serves")
    try:
        reason = await attendance.until_the_end()
        log.line(f"ending: {reason}")
        link.ending = reason
        attendance.receipt(await hub.close(reason))
        await backend.close()
        await link.close()
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
    arguments = parser.parse_args()
    if not arguments.foreground:
        detach()
    try:
        asyncio.run(serve(arguments.owner))
    except Exception as error:
        Log(OwnerFolder(arguments.owner).log_file).line(f"the hub failed: {error!r}")
        raise
    sys.exit(0)


if __name__ == "__main__":
    main()
