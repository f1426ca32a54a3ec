"""The hubs of a plain program: a thread for local pools, a process of its own for all others. Each is started by the
first pool that needs it and stopped by its last. Where the environment names a hub elsewhere, all pools live there.

This file must not know: calls, futures, pickles, what a hub does.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from yonder.door import Door, Doors, Receive
from yonder.errors import CannotRun
from yonder.settings import HUB_VARIABLE
from yonder.terminal import show

if TYPE_CHECKING:
    from yonder.core.scaling import Strategy
    from yonder.hub.program import HubThread
    from yonder.uplink import HubElsewhere

END_LIMIT = 30.0
"""Seconds for which a closed program waits for the end of its hub's process."""


class Hub(Protocol):
    """Where pools of this program live."""

    def client(self, receive: Receive, lost: Callable[[], None]) -> Door:
        """A pool's way there. Raises CannotRun."""

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """Bound all pools there together; 0 = no bound."""

    def stop(self) -> None:
        """End every executor and the hub; returns when they are gone."""

    def forked(self) -> None:
        """This is a child of the process whose hub it is."""

    @property
    def broken(self) -> bool:
        """Has it ended though nobody stopped it?"""


class HubProcess(Doors):
    """A detached hub that ends with this program, at once and whatever kills it. Raises BootFailed when it does not come
    up."""

    def __init__(self) -> None:
        # Only a plain program ever starts a process: workers import this file for the doors.
        from yonder.launch import launch, program_command
        from yonder.places import OwnerFolder

        self._folder = OwnerFolder(f"program-{os.getpid()}-{secrets.token_hex(6)}")
        self._note = launch(self._folder, command=program_command)
        super().__init__(str(self._folder.hub_socket), self._folder.token())
        self.keep()

    def stop(self) -> None:
        from yonder.launch import gone

        self.hang_up()
        if not gone(self._note, END_LIMIT):
            show(2, f"yonder: the hub (process {self._note.pid}) is still ending its executors; yonder ps shows them\n")
            return
        shutil.rmtree(self._folder.path, ignore_errors=True)


class Program:
    """The hubs of this process. `near` are the backends whose pools live in its thread."""

    def __init__(self, near: Collection[str] = ("local",)) -> None:
        self.near = near
        self._lock = threading.Lock()
        self._users: dict[Hub, int] = {}
        self._thread: HubThread | None = None
        self._process: HubProcess | None = None
        self._elsewhere: HubElsewhere | None = None
        self._limits = (0, 0, 0.0)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """Nothing of the parent's hubs lives in the child, and a thread that is not there may have held the lock."""
        self._lock = threading.Lock()
        for hub in self._users:
            hub.forked()
        self._users = {}
        self._thread = self._process = self._elsewhere = None

    def lends(self, backend: str) -> bool:
        """May an object of this program size a pool of this backend? Only the thread runs the program's code."""
        return backend in self.near and not os.environ.get(HUB_VARIABLE)

    def shares_python(self, backend: str) -> bool:
        """Do executors of this backend run this program's own Python?"""
        return backend == "local" and not os.environ.get(HUB_VARIABLE)

    def enter(self, backend: str, *, lends: bool = False) -> Hub:
        """The hub for a pool of this backend, which `leave` lets go. A local pool goes where a hub is already, first to the
        thread; one that lends its strategy (an object) always to the thread. Raises CannotRun."""
        with self._lock:
            hub: Hub
            if file := os.environ.get(HUB_VARIABLE):
                hub = self._there(Path(file).expanduser(), backend)
            elif lends or (backend in self.near and (self._thread is not None or self._process is None)):
                hub = self._near()
            else:
                hub = self._far()
            self._users[hub] = self._users.get(hub, 0) + 1
            return hub

    def _near(self) -> HubThread:
        if self._thread is None:
            # Only a plain program needs a hub of its own: workers import this file without asyncio servers and backends.
            from yonder.hub.program import HubThread

            self._thread = HubThread()
            self._thread.limit(*self._limits)
        return self._thread

    def _far(self) -> HubProcess:
        if self._process is None or self._process.broken:
            self._process = HubProcess()
            self._process.limit(*self._limits)
        return self._process

    def _there(self, file: Path, backend: str) -> HubElsewhere:
        if self._elsewhere is None or self._elsewhere.broken:
            # Workers, and programs without a key file, have no use for TLS and websockets.
            from yonder.uplink import HubElsewhere

            self._elsewhere = HubElsewhere(file)
            self._elsewhere.limit(*self._limits)
        hub = self._elsewhere
        try:
            hub.check(backend)
        except CannotRun:
            if hub not in self._users:
                self._elsewhere = None
                hub.stop()
            raise
        return hub

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """Bound all pools of this program together, those to come included; 0 = no bound. Each hub counts its own."""
        with self._lock:
            self._limits = (executors, gpus, hours)
            for hub in self._users:
                hub.limit(executors, gpus, hours)

    def lend(self, strategy: Strategy) -> str:
        """Let the thread size pools by an object of this program; the name by which a pool asks for it. A pool that lends
        must be open or opening."""
        with self._lock:
            assert self._thread is not None  # noqa: S101 - the pool that asks has entered
            return self._thread.lend(strategy)

    def leave(self, hub: Hub) -> None:
        """A pool that lived there has closed."""
        with self._lock:
            self._users[hub] -= 1
            if self._users[hub]:
                return
            del self._users[hub]
            if hub is self._thread:
                self._thread = None
            if hub is self._process:
                self._process = None
            if hub is self._elsewhere:
                self._elsewhere = None
        hub.stop()


PROGRAM = Program()
"""This process's own; a fork gets fresh hubs at its first pool."""
