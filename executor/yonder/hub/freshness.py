"""One pool's code: which snapshot its calls run on, whether that is where they run, and what becomes of a worker that holds
older code.

    Publish ─▶ adopt: sent ahead, idle workers are asked     Stale ─▶ the worker is replaced, its call begins again

Knows executors, workers and calls; not sizes or order (the core decides those), nor what is in a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from yonder import wire
from yonder.core import events
from yonder.hub.broadcasts import Rite, Supply
from yonder.hub.calls import Call
from yonder.hub.clients import Client
from yonder.hub.drive import now
from yonder.hub.executor import Executor
from yonder.hub.executors import Executors
from yonder.hub.watchers import Watchers
from yonder.hub.worker import Worker, named

MOST_REFUSALS = 3
"""So many fresh workers in a row that refuse a call for older code will not be followed by one that takes it."""


class Freshness:
    """`feed` takes what happens to the pool's core."""

    def __init__(self, executors: Executors, watchers: Watchers, feed: Callable[[events.Event], None]) -> None:
        self._executors = executors
        self._library = executors.library
        self._watchers = watchers
        self._feed = feed
        self._newest = b""  # the snapshot that clients spoke of last
        self.behind: dict[Worker, bytes] = {}
        """Workers that ran something when this newer code came to their machine: they are asked when that has ended."""
        self._refused: Call | None = None  # the call that a worker found its code too old for last
        # A worker that is being replaced counts as there when something is to be run in every one: its heir runs it.
        self._bequests: dict[tuple[str, str], dict[str, Call]] = {}  # by executor and old worker: rite -> member

    # ── which code ──

    def code_of(self, client: Client, message: wire.Submit | wire.Broadcast) -> bytes | None:
        """The snapshot that it runs on: what the message says, else that of the worker that the client lives in. None:
        nobody has published it."""
        code = message.snapshot or (client.worker.code if client.worker else b"")
        if not code or code == self._newest:
            return code
        if self._library.get(code) is None:
            return None
        self.spoken_of(code)
        return code

    def spoken_of(self, code: bytes) -> None:
        """This is the newest code that anybody here speaks of; b"": nobody speaks of any."""
        if code != self._newest:
            self._library.pin(code)
            self._library.unpin(self._newest)
            self._newest = code

    # ── ahead of calls ──

    def adopt(self, snapshot: bytes, executors: Iterable[Executor]) -> None:
        """Calls will come that run on this code: it is sent ahead, and workers that hold older code are replaced."""
        self.spoken_of(snapshot)
        self.behind.clear()
        for executor in executors:
            if executor.state in ("ready", "busy") and not executor.fallen:
                self._executors.supply(executor, snapshot, self._adopter(executor, snapshot))

    def _adopter(self, executor: Executor, snapshot: bytes) -> Callable[[str], None]:
        def there(why: str) -> None:
            if why or snapshot != self._newest:
                return  # a call that needs it says so
            for worker in executor.workers.values():
                if worker.code and worker.alive and worker.initiated:
                    self._ask(worker, snapshot)

        return there

    def _ask(self, worker: Worker, snapshot: bytes) -> None:
        if worker.task is None:
            worker.adopt(snapshot)
        else:
            self.behind[worker] = snapshot

    def freed(self, worker: Worker | None) -> None:
        """Its call has ended. With another one under way already it is asked after that: the call says what it runs on."""
        snapshot = self.behind.pop(worker, b"") if worker is not None else b""
        if worker is not None and worker.alive and snapshot and snapshot == self._newest:
            self._ask(worker, snapshot)

    def supply(self, worker: Worker) -> Supply:
        """How the rites of a fresh worker get their code: all of them the same, that of the call which the worker before it
        could not serve, else the newest."""

        def supplying(rite: Rite, then: Callable[[bytes, str], None]) -> None:
            refused = self._refused
            wanted = refused.code if refused is not None and not refused.over else self._newest
            code = worker.code or wanted or rite.code
            executor = self._executors.all.get(worker.executor)
            if executor is not None:
                self._executors.supply(executor, code, lambda why: then(code, why))

        return supplying

    # ── older code ──

    def refused(self, call: Call, worker: Worker, executor: Executor, modules: list[str]) -> None:
        """The worker did not begin the call, because it holds older code of these modules."""
        # One that had another call before may hold that one's code; one that had none should hold nothing.
        call.refusals = call.refusals + 1 if worker.served == 1 else 0
        call.attempt -= 1
        hopeless = ""
        if call.refusals >= MOST_REFUSALS:
            hopeless = (
                f"{MOST_REFUSALS} fresh workers in a row would not begin the call, because they hold other code of "
                f"{named(modules)} than it is to run on: something imports that before any call, and changes it"
            )
        self._refused = call
        if call.rite and not hopeless and not call.over:
            self.bequeath((executor.id, worker.id), call)
        self.outdated(executor, worker, modules, call.id, hopeless)

    def outdated(
        self, executor: Executor, worker: Worker, modules: list[str], call: str = "", hopeless: str = ""
    ) -> None:
        """The worker holds older code: another one takes its place."""
        self._watchers.tell("outdated", executor.id, f"{named(modules)} changed: worker {worker.id} is replaced")
        refused = self._refused
        wanted = refused.code if refused is not None and refused.id == call else self._newest
        self._executors.drop_spares(executor, wanted)
        self._bequests.setdefault((executor.id, worker.id), {})
        self._feed(events.WorkerStale(now(), executor.id, worker.id, call, hopeless))

    # ── members of broadcasts ──

    def leaving(self) -> list[tuple[str, str]]:
        """Executors and workers of them that are being replaced for their code."""
        return list(self._bequests)

    def bequeath(self, place: tuple[str, str], call: Call) -> None:
        """What this member of a broadcast was to do there, the worker to come does."""
        self._bequests.setdefault(place, {})[call.rite] = call

    def bequeathed(self, call: Call) -> bool:
        """Will the call's end be that of the same rite on the worker that comes?"""
        return any(call in members.values() for members in self._bequests.values())

    def inherited(self, worker: Worker, rite: str) -> Call | None:
        """The member of a broadcast whose end it is that this fresh worker has done the rite. It is so once."""
        executor = self._executors.all.get(worker.executor)
        renewal = executor.renewal_by(worker) if executor is not None else None
        if executor is None or renewal is None:
            return None
        return self._bequests.get((executor.id, renewal.old), {}).pop(rite, None)

    def renounced(self, call: Call) -> bool:
        """Nobody waits for this member any more. Was it one of those that a worker to come would have ended?"""
        for members in self._bequests.values():
            if members.get(call.rite) is call:
                del members[call.rite]
                return True
        return False

    def disinherit(self, executor: str, worker: str = "") -> list[Call]:
        """Members of broadcasts that nobody will run in place of this worker, or ("") of any on the executor."""
        for one in [one for one in self.behind if one.executor == executor and worker in ("", one.id)]:
            del self.behind[one]
        keys = [key for key in self._bequests if key[0] == executor and worker in ("", key[1])]
        return [call for key in keys for call in self._bequests.pop(key).values()]
