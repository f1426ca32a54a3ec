"""Which code a worker runs on: the snapshot of each task, and whether what is loaded is that.

What belongs here: taking a snapshot, judging by it what is loaded. What this file must not know: lanes, tasks, how a module
is loaded again (`reloading`).

    None        all that was looked up ends as before (or nothing was): go on
    Outdated    a fresh process has to run it
    Renewal     to be run before the task's own code: it loads modules again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from yonder import warm
from yonder.agent import birth
from yonder.agent.modules import Modules
from yonder.agent.namespace import Namespace
from yonder.agent.reloading import Change, Kept, Reloading
from yonder.agent.shelf import Shelf
from yonder.agent.stage import Stage
from yonder.errors import YonderError


@dataclass(frozen=True)
class Outdated:
    """What is loaded otherwise than the snapshot has it, and cannot be loaded again here."""

    modules: list[str]


class Renewal(Protocol):
    """What has to be done first. `reloaded` in the order in which it was done; `kept` with why."""

    reloaded: list[str]
    kept: dict[str, str]

    def run(self) -> None:
        """User code on. Raises what the modules raise."""


class _Failing:
    """There is no such snapshot: the task ends with that."""

    def __init__(self, error: YonderError) -> None:
        self._error = error
        self.reloaded: list[str] = []
        self.kept: Kept = {}

    def run(self) -> None:
        raise self._error


class Code:
    """The code of one process. Before the first snapshot imports are as they were."""

    def __init__(self, born: birth.Birth, stage: Stage, namespace: Namespace) -> None:
        self._modules = Modules(Shelf(born.store, born.worker), born.folder)
        self._stage = stage
        self._namespace = namespace
        self._replaceable = born.kind == "pool"
        self._old = False  # something was kept that is older than the snapshot
        self._settled = b""  # the snapshot that counts and all of which is new; b"" when that has to be looked at

    def here(self, file: str) -> str:
        """Where a file of the owner's lies on this machine, "" where no snapshot counts."""
        current = self._modules.current
        if current is None:
            return ""
        relative = current.within(file)
        return f"{current.base}/{relative}" if relative in current.tree.files else file

    def outdated(self, digest: bytes) -> list[str]:
        """Ahead of tasks: what would have to be loaded again by a fresh process. What may be kept is left to the task."""
        if not self._replaceable or self._holds_state():
            return []
        try:
            change = self._judge(digest)
        except YonderError:
            return []
        return sorted(change.modules) if change is not None else []

    def turn(self, digest: bytes) -> Outdated | Renewal | None:
        """The next task runs on that snapshot (b"": the one that counts). User code off."""
        if digest == self._settled:
            return None
        try:
            change = self._judge(digest)
        except YonderError as error:
            return _Failing(error)
        if change is None:
            return None
        if self._replaceable and not self._holds_state():
            return Outdated(sorted(change.modules))
        held = [*warm.values(), *self._stage.keeping.values()]
        try:
            reloading = Reloading(self._modules, change, self._namespace, held, self._done)
        except Exception as error:  # noqa: BLE001 - it looked at objects of all kinds; the process and its names go on
            return _Failing(YonderError(f"modules have changed, and what is loaded cannot be looked at: {error!r}"))
        if self._replaceable and (reloading.kept or not self._stage.renewable):
            return Outdated(sorted(change.modules))
        return reloading

    def _holds_state(self) -> bool:
        """Would a fresh process lack something that was made here?"""
        return warm.held() or len(self._stage.keeping) > 0

    def _judge(self, digest: bytes) -> Change | None:
        """Take that snapshot if all that was looked up is the same in it; else say what is not, and stay as it is."""
        if not digest or digest == self._settled:
            return None
        self._settled = b""
        current = self._modules.current
        if current is not None and current.snapshot.digest == digest and not self._old:
            self._settled = digest
            return None
        snapshot = self._modules.shelf.snapshot(digest)
        tree = self._modules.shelf.tree(snapshot)
        place = self._modules.place(snapshot)
        if differing := place.sight.differing(tree) | self._modules.others(snapshot, tree):
            return Change(snapshot, tree, place, frozenset(differing))
        self._modules.take(snapshot, tree, place)
        self._old = False
        self._settled = digest
        return None

    def _done(self, kept: Kept) -> None:
        """Modules were loaded again: functions that refer to the old ones have to be unpacked again, too."""
        self._stage.renew()
        self._old = bool(kept)
