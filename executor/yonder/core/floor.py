"""The floor on which calls and executors meet: the moves of which the meaning of every event is made.

A move changes all books together (calls, placing, roster, alarms) and says what is to be carried out. It leaves
`unsettled` true when something has changed on which sizes depend. What this file must not know: events, when time is due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from yonder.core.alarms import Alarms
from yonder.core.backoff import Backoff
from yonder.core.calls import Call, Calls
from yonder.core.events import Assign, Command, Drop, Outcome, Phase, Renew, Retry, StopCall, Terminate
from yonder.core.growth import Growth
from yonder.core.placing import Kind, Placing
from yonder.core.roster import Executor, Roster
from yonder.core.scaling import Strategy
from yonder.core.sizes import Sizes
from yonder.wire import PoolSpec

CRASHED_EARLY = 5.0
"""An executor that dies unasked within these seconds and never held a call counts as a boot that did not work."""

Alarm = tuple[Literal["deadline", "patience", "executor", "renewal"], str]
# deadline, patience: of the call. executor: while it boots its boot timeout, then the end of its lifetime, then of its
# grace. renewal: a worker's place must be filled by then.


class Floor:
    """All books of one pool. `commands` grow until the step takes them."""

    __slots__ = ("aged", "alarms", "calls", "commands", "growth", "placing", "roster", "sizes", "unsettled", "watching")

    def __init__(self, spec: PoolSpec, prefix: str, strategy: Strategy | None, jitter: Callable[[], float]) -> None:
        self.calls = Calls()
        self.roster = Roster()
        self.placing = Placing(spec.resources, Backoff(jitter))
        self.sizes = Sizes(spec, self.roster, self.placing, strategy)
        self.growth = Growth(prefix, self.sizes, self.roster, self.placing)
        self.alarms: Alarms[Alarm] = Alarms()
        self.aged: set[str] = set()  # leaving because of max_lifetime
        self.commands: list[Command] = []
        self.unsettled = False
        self.watching = True  # each call that starts or ends changes something on which sizes depend

    # ── calls ──

    def place(self, call: Call, now: float) -> None:
        """To a free worker that may take it, else where it has to wait."""
        one: Executor | None
        if call.pin:
            one = self.roster.of_worker(call.pin)
            if one is None or one.state != "ready" or call.pin in one.renewing:
                self.drop(call, now, "lost", f"worker {call.pin} is gone")
                return
            call.executor = one.id
            free = call.pin in one.free
        elif call.key and (home := self.placing.home(call)):
            one = self.roster.get(home)
            free = one is not None and bool(one.free)
        else:
            stand = self.roster.stand(call.kind) if call.kind else self.roster.plain
            one = stand.emptiest() if self.sizes.strategy.spreads else stand.fullest()
            free = one is not None
        if free and one is not None:
            self.assign(call, one, now, call.pin)
            return
        self.placing.wait(call, returns=call.returned)
        if not self.placing.uniform or self.watching or self.sizes.room > 0:
            self.unsettled = True

    def assign(self, call: Call, one: Executor, now: float, worker: str = "") -> None:
        """The call, which does not wait any more, gets a free worker of the executor: any, or that one."""
        if not one.worked:  # that it came up proves little: it may die of what killed those before it
            self.placing.kind(one.kind).backoff.worked()
        worker = self.roster.take(one, call.id, worker)
        if call.key:
            self.placing.settle_in(call, one)
        if call.patience is not None:
            self.alarms.clear(("patience", call.id))
        self.calls.assigned(call, one.id, now)
        self.commands.append(Assign(call.id, one.id, worker, call.attempt))
        if self.watching:
            self.unsettled = True
            if self.sizes.spec.isolation == "executor":
                self.leaves(one, now, "draining", "one call per executor")

    def serve(self, one: Executor, now: float) -> None:
        """Calls that wait, for the free workers of `one`."""
        while one.free and one.state == "ready" and (found := self.placing.next_for(one)) is not None:
            self.assign(found[0], one, now, found[1])

    def vacate(self, one: Executor, call: Call, now: float) -> None:
        """The worker has done with the call."""
        fresh = self.sizes.spec.isolation == "process" and one.state == "ready"
        worker = self.roster.release(one, call.id, now, free=not fresh)
        if one.state == "ready":
            if self.watching:
                self.unsettled = True
                if reason := self.growth.gives_way(one):
                    self.dismiss(one, now, reason)
                    return
            if fresh:
                self.renew(one, worker, now)
            if self.placing.length:
                self.serve(one, now)
        elif one.state == "draining" and not one.calls:
            self.terminate(one, now, one.reason)

    def drop(self, call: Call, now: float, outcome: Outcome, sentence: str) -> None:
        """The call's caller is told its end now. A running one keeps its worker until that says that it is free."""
        if call.state == "stopping":
            return
        if outcome == "lost":
            self.calls.lost += 1
        phase: Phase = "booting" if outcome == "boot_failed" else self.calls.phase(call)
        times = self.calls.times(call, now)
        self.commands.append(Drop(call.id, outcome, phase, sentence, times))
        if call.state == "waiting":
            if call.queue is not None:
                self.placing.leave(call)
            self.forget(call)
            self.unsettled = True
            return
        if call.deadline is not None:
            self.alarms.clear(("deadline", call.id))
        call.state, call.since = "stopping", now
        one = self.roster.get(call.executor)
        if outcome != "lost" and one is not None and call.id in one.calls:
            self.commands.append(StopCall(call.id, one.calls[call.id]))

    def lose(self, call: Call, now: float, sentence: str) -> None:
        """The call's worker is dead, says who must know, and the call is on no executor any more."""
        if call.state == "running":
            if self.calls.may_repeat(call, now):
                self.calls.again(call, now)
                self.commands.append(Retry(call.id, sentence))
                self.place(call, now)
                return
            self.drop(call, now, "lost", sentence)
        self.forget(call)

    def give_back(self, call: Call, now: float, hopeless: str) -> None:
        """The call was not begun by the worker that it was given to, and is on no executor any more."""
        if call.state == "running":
            if not hopeless and not call.pin:
                self.calls.unbegun(call, now)
                self.place(call, now)
                return
            self.drop(call, now, "lost", hopeless or f"worker {call.pin} is gone")
            if not hopeless:
                self.calls.lost -= 1  # what it was for, the next worker does
        self.forget(call)

    def forget(self, call: Call) -> None:
        """It is over, for its caller and for its worker."""
        self.calls.forget(call)
        if call.deadline is not None:
            self.alarms.clear(("deadline", call.id))
        if call.patience is not None:
            self.alarms.clear(("patience", call.id))

    # ── executors ──

    def renew(self, one: Executor, worker: str, now: float) -> None:
        """The worker holds no call and takes none any more: another one is to stand in its place."""
        self.roster.renewing(one, worker)
        for call in self.placing.forsake(one.id, worker):
            self.drop(call, now, "lost", f"worker {worker} is gone")
        self.commands.append(Renew(one.id, worker))
        self.alarms.set(("renewal", worker), now + self.sizes.spec.boot_timeout)

    def give_up_on(self, one: Executor, now: float, sentence: str) -> None:
        """It is up and of no use, which counts as a boot that did not work."""
        self.placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=sentence)
        self.dismiss(one, now, sentence)

    def judge_end(self, one: Executor, now: float, sentence: str) -> None:
        """It ends unasked: one that was ready for a moment and never worked has not really come up."""
        if one.state != "ready" or one.worked:
            return
        if now - one.since < CRASHED_EARLY:
            self.placing.kind(one.kind).backoff.failed(now, begun=one.since, sentence=sentence)
        else:
            self.placing.kind(one.kind).backoff.worked()

    def dismiss(self, one: Executor, now: float, reason: str) -> None:
        """It takes no more calls and goes as soon as it holds none."""
        if one.calls:
            self.leaves(one, now, "draining", reason)
        else:
            self.terminate(one, now, reason)

    def terminate(self, one: Executor, now: float, reason: str) -> None:
        """It goes now. Nobody waits for a call that it may still hold."""
        self.commands.append(Terminate(one.id, reason))
        self.leaves(one, now, "ending", reason)

    def remove(self, one: Executor, now: float) -> None:
        """It is no more. What it held is still to be lost."""
        self.aged.discard(one.id)
        self.leaves(one, now, "gone", "")

    def leaves(self, one: Executor, now: float, how: Literal["draining", "ending", "gone"], reason: str) -> None:
        """It takes no more calls; what waited for it and no other waits for whoever comes, or is lost."""
        self.unsettled = True
        if len(self.alarms) and how != "draining":  # its lifetime goes on while it drains
            self.alarms.clear(("executor", one.id))
        for worker in one.renewing:
            self.alarms.clear(("renewal", worker))
        booting = one.state == "booting"
        if how == "draining":
            self.roster.drain(one, now, reason)
        elif how == "ending":
            self.roster.end(one, now)
        else:
            self.roster.remove(one)
        if booting:
            self.boots_changed(now)
        for call in self.placing.forsake(one.id):
            self.drop(call, now, "lost", f"worker {call.pin} is gone")
        self.serve_kind(self.placing.kind(one.kind), now)

    def serve_kind(self, kind: Kind, now: float) -> None:
        """Calls that have lost their executor may find another one free."""
        stand = self.roster.stand(kind.name)
        while len(kind.queue) and (one := stand.fullest()) is not None:
            self.serve(one, now)

    def boots_changed(self, now: float) -> None:
        """Time that is spent waiting counts as booting while something boots."""
        self.calls.boots.turn(now, on=self.roster.booting > 0)
