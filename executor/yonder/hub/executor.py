"""One executor as the hub sees it: its places, who stands in them, and whom it was started for.

What belongs here: state and questions about it. What this file must not know: backends, agents, when anything happens
(that is `executors`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Protocol

from yonder import wire
from yonder.backends.base import BootSpec, Handle
from yonder.hub.worker import Worker, clock


class Resident(Protocol):
    """Who asked for the executor: a pool, a session or a file run."""

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        """A fresh worker said hello. `done` is to be called when it may be counted, with "", or with why it must not."""

    def learns(self) -> bool:
        """Should what its workers import be imported ahead for those to come?"""

    def up(self, executor: Executor) -> None:
        """Every worker may be counted."""

    def phase(self, executor: Executor, phase: str, detail: str) -> None:
        """How far its boot is, as its backend says it."""

    def held(self, executor: Executor, sentence: str) -> None:
        """It waits for what others have at present; "": it goes on."""

    def boot_failed(self, executor: Executor, sentence: str) -> None:
        """It will not come up; nothing of it is left."""

    def differs(self, executor: Executor, sentence: str) -> None:
        """It has other packages than the code's own side."""

    def worker_down(self, executor: Executor, worker: Worker, report: wire.ExitReport) -> None:
        """One worker died and the executor lives on; `renew` puts another in its place."""

    def renewed(self, executor: Executor, old: str, worker: Worker) -> None:
        """`worker` is where `old` was."""

    def outdated(self, executor: Executor, worker: Worker, modules: list[str]) -> None:
        """It holds older code of these modules than what it was told to adopt."""

    def falling(self, executor: Executor) -> None:
        """It is of no more use; `boot_failed` or `down` follows when the platform has confirmed the end."""

    def down(self, executor: Executor, report: wire.ExitReport, sentence: str) -> None:
        """It was up and is gone, says the platform."""


def progress(phase: str, detail: str) -> str:
    """What a boot waits for, in words: for `explain`, and for the error when it takes too long. "" where nothing is to be
    said, because it takes moments."""
    match phase:
        case "installing":
            return f"packages are being installed there ({detail})"
        case "pulling":
            return f"its image is being pulled ({detail})"
        case "starting":
            return f"{detail} and has not come in yet (a firewall, NAT, a wrong address? docs/docker.md, Networks)"
        case "booting":
            return "it has come in, and its workers are not up yet"
    return ""


class Renewal:
    """One worker's place while it changes hands: done when the old one is dead and the successor may be counted."""

    def __init__(self, old: str, successor: Worker, *, gone: bool) -> None:
        self.old = old
        self.successor = successor
        self.gone = gone
        self.deaths = 0  # of successors that never served


class Executor:
    """One started machine and its workers. state: creating, booting, ready, busy, draining, gone.

    `workers` hold its places; `spares` are forked ahead for a place that will become free; `renewals` say, by the old
    one's id, which places are changing hands.
    """

    def __init__(self, spec: BootSpec, resident: Resident) -> None:
        self.id = spec.executor
        self.spec = spec
        self.resident = resident
        self.state = "creating"
        self.since = clock()
        self.reason = ""
        self.handle: Handle | None = None
        self.creating: asyncio.Task[None] | None = None  # while nothing of it is there that could be told to leave
        self.progress = ""  # how far its boot is, in words
        self.held = False  # its creation waits for what others have
        self.workers: dict[str, Worker] = {}
        self.waiting: set[str] = set(spec.workers)
        self.spares: dict[str, Worker] = {}
        self.renewals: dict[str, Renewal] = {}
        self.severed = False  # its agent is gone
        self.condemned: set[str] = set()  # workers that are to be dead
        self.report = wire.ExitReport()
        self.fallen = False
        self.broken = False
        self.unfit = False  # another one would not come up either
        self.there: wire.Environment | None = None  # its Python, where it was asked
        self.overlay = ""  # the key of what was installed for its workers
        self.ending = False
        self.settled = asyncio.Event()  # it is up, or it never will be
        self.emptied = asyncio.Event()
        self.gone = asyncio.Event()
        self._names = itertools.count(len(spec.workers))

    def unwanted(self) -> bool:
        """Was it told to go?"""
        return self.ending

    def next_worker(self) -> str:
        """A name for a worker that is forked later than the first ones."""
        return f"{self.id}.{next(self._names)}"

    def renewal_by(self, worker: Worker) -> Renewal | None:
        """The place that this worker is to take."""
        return next((renewal for renewal in self.renewals.values() if renewal.successor is worker), None)

    def everyone(self) -> list[Worker]:
        """Every process that may exist: those in their places, spares and successors."""
        successors = [renewal.successor for renewal in self.renewals.values()]
        return [*self.workers.values(), *self.spares.values(), *successors]

    @property
    def renewable(self) -> bool:
        """Does it outlive the death of one of its workers? One whose only worker is the executor itself does not."""
        several = len(self.spec.workers) > 1 or self.spec.pool.isolation == "process"
        return several and self.spec.kind == "pool" and not self.severed and not self.fallen

    @property
    def pool(self) -> str:
        return self.spec.pool.name if self.spec.kind == "pool" else ""

    @property
    def backend(self) -> str:
        return self.spec.pool.backend

    @property
    def pid(self) -> int:
        return next((worker.pid for worker in self.workers.values()), 0)
