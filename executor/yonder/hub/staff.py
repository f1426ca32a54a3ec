"""The executors of one pool: started and ended as the pool's core commands, and what they say told to it.

    Boot, Terminate, Renew ─▶ Staff ─▶ Executors     up, down, worker_down, … ─▶ Staff ─▶ events for the core

Knows executors, workers and what is lost with them; decides nothing about sizes or order, nor what a call is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from yonder import wire
from yonder.backends.base import BootSpec
from yonder.core import events
from yonder.hub.calls import Call, held_by
from yonder.hub.clients import Client
from yonder.hub.drive import now
from yonder.hub.executor import Executor
from yonder.hub.executors import Executors
from yonder.hub.freshness import Freshness
from yonder.hub.keeps import Keeps
from yonder.hub.watchers import Watchers
from yonder.hub.worker import Worker, clock


class Surroundings(Protocol):
    """What is needed of the hub."""

    owner: str
    executors: Executors

    def tell(self, event: wire.Event) -> None: ...

    def reply(self, message: wire.HubToOwner) -> None: ...

    def needs_of(self, backend: str, own: wire.Needs | None) -> wire.Needs | None:
        """What executors of this backend are compared with, when a program has said `own`."""

    @property
    def closing(self) -> bool: ...

    @property
    def lingering(self) -> bool: ...


class Room(Protocol):
    """The pool."""

    spec: wire.PoolSpec
    place: wire.Place
    clients: set[Client]
    watchers: Watchers
    preload: list[str]
    told_preload: bool
    needs: wire.Needs | None

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> Keeps:
        """What workers keep."""

    @property
    def why(self) -> str:
        """Why it has the size that it has."""

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        """A worker said hello: it goes through the rites first."""

    def pinned(self, worker: Worker, *, on: bool) -> None:
        """The worker keeps something from now on, or nothing any more."""

    def forget(self, call: Call) -> None:
        """There is nothing of it any more."""


class Staff:
    """Implements executor.Resident. `feed` takes what happens to the pool's core."""

    def __init__(self, room: Room, hub: Surroundings, feed: Callable[[events.Event], None], fresh: Freshness) -> None:
        self.room = room
        self.executors: dict[str, Executor] = {}
        self._hub = hub
        self._feed = feed
        self._fresh = fresh
        self._held: dict[str, events.Boot] = {}  # until the window is back
        self._differs: set[str] = set()  # what was said of their packages

    def workers(self) -> Iterator[Worker]:
        """Those that hold places."""
        return (worker for executor in self.executors.values() for worker in executor.workers.values())

    # ── what is commanded ──

    def resume(self) -> None:
        """The window is back: start what had to wait."""
        held, self._held = self._held, {}
        for boot in held.values():
            self._feed(events.Held(now(), boot.executor))
            self.boot(boot)

    def boot(self, boot: events.Boot) -> None:
        """Start one."""
        if self._hub.lingering or self._hub.closing:
            # The window may be reloading: nothing new is started until it is back.
            self._held[boot.executor] = boot
            self._feed(events.Held(now(), boot.executor, "the window is away"))
            return
        self.room.watchers.tell("boot", boot.executor, self.room.why)
        self.executors[boot.executor] = self._hub.executors.boot(self._boot_spec(boot), self)

    def _boot_spec(self, boot: events.Boot) -> BootSpec:
        spec = self.room.spec
        workers = 1 if spec.isolation == "executor" else spec.concurrency
        processors = os.cpu_count() or 1
        share = int(boot.resources.cpus / workers) if boot.resources.cpus else processors // min(spec.max, processors)
        return BootSpec(
            executor=boot.executor,
            owner=self._hub.owner,
            kind="pool",
            workers=self._hub.executors.worker_ids(boot.executor, workers),
            place=self.room.place,
            pool=msgspec.structs.replace(spec, resources=boot.resources),
            preload=self.room.preload,
            threads=max(1, share),
            needs=self._hub.needs_of(spec.backend, self.room.needs),
        )

    def end(self, command: events.Terminate) -> None:
        """End one."""
        name, reason = command.executor, command.reason
        self._held.pop(name, None)
        self.room.watchers.tell("draining", name, reason)
        if (executor := self.executors.get(name)) is not None:
            self._hub.executors.end(executor, reason)
        else:
            self._feed(events.ExecutorGone(now(), name, "it never existed"))

    def renew(self, name: str, worker: str) -> None:
        """A fresh process takes that worker's place."""
        if (executor := self.executors.get(name)) is None:
            return
        if (old := executor.workers.get(worker)) is not None:
            old.keeper = None
            self.room.keeps.worker_gone(old, f"it was on worker {worker}, whose place a fresh process took")
        self._hub.executors.renew(executor, worker)

    def idle(self, executor: str) -> None:
        """Does it still hold a call?"""
        if (found := self.executors.get(executor)) is not None:
            self._hub.executors.busy(found, any(worker.task is not None for worker in found.workers.values()))

    # ── what executors say (executors.Resident) ──

    def outdated(self, executor: Executor, worker: Worker, modules: list[str]) -> None:
        if worker.task is None:  # else it says the same of that call
            self._fresh.outdated(executor, worker, modules)
            self.unless_renewed(executor, worker)

    def unless_renewed(self, executor: Executor, worker: Worker) -> None:
        """An executor that takes no more calls fills no place again."""
        if worker.id not in executor.renewals:
            self._disinherit(executor.id, worker.id)

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        self.room.welcome(worker, done)

    def _disinherit(self, executor: str, worker: str = "") -> None:
        """Nobody takes the place of a worker that left broadcasts undone: those end without it."""
        for call in self._fresh.disinherit(executor, worker):
            call.dropped(events.Drop(call.id, "lost", "queued", f"worker {worker} is gone"))
            self.room.forget(call)

    def learns(self) -> bool:
        """Not where somebody has said what is to be imported."""
        return not self.room.told_preload

    def up(self, executor: Executor) -> None:
        self.room.watchers.tell("ready", executor.id)
        self._feed(events.Booted(now(), executor.id, tuple(executor.workers)))

    def phase(self, executor: Executor, phase: str, detail: str) -> None:
        self._feed(events.Progress(now(), executor.id, executor.progress))

    def held(self, executor: Executor, sentence: str) -> None:
        self._feed(events.Held(now(), executor.id, sentence))

    def boot_failed(self, executor: Executor, sentence: str) -> None:
        self.executors.pop(executor.id, None)
        self._hub.tell(wire.Phase("", "boot failed", clock(), sentence))
        self.room.watchers.tell("boot_failed", executor.id, sentence)
        self._feed(events.BootBroke(now(), executor.id, sentence, executor.unfit))

    def differs(self, executor: Executor, sentence: str) -> None:
        """Said once: the next executor is as this one."""
        if sentence not in self._differs:
            self._differs.add(sentence)
            self.room.watchers.tell("differs", executor.id, sentence)
            self._hub.tell(wire.Phase("", "dependencies", clock(), sentence))
            self._hub.reply(wire.Problem(sentence))
            for client in self.room.clients:
                if client.worker is None:
                    client.say(wire.Problem(sentence))

    def worker_down(self, executor: Executor, worker: Worker, report: wire.ExitReport) -> None:
        sentence = f"worker {worker.id} {report.sentence()}"
        self.room.watchers.tell("worker_lost", executor.id, sentence)
        calls = self._bereaved([worker], report)
        self.room.keeps.worker_gone(worker, f"it was on worker {worker.id}, which {report.sentence()}")
        self._feed(events.WorkerGone(now(), executor.id, worker.id, sentence))
        self._bury(calls)
        self.idle(executor.id)

    def renewed(self, executor: Executor, old: str, worker: Worker) -> None:
        self._disinherit(executor.id, old)
        self._feed(events.WorkerRenewed(now(), executor.id, old, worker.id))
        if self.room.keeps.keeps_any(worker):  # in a broadcast that was its first task
            self.room.pinned(worker, on=True)

    def falling(self, executor: Executor) -> None:
        self._disinherit(executor.id)
        self._feed(events.Falling(now(), executor.id))

    def down(self, executor: Executor, report: wire.ExitReport, sentence: str) -> None:
        executor.report = report
        self.room.watchers.tell("gone", executor.id, sentence)
        self._disinherit(executor.id)
        calls = self._bereaved(executor.workers.values(), report)
        how = sentence if sentence == report.sentence() else f"ended: {sentence}"
        for worker in executor.workers.values():
            self.room.keeps.worker_gone(worker, f"it was on executor {executor.id}, which {how}")
        self._feed(events.ExecutorGone(now(), executor.id, sentence))
        self.executors.pop(executor.id, None)
        self._bury(calls)

    @staticmethod
    def _bereaved(workers: Iterable[Worker], report: wire.ExitReport) -> list[Call]:
        """The calls that these dead workers held know how it came."""
        calls = list(held_by(workers))
        for call in calls:
            call.death = report
        return calls

    def _bury(self, calls: list[Call]) -> None:
        """Whose caller was told before (it was cancelled or late) had still its worker to stop: that is done now."""
        for call in calls:
            if call.over:
                self.room.forget(call)
