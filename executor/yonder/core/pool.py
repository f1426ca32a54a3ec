"""One pool: calls, executors and the queue between them. Events go in, commands come out; time is in the event.

    event ─▶ what it changes ─▶ what is due by now ─▶ sizes, where something changed them ─▶ commands

This file says what each event means, in moves of the `floor`. Who waits for whom is `placing`, which executors there are
`roster`, how many there should be `sizes` and `growth`, what has become of a call `calls`, what can be read `facts`. It
knows neither processes nor functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yonder.core.backoff import Backoff, steady
from yonder.core.calls import Call, spell
from yonder.core.events import (
    Allowed,
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
    Held,
    Kept,
    Outdated,
    Progress,
    Refused,
    Resized,
    Submitted,
    Tick,
    Unrepeatable,
    WorkerGone,
    WorkerRenewed,
    WorkerStale,
)
from yonder.core.facts import NEVER, Facts
from yonder.core.floor import Floor
from yonder.core.placing import Kind
from yonder.core.scaling import Strategy
from yonder.wire import PoolSpec, Resources

DEATHS = 3
"""So many workers of one executor that die in a row without ever having held a call say that it is of no use."""


class Pool(Facts):
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
        super().__init__(Floor(spec, prefix, strategy, jitter), float("-inf") if spec.min > 0 else NEVER)
        self._calls = self._floor.calls
        self._roster = self._floor.roster
        self._placing = self._floor.placing
        self._sizes = self._floor.sizes
        self._growth = self._floor.growth
        self._alarms = self._floor.alarms
        self._jitter = jitter
        self._now = float("-inf")
        self._count = 0
        self._handlers: dict[type[Any], Callable[[Any, float], None]] = {
            Submitted: self._submitted,
            CallOver: self._over,
            CancelAsked: self._cancel_asked,
            Refused: self._refused,
            Unrepeatable: self._unrepeatable,
            Booted: self._booted,
            Held: self._held,
            Progress: self._progress,
            BootBroke: self._boot_broke,
            WorkerGone: self._worker_gone,
            WorkerRenewed: self._worker_renewed,
            WorkerStale: self._worker_stale,
            Kept: self._kept,
            ExecutorGone: self._executor_gone,
            Falling: self._falling,
            Resized: self._resized,
            Allowed: self._allowed,
            Outdated: self._outdated,
            CloseAsked: self._close_asked,
            Tick: self._tick,
        }

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
        while self._floor.unsettled:
            self._settle(now)
        self._wake = self._next_moment(now)
        commands, self._floor.commands = self._floor.commands, []
        return commands

    def _tick(self, _event: Tick, _now: float) -> None:
        self._floor.unsettled = True

    # ── calls ──

    def _submitted(self, event: Submitted, now: float) -> None:
        if self._calls.get(event.call) is not None:
            raise ValueError(f"call {event.call!r} is in this pool already")
        if self._life != "open":
            self._floor.commands.append(Drop(event.call, "closed", "queued", "the pool is closed"))
            return
        resources = event.resources
        kind = "" if resources is None or resources == self._sizes.spec.resources else self._kind(resources)
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
        self._floor.place(call, now)
        if call.state == "waiting" and call.queue is not None:
            self._queued(call, now)

    def _queued(self, call: Call, now: float) -> None:
        """A new call has to wait: may it?"""
        limit = self._sizes.spec.queue_limit
        if limit and self._placing.length > limit:
            self._floor.drop(
                call,
                now,
                "queue_full",
                f"{limit} calls wait already (queue_limit = {limit}): submit more slowly, or raise it or max",
            )
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

    def _over(self, event: CallOver, now: float) -> None:
        call = self._calls.get(event.call)
        if call is None or call.state == "waiting":
            return
        if call.state == "running":
            self._calls.done += 1
        self._floor.forget(call)
        one = self._roster.get(call.executor)
        if one is not None:  # cannot be: a call ends with its executor
            self._floor.vacate(one, call, now)

    def _cancel_asked(self, event: CancelAsked, now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None:
            self._floor.drop(call, now, "cancelled", "the call was cancelled")

    def _refused(self, event: Refused, now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None and call.state == "waiting":
            self._floor.drop(call, now, event.outcome, event.sentence)

    def _unrepeatable(self, event: Unrepeatable, _now: float) -> None:
        call = self._calls.get(event.call)
        if call is not None:
            call.repeatable = False

    def _late(self, call: Call, now: float) -> None:
        phase, spent = self._calls.phase(call), spell(self._calls.times(call, now))
        self._floor.drop(call, now, "timeout", f"the call's deadline passed while it was {phase}: {spent}")

    def _impatient(self, call: Call, now: float) -> None:
        spent = spell(self._calls.times(call, now))
        self._floor.drop(call, now, "timeout", f"no worker was free within the call's queue_timeout: {spent}")

    # ── executors ──

    def _booted(self, event: Booted, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "booting":
            return
        if not event.workers:
            self._floor.give_up_on(one, now, "it came up without a worker")
            return
        self._alarms.clear(("executor", one.id))
        if self._sizes.spec.max_lifetime:
            self._alarms.set(("executor", one.id), now + self._sizes.spec.max_lifetime)
        self._roster.up(one, now, event.workers)
        self._floor.boots_changed(now)
        self._floor.unsettled = True
        self._floor.serve(one, now)

    def _held(self, event: Held, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "booting":
            return
        self._roster.hold(one, event.sentence)
        if event.sentence:
            self._alarms.clear(("executor", one.id))
        else:
            self._alarms.set(("executor", one.id), now + self._sizes.spec.boot_timeout)
        self._floor.unsettled = True

    def _progress(self, event: Progress, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is not None:
            one.progress = event.sentence

    def _boot_broke(self, event: BootBroke, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state not in ("booting", "ending"):
            return
        if one.state == "booting":
            self._placing.kind(one.kind).backoff.failed(now, begun=one.born, sentence=event.sentence, final=event.final)
        self._floor.remove(one, now)

    def _worker_gone(self, event: WorkerGone, now: float) -> None:
        one = self._roster.get(event.executor)
        worker = event.worker
        if one is None:
            return
        one.kept.discard(worker)
        held = next((call for call, its in one.calls.items() if its == worker), None)
        if held is None and worker not in one.free:
            return  # it is being replaced, or nobody knows it
        sentence = event.sentence or "the worker is gone"
        early = worker in one.unproven
        if held is not None:
            self._roster.release(one, held, now, free=False)
        if one.state == "ready":
            one.deaths = one.deaths + 1 if early else 0
            self._floor.renew(one, worker, now)
            if one.deaths >= DEATHS:
                row = f"{DEATHS} of its workers died in a row before any call; the last {sentence}"
                self._floor.give_up_on(one, now, row)
        elif one.state == "draining" and not one.calls:
            self._floor.terminate(one, now, one.reason)
        if held is not None:
            self._floor.lose(self._calls[held], now, sentence)
        self._floor.unsettled = True

    def _worker_renewed(self, event: WorkerRenewed, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "ready" or event.old not in one.renewing:
            return
        self._alarms.clear(("renewal", event.old))
        self._roster.renewed(one, event.old, event.worker, now)
        if self._floor.watching:
            self._floor.unsettled = True
        if self._placing.length:
            self._floor.serve(one, now)

    def _worker_stale(self, event: WorkerStale, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None:
            return
        call = self._calls.get(event.call) if one.calls.get(event.call) == event.worker else None
        if call is not None:
            self._roster.release(one, call.id, now, free=False)
        elif event.call or event.worker not in one.free:
            return  # it has a call by now, and says the same of that one; or nobody knows it
        if one.state == "ready":
            self._floor.renew(one, event.worker, now)
        elif one.state == "draining" and not one.calls:
            self._floor.terminate(one, now, one.reason)
        if call is not None:
            self._floor.give_back(call, now, event.hopeless)
        self._floor.unsettled = True

    def _kept(self, event: Kept, _now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None:
            return
        if not event.on:
            one.kept.discard(event.worker)
            self._floor.unsettled = True  # it may have been idle for long
        elif one.state == "booting" or self._roster.serves(one, event.worker):
            one.kept.add(event.worker)

    def _falling(self, event: Falling, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None or one.state != "ready":
            return
        self._floor.judge_end(one, now, "a worker died")
        self._floor.leaves(one, now, "draining" if one.calls else "ending", "a worker of it died")

    def _executor_gone(self, event: ExecutorGone, now: float) -> None:
        one = self._roster.get(event.executor)
        if one is None:
            return
        sentence = event.sentence or "the executor is gone"
        backoff = self._placing.kind(one.kind).backoff
        if one.state == "booting":
            backoff.failed(now, begun=one.born, sentence=sentence)
        self._floor.judge_end(one, now, sentence)
        self._floor.remove(one, now)
        for id_ in one.calls:
            self._floor.lose(self._calls[id_], now, sentence)
        if one.worked and not self._roster.stand(one.kind).serving:
            backoff.retry(now)  # the last one died at work: whoever waits gets a new one at once

    # ── time ──

    def _ring(self, now: float) -> None:
        self._floor.unsettled = True
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
                        sentence = f"a worker's place was not filled again within {self._sizes.spec.boot_timeout:g} s"
                        self._floor.give_up_on(one, now, sentence)
        self._growth.expire(now)

    def _clock_of(self, id_: str, now: float) -> None:
        one = self._roster.get(id_)
        if one is None:
            return
        lifetime = f"its max_lifetime of {self._sizes.spec.max_lifetime:g} s is over"
        if one.state == "booting":
            far = f": {one.progress}" if one.progress else ""
            self._floor.give_up_on(
                one, now, f"the executor was not ready within {self._sizes.spec.boot_timeout:g} s{far}"
            )
        elif id_ not in self._floor.aged:
            self._floor.aged.add(id_)
            self._floor.dismiss(one, now, lifetime)
            if one.calls:
                self._alarms.set(("executor", id_), now + self._sizes.spec.grace)
        else:
            for call in one.calls:
                sentence = (
                    f"executor {id_} was ended, {lifetime} and the call did not end within {self._sizes.spec.grace:g} s"
                )
                self._floor.drop(self._calls[call], now, "lost", sentence)
            self._floor.terminate(one, now, lifetime)

    def _next_moment(self, now: float) -> float:
        at = self._alarms.next if len(self._alarms) else None
        wake = NEVER if at is None else at
        return min(wake, self._growth.next_moment(now, self._calls.running))

    # ── size ──

    def _settle(self, now: float) -> None:
        """Judge what may have changed: who waits in vain, who is too many, who is lacking, whether all is over."""
        self._floor.unsettled = False
        for kind in self._placing:
            self._give_up(kind, now)
        closing = self._life != "open" and not self._placing.length
        for one, reason in self._growth.surplus(closing=closing, running=self._calls.running):
            self._floor.dismiss(one, now, reason)
        for executor, resources in self._growth.boots(now, self._calls.running):
            self._alarms.set(("executor", executor), now + self._sizes.spec.boot_timeout)
            self._floor.commands.append(Boot(executor, resources))
        self._floor.boots_changed(now)
        for one, reason in self._growth.in_the_way():
            self._floor.terminate(one, now, reason)
        self._growth.forget_kinds(now)
        self._floor.watching = (
            self._sizes.fickle
            or self._growth.pressed
            or self._life != "open"
            or self._sizes.spec.isolation == "executor"
        )
        if self._life == "closing" and not len(self._roster) and not self._placing.length:
            self._life = "closed"
            self._floor.commands.append(Closed())

    def _give_up(self, kind: Kind, now: float) -> None:
        """After some failed boots in a row, and nothing up or coming, waiting would be for ever."""
        if not len(kind.queue) or not kind.backoff.spent or self._roster.stand(kind.name).serving:
            return
        sentence = kind.backoff.sentence
        if not kind.backoff.final:
            sentence = f"no executor came up, {kind.backoff.failures} boots failed in a row; the last: {sentence}"
        for call in kind.queue.calls():
            self._floor.drop(call, now, "boot_failed", sentence)
        kind.backoff.told(now)

    def _resized(self, event: Resized, now: float) -> None:
        others = event.spec.resources != self._sizes.spec.resources
        self._sizes.spec = event.spec
        self._placing.plain.resources = event.spec.resources
        self._floor.unsettled = True
        if others:
            self._dismiss_all(now, "the pool's resources are others now", plain=True)

    def _allowed(self, event: Allowed, _now: float) -> None:
        self._sizes.allowed = event.executors
        self._floor.unsettled = True

    def _outdated(self, event: Outdated, now: float) -> None:
        self._dismiss_all(now, event.reason, plain=False)

    def _dismiss_all(self, now: float, reason: str, *, plain: bool) -> None:
        """All executors, or those of the pool's own kind, make room for others."""
        for one in self._roster:
            if one.state in ("booting", "ready") and not (plain and one.kind):
                self._floor.dismiss(one, now, reason)

    def _close_asked(self, event: CloseAsked, now: float) -> None:
        if self._life == "closed":
            self._floor.commands.append(Closed())  # whoever asks late waits for an answer too
            return
        self._life = "closing"
        self._sizes.closing = True
        self._floor.unsettled = True
        if event.cancel:
            for call in self._calls.everyone():
                self._floor.drop(call, now, "closed", "the pool was closed")
