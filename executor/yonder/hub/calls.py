"""One call from its submission to its end, however often it is begun: what its worker is sent and what its client is told.

Knows workers and clients; not executors, sizes or order (the pool decides those). Streams and actors are calls that say
more than one thing; they are here too, each as the few words it adds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from yonder import wire
from yonder.core import events
from yonder.core.writers import Span
from yonder.hub.clients import Client, unheard
from yonder.hub.keeps import Keeps
from yonder.hub.worker import OVERTAKEN, End, Part, Worker, clock
from yonder.snapshot import version

Say = Callable[[wire.HubToClient], None]


class Room(Protocol):
    """What a call needs of its pool."""

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> Keeps:
        """What workers keep."""

    def call_ended(self, call: Call, done: wire.Done) -> None:
        """Its worker has told the end."""

    def gave_away(self, call: Call) -> None:
        """Something of it has left: it must not be begun again."""

    def cancel(self, call: Call) -> None:
        """Nobody wants it any more."""

    def call_stale(self, call: Call, modules: list[str]) -> None:
        """Its worker holds older code of these modules, and did not begin it."""

    def call_reloaded(self, call: Call, message: wire.Reloaded) -> None:
        """Its worker has taken newer code first."""


class Order(NamedTuple):
    """What is to be run, and how: the client's message, the pickled function, the options with the pool's defaults, and
    the snapshot that it runs on (b"": none)."""

    submit: wire.Submit
    function: wire.Body
    options: wire.CallOptions
    code: bytes = b""


class Call:
    """A function that runs once. Implements worker.Task and clients.Asked.

    `number` is the client's name for it, `say` where its words go. The function and its arguments are kept until the end:
    a retry needs them again.
    """

    __slots__ = (
        "_answered",
        "_arguments",
        "_asked",
        "_blobs",
        "_digest",
        "_function",
        "_needs",
        "_refs",
        "_running",
        "_say",
        "_synced",
        "_task",
        "attempt",
        "began",
        "client",
        "code",
        "death",
        "executor",
        "home",
        "id",
        "label",
        "moved",
        "number",
        "options",
        "refusals",
        "rite",
        "room",
        "run",
        "shown",
        "syncing",
        "taker",
        "worker",
    )
    only_copies = False
    """Does its loss mean that an object is lost, and no work?"""

    def __init__(self, room: Room, name: str, client: Client, order: Order, say: Say) -> None:
        submit = order.submit
        self.room = room
        self.id = name
        self.client = client
        self.run = client.run
        self.number = submit.call
        self.label = submit.label
        self.options = order.options
        self.code = order.code
        self.syncing = False  # it has a worker, and waits for its code to be there
        self.refusals = 0  # by fresh workers, in a row
        self.rite = ""  # of a broadcast, when it is a member of one
        self.worker: Worker | None = None
        self.executor = ""
        self.attempt = 0
        self.began = 0.0
        self.death: wire.ExitReport | None = None  # how the worker that held it last has died
        self.shown = False  # CallStarted was told, CallEnded was not
        self.home: Worker | None = None  # where the object lives that it needs: it runs there and nowhere else
        self.moved: dict[bytes, wire.Body] = {}  # values of objects that live elsewhere, for this call alone
        self.taker: Hashable = client.holder  # who gets the handles in its value
        self._blobs = submit.blobs
        self._needs = submit.needs
        self._refs = submit.refs
        self._say = say
        self._digest = submit.function
        self._arguments = submit.arguments
        self._function = order.function
        self._task = 0
        self._asked = time.monotonic()
        self._running = self._asked
        self._synced = 0.0  # seconds for which it waited for its code
        self._answered = False

    @property
    def span(self) -> Span:
        """What it was, and when it ran, up to now."""
        return Span(self.run, self.id, self.began, clock(), self.number, self.client)

    @property
    def call(self) -> str:
        return self.id

    @property
    def over(self) -> bool:
        """Its client was told the end; its worker may still have to stop."""
        return self._answered

    # ── what the pool does with it ──

    def reserve(self, worker: Worker, executor: str, attempt: int) -> None:
        """This worker is its own from here on; `begin` follows when its code is there."""
        self.worker, self.executor, self.attempt = worker, executor, attempt
        self.began, self._running = clock(), time.monotonic()
        self._task, self.death = worker.start(self), None
        worker.served += 1

    def sync(self) -> Callable[[], bool]:
        """Its code is not there yet. The answer says, whenever it is asked, whether the call still waits for that."""
        self.syncing, task = True, self._task
        return lambda: self.syncing and self._task == task and self.worker is not None and self.worker.task is self

    def begin(self) -> None:
        """Send it to its worker."""
        worker = self.worker
        if worker is None:
            return
        if self.syncing:
            now = time.monotonic()
            self._synced, self._running, self.syncing = now - self._running, now, False
        if self.code and self.code != worker.code:
            worker.runs_on(self.code)
        if self._blobs or self._needs:
            self._bring(worker)
        worker.say(self._opening(worker))
        if self.client.slow:
            self.hold()
        self.say(wire.CallPhase(self.number, "running", self.attempt))

    def inherit(self, executor: str) -> None:
        """Somebody else ran it."""
        self.executor, self.attempt, self._running = executor, 1, time.monotonic()

    def withdraw(self) -> None:
        """Its worker was never sent it, and is free."""
        self.syncing = False
        if self.worker is not None:
            self.worker.abandon(self)

    def _opening(self, worker: Worker) -> wire.Call | wire.Fetch:
        known, forgotten = worker.learn(self._digest)
        body = b"" if known else self._function
        refs = self.room.keeps.give(self._refs, self, worker) if self._refs else []
        near = worker.near and self.client.near
        mode = self._mode()
        return wire.Call(self._task, self._digest, body, self._arguments, mode, forgotten, self.code, near, refs)

    def _bring(self, worker: Worker) -> None:
        """What it needs and the worker does not keep."""
        self.client.parts.give(self._blobs, worker)
        keeps = self.room.keeps
        for ref in self._needs:
            if ref in self.moved:
                worker.say(wire.Stow(ref, self.moved[ref]))
            elif (entry := keeps.find(ref, self)) is not None:
                keeps.stow(entry, worker)

    def _mode(self) -> wire.Mode | None:
        mode = self.options.mode
        return mode if mode.chunk or mode.keep or mode.kind != "call" else None

    def stop(self, kill: Callable[[Worker], None]) -> None:
        """Its worker must become free: interrupt, then kill after the grace."""
        worker = self.worker
        if worker is None:
            return
        loop = asyncio.get_running_loop()
        interrupting = loop.create_task(self._interrupt(worker))
        interrupting.add_done_callback(lambda done: done.cancelled() or done.exception())
        loop.call_later(self.options.grace, self._kill_if_still, worker, kill, interrupting)

    async def _interrupt(self, worker: Worker) -> None:
        await worker.interrupt(self)

    def _kill_if_still(self, worker: Worker, kill: Callable[[Worker], None], interrupting: asyncio.Task[None]) -> None:
        interrupting.cancel()
        if worker.alive and worker.task is self:
            kill(worker)

    # ── what its client is told ──

    def say(self, message: wire.HubToClient) -> None:
        """Nothing is said after the end."""
        if self._answered:
            unheard(message)
        else:
            self._say(message)

    @property
    def waited(self) -> float:
        """Seconds from its submission until it was begun (for the last time), without the wait for its code."""
        return self._running - self._synced - self._asked

    def result(self, done: wire.Done, times: dict[str, float] | None = None) -> None:
        """Its end as the worker tells it; `times` are seconds by phase, where they are known better than here."""
        ran = time.monotonic() - self._running
        times = times or {"queued": self.waited, "running": ran}
        if self._synced:
            times = {**times, "syncing": self._synced, "running": ran}
        refs = self._handed(done) if done.refs else []
        self.say(
            wire.CallDone(
                self.number,
                "ok" if done.ok else "error",
                done.body,
                done.failure,
                executor=self.executor,
                attempts=self.attempt,
                micros=done.micros,
                times=times,
                code=version(self.code),
                refs=refs,
            )
        )
        self._close()

    def _handed(self, word: wire.Done | wire.Yielded | wire.MethodDone) -> list[bytes]:
        """The handles in it are its client's from now on."""
        return self.room.keeps.give(word.refs, id(word), self.taker) if word.refs and not self._answered else []

    def _objects(self) -> list[bytes]:
        """What it cannot be without."""
        return self._needs

    def dropped(self, drop: events.Drop) -> wire.CallDone:
        """Its end as the pool decides it. Returns what was said."""
        report = self.death if drop.outcome == "lost" else None
        sentence = self._loss(report) if report else drop.sentence
        if self.syncing and drop.outcome == "timeout":
            sentence = f"the call's deadline passed while its code was on the way to executor {self.executor}"
        outcome: wire.CallOutcome = drop.outcome
        if self.home is not None and drop.outcome == "lost" and (self.only_copies or not self.attempt):
            gone = next((ref for ref in self._objects() if self.room.keeps.find(ref, self) is None), b"")
            outcome, sentence = (
                "remote_lost",
                self.room.keeps.loss(gone) if gone else f"a remote object is lost: {sentence}",
            )
        done = wire.CallDone(
            self.number,
            outcome,
            report=report,
            sentence=sentence,
            phase="syncing" if self.syncing and drop.phase == "running" else drop.phase,
            executor=self.executor,
            attempts=self.attempt,
            times=drop.times,
            code=version(self.code),
        )
        self.say(done)
        self._close()
        return done

    def unsupplied(self, why: str) -> None:
        """Its end, because its code cannot be where its worker is."""
        sentence = f"the code of the call did not come to executor {self.executor}: {why}"
        self.say(wire.CallDone(self.number, "lost", sentence=sentence, phase="syncing", executor=self.executor))
        self._close()

    def _loss(self, report: wire.ExitReport) -> str:
        what = f"the call {self.label!r}" if self.label else "a call"  # a label is often no more than an argument
        tried = f"; it was begun {self.attempt} times" if self.attempt > 1 else ""
        return f"executor {self.executor} {report.sentence()} while it ran {what}{tried}"

    def _close(self) -> None:
        """Late output may name this call for long: keep the name, not the load."""
        self._answered = True
        self.hold()  # nobody wants what it may still say: it need not wait
        self._function = self._arguments = b""
        if self.moved and self.worker is not None and self.worker.alive:
            self.worker.say(wire.Drop(list(self.moved)))
        self.moved = {}
        if self._refs:
            self.room.keeps.forget(self)

    # ── what its worker tells ──

    def ended(self, end: End) -> None:
        if isinstance(end, wire.Done):
            self.room.call_ended(self, end)

    def gave(self, part: Part) -> None:
        """A plain call gives nothing before its end."""

    def stale(self, modules: list[str]) -> None:
        self.room.call_stale(self, modules)

    def reloaded(self, message: wire.Reloaded) -> None:
        self.room.call_reloaded(self, message)

    def asked(self, question: wire.InputAsked) -> None:
        """input() in a pool call has nobody to ask: many calls would shout at once."""
        if self.worker is not None:
            self.worker.control(wire.Typed(question.id, None))

    # ── what its client asks ──

    def cancel(self) -> None:
        self.room.cancel(self)

    def credit(self, upto: int) -> None:
        """Only a stream has a reader."""

    def act(self, message: wire.ActorCall) -> None:
        """Only an actor has methods."""

    def finish(self) -> None:
        """Only an actor goes on until it is told."""

    def hold(self) -> None:
        if self.worker is not None and self.worker.task is self:
            self.worker.hold_back(self.client.slow and not self._answered)


class Stream(Call):
    """A generator: its values go straight through, and its reader's room bounds how many are on the way."""

    __slots__ = ("_given", "_upto")

    def __init__(self, room: Room, name: str, client: Client, order: Order, say: Say) -> None:
        super().__init__(room, name, client, order, say)
        self._upto = order.options.mode.credit
        self._given = False

    def _mode(self) -> wire.Mode | None:
        return msgspec.structs.replace(self.options.mode, credit=self._upto)

    def credit(self, upto: int) -> None:
        self._upto = max(self._upto, upto)
        if self.worker is not None and not self._answered:
            self.worker.control(wire.Allow(self._task, self._upto))

    def gave(self, part: Part) -> None:
        if not isinstance(part, wire.Yielded):
            return
        self.say(wire.CallYield(self.number, part.n, part.body, self._handed(part)))
        if not self._given:
            self._given = True
            self.room.gave_away(self)


class Actor(Call):
    """An object that stays on its worker and answers methods until it is told to go. What comes before it stands waits."""

    __slots__ = ("_early", "_leaving", "_open", "_placed")

    def __init__(self, room: Room, name: str, client: Client, order: Order, say: Say) -> None:
        super().__init__(room, name, client, order, say)
        self._placed = False
        self._leaving = False
        self._early: list[wire.ActorCall] = []
        self._open: set[int] = set()  # methods that were sent and not answered

    def act(self, message: wire.ActorCall) -> None:
        if not self._placed:
            self._early.append(message)
        elif self.worker is not None:
            self._open.add(message.number)
            self.client.parts.give(message.blobs, self.worker)
            refs = self.room.keeps.give(message.refs, self.client.holder, self.worker) if message.refs else []
            self.worker.say(wire.Method(self._task, message.number, message.method, message.arguments, refs))

    def finish(self) -> None:
        if self._placed and self.worker is not None and not self._leaving:
            self.worker.say(wire.Method(self._task, 0, "", b""))
        self._leaving = True

    def gave(self, part: Part) -> None:
        match part:
            case wire.Placed(methods=methods):
                self._placed = True
                self.room.gave_away(self)
                self.say(wire.ActorReady(self.number, self.executor, methods))
                self._catch_up()
            case wire.MethodDone(number=number):
                self._open.discard(number)
                self.say(wire.ActorReply(self.number, number, part.ok, part.body, part.failure, self._handed(part)))
            case _:
                pass

    def _catch_up(self) -> None:
        early, self._early = self._early, []
        for message in early:
            self.act(message)
        if self._leaving:
            self._leaving = False
            self.finish()

    async def _interrupt(self, worker: Worker) -> None:
        """Only what runs is broken off: its own closing is user code too, and gets the grace."""
        if not self._placed:
            await worker.interrupt(self)
            return
        while self._open and worker.alive and await worker.strike(self._task) != "interrupted":  # noqa: ASYNC110 - as in interrupt
            await asyncio.sleep(OVERTAKEN)
        self.finish()


KINDS: dict[str, type[Call]] = {"call": Call, "stream": Stream, "actor": Actor}
"""How a call is kept, by its mode."""


def held_by(workers: Iterable[Worker]) -> Iterator[Call]:
    """The calls that these workers run, or ran when they died; not those that another worker has begun again."""
    for worker in workers:
        if isinstance(task := worker.task, Call) and task.worker is worker:
            yield task
