"""A pool's shell: feeds the pure `core.pool.Pool` with what happened and carries out what it commands.

Knows calls, clients, executors and the loop's clock; decides nothing about sizes or order. What a call is, what a broadcast
is and who watches are other nouns (`calls`, `broadcasts`, `watchers`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Protocol

from yonder import wire
from yonder.core import events
from yonder.core.budget import Claim
from yonder.core.pool import Pool
from yonder.core.scaling import Strategy
from yonder.hub import staff
from yonder.hub.allowances import Allowances, gpus_of
from yonder.hub.calls import KINDS, Call, Order, Say, held_by
from yonder.hub.clients import Client
from yonder.hub.deadlocks import Deadlocks
from yonder.hub.drive import Drive, now
from yonder.hub.executor import Executor
from yonder.hub.freshness import Freshness
from yonder.hub.keeps import Keeps, Tally
from yonder.hub.objects import Objects
from yonder.hub.rites import Rites
from yonder.hub.staff import Staff
from yonder.hub.watchers import Watchers
from yonder.hub.worker import Worker, clock, named
from yonder.snapshot import version

PROMPT = 0.01
"""Seconds of waiting below which it is not told apart what a call waited for."""


class Surroundings(staff.Surroundings, Protocol):
    """What a pool needs of the hub."""

    keeps: Keeps
    allowances: Allowances
    deadlocks: Deadlocks

    def changed(self) -> None: ...


class PoolRoom:
    """One open pool. Implements calls.Room, objects.Room, rites.Room and staff.Room."""

    def __init__(
        self, spec: wire.PoolSpec, place: wire.Place, hub: Surroundings, *, kept: bool, strategy: Strategy | None = None
    ) -> None:
        self.spec = spec
        self.place = place
        self.kept = kept
        self.clients: set[Client] = set()
        self.watchers = Watchers(spec.name)
        self.preload: list[str] = list(spec.preload)
        self.lost_files: list[wire.FileThere] = []  # what ended with executors and nobody had fetched
        self.told_preload = False  # a person has named what is imported ahead
        self._defaults = defaults_of(spec)
        self.needs: wire.Needs | None = None
        """What the program that opened it was written against."""
        self._hub = hub
        self._prefix = hub.executors.next_id(spec.name)
        self._core = Pool(spec, prefix=self._prefix, strategy=strategy, jitter=random.random)
        self._calls: dict[str, Call] = {}
        self.objects = Objects(self)
        self._count = 0
        self._closers: list[asyncio.Future[None]] = []
        self._allowed: int | None = None
        self._refusal = ""  # why no call begins any more
        self._library = hub.executors.library
        self._drive = Drive(self._core, self._carry_out, self._settled)
        self._fresh = Freshness(hub.executors, self.watchers, self._drive.feed)
        self.staff = Staff(self, hub, self._drive.feed, self._fresh)
        self._rites = Rites(self, hub.executors, self.staff.executors, self._fresh)

    # ── what the hub asks ──

    def open(self) -> None:
        """Start keeping `min`."""
        self._drive.feed(events.Tick(now()))

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def closed(self) -> bool:
        return bool(self._closers)

    def adapt(self, spec: wire.PoolSpec) -> None:
        """Other wishes count: sizes change now, the rest for calls and executors to come."""
        if (spec.min, spec.max, spec.buffer) != (self.spec.min, self.spec.max, self.spec.buffer):
            self.watchers.tell("resized", sentence=f"min {spec.min}, max {spec.max}, buffer {spec.buffer}")
        self.spec = spec
        self.preload = list(dict.fromkeys([*self.preload, *spec.preload]))
        self._defaults = defaults_of(spec)
        self._drive.feed(events.Resized(now(), spec))

    def move(self, place: wire.Place) -> None:
        """Calls run there from here on; an executor of the old place ends what it holds and goes."""
        if place != self.place:
            self.place = place
            reason = "the Python or the folder that it was started for is another one now"
            self.watchers.tell("outdated", sentence=reason)
            self._drive.feed(events.Outdated(now(), reason))

    def left(self) -> None:
        """The last client of a pool that stays has gone: what it wished for workers to come goes with it."""
        self._rites.clear()
        self._fresh.spoken_of(b"")

    async def close(self, *, cancel: bool) -> None:
        """Returns when the last executor is gone."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closers.append(waiter)
        self._drive.feed(events.CloseAsked(now(), cancel))
        await waiter

    def resume(self) -> None:
        """The window is back: start what had to wait."""
        self.staff.resume()

    def stop_timer(self) -> None:
        """Nothing more happens by itself."""
        self._drive.stop()

    def state(self) -> wire.PoolState:
        """The pool in figures, and why it has this size."""
        pool = self._core
        return wire.PoolState(
            name=self.spec.name,
            backend=self.spec.backend,
            executors=pool.executors,
            booting=pool.booting,
            busy=pool.busy,
            max=self.spec.max,
            queued=pool.queued,
            why="; ".join([pool.why, *self.keeps.pinning(self)]),
            min=self.spec.min,
            buffer=self.spec.buffer,
            idle=pool.idle,
            leaving=pool.leaving,
            running=pool.running,
            done=pool.done,
            retried=pool.retried,
            lost=pool.lost,
        )

    def claim(self) -> Claim:
        """What it has of the owner's executors, and needs."""
        pool, spec = self._core, self.spec
        least = 0 if self.closed else min(spec.min, spec.max)
        return Claim(
            self._prefix, pool.executors, pool.busy, min(pool.needed, spec.max), least, gpus_of(spec.resources)
        )

    def allow(self, executors: int | None) -> None:
        """It may have so many executors from now on; None: as many as it wants."""
        if executors != self._allowed:
            self._allowed = executors
            self._drive.feed(events.Allowed(now(), executors))

    def halt(self, why: str) -> None:
        """No call begins any more, for this reason; "": they begin again."""
        self._refusal = why
        if why:
            for name in list(self._calls):
                self._turn_away(name)

    def _turn_away(self, name: str) -> None:
        """Its wait is over; a call that runs goes on."""
        self._drive.feed(events.Refused(now(), name, "boot_failed", self._refusal))

    def call(self, name: str) -> Call | None:
        """The call of that name, while there is anything of it."""
        return self._calls.get(name)

    @property
    def places(self) -> tuple[int, int]:
        """How many executors it may have, and how many calls each takes."""
        most = self.spec.max if self._allowed is None else min(self.spec.max, self._allowed)
        return most, 1 if self.spec.isolation == "executor" else self.spec.concurrency

    def running(self) -> Iterator[Call]:
        """The calls that hold a place and will not give it up by themselves."""
        return (call for call in held_by(self.staff.workers()) if not call.over)

    def refuse(self, call: str, sentence: str) -> None:
        """This call must not wait any longer: it never would get a place."""
        self._drive.feed(events.Refused(now(), call, "deadlock", sentence))

    # ── what clients ask ──

    def adopt(self, snapshot: bytes) -> None:
        """Calls will come that run on this code."""
        self._fresh.adopt(snapshot, self.staff.executors.values())

    def submit(self, client: Client, message: wire.Submit) -> None:
        """A call, a stream or an actor; its end is said to the client whatever happens."""
        try:
            function = client.function(message)
        except KeyError:
            sentence = "the function of this call never arrived; submit it again"
            client.say(wire.CallDone(message.call, "lost", sentence=sentence, attempts=0))
            return
        if (code := self._fresh.code_of(client, message)) is None:
            sentence = f"the code of this call ({version(message.snapshot)}) is not at the hub; submit it again"
            client.say(wire.CallDone(message.call, "lost", sentence=sentence, phase="syncing", attempts=0))
            return
        if message.blobs and client.parts.missing(message.blobs):
            sentence = "a large part of this call's arguments is not at the hub; submit it again"
            client.say(wire.CallDone(message.call, "lost", sentence=sentence, attempts=0))
            return
        order = Order(message, function, message.options or self._defaults, code)
        if message.refs:
            self.objects.approach(client, order)
        else:
            self.enter(self.take(client, order))

    def take(self, client: Client, order: Order) -> Call:
        """The call is this pool's from now on."""
        call = self.join(self.next_name(), client, order, client.say)
        client.asked[order.submit.call] = call
        return call

    def admit(self, make: Callable[[str], Call]) -> Call:
        """As `take`, for a call of the pool's own making."""
        return self._keep(make(self.next_name()))

    def next_name(self) -> str:
        """What the next call is called."""
        self._count += 1
        return f"{self.spec.name}.{self._count}"

    def _keep(self, call: Call) -> Call:
        """Until it is forgotten, and its code with it."""
        self._calls[call.id] = call
        self._library.pin(call.code)
        return call

    def broadcast(self, client: Client, message: wire.Broadcast) -> None:
        """Once in every worker: those that are there by a call each, those to come before they are heard of."""
        self._rites.broadcast(client, message)

    def join(self, name: str, client: Client, order: Order, say: Say) -> Call:
        """The call of that name is this pool's; `enter` follows."""
        return self._keep(KINDS[order.options.mode.kind](self, name, client, order, say))

    def enter(self, call: Call, pin: str = "") -> None:
        """It wants its turn, on that worker ("": any)."""
        if self._hub.closing:
            self._drop(events.Drop(call.id, "closed", "queued", "the window is closing: nothing new is started"))
            return
        at, options = now(), call.options
        self._drive.feed(
            events.Submitted(
                at,
                call.id,
                at + options.timeout if options.timeout else None,
                at + options.queue_timeout if options.queue_timeout else None,
                call.client.tenant,
                options.retries,
                options.affinity,
                pin,
                options.resources,
            )
        )
        if self._refusal:
            self._turn_away(call.id)

    def leave(self, client: Client) -> None:
        """It holds the pool no more; its calls go on."""
        self.clients.discard(client)
        self.watchers.dismiss(client)

    def forsaken(self, client: Client) -> None:
        """The client is gone: nobody waits for its calls any more."""
        self.leave(client)
        self.objects.forsaken(client)
        for call in [call for call in self._calls.values() if call.client is client]:
            self.cancel(call)

    # ── objects that stay (objects.Room) ──

    @property
    def keeps(self) -> Keeps:
        """What workers keep."""
        return self._hub.keeps

    def pinned(self, worker: Worker, *, on: bool) -> None:
        """The worker keeps something from now on, or nothing any more."""
        self._drive.feed(events.Kept(now(), worker.executor, worker.id, on))

    # ── what calls say (calls.Room) ──

    def cancel(self, call: Call) -> None:
        """Nobody wants it any more."""
        if self._fresh.renounced(call):
            self._drop(events.Drop(call.id, "cancelled", "queued", "the call was cancelled"))
        else:
            self._drive.feed(events.CancelAsked(now(), call.id))

    def gave_away(self, call: Call) -> None:
        """A value of it has left: it is not begun again."""
        self._drive.feed(events.Unrepeatable(now(), call.id))

    def call_ended(self, call: Call, done: wire.Done) -> None:
        """Its worker has told the end and is free."""
        # Most calls begin at once: their times are plain, and asking for them would cost what little the rest costs.
        call.result(done, self._core.times(call.id, now()) if call.waited > PROMPT else None)
        summary = done.summary if done.ok or done.failure is None else f"{done.failure.type}: {done.failure.message}"
        self._tell_end(call, "ok" if done.ok else "error", summary)
        self.forget(call)
        self.staff.idle(call.executor)
        self._hub.executors.files.over(call.executor, call)
        self._drive.feed(events.CallOver(now(), call.id))
        if self._fresh.behind:
            self._fresh.freed(call.worker)

    def call_stale(self, call: Call, modules: list[str]) -> None:
        worker, executor = call.worker, self.staff.executors.get(call.executor)
        if worker is None or executor is None:
            return
        self._fresh.refused(call, worker, executor, modules)
        self.staff.unless_renewed(executor, worker)
        if call.over:
            self.forget(call)
        self.staff.idle(executor.id)

    def call_reloaded(self, call: Call, message: wire.Reloaded) -> None:
        kept = "".join(f"; {name} is as it was: {why}" for name, why in message.kept.items())
        took = f"took newer code of {named(message.modules)}" if message.modules else "took no newer code"
        self.watchers.tell("reloaded", call.executor, f"worker {took}{kept}")
        if call.run:
            self._hub.tell(wire.CodeChanged(call.run, call.id, message.modules, message.kept, clock()))

    # ── what is done for its executors (staff.Room) ──

    @property
    def why(self) -> str:
        """Why it has the size that it has."""
        return self._core.why

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        """A worker said hello: it goes through the rites first."""
        worker.keeper = Tally(self.keeps, self, worker)
        self._rites.welcome(worker, done)

    # ── what is commanded ──

    def _settled(self) -> None:
        if self._hub.allowances.bound:
            self._hub.allowances.changed()
        self._hub.deadlocks.changed()
        self._hub.changed()

    def _carry_out(self, command: events.Command) -> None:
        match command:
            case events.Assign(call=name):
                self._assign(self._calls[name], command)
            case events.Boot():
                self.staff.boot(command)
            case events.Terminate():
                self.staff.end(command)
            case events.Renew(executor=name, worker=worker):
                self.staff.renew(name, worker)
            case events.StopCall(call=name):
                if (found := self._calls.get(name)) is not None:
                    self._stop(found)
            case events.Retry(call=name, sentence=sentence):
                call = self._calls[name]
                self.watchers.tell("retry", call.executor, f"{call.label or name}: {sentence}")
            case events.Drop():
                self._drop(command)
            case events.Closed():
                self.left()
                self.keeps.room_closed(self)
                self.watchers.tell("closed", sentence="the pool is closed")
                for waiter in self._closers:
                    if not waiter.done():
                        waiter.set_result(None)

    def _assign(self, call: Call, command: events.Assign) -> None:
        executor = self.staff.executors[command.executor]
        call.reserve(executor.workers[command.worker], executor.id, command.attempt)
        if self.spec.isolation == "process":
            self._hub.executors.prepare(executor)
        self._hub.executors.busy(executor, True)
        if call.run:  # else it belongs to nothing that is shown anywhere
            call.shown = True
            self._hub.tell(wire.CallStarted(call.run, call.id, call.label, self.spec.name, executor.id, call.began))
        if call.code and not self._hub.executors.supplied(executor, call.code):
            self._sync(call, executor)
        else:
            call.begin()

    def _sync(self, call: Call, executor: Executor) -> None:
        """Its code goes there first."""
        still = call.sync()

        def there(why: str) -> None:
            if not still():
                return
            if why:
                call.unsupplied(why)
                self._tell_end(call, "lost", why)
                self._withdraw(call)
            else:
                call.begin()

        self._hub.executors.supply(executor, call.code, there)

    def _withdraw(self, call: Call) -> None:
        call.withdraw()
        self.forget(call)
        self.staff.idle(call.executor)
        self._drive.feed(events.CallOver(now(), call.id))

    def _stop(self, call: Call) -> None:
        """Its worker must become free."""
        if call.syncing:
            self._withdraw(call)
        else:
            call.stop(self._hub.executors.kill)

    def _drop(self, drop: events.Drop) -> None:
        call = self._calls.get(drop.call)
        if call is None or self._fresh.bequeathed(call):
            return
        done = call.dropped(drop)
        self._tell_end(call, "cancelled" if done.outcome == "closed" else done.outcome, done.sentence)
        if drop.phase != "running" or call.death is not None:  # else its worker has still to stop
            self.forget(call)

    def _tell_end(self, call: Call, outcome: str, summary: str) -> None:
        """Once per call, and only of those whose start was told."""
        if call.shown:
            call.shown = False
            at = clock()
            line = summary.partition("\n")[0]
            self._hub.tell(wire.CallEnded(call.run, call.id, outcome, line, at, at - call.began))

    # ── small things ──

    def forget(self, call: Call) -> None:
        """There is nothing of it any more."""
        if self._calls.pop(call.id, None) is not None:
            self._library.unpin(call.code)
        if call.client.asked.get(call.number) is call:
            del call.client.asked[call.number]


def defaults_of(spec: wire.PoolSpec) -> wire.CallOptions:
    """What a call gets that says nothing else."""
    return wire.CallOptions(spec.timeout, spec.queue_timeout, spec.retries, spec.grace)
