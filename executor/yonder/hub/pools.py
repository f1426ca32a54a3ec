"""A pool's shell: feeds the pure `core.pool.Pool` with what happened and carries out what it commands.

Knows calls, clients, executors and the loop's clock; decides nothing about sizes or order.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast

import msgspec

from yonder import wire
from yonder.backends.base import BootSpec
from yonder.core import events
from yonder.core.pool import Pool
from yonder.hub.clients import Client
from yonder.hub.executors import Executor, Executors
from yonder.hub.worker import End, Worker, clock

Outcome = Literal["lost", "cancelled", "timeout", "boot_failed"]

INTERRUPT_GRACE = 5.0
"""Seconds between interrupting a call and killing its worker."""


class Surroundings(Protocol):
    """What a pool needs of the hub."""

    owner: str
    executors: Executors

    def tell(self, event: wire.Event) -> None: ...

    def changed(self) -> None: ...

    @property
    def closing(self) -> bool: ...

    @property
    def lingering(self) -> bool: ...


@dataclass(slots=True, eq=False)
class Call:
    """One call from its submission to its end. Implements worker.Task."""

    room: PoolRoom
    id: str
    client: Client
    submit: wire.Submit
    function: bytes
    run: str
    worker: Worker | None = None
    executor: str = ""
    number: int = 0
    began: float = 0.0
    told: bool = field(default=False)

    @property
    def call(self) -> str:
        return self.id

    def ended(self, end: End) -> None:
        if isinstance(end, wire.Done):
            self.room.call_ended(self, end)

    def travelled(self) -> None:
        """The worker has what it needs. Its worker's late output may name this call for long: keep the name, not the load."""
        self.function = b""
        self.submit = msgspec.structs.replace(self.submit, function_body=b"", arguments=b"")

    def asked(self, question: wire.InputAsked) -> None:
        """input() in a pool call has nobody to ask: many calls would shout at once."""
        if self.worker is not None:
            self.worker.control(wire.Typed(question.id, None))


class PoolRoom:
    """One open pool."""

    def __init__(self, spec: wire.PoolSpec, place: wire.Place, hub: Surroundings, *, kept: bool) -> None:
        self.spec = spec
        self.place = place
        self.kept = kept
        self.clients: set[Client] = set()
        self._hub = hub
        self._core = Pool(spec, prefix=hub.executors.next_id(spec.name))
        self._calls: dict[str, Call] = {}
        self._by_client: dict[tuple[int, int], Call] = {}
        self._executors: dict[str, Executor] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._held: list[str] = []
        self._count = 0
        self._closers: list[asyncio.Future[None]] = []
        self.preload: list[str] = list(spec.preload)

    # ── what happened ──

    def open(self) -> None:
        """Start keeping `min`."""
        self._feed(events.Tick(self._now()))

    @property
    def closed(self) -> bool:
        return bool(self._closers)

    def adapt(self, spec: wire.PoolSpec) -> None:
        """Another program opened the same pool with other wishes: sizes change now, the rest for executors to come."""
        self.spec = spec
        self.preload = list(dict.fromkeys([*self.preload, *spec.preload]))
        self._feed(events.Resized(self._now(), spec))

    def move(self, place: wire.Place) -> None:
        """Calls run there from here on; an executor of the old place ends what it holds and goes."""
        if place != self.place:
            self.place = place
            self._feed(
                events.Outdated(self._now(), "the Python or the folder that it was started for is another one now")
            )

    def submit(self, client: Client, message: wire.Submit) -> None:
        try:
            function = client.function(message)
        except KeyError:
            sentence = "the function of this call never arrived; submit it again"
            client.say(wire.CallDone(message.call, "lost", sentence=sentence))
            return
        self._count += 1
        call = Call(self, f"{self.spec.name}.{self._count}", client, message, function, client.run)
        self._calls[call.id] = call
        self._by_client[id(client), message.call] = call
        now = self._now()
        if self._hub.closing:
            self._drop(events.Drop(call.id, "closed", "queued", "the window is closing: nothing new is started"))
            return
        self._feed(
            events.Submitted(
                now, call.id, now + message.options.timeout if message.options and message.options.timeout else None
            )
        )

    def cancel(self, client: Client, number: int) -> None:
        call = self._by_client.get((id(client), number))
        if call is not None:
            self._feed(events.CancelAsked(self._now(), call.id))

    def forsaken(self, client: Client) -> None:
        """The client is gone: nobody waits for its calls any more."""
        self.clients.discard(client)
        for call in [call for call in self._calls.values() if call.client is client]:
            self._feed(events.CancelAsked(self._now(), call.id))

    def call_ended(self, call: Call, done: wire.Done) -> None:
        outcome = "ok" if done.ok else "error"
        call.client.say(
            wire.CallDone(
                call.submit.call, "ok" if done.ok else "error", done.body, done.failure, executor=call.executor
            )
        )
        summary = done.summary if done.ok or done.failure is None else f"{done.failure.type}: {done.failure.message}"
        self._tell_end(call, outcome, summary)
        self._forget(call)
        self._idle(call.executor)
        self._feed(events.CallOver(self._now(), call.id))

    def up(self, executor: Executor) -> None:
        self._feed(events.Booted(self._now(), executor.id, tuple(executor.workers)))

    def boot_failed(self, executor: Executor, sentence: str) -> None:
        self._executors.pop(executor.id, None)
        self._hub.tell(wire.Phase("", "boot failed", clock(), sentence))
        self._feed(events.BootBroke(self._now(), executor.id, sentence))

    def falling(self, executor: Executor) -> None:
        self._feed(events.Falling(self._now(), executor.id))

    def down(self, executor: Executor, report: wire.ExitReport, sentence: str) -> None:
        executor.report = report
        self._feed(events.ExecutorGone(self._now(), executor.id, sentence))
        self._executors.pop(executor.id, None)
        for call in [call for call in self._calls.values() if call.executor == executor.id]:
            self._forget(call)  # its caller was told before: it was cancelled or late, and its worker had still to stop

    async def close(self, *, cancel: bool) -> None:
        """Returns when the last executor is gone."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closers.append(waiter)
        self._feed(events.CloseAsked(self._now(), cancel))
        await waiter

    def state(self) -> wire.PoolState:
        pool = self._core
        return wire.PoolState(
            name=self.spec.name,
            backend=self.spec.backend,
            executors=pool.executors,
            booting=pool.booting,
            busy=pool.busy,
            max=self.spec.max,
            queued=pool.queued,
            why=pool.why,
        )

    # ── what is commanded ──

    def _feed(self, event: events.Event) -> None:
        pending = self._core.step(event)
        for command in pending:
            self._carry_out(command)
        self._wake_at(self._core.next_wake)
        self._hub.changed()

    def _carry_out(self, command: events.Command) -> None:
        match command:
            case events.Boot(executor=name) if self._hub.lingering or self._hub.closing:
                self._held.append(name)  # the window may be reloading: nothing new is started until it is back
            case events.Boot(executor=name):
                self._boot(name)
            case events.Terminate(executor=name, reason=reason):
                if name in self._held:
                    self._held.remove(name)
                if (executor := self._executors.get(name)) is not None:
                    self._hub.executors.end(executor, reason)
                else:
                    asyncio.get_running_loop().call_soon(
                        self._feed, events.ExecutorGone(self._now(), name, "it never existed")
                    )
            case events.Assign(call=call, executor=executor, worker=worker):
                self._assign(self._calls[call], self._executors[executor], worker)
            case events.StopCall(call=call, worker=worker):
                self._stop(worker)
            case events.Drop():
                self._drop(command)
            case events.Renew() | events.Retry():
                pass  # not commanded yet
            case events.Closed():
                for waiter in self._closers:
                    if not waiter.done():
                        waiter.set_result(None)

    def _boot(self, executor: str) -> None:
        self._executors[executor] = self._hub.executors.boot(self._boot_spec(executor), self)

    def resume(self) -> None:
        """The window is back: start what had to wait."""
        held, self._held = self._held, []
        for executor in held:
            self._boot(executor)

    def _boot_spec(self, executor: str) -> BootSpec:
        share = max(1, (os.cpu_count() or 1) // max(1, min(self.spec.max, os.cpu_count() or 1)))
        return BootSpec(
            executor=executor,
            owner=self._hub.owner,
            kind="pool",
            workers=self._hub.executors.worker_ids(executor, self.spec.concurrency),
            place=self.place,
            pool=self.spec,
            preload=self.preload,
            threads=share,
        )

    def _assign(self, call: Call, executor: Executor, worker_id: str) -> None:
        worker = executor.workers[worker_id]
        call.worker, call.executor, call.began = worker, executor.id, clock()
        call.number = worker.start(call)
        known = call.submit.function in worker.functions
        worker.functions.add(call.submit.function)
        worker.say(wire.Call(call.number, call.submit.function, b"" if known else call.function, call.submit.arguments))
        call.travelled()
        self._hub.executors.busy(executor, True)
        call.client.say(wire.CallPhase(call.submit.call, "running"))
        call.told = True
        self._hub.tell(wire.CallStarted(call.run, call.id, call.submit.label, self.spec.name, executor.id, call.began))

    def _stop(self, worker_id: str) -> None:
        worker = self._hub.executors.workers.get(worker_id)
        task = worker.task if worker else None
        if worker is None or task is None:
            return
        interrupting = asyncio.get_running_loop().create_task(worker.interrupt(task))
        interrupting.add_done_callback(lambda done: done.cancelled() or done.exception())
        asyncio.get_running_loop().call_later(INTERRUPT_GRACE, self._kill_if_still, worker, task, interrupting)

    def _kill_if_still(self, worker: Worker, task: object, interrupting: asyncio.Task[str]) -> None:
        interrupting.cancel()
        if worker.alive and worker.task is task:
            self._hub.executors.kill(worker)

    def _drop(self, drop: events.Drop) -> None:
        call = self._calls.get(drop.call)
        if call is None:
            return
        report = None
        sentence = drop.sentence
        if drop.outcome == "lost":
            executor = self._executors.get(call.executor)
            report = executor.report if executor else wire.ExitReport()
            sentence = f"executor {call.executor} {report.sentence()} while it ran {call.submit.label or 'a call'}"
        outcome = cast("Outcome", "cancelled" if drop.outcome == "closed" else drop.outcome)
        call.client.say(
            wire.CallDone(
                call.submit.call, outcome, report=report, sentence=sentence, phase=drop.phase, executor=call.executor
            )
        )
        self._tell_end(call, outcome, sentence.partition("\n")[0])
        if drop.phase != "running" or drop.outcome == "lost":
            self._forget(call)

    def _tell_end(self, call: Call, outcome: str, summary: str) -> None:
        """Once per call, and only of those whose start was told."""
        if call.told:
            call.told = False
            now = clock()
            self._hub.tell(wire.CallEnded(call.run, call.id, outcome, summary, now, now - call.began))

    # ── small things ──

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.id, None)
        self._by_client.pop((id(call.client), call.submit.call), None)

    def _idle(self, executor: str) -> None:
        if (found := self._executors.get(executor)) is not None:
            self._hub.executors.busy(found, any(worker.task is not None for worker in found.workers.values()))

    def _wake_at(self, when: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None:
            delay = max(0.0, when - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(events.Tick(self._now()))

    def stop_timer(self) -> None:
        self._wake_at(None)

    @staticmethod
    def _now() -> float:
        return time.monotonic()
