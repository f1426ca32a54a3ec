"""One pool: calls, executors and the queue between them. Events go in, commands come out; time is in the event.

This file knows neither processes nor functions: a call is its id, an executor its id and the ids of its workers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, assert_never

from yonder.core.alarms import Alarms
from yonder.core.backoff import Backoff
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
    Resized,
    StopCall,
    Submitted,
    Terminate,
    Tick,
    Unrepeatable,
    WorkerGone,
    WorkerRenewed,
)
from yonder.core.roster import Executor, Roster
from yonder.core.scaling import Bounds, Demand, size, wanted
from yonder.wire import PoolSpec

# ── the machine ───────────────────────────────────────────────────────────────────────────────────────────────────────

CRASHED_EARLY = 5.0
"""An executor that dies unasked within these seconds and never held a call counts as a boot that did not work."""


@dataclass(slots=True)
class _Call:
    """A call that is not over. `since` is when it was submitted, then when it was assigned; `waited` the time between.

    waiting: in the queue. running: on an executor. stopping: its caller was told its end, its worker is still busy.
    """

    id: str
    since: float
    state: Literal["waiting", "running", "stopping"] = "waiting"
    executor: str = ""
    waited: float = 0.0


class Pool:
    """The state. `step` changes it in place; each event costs the same with one executor or ten thousand.

    Every submitted call has exactly one end: CallOver (its result was delivered) or Drop. Events about calls and
    executors that are not known (any more) are normal and change nothing. BootBroke means that nothing runs under that
    id. Between events the shell must send a Tick when `next_wake` comes.
    """

    def __init__(self, spec: PoolSpec, *, prefix: str) -> None:
        self._spec = spec
        self._prefix = prefix
        self._least, self._most = min(spec.min, spec.max), spec.max
        self._counter = 0
        self._now = float("-inf")
        self._calls: dict[str, _Call] = {}
        self._queue: OrderedDict[str, _Call] = OrderedDict()
        self._running = 0
        self._roster = Roster()
        self._deadlines = Alarms()
        self._clocks = Alarms()  # per executor: while booting its boot timeout, while idle the end of its idle time
        self._stale: OrderedDict[str, Executor] = OrderedDict()  # idle for long enough, kept only because of min
        self._backoff = Backoff()
        self._life: Literal["open", "closing", "closed"] = "open"
        self._commands: list[Command] = []

    # ── what can be read ──

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def executors(self) -> int:
        """All that may exist: booting, ready, and on their way out."""
        return len(self._roster)

    @property
    def booting(self) -> int:
        return self._roster.count("booting")

    @property
    def busy(self) -> int:
        return self._roster.busy

    @property
    def idle(self) -> int:
        return self._roster.idle

    @property
    def closed(self) -> bool:
        """Closed has been said."""
        return self._life == "closed"

    @property
    def next_wake(self) -> float | None:
        """When the next Tick is needed at the latest; None when only events can change anything.

        A new pool that keeps executors (min > 0) wants its first Tick at once: the moment is minus infinity.
        """
        moments = [at for at in (self._deadlines.next, self._clocks.next) if at is not None]
        if self._lacking() > 0 and not self._holding():
            moments.append(self._now if self._backoff.not_before is None else self._backoff.not_before)
        return min(moments, default=None)

    @property
    def why(self) -> str:
        """Why the pool has the size it has."""
        if self._life != "open":
            return "the pool is closing" if self._life == "closing" else "the pool is closed"
        sentence = wanted(*self._question()).why
        if self._backoff.failures and self._lacking() > 0:
            return f"{sentence}; the last boot failed ({self._backoff.sentence}), the next one follows after a pause"
        return sentence

    # ── the step ──

    def step(self, event: Event) -> list[Command]:
        """Take one event; the commands are to be carried out in their order."""
        now = self._now = max(self._now, event.at)
        self._apply(event, now)
        for call in self._deadlines.due(now):
            self._late(self._calls[call], now)
        self._assign(now)
        self._judge_clocks(now)
        self._give_up(now)
        self._shrink(now)
        self._grow(now)
        self._finish_closing()
        commands, self._commands = self._commands, []
        return commands

    def _apply(self, event: Event, now: float) -> None:
        match event:
            case Submitted():
                self._submitted(event, now)
            case CancelAsked():
                if (call := self._calls.get(event.call)) is not None:
                    self._drop(call, now, "cancelled", "the call was cancelled")
            case Booted():
                self._booted(event, now)
            case BootBroke():
                self._boot_broke(event.executor, now, event.sentence)
            case CallOver():
                self._over(event.call, now)
            case ExecutorGone():
                self._gone(event, now)
            case Falling():
                self._falling(event.executor, now)
            case Refused():
                if (call := self._calls.get(event.call)) is not None and call.state == "waiting":
                    self._drop(call, now, event.outcome, event.sentence)
            case Resized(spec=spec):
                self._spec = spec
                self._least, self._most = min(spec.min, spec.max), spec.max
            case Outdated():
                self._replace(now, event.reason)
            case CloseAsked():
                self._close(now, cancel=event.cancel)
            case WorkerGone():
                self._falling(event.executor, now)
            case WorkerRenewed() | Unrepeatable() | Allowed() | Tick():
                return
            case _:
                assert_never(event)

    # ── calls ──

    def _submitted(self, event: Submitted, now: float) -> None:
        if event.call in self._calls:
            raise ValueError(f"call {event.call!r} is in this pool already")
        if self._life != "open":
            self._commands.append(Drop(event.call, "closed", "queued", "the pool is closed"))
            return
        if not self._queue and not self._roster.serving and self._backoff.spent:
            self._backoff.retry(now)  # old failures are no verdict over a new call: it gets its own try
        call = self._calls[event.call] = self._queue[event.call] = _Call(event.call, now)
        if event.deadline is not None:
            self._deadlines.set(call.id, event.deadline)

    def _assign(self, now: float) -> None:
        """First come, first served."""
        while self._queue and (executor := self._roster.fullest_open()) is not None:
            _, call = self._queue.popitem(last=False)
            self._stale.pop(executor.id, None)
            self._clocks.clear(executor.id)
            worker = self._roster.take(executor, call.id)
            call.state, call.executor = "running", executor.id
            call.waited, call.since = now - call.since, now
            self._running += 1
            self._commands.append(Assign(call.id, executor.id, worker))

    def _over(self, id_: str, now: float) -> None:
        call = self._calls.get(id_)
        if call is None or call.state == "waiting":
            return
        self._forget(call)
        executor = self._roster.get(call.executor)
        if executor is None:  # cannot be: a call ends with its executor
            return
        self._roster.release(executor, call.id, now)
        if executor.calls:
            return
        if executor.state == "draining":
            self._terminate(executor, now, "its last call is over and the pool shrinks")
        else:
            self._clocks.set(executor.id, now + self._spec.idle_timeout)

    def _late(self, call: _Call, now: float) -> None:
        if call.state == "running":
            spent = f"{call.waited:.1f} s waiting, {now - call.since:.1f} s running"
        else:
            spent = f"{now - call.since:.1f} s waiting for {'an executor to boot' if self.booting else 'a free worker'}"
        self._drop(call, now, "timeout", f"the call's deadline passed while it was {self._phase(call)}: {spent}")

    def _drop(self, call: _Call, now: float, outcome: Outcome, sentence: str) -> None:
        """The call's caller is told its end now. A running one keeps its worker until that says that it is free."""
        if call.state == "stopping":
            return
        self._commands.append(Drop(call.id, outcome, self._phase(call), sentence))
        if call.state == "waiting":
            self._forget(call)
            return
        call.state, call.since = "stopping", now
        self._deadlines.clear(call.id)
        executor = self._roster.get(call.executor)
        if executor is not None:
            self._commands.append(StopCall(call.id, executor.calls[call.id]))

    def _phase(self, call: _Call) -> Phase:
        if call.state != "waiting":
            return "running"
        return "booting" if self.booting else "queued"

    def _forget(self, call: _Call) -> None:
        del self._calls[call.id]
        self._deadlines.clear(call.id)
        if call.state == "waiting":
            del self._queue[call.id]
        else:
            self._running -= 1

    # ── executors ──

    def _booted(self, event: Booted, now: float) -> None:
        executor = self._roster.get(event.executor)
        if executor is None or executor.state != "booting":
            return
        if not event.workers:
            self._abandon(executor, now, "it came up without a worker")
            return
        self._backoff.worked()
        self._roster.ready(executor, now, event.workers)
        self._clocks.set(executor.id, now + self._spec.idle_timeout)

    def _boot_broke(self, id_: str, now: float, sentence: str) -> None:
        executor = self._roster.get(id_)
        if executor is None or executor.state not in ("booting", "ending"):
            return
        if executor.state == "booting":
            self._backoff.failed(now, begun=executor.since, sentence=sentence)
        self._remove(executor)

    def _falling(self, id_: str, now: float) -> None:
        executor = self._roster.get(id_)
        if executor is None or executor.state != "ready":
            return
        self._judge_early_end(executor, now, "a worker died")
        self._clocks.clear(id_)
        self._stale.pop(id_, None)
        if executor.calls:
            self._roster.drain(executor, now)
        else:
            self._roster.ending(executor, now)

    def _judge_early_end(self, executor: Executor, now: float, sentence: str) -> None:
        """One that was ready for a moment and never worked has not really come up."""
        if executor.state == "ready" and not executor.worked and now - executor.since < CRASHED_EARLY:
            self._backoff.failed(now, begun=executor.since, sentence=sentence)

    def _gone(self, event: ExecutorGone, now: float) -> None:
        executor = self._roster.get(event.executor)
        if executor is None:
            return
        sentence = event.sentence or "the executor is gone"
        for id_ in executor.calls:
            call = self._calls[id_]
            if call.state == "running":
                self._commands.append(Drop(id_, "lost", "running", sentence))
            self._forget(call)
        if executor.state == "booting":
            self._backoff.failed(now, begun=executor.since, sentence=sentence)
        self._judge_early_end(executor, now, sentence)
        self._remove(executor)
        if executor.worked and not self._roster.serving:
            self._backoff.retry(now)  # the last one died at work: whoever waits gets a new one at once

    def _remove(self, executor: Executor) -> None:
        self._roster.remove(executor)
        self._clocks.clear(executor.id)
        self._stale.pop(executor.id, None)

    def _terminate(self, executor: Executor, now: float, reason: str) -> None:
        self._clocks.clear(executor.id)
        self._stale.pop(executor.id, None)
        self._roster.ending(executor, now)
        self._commands.append(Terminate(executor.id, reason))

    def _abandon(self, executor: Executor, now: float, sentence: str) -> None:
        """A boot that we stop believing in."""
        self._backoff.failed(now, begun=executor.since, sentence=sentence)
        self._terminate(executor, now, sentence)

    def _judge_clocks(self, now: float) -> None:
        for id_ in self._clocks.due(now):
            executor = self._roster.get(id_)
            if executor is not None and executor.state == "booting":
                self._abandon(executor, now, f"the executor was not ready within {self._spec.boot_timeout:g} s")
            elif executor is not None:
                self._stale[id_] = executor
        while self._stale and self._roster.count("ready") > self._least:
            _, executor = self._stale.popitem(last=False)
            self._terminate(executor, now, f"idle for {self._spec.idle_timeout:g} s")

    # ── size ──

    def _question(self) -> tuple[Demand, Bounds]:
        demand = Demand(len(self._queue), self._running, self._roster.count("ready"), self.booting)
        least = self._least if self._life == "open" else 0
        return demand, Bounds(least, self._most, self._spec.concurrency)

    def _lacking(self) -> int:
        """How many could be booted now, as far as want and room go. Those on their way out still take their room."""
        return min(size(*self._question()) - self._roster.serving, self._most - len(self._roster))

    def _holding(self) -> bool:
        """Enough boots failed in a row: no more until those under way have ended, then those who wait are told."""
        return self._backoff.spent and self.booting > 0

    def _grow(self, now: float) -> None:
        if self._backoff.blocks(now) or self._holding():
            return
        for _ in range(self._lacking()):
            self._counter += 1
            executor = self._roster.add(f"{self._prefix}-{self._counter}", now)
            self._clocks.set(executor.id, now + self._spec.boot_timeout)
            self._commands.append(Boot(executor.id, self._spec.resources))

    def _give_up(self, now: float) -> None:
        """After some failed boots in a row, and nothing up or coming, waiting would be for ever."""
        if not self._queue or not self._backoff.spent or self._roster.serving:
            return
        sentence = (
            f"no executor came up, {self._backoff.failures} boots failed in a row; the last: {self._backoff.sentence}"
        )
        for call in list(self._queue.values()):
            self._commands.append(Drop(call.id, "boot_failed", "booting", sentence))
            self._forget(call)
        self._backoff.told(now)

    def _shrink(self, now: float) -> None:
        """Only a smaller max and the end shrink by force; the newest boots go first, then idle ones, then busy ones."""
        if self._life != "open" and not self._queue:
            excess, reason = self._roster.serving, "the pool is closed"
        else:
            excess, reason = self._roster.serving - self._most, f"the pool's max is now {self._most}"
        if excess <= 0:
            return
        for executor in [*reversed(self._roster.booting_ones()), *self._roster.idle_ones()][:excess]:
            self._terminate(executor, now, reason)
            excess -= 1
        for executor in self._roster.ready_and_busy()[:excess]:
            self._roster.drain(executor, now)

    def _replace(self, now: float, reason: str) -> None:
        for executor in [*self._roster.booting_ones(), *self._roster.idle_ones()]:
            self._terminate(executor, now, reason)
        for executor in self._roster.ready_and_busy():
            self._roster.drain(executor, now)

    # ── the end ──

    def _close(self, now: float, *, cancel: bool) -> None:
        if self._life == "closed":
            self._commands.append(Closed())  # whoever asks late waits for an answer too
            return
        self._life = "closing"
        if cancel:
            for call in list(self._calls.values()):
                self._drop(call, now, "closed", "the pool was closed")

    def _finish_closing(self) -> None:
        if self._life == "closing" and not len(self._roster) and not self._queue:
            self._life = "closed"
            self._commands.append(Closed())
