"""The hubs of a plain program: a thread for local pools, a process of its own for all others. Each is started by the
first pool that needs it and stopped by its last.

This file must not know: calls, futures, pickles, what a hub does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

from yonder import wire
from yonder.door import Door, SocketDoor
from yonder.errors import CannotRun
from yonder.terminal import show

if TYPE_CHECKING:
    from yonder.core.scaling import Strategy
    from yonder.hub.program import HubThread

END_LIMIT = 30.0
"""Seconds for which a closed program waits for the end of its hub's process."""

Receive = Callable[[wire.HubToClient], None]


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


class HubProcess:
    """A detached hub that ends with this program, at once and whatever kills it. Raises BootFailed when it does not come
    up."""

    def __init__(self) -> None:
        # Only a plain program ever starts a process: workers import this file for the doors.
        from yonder.launch import launch, program_command
        from yonder.places import OwnerFolder

        self.broken = False
        self._folder = OwnerFolder(f"program-{os.getpid()}-{secrets.token_hex(6)}")
        self._note = launch(self._folder, command=program_command)
        self._token = self._folder.token()
        self._doors: list[SocketDoor] = []
        self._keeper = self.client(lambda _: None, self._lost)

    def _lost(self) -> None:
        self.broken = True

    def client(self, receive: Receive, lost: Callable[[], None]) -> SocketDoor:
        def heard(message: wire.HubToClient) -> None:
            if isinstance(message, wire.Printed):
                show(message.fd, message.text)
            else:
                receive(message)

        def ended() -> None:
            with contextlib.suppress(ValueError):  # said twice, or before it was noted
                self._doors.remove(door)
            lost()

        door = SocketDoor(str(self._folder.hub_socket), self._token, "", heard, ended)
        self._doors.append(door)
        return door

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        with contextlib.suppress(CannotRun):
            self._keeper.send(wire.Limit(executors, gpus, hours))

    def stop(self) -> None:
        from yonder.launch import gone

        self._keeper.close()
        if not gone(self._note, END_LIMIT):
            show(2, f"yonder: the hub (process {self._note.pid}) is still ending its executors; yonder ps shows them\n")
            return
        shutil.rmtree(self._folder.path, ignore_errors=True)

    def forked(self) -> None:
        for door in list(self._doors):
            door.forked()


class Program:
    """The hubs of this process. `near` are the backends whose pools live in its thread."""

    def __init__(self, near: Collection[str] = ("local",)) -> None:
        self.near = near
        self._lock = threading.Lock()
        self._users: dict[Hub, int] = {}
        self._thread: HubThread | None = None
        self._process: HubProcess | None = None
        self._limits = (0, 0, 0.0)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """Nothing of the parent's hubs lives in the child, and a thread that is not there may have held the lock."""
        self._lock = threading.Lock()
        for hub in self._users:
            hub.forked()
        self._users = {}
        self._thread = self._process = None

    def enter(self, backend: str, *, lends: bool = False) -> Hub:
        """The hub for a pool of this backend, which `leave` lets go. A local pool goes where a hub is already, first to the
        thread; one that lends its strategy (an object) always to the thread. Raises CannotRun."""
        with self._lock:
            near = lends or (backend in self.near and (self._thread is not None or self._process is None))
            hub: Hub = self._near() if near else self._far()
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
        hub.stop()


PROGRAM = Program()
"""This process's own; a fork gets fresh hubs at its first pool."""
