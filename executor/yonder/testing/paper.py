"""A pool on paper: carries out what the pure pool commands and checks that it keeps its promises.

What this file must not know: processes, sockets, the hub, how the pool comes to its decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from yonder.core import events
from yonder.core.pool import Pool
from yonder.core.scaling import Strategy
from yonder.testing.clock import FakeClock
from yonder.wire import PoolSpec, Resources


@dataclass(slots=True)
class _Paper:
    """An executor on paper; `told` once it was told to end, `falling` once it is of no more use, `used` once it had a
    call. `renewing` are workers whose place is to be filled again, dead or not. `doubtful`: it may be draining, which the
    paper cannot see."""

    resources: Resources = field(default_factory=Resources)
    workers: tuple[str, ...] = ()
    held: dict[str, str] = field(default_factory=dict)  # call -> worker
    renewing: set[str] = field(default_factory=set)
    up: bool = False
    told: bool = False
    falling: bool = False
    used: bool = False
    doubtful: bool = False
    kept: set[str] = field(default_factory=set)


class PromiseError(AssertionError):
    """The pool commanded what it must not."""


class PaperPool:
    """Carries out a core pool's commands on paper and checks after every step what a pool promises:

    every call ends once, and runs again only after its worker is known to be dead and its retries allow it · never more
    executors than max or the budget · one call per worker, per process or per executor as isolation says · first come,
    first served within a tenant · pinned calls on their worker, calls of one key on one executor · nothing is given to an
    executor that was told to go, and none is told to go while somebody waits for a call on it · no wake-up in the past.
    """

    def __init__(self, spec: PoolSpec, clock: FakeClock | None = None, strategy: Strategy | None = None) -> None:
        self.spec = spec
        self.clock = clock or FakeClock(1000.0)
        self.pool = Pool(self.spec, prefix="x", strategy=strategy)
        self.most = self.spec.max
        self.allowed: int | None = None
        self.alive: dict[str, _Paper] = {}
        self.calls: dict[str, events.Submitted] = {}
        self.waiting: list[str] = []
        self.attempts: dict[str, int] = {}
        self.loose: set[str] = set()  # their workers died: tried again or lost
        self.homes: dict[tuple[str, str], str] = {}
        self.ended: dict[str, str] = {}
        self.drops: dict[str, events.Drop] = {}
        self.reasons: dict[str, str] = {}
        self.closings = 0
        self.closing = False
        self.submitted = 0
        self.returned: set[str] = set()  # a worker had them and did not begin them
        self.tick()

    # ── what may happen ──

    def submit(
        self,
        within: float | None = None,
        *,
        patience: float | None = None,
        tenant: str = "",
        retries: int = 0,
        affinity: str = "",
        pin: str = "",
        resources: Resources | None = None,
    ) -> str:
        """A new call; `within` and `patience` are seconds from now."""
        self.submitted += 1
        call = f"c{self.submitted}"
        now = self.clock.now
        self.waiting.append(call)
        self.attempts[call] = 0
        self.calls[call] = event = events.Submitted(
            now,
            call,
            None if within is None else now + within,
            None if patience is None else now + patience,
            tenant,
            retries,
            affinity,
            pin,
            resources,
        )
        self._step(event)
        return call

    def cancel(self, call: str) -> None:
        self._step(events.CancelAsked(self.clock.now, call))

    def refuse(self, call: str, outcome: events.Outcome = "deadlock", sentence: str = "it would wait for ever") -> None:
        self._step(events.Refused(self.clock.now, call, outcome, sentence))

    def unrepeatable(self, call: str) -> None:
        self._step(events.Unrepeatable(self.clock.now, call))

    def up(self, executor: str, workers: int | None = None) -> None:
        names = tuple(f"{executor}.{n}" for n in range(self.spec.concurrency if workers is None else workers))
        if executor in self.alive and not self.alive[executor].told and names:
            self.alive[executor].workers = names
            self.alive[executor].up = True
        self._step(events.Booted(self.clock.now, executor, names))

    def broken(self, executor: str, sentence: str = "no such image", *, final: bool = False) -> None:
        self.alive.pop(executor, None)
        self._step(events.BootBroke(self.clock.now, executor, sentence, final))

    def over(self, call: str) -> None:
        """The worker delivered the call's end, whatever it was."""
        for paper in self.alive.values():
            if call in paper.held:
                worker = paper.held.pop(call)
                paper.doubtful = paper.doubtful or self._gives_way(paper)
                if self.spec.isolation == "process":
                    paper.renewing.add(worker)
                    paper.kept.discard(worker)
                if call not in self.ended:
                    self._end(call, "result")
        self._step(events.CallOver(self.clock.now, call))

    def worker_dies(self, worker: str, sentence: str = "was killed by signal 9") -> None:
        """One worker is dead, its executor lives on."""
        name = self.executor_of(worker)
        if name is not None:
            paper = self.alive[name]
            paper.renewing.add(worker)
            paper.kept.discard(worker)
            for call in [call for call, its in paper.held.items() if its == worker]:
                del paper.held[call]
                self.loose.add(call)
        self._step(events.WorkerGone(self.clock.now, name or "x-0", worker, sentence))

    def stale(self, worker: str, *, hopeless: str = "") -> None:
        """The worker says that it holds older code than the call that it was given runs on, or (without a call) than those
        to come. It did not begin it."""
        name = self.executor_of(worker)
        call = ""
        if name is not None:
            paper = self.alive[name]
            call = next((call for call, its in paper.held.items() if its == worker), "")
            if call:
                del paper.held[call]
                self._unbegun(call, hopeless)
            paper.renewing.add(worker)
            paper.kept.discard(worker)
        self._step(events.WorkerStale(self.clock.now, name or "x-0", worker, call, hopeless))

    def _unbegun(self, call: str, hopeless: str) -> None:
        """It waits again, before all others, or is hopeless (so is one whose worker is to be replaced)."""
        if call in self.ended:
            return
        if hopeless or self.calls[call].pin:
            self.loose.add(call)
            return
        self.attempts[call] -= 1
        self.returned.add(call)
        self.waiting.insert(0, call)

    def renewed(self, old: str) -> str:
        """A fresh process stands where `old` was; the answer is its name."""
        name, fresh = self.executor_of(old), f"{old}+"
        if name is not None:
            paper = self.alive[name]
            paper.renewing.discard(old)
            paper.workers = tuple(fresh if worker == old else worker for worker in paper.workers)
        self._step(events.WorkerRenewed(self.clock.now, name or "x-0", old, fresh))
        return fresh

    def keeps(self, worker: str, *, on: bool = True) -> None:
        """The worker keeps objects from now on, or none any more."""
        name = self.executor_of(worker)
        if name is not None and on and worker not in self.alive[name].renewing:
            self.alive[name].kept.add(worker)
        elif name is not None:
            self.alive[name].kept.discard(worker)
        self._step(events.Kept(self.clock.now, name or "x-0", worker, on))

    def falling(self, executor: str) -> None:
        """It is of no more use; the platform has not confirmed its end yet."""
        if executor in self.alive and self.alive[executor].up:
            self.alive[executor].falling = True
        self._step(events.Falling(self.clock.now, executor))

    def gone(self, executor: str, sentence: str = "was killed by signal 9") -> None:
        paper = self.alive.pop(executor, None)
        if paper is not None:
            self.loose.update(paper.held)
        self._step(events.ExecutorGone(self.clock.now, executor, sentence))

    def resize(self, least: int, most: int) -> None:
        self.respec(msgspec.structs.replace(self.spec, min=least, max=most))

    def respec(self, spec: PoolSpec) -> None:
        """Another spec counts; isolation must stay the same on paper."""
        if spec.max < len(self.alive) or spec.resources != self.spec.resources:
            self._doubt()
        self.spec, self.most = spec, spec.max
        self._step(events.Resized(self.clock.now, spec))

    def allow(self, executors: int | None) -> None:
        """The owner's budget."""
        self.allowed = executors
        self._step(events.Allowed(self.clock.now, executors))

    def outdate(self, reason: str = "the folder is another one now") -> None:
        self._doubt()
        self._step(events.Outdated(self.clock.now, reason))

    def close(self, *, cancel: bool = False) -> None:
        self.closing = True
        self._step(events.CloseAsked(self.clock.now, cancel))

    def tick(self) -> None:
        self._step(events.Tick(self.clock.now))

    def advance(self, seconds: float) -> None:
        """Let time pass and wake the pool whenever it asked for it."""
        end = self.clock.now + seconds
        while (wake := self.pool.next_wake) is not None and wake <= end:
            self.clock.now = max(wake, self.clock.now)
            self.tick()
        self.clock.now = end
        self.tick()

    # ── what is the case ──

    @property
    def booting(self) -> list[str]:
        return [name for name, paper in self.alive.items() if not paper.up and not paper.told]

    @property
    def ready(self) -> list[str]:
        """Those that take calls, for all that the paper can see."""
        return [name for name, paper in self.alive.items() if self._serves(paper)]

    @property
    def told(self) -> list[str]:
        """Those whose end is to come: they were told to go, or are dead without the platform's word."""
        return [name for name, paper in self.alive.items() if paper.told or paper.falling]

    @property
    def held(self) -> dict[str, str]:
        """Which call is on which worker, those included whose callers were told their end already."""
        return {call: worker for paper in self.alive.values() for call, worker in paper.held.items()}

    @property
    def renewing(self) -> list[str]:
        """Workers whose place is to be filled again."""
        return [worker for paper in self.alive.values() for worker in sorted(paper.renewing)]

    def executor_of(self, worker: str) -> str | None:
        return next((name for name, paper in self.alive.items() if worker in paper.workers), None)

    def where(self, call: str) -> str | None:
        """The executor that holds the call."""
        return next((name for name, paper in self.alive.items() if call in paper.held), None)

    def _serves(self, paper: _Paper) -> bool:
        spent = paper.used and self.spec.isolation == "executor"
        return paper.up and not paper.told and not paper.falling and not spent

    def _doubted(self, paper: _Paper) -> bool:
        return paper.doubtful or self.closing or self.spec.max_lifetime > 0

    def _gives_way(self, paper: _Paper) -> bool:
        """May it have to take no further call, for the budget or for calls that need another kind of executor?"""
        others = any(self._resources(self.calls[call]) != paper.resources for call in self.waiting)
        return others or (self.allowed is not None and self.allowed < len(self.alive))

    def _doubt(self) -> None:
        for paper in self.alive.values():
            paper.doubtful = True

    # ── commands and promises ──

    def _step(self, event: events.Event) -> None:
        for command in self.pool.step(event):
            self._carry_out(command)
        self.check()

    def _carry_out(self, command: events.Command) -> None:
        match command:
            case events.Boot(executor=name, resources=resources):
                most = self.most if self.allowed is None else min(self.most, self.allowed)
                self._promise(name not in self.alive, f"{name} is booted twice")
                self._promise(len(self.alive) < most, f"{name} is booted beyond max = {most}")
                self.alive[name] = _Paper(resources)
            case events.Terminate(executor=name, reason=reason):
                self._promise(name in self.alive and not self.alive[name].told, f"{name} is ended twice or unknown")
                waited = [call for call in self.alive[name].held if call not in self.ended]
                self._promise(not waited, f"{name} is ended while it holds calls")
                # One that drains was judged earlier, when it may have kept nothing.
                keeps = self.alive[name].kept and not self._doubted(self.alive[name])
                spare = reason.startswith(("idle for", "its room is needed"))
                self._promise(not (spare and keeps), f"{name} is ended while it keeps objects: {reason}")
                self.alive[name].told = True
                self.reasons[name] = reason
            case events.Renew(executor=name, worker=worker):
                self._promise(name in self.alive and not self.alive[name].told, f"{name} renews after its end")
                self._promise(worker in self.alive[name].renewing, f"{worker} is renewed though it serves")
            case events.Assign():
                self._assigned(command)
            case events.StopCall(call=call, worker=worker):
                self._promise(call in self.drops, f"{call} is stopped before its caller was told")
                self._promise(self.held.get(call) == worker, f"{call} does not run on {worker}")
            case events.Retry(call=call):
                self._retried(call)
            case events.Drop(call=call):
                self._promise(command.outcome != "timeout" or self._late(call), f"{call} is told too early")
                self.drops[call] = command
                self._end(call, command.outcome)
            case events.Closed():
                self._promise(not self.alive and not self.waiting, "closed with something left")
                self.closings += 1
            case _:
                assert_never(command)

    def _late(self, call: str) -> bool:
        """Has the call's time run out, or its patience before its first worker?"""
        asked, now = self.calls[call], self.clock.now
        if asked.deadline is not None and asked.deadline <= now:
            return True
        return asked.queue_deadline is not None and asked.queue_deadline <= now and not self.attempts[call]

    def _retried(self, call: str) -> None:
        self._promise(call in self.loose, f"{call} is tried again though it may still run")
        self._promise(call not in self.ended, f"{call} is tried again after its end")
        self._promise(self.attempts[call] <= self.calls[call].retries, f"{call} is tried again too often")
        self.loose.discard(call)
        self.waiting.insert(0, call)

    def _assigned(self, assign: events.Assign) -> None:
        paper = self.alive.get(assign.executor)
        if paper is None or paper.told or paper.falling:
            raise PromiseError(f"{assign.call} goes to {assign.executor}, which is not there to take it")
        self._promise(assign.worker in paper.workers, f"{assign.worker} is no worker of {assign.executor}")
        self._promise(assign.worker not in paper.held.values(), f"{assign.worker} gets a second call")
        self._promise(assign.worker not in paper.renewing, f"{assign.worker} gets a call before it is replaced")
        once = self.spec.isolation == "executor"
        self._promise(not (once and paper.used), f"{assign.executor} gets a second call")
        self._promise(assign.call in self.waiting, f"{assign.call} is served out of turn")
        self._in_turn(self.calls[assign.call], assign)
        self.attempts[assign.call] += 1
        self._promise(assign.attempt == self.attempts[assign.call], f"{assign.call} counts its attempts wrongly")
        self.waiting.remove(assign.call)
        paper.held[assign.call] = assign.worker
        paper.used = True

    def _in_turn(self, call: events.Submitted, assign: events.Assign) -> None:
        """May this call go there now?"""
        if call.pin:
            self._promise(assign.worker == call.pin, f"{call.call} is pinned to {call.pin}")
            return
        wanted = self._resources(call)
        given = self.alive[assign.executor].resources
        self._promise(wanted == given, f"{call.call} needs {wanted} and gets {given}")
        if call.affinity:
            key = (repr(wanted), call.affinity)
            home = self.homes.get(key, "")
            kept = home in self.ready and not self._doubted(self.alive[home])
            self._promise(not kept or home == assign.executor, f"{call.call} belongs to {home}")
            self.homes[key] = assign.executor
        elif self.attempts[call.call] == 0 and call.call not in self.returned:
            before = next(one for one in self.waiting if self._alike(self.calls[one], call))
            self._promise(before == call.call, f"{call.call} is served out of turn: {before} came before")

    def _alike(self, one: events.Submitted, other: events.Submitted) -> bool:
        """Do they stand in the same line?"""
        return (
            one.tenant == other.tenant
            and not one.affinity
            and not one.pin
            and self._resources(one) == self._resources(other)
        )

    def _resources(self, call: events.Submitted) -> Resources:
        return self.spec.resources if call.resources is None else call.resources

    def _end(self, call: str, outcome: str) -> None:
        self._promise(call not in self.ended, f"{call} ends twice: {self.ended.get(call)}, {outcome}")
        self.ended[call] = outcome
        self.loose.discard(call)
        if call in self.waiting:
            self.waiting.remove(call)

    def check(self) -> None:
        """The promises that hold between steps."""
        pool, wake = self.pool, self.pool.next_wake
        self._promise(wake is None or wake > self.clock.now, f"asks to be woken at {wake}, it is {self.clock.now}")
        self._promise(pool.queued == len(self.waiting), f"{pool.queued} queued, on paper {self.waiting}")
        self._promise(pool.executors == len(self.alive), f"{pool.executors} executors, on paper {self.alive}")
        busy = sum(1 for paper in self.alive.values() if paper.held)
        self._promise(pool.busy == busy, f"{pool.busy} busy, on paper {busy}")
        self._promise(pool.booting == len(self.booting), f"{pool.booting} booting, on paper {self.booting}")
        unanswered = [call for call in self.loose if call not in self.ended]
        self._promise(not unanswered, f"{unanswered} are neither tried again nor ended")
        self._check_ready()

    def _check_ready(self) -> None:
        idle, doubtful, free = 0, 0, []
        for paper in (self.alive[name] for name in self.ready):
            if len(paper.held) + len(paper.renewing) == len(paper.workers):
                continue
            if self._doubted(paper):
                doubtful += not paper.held
            else:
                idle += not paper.held
                free.append(paper.resources)
        self._promise(idle <= self.pool.idle <= idle + doubtful, f"{self.pool.idle} idle, on paper {idle}")
        for call in (self.calls[call] for call in self.waiting if call in self.calls):
            in_vain = not call.pin and not call.affinity and self._resources(call) in free
            self._promise(not in_vain, "calls wait although a worker is free")

    def _promise(self, kept: object, sentence: str) -> None:
        if not kept:
            raise PromiseError(sentence)
