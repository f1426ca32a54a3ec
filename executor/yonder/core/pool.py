"""One pool: calls, executors and the queue between them. Events go in, commands come out; time is in the event.

    event ─▶ what it changes ─▶ what is due by now ─▶ sizes, where something changed them ─▶ commands

This file says what each event means. Who waits for whom is `placing`, which executors there are `roster`, how many there
should be `sizes`, what has become of a call `calls`. It knows neither processes nor functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from yonder.core.alarms import Alarms
from yonder.core.backoff import Backoff, steady
from yonder.core.calls import Call, Calls, spell
from yonder.core.events import (
    Allowed,
    Assign,
    Boot,
    BootBroke,
    Booted,
    CallOver,
    CancelAsked,
    CloseAsked,
    Closed,
    Command,
    Drop,
    Event,
    ExecutorGone,
    Falling,
    Outcome,
    Outdated,
    Phase,
    Refused,
    Renew,
    Resized,
    Retry,
    StopCall,
    Submitted,
    Terminate,
    Tick,
    Unrepeatable,
    WorkerGone,
    WorkerRenewed,
)
from yonder.core.growth import Growth
from yonder.core.placing import Kind, Placing
from yonder.core.roster import Executor, Roster
from yonder.core.scaling import Strategy
from yonder.core.sizes import Sizes
from yonder.wire import PoolSpec, Resources

CRASHED_EARLY = 5.0
"""An executor that dies unasked within these seconds and never held a call counts as a boot that did not work."""

DEATHS = 3
"""So many workers of one executor that die in a row without ever having held a call say that it is of no use."""

_NEVER = float("inf")

Alarm = tuple[Literal["deadline", "patience", "executor", "renewal"], str]
# deadline, patience: of the call. executor: while it boots its boot timeout, then the end of its lifetime, then of its
# grace. renewal: a worker's place must be filled by then.


class Pool:
    """The state. `step` changes it in place; an event costs the same with one executor or ten thousand.

    Every submitted call has exactly one end: CallOver (its result was delivered) or Drop. Events about calls and
    executors that are not known (any more) are normal and change nothing. BootBroke means that nothing runs under that
    id. Between events the shell must send a Tick when `next_wake` comes.

    `prefix` begins the ids of executors. `strategy` is used instead of the one that the spec names. `jitter` gives
    numbers from 0 to 1 by which the pauses between failed boots differ.
    """

    def __init__(
        self,
        spec: PoolSpec,
        *,
        prefix: str,
        strategy: Strategy | None = None,
        jitter: Callable[[], float] = steady,
    ) -> None:
        self._spec = spec
        self._jitter = jitter
        self._now = float("-inf")
        self._calls = Calls()
        self._count = 0
        self._roster = Roster()
        self._placing = Placing(spec.resources, Backoff(jitter))
        self._sizes = Sizes(spec, self._roster, self._placing, strategy)
        self._growth = Growth(prefix, self._sizes, self._roster, self._placing)
        self._alarms: Alarms[Alarm] = Alarms()
        self._aged: set[str] = set()  # leaving because of max_lifetime
        self._life: Literal["open", "closing", "closed"] = "open"
        self._commands: list[Command] = []
        self._unsettled = False  # something has changed on which sizes depend
        self._watching = True  # each call that starts or ends changes something on which sizes depend
        self._wake = float("-inf") if spec.min > 0 else _NEVER
        self._handlers: dict[type[Any], Callable[[Any, float], None]] = {
            Submitted: self._submitted,
            CallOver: self._over,
            CancelAsked: self._cancel_asked,
            Refused: self._refused,
            Unrepeatable: self._unrepeatable,
            Booted: self._booted,
            BootBroke: self._boot_broke,
            WorkerGone: self._worker_gone,
            WorkerRenewed: self._worker_renewed,
            ExecutorGone: self._executor_gone,
            Falling: self._falling,
            Resized: self._resized,
            Allowed: self._allowed,
            Outdated: self._outdated,
            CloseAsked: self._close_asked,
            Tick: self._tick,
        }

    # ── what can be read ──

    @property
    def queued(self) -> int:
        """Calls that wait."""
        return len(self._placing)

    @property
    def running(self) -> int:
        """Calls that hold a worker, those included whose callers were told their end already."""
        return self._calls.running

    @property
    def executors(self) -> int:
        """All that may exist: booting, ready, and on their way out."""
        return len(self._roster)

    @property
    def booting(self) -> int:
        """Executors that were asked for and are not up."""
        return self._roster.booting

    @property
    def busy(self) -> int:
        """Executors that hold a call."""
        return self._roster.busy

    @property
    def idle(self) -> int:
        """Executors that hold none and would take one at once."""
        return self._roster.idle

    @property
    def leaving(self) -> int:
        """Executors on their way out."""
        return self._roster.leaving

    @property
    def done(self) -> int:
        """Calls whose end was delivered by their worker, a result or an exception."""
        return self._calls.done

    @property
    def retried(self) -> int:
        """How many times a call was tried again."""
        return self._calls.retried

    @property
    def lost(self) -> int:
        """Calls whose end is a loss."""
        return self._calls.lost

    @property
    def needed(self) -> int:
        """Executors that hold a call or that a waiting call asks for, whatever is allowed: the pool's claim on a budget."""
        concurrency = self._sizes.concurrency
        return self._roster.busy + sum(-(-self._sizes.waiting(kind) // concurrency) for kind in self._placing)

    @property
    def closed(self) -> bool:
        """Closed has been said."""
        return self._life == "closed"

    @property
    def next_wake(self) -> float | None:
        """When the next Tick is needed at the latest; None when only events can change anything.

        A new pool that keeps executors (min > 0) wants its first Tick at once: the moment is minus infinity.
        """
        return None if self._wake == _NEVER else self._wake

    @property
    def why(self) -> str:
        """Why the pool has the size it has, in one sentence."""
        if self._life != "open":
            return "the pool is closing" if self._life == "closing" else "the pool is closed"
        sentence = self._sizes.why(self._calls.running)
        if self._aged:
            old = "1 executor leaves" if len(self._aged) == 1 else f"{len(self._aged)} executors leave"
            sentence += f"; {old}: max_lifetime is {self._spec.max_lifetime:g} s"
        for kind in self._placing:
            if kind.backoff.failures and self._sizes.lacking(kind, self._calls.running) > 0:
                sentence += f"; the last boot failed ({kind.backoff.sentence}), the next one follows after a pause"
        return sentence

    # ── the step ──

    def step(self, event: Event) -> list[Command]:
        """Take one event; the commands are to be carried out in their order.

        Raises ValueError when a call that is not over is submitted a second time.
        """
        now = event.at
        now = max(now, self._now)
        self._now = now
        self._handlers[type(event)](event, now)
        if now >= self._wake:
            self._ring(now)
        while self._unsettled:
            self._settle(now)
        self._wake = self._next_moment(now)
        commands, self._commands = self._commands, []
        return commands

    def _tick(self, _event: Tick, _now: float) -> None:
        self._unsettled = True

    # ── calls ──

    def _submitted(self, event: Submitted, now: float) -> None:
        if self._calls.get(event.call) is not None:
            raise ValueError(f"call {event.call!r} is in this pool already")
        if self._life != "open":
            self._commands.append(Drop(event.call, "closed", "queued", "the pool is closed"))
            return
        resources = event.resources
        kind = "" if resources is None or resources == self._spec.resources else self._kind(resources)
        self._count += 1
        call = Call(
            event.call,
            self._count,
            event.tenant,
            kind,
            event.affinity,
            event.pin,
            event.retries,
            event.deadline,
            event.queue_deadline,
            now,
            self._calls.boots.read(now),
        )
        self._calls.add(call)
        if call.deadline is not None:
            if call.deadline <= now:
                self._late(call, now)
                return
            self._alarms.set(("deadline", call.id), call.deadline)
        self._place(call, now)
        if call.state == "waiting" and call.queue is not None:
            self._queued(call, now)

    def _queued(self, call: Call, now: float) -> None:
        """A new call has to wait: may it?"""
        limit = self._spec.queue_limit
        if limit and len(self._placing) > limit:
            self._drop(call, now, "queue_full", f"{limit} calls wait already (queue_limit = {limit})")
            return
        kind = self._placing.kind(call.kind)
        if kind.backoff.spent and len(kind.queue) == 1 and not self._roster.stand(kind.name).serving:
            kind.backoff.retry(now)  # old failures are no verdict over a new call: it gets its own try
        if call.patience is None:
            return
        if call.patience <= now:
            self._impatient(call, now)
        else:
            self._alarms.set(("patience", call.id), call.patience)

    def _kind(self, resources: Resources) -> str:
        """The name of the executors with these resources; they are a kind of their own from the first call on."""
        name = f"{'|'.join(resources.gpu)} {resources.cpus:g} {resources.memory}"
        if not self._placing.knows(name):
            self._placing.learn(name, resources, Backoff(self._jitter))
        return name

    def _place(self, call: Call, now: float) -> None:
        """To a free worker that may take it, else where it has to wait."""
        one: Executor | None
        if call.pin:
            one = self._roster.of_worker(call.pin)
            if one is None or one.state != "ready" or call.pin in one.renewing:
                self._drop(call, now, "lost", f"worker {call.pin} is gone")
                return
            call.executor = one.id
            free = call.pin in one.free
        elif call.key and (home := self._placing.home(call)):
            one = self._roster.get(home)
            free = one is not None and bool(one.free)
        else:
            stand = self._roster.stand(call.kind)
            one = stand.emptiest() if self._sizes.strategy.spreads else stand.fullest()
            free = one is not None
        if free and one is not None:
            self._assign(call, one, now, call.pin)
            return
        self._placing.wait(call, returns=call.attempt > 1)
        if not self._placing.uniform or self._watching or self._sizes.room > 0:
            self._unsettled = True

    def _assign(self, call: Call, one: Executor, now: float, worker: str = "") -> None:
        worker = self._roster.take(one, call.id, worker)
        if call.key:
            self._placing.settle_in(call, one)
        if call.patience is not None:
            self._alarms.clear(("patience", call.id))
        self._calls.assigned(call, one.id, now)
        self._commands.append(Assign(call.id, one.id, worker, call.attempt))
        if self._watching:
            self._unsettled = True
            if self._spec.isolation == "executor":
                self._leaves(one, now, "draining", "one call per executor")

    def _serve(self, one: Executor, now: float) -> None:
        """Calls that wait, for the free workers of `one`."""
        while one.free and one.state == "ready" and (found := self._placing.next_for(one)) is not None:
            self._assign(found[0], one, now, found[1])

    def _over(self, event: CallOver, now: float) -> None:
        call = self._calls.get(event.call)
        if call is None or call.state == "waiting":
            return
        if call.state == "running":
            self._calls.done += 1
        self._forget(call)
        one = self._roster.get(call.executor)
        if one is not None:  # cannot be: a call ends with its executor
            self._vacate(one, call, now)

    def _vacate(self, one: Executor, call: Call, now: float) -> None:
        """The worker has done with the call."""
        fresh = self._spec.isolation == "process" and one.state == "ready"
        worker = self._roster.release(one, call.id, now, free=not fresh)
        if one.state == "ready":
            if self._watching:
                self._unsettled = True
                if not one.calls and (reason := self._growth.gives_way(one)):
                    self._terminate(one, now, reason)
                    return
            if fresh:
                self._renew(one, worker, now)
            if len(self._placing):
                self._serve(one, now)
        elif one.state == "draining" and not one.calls:
            self._terminate(one, now, one.reason)

    def _cancel_asked(self, event: CancelAsked, now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None:
            self._drop(call, now, "cancelled", "the call was cancelled")

    def _refused(self, event: Refused, now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None and call.state == "waiting":
            self._drop(call, now, event.outcome, event.sentence)

    def _unrepeatable(self, event: Unrepeatable, _now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None:
            call.repeatable = False

    def _late(self, call: Call, now: float) -> None:
        phase, spent = self._calls.phase(call), spell(self._calls.times(call, now))
        self._drop(call, now, "timeout", f"the call's deadline passed while it was {phase}: {spent}")

    def _impatient(self, call: Call, now: float) -> None:
        spent = spell(self._calls.times(call, now))
        self._drop(call, now, "timeout", f"no worker was free within the call's queue_timeout: {spent}")

    def _drop(self, call: Call, now: float, outcome: Outcome, sentence: str) -> None:
        """The call's caller is told its end now. A running one keeps its worker until that says that it is free."""
        if call.state == "stopping":
            return
        if outcome == "lost":
            self._calls.lost += 1
        phase: Phase = "booting" if outcome == "boot_failed" else self._calls.phase(call)
        times = self._calls.times(call, now)
        self._commands.append(Drop(call.id, outcome, phase, sentence, times))
        if call.state == "waiting":
            if call.queue is not None:
                self._placing.leave(call)
            self._forget(call)
            self._unsettled = True
            return
        if call.deadline is not None:
            self._alarms.clear(("deadline", call.id))
        call.state, call.since = "stopping", now
        one = self._roster.get(call.executor)
        if outcome != "lost" and one is not None and call.id in one.calls:
            self._commands.append(StopCall(call.id, one.calls[call.id]))

    def _lose(self, call: Call, now: float, sentence: str) -> None:
        """The call's worker is dead, says who must know, and the call is on no executor any more."""
        if call.state == "running":
            if self._calls.may_repeat(call, now):
                self._calls.again(call, now)
                self._commands.append(Retry(call.id, sentence))
                self._place(call, now)
                return
            self._drop(call, now, "lost", sentence)
        self._forget(call)

    def _forget(self, call: Call) -> None:
        self._calls.forget(call)
        if call.deadline is not None:
            self._alarms.clear(("deadline", call.id))
        if call.patience is not None:
            self._alarms.clear(("patience", call.id))

    # ── executors ──

    def _booted(self, event: Booted, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "booting":
            return
        if not event.workers:
            self._abandon(one, now, "it came up without a worker")
            return
        self._placing.kind(one.kind).backoff.worked()
        self._alarms.clear(("executor", one.id))
        if self._spec.max_lifetime:
            self._alarms.set(("executor", one.id), now + self._spec.max_lifetime)
        self._roster.up(one, now, event.workers)
        self._boots_changed(now)
        self._unsettled = True
        self._serve(one, now)

    def _boot_broke(self, event: BootBroke, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state not in ("booting", "ending"):
            return
        if one.state == "booting":
            self._placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=event.sentence)
        self._remove(one, now)

    def _worker_gone(self, event: WorkerGone, now: float) -> None:
        one = self._roster.get(event.executor)
        worker = event.worker
        if one is None:
            return
        held = next((call for call, its in one.calls.items() if its == worker), None)
        if held is None and worker not in one.free:
            return  # it is being replaced, or nobody knows it
        sentence = event.sentence or "the worker is gone"
        early = worker in one.unproven
        if held is not None:
            self._roster.release(one, held, now, free=False)
        if one.state == "ready":
            one.deaths = one.deaths + 1 if early else 0
            self._renew(one, worker, now, useless=one.deaths >= DEATHS, sentence=sentence)
        elif one.state == "draining" and not one.calls:
            self._terminate(one, now, one.reason)
        if held is not None:
            self._lose(self._calls[held], now, sentence)
        self._unsettled = True

    def _renew(self, one: Executor, worker: str, now: float, *, useless: bool = False, sentence: str = "") -> None:
        """The worker holds no call and takes none: another one stands in its place soon, unless that is of no use."""
        self._roster.renewing(one, worker)
        for call in self._placing.forsake(one.id, worker):
            self._drop(call, now, "lost", f"worker {worker} is gone")
        if not useless:
            self._commands.append(Renew(one.id, worker))
            self._alarms.set(("renewal", worker), now + self._spec.boot_timeout)
            return
        sentence = f"{DEATHS} of its workers died in a row before any call; the last {sentence}"
        self._placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=sentence)
        self._dismiss(one, now, sentence)

    def _worker_renewed(self, event: WorkerRenewed, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "ready" or event.old not in one.renewing:
            return
        self._alarms.clear(("renewal", event.old))
        self._roster.renewed(one, event.old, event.worker, now)
        if self._watching:
            self._unsettled = True
        if len(self._placing):
            self._serve(one, now)

    def _falling(self, event: Falling, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "ready":
            return
        self._judge_early_end(one, now, "a worker died")
        self._leaves(one, now, "draining" if one.calls else "ending", "a worker of it died")

    def _executor_gone(self, event: ExecutorGone, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None:
            return
        sentence = event.sentence or "the executor is gone"
        backoff = self._placing.kind(one.kind).backoff
        if one.state == "booting":
            backoff.failed(now, begun=one.born, sentence=sentence)
        self._judge_early_end(one, now, sentence)
        self._remove(one, now)
        for id_ in one.calls:
            self._lose(self._calls[id_], now, sentence)
        if one.worked and not self._roster.stand(one.kind).serving:
            backoff.retry(now)  # the last one died at work: whoever waits gets a new one at once

    def _judge_early_end(self, one: Executor, now: float, sentence: str) -> None:
        """One that was ready for a moment and never worked has not really come up."""
        if one.state == "ready" and not one.worked and now - one.since < CRASHED_EARLY:
            self._placing.kind(one.kind).backoff.failed(now, begun=one.since, sentence=sentence)

    def _abandon(self, one: Executor, now: float, sentence: str) -> None:
        """A boot that we stop believing in."""
        self._placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=sentence)
        self._terminate(one, now, sentence)

    def _dismiss(self, one: Executor, now: float, reason: str) -> None:
        """It takes no more calls and goes as soon as it holds none."""
        if one.calls:
            self._leaves(one, now, "draining", reason)
        else:
            self._terminate(one, now, reason)

    def _terminate(self, one: Executor, now: float, reason: str) -> None:
        self._commands.append(Terminate(one.id, reason))
        self._leaves(one, now, "ending", reason)

    def _remove(self, one: Executor, now: float) -> None:
        self._aged.discard(one.id)
        self._leaves(one, now, "gone", "")

    def _leaves(self, one: Executor, now: float, how: Literal["draining", "ending", "gone"], reason: str) -> None:
        """It takes no more calls; what waited for it and no other waits for whoever comes, or is lost."""
        self._unsettled = True
        self._alarms.clear(("executor", one.id))
        for worker in one.renewing:
            self._alarms.clear(("renewal", worker))
        booting = one.state == "booting"
        if how == "draining":
            self._roster.drain(one, now, reason)
        elif how == "ending":
            self._roster.end(one, now)
        else:
            self._roster.remove(one)
        if booting:
            self._boots_changed(now)
        for call in self._placing.forsake(one.id):
            self._drop(call, now, "lost", f"worker {call.pin} is gone")
        self._serve_kind(self._placing.kind(one.kind), now)

    def _serve_kind(self, kind: Kind, now: float) -> None:
        """Calls that have lost their executor may find another one free."""
        stand = self._roster.stand(kind.name)
        while len(kind.queue) and (one := stand.fullest()) is not None:
            self._serve(one, now)

    def _boots_changed(self, now: float) -> None:
        self._calls.boots.turn(now, on=self._roster.booting > 0)

    # ── time ──

    def _ring(self, now: float) -> None:
        self._unsettled = True
        for what, id_ in self._alarms.due(now):
            match what:
                case "deadline":
                    self._late(self._calls[id_], now)
                case "patience":
                    self._impatient(self._calls[id_], now)
                case "executor":
                    self._clock_of(id_, now)
                case "renewal":
                    one = self._roster.of_worker(id_)
                    if one is not None and one.state == "ready":
                        sentence = f"a worker's place was not filled again within {self._spec.boot_timeout:g} s"
                        self._placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=sentence)
                        self._dismiss(one, now, sentence)
        self._growth.expire(now)

    def _clock_of(self, id_: str, now: float) -> None:
        one = self._roster.get(id_)
        if one is None:
            return
        lifetime = f"its max_lifetime of {self._spec.max_lifetime:g} s is over"
        if one.state == "booting":
            self._abandon(one, now, f"the executor was not ready within {self._spec.boot_timeout:g} s")
        elif one.state == "ready":
            self._aged.add(id_)
            self._dismiss(one, now, lifetime)
            if one.calls:
                self._alarms.set(("executor", id_), now + self._spec.grace)
        elif one.state == "draining":
            for call in one.calls:
                sentence = (
                    f"executor {id_} was ended, {lifetime} and the call did not end within {self._spec.grace:g} s"
                )
                self._drop(self._calls[call], now, "lost", sentence)
            self._terminate(one, now, lifetime)

    def _next_moment(self, now: float) -> float:
        at = self._alarms.next if len(self._alarms) else None
        wake = _NEVER if at is None else at
        return min(wake, self._growth.next_moment(now, self._calls.running))

    # ── size ──

    def _settle(self, now: float) -> None:
        """Judge what may have changed: who waits in vain, who is too many, who is lacking, whether all is over."""
        self._unsettled = False
        for kind in self._placing:
            self._give_up(kind, now)
        closing = self._life != "open" and not len(self._placing)
        for one, reason in self._growth.surplus(closing=closing, running=self._calls.running):
            self._dismiss(one, now, reason)
        for executor, resources in self._growth.boots(now, self._calls.running):
            self._alarms.set(("executor", executor), now + self._spec.boot_timeout)
            self._commands.append(Boot(executor, resources))
        self._boots_changed(now)
        for one, reason in self._growth.in_the_way():
            self._terminate(one, now, reason)
        self._growth.forget_kinds(now)
        self._watching = (
            self._sizes.fickle or self._growth.pressed or self._life != "open" or self._spec.isolation == "executor"
        )
        if self._life == "closing" and not len(self._roster) and not len(self._placing):
            self._life = "closed"
            self._commands.append(Closed())

    def _give_up(self, kind: Kind, now: float) -> None:
        """After some failed boots in a row, and nothing up or coming, waiting would be for ever."""
        if not len(kind.queue) or not kind.backoff.spent or self._roster.stand(kind.name).serving:
            return
        sentence = (
            f"no executor came up, {kind.backoff.failures} boots failed in a row; the last: {kind.backoff.sentence}"
        )
        for call in kind.queue.calls():
            self._drop(call, now, "boot_failed", sentence)
        kind.backoff.told(now)

    def _resized(self, event: Resized, _now: float) -> None:
        self._spec = self._sizes.spec = event.spec
        self._placing.plain.resources = event.spec.resources
        self._unsettled = True

    def _allowed(self, event: Allowed, _now: float) -> None:
        self._sizes.allowed = event.executors
        self._unsettled = True

    def _outdated(self, event: Outdated, now: float) -> None:
        for one in self._roster:
            if one.state in ("booting", "ready"):
                self._dismiss(one, now, event.reason)

    def _close_asked(self, event: CloseAsked, now: float) -> None:
        if self._life == "closed":
            self._commands.append(Closed())  # whoever asks late waits for an answer too
            return
        self._life = "closing"
        self._sizes.closing = True
        self._unsettled = True
        if event.cancel:
            for call in self._calls.everyone():
                self._drop(call, now, "closed", "the pool was closed")
