"""A worker: one process that runs user code, from its fork to its end.

What belongs here: the call lane's loop, the bracket around every task, which kind of task it is. What this file must not
know: how it was forked, what the hub does with results.

The bracket: begin (page, recorder, guard) -> user code, under the guard -> streams flushed and read by the agent -> counts
taken -> the end is told, with the counts, on the call lane. The hub delivers the end after everything it counts. An actor's
bracket is open for as long as the object lives.
"""

from __future__ import annotations

import asyncio
import builtins
import getpass
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

from yonder import holding, seat, segments, wire
from yonder.agent import birth, preview
from yonder.agent.acting import Actor
from yonder.agent.adopting import Code, Outdated, Renewal
from yonder.agent.chunk import Chunk
from yonder.agent.console import Console, Mouth
from yonder.agent.control import Control
from yonder.agent.flushing import figures, finish_program, flush_figures, flush_streams
from yonder.agent.guard import Guard, Ran
from yonder.agent.imports import Imports
from yonder.agent.keeping import Keeping
from yonder.agent.lane import Lane
from yonder.agent.looping import Looping
from yonder.agent.namespace import Namespace, Outcome
from yonder.agent.page import Page
from yonder.agent.settling import settle_in
from yonder.agent.stage import Stage
from yonder.agent.streaming import Credit, Stream
from yonder.holding import Grip, Handle

CallMessage = (
    wire.Welcome
    | wire.Refused
    | wire.Call
    | wire.Method
    | wire.Block
    | wire.Leave
    | wire.Adopt
    | wire.Fetch
    | wire.Stow
    | wire.Drop
    | wire.Lost
)
_ONCE = wire.Mode()
SETTLE = 1.0
"""Seconds for receivers to open the memory of the last results before this process ends, and the memory with it."""


def main(born: birth.Birth, fds: list[int]) -> int:
    """Be a worker until there is nothing more to do; the exit code."""
    out, err, shared, talk, life, stacks = fds
    page = Page(shared)
    os.close(shared)
    mouth = Mouth(out, err, page, socket.socket(fileno=talk))
    settle_in(born, stacks)
    return Worker(born, mouth, life).serve()


def ahead() -> None:
    """What a zygote does once for all workers: how messages are decoded is made out from their classes, which takes as
    long as all the rest of a worker's beginning."""
    for kind in (wire.HubToCall, wire.HubToControl):
        wire.Parser(kind)


class Worker:
    def __init__(self, born: birth.Birth, mouth: Mouth, life: int) -> None:
        self._child = False
        self._mouth = mouth
        self._guard = Guard()
        self._guard.install()
        self._looping = Looping(self._guard)
        self._namespace = Namespace(self._guard, self._looping, born.folder)
        self._keeping = Keeping(born.store)
        self._holds: list[Grip] = []  # of the handles in the arguments of the current task
        self._stage = Stage(
            self._guard, self._looping, born.folder, self._say, self._flush, self._counts, self._keeping
        )
        self._code = Code(born, self._stage, self._namespace)
        self._credit = Credit()
        self._actor: Actor | None = None
        control: Lane[Any] = Lane.dial(born.hub, "control", born.worker, born.token, wire.HubToControl)
        names = lambda: (self._namespace.names, self._namespace.generation)  # noqa: E731 - one expression, passed on
        self._control = Control(control, life, self._guard, self._credit, names)
        self._recorder = self._control.recorder
        self._console = self._control.console = Console(born.worker, self._recorder)
        builtins.input = self._console.input
        getpass.getpass = self._console.getpass
        keeper = self._keeping if born.kind == "pool" else None  # a session's objects stay in its variables
        seat.take(seat.Seat(born.hub, born.token, born.worker, born.folder, self._recorder, keeper))
        os.register_at_fork(after_in_child=self._forked_by_user)
        self._lane: Lane[CallMessage] = Lane.dial(born.hub, "call", born.worker, born.token, wire.HubToCall)
        self._control.start()
        self._imports = Imports() if born.kind == "pool" else None

    def serve(self) -> int:
        """Until the hub says Leave or hangs up, or a file has run. Returns the exit code."""
        while (message := self._next()) is not None:
            match message:
                case wire.Call():
                    self._call(message)
                case wire.Method():
                    self._method(message)
                case wire.Block(kind="file"):
                    return self._file(message)
                case wire.Block():
                    self._block(message)
                case wire.Adopt(snapshot=snapshot):
                    if self._actor is None and (outdated := self._code.outdated(snapshot)):
                        self._say(wire.Stale(0, outdated))
                case wire.Fetch():
                    self._fetch(message)
                case wire.Stow():
                    self._keeping.stow(message)
                case wire.Drop(refs=refs):
                    self._keeping.drop(refs)
                case wire.Lost(refs=refs, sentence=sentence):
                    self._keeping.holdings.lost(refs, sentence)
                case wire.Leave():
                    break
                case _:
                    return 70
        self._control.leaving = True
        self._finish(finish_program)
        segments.OWN.settle(SETTLE)
        return 0

    # ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> CallMessage | None:
        """The next message. Meanwhile a batch that has waited long enough is run, and so are the tasks that were left in
        the event loop."""
        while (actor := self._actor) is not None and (due := actor.due) is not None and not self._lane.ready:
            if not self._arrives(max(0.0, due - time.monotonic())):
                actor.passed(time.monotonic())
            elif not self._lane.fill():
                return None
        loop = self._looping.loop
        if loop is None or loop.is_closed():
            return self._lane.receive()
        while not self._lane.ready:
            if self._arrives(None) and not self._lane.fill():
                return None
        return self._lane.receive()

    def _arrives(self, seconds: float | None) -> bool:
        """Wait for so long (None: for ever); is there something to read?"""
        loop = self._looping.loop
        if loop is None or loop.is_closed():
            return bool(select.select([self._lane.sock], [], [], seconds)[0])
        try:
            return loop.run_until_complete(self._readable(loop, seconds))
        except BaseException:  # noqa: BLE001 - a task left behind raised SystemExit or the like through the loop
            traceback.print_exc()
            return False

    async def _readable(self, loop: asyncio.AbstractEventLoop, seconds: float | None) -> bool:
        arrived = asyncio.Event()
        loop.add_reader(self._lane.sock, arrived.set)
        try:
            async with asyncio.timeout(seconds):
                await arrived.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._lane.sock)
        return True

    def _flush(self) -> None:
        """What an open task has printed and drawn so far; at its end `settle` does it, and counts."""
        flush_figures()
        self._mouth.flush()

    def _counts(self, task: int) -> tuple[int, int]:
        """The numbers of the last control-lane message and the last output of an open task so far."""
        if self._child:
            self._stay_home()
        output = self._mouth.heard(task)
        return self._recorder.count(), output

    def _say(self, message: wire.CallToHub) -> None:
        if self._child:
            self._stay_home()
        if holding.in_use():
            for kept in self._keeping.news():  # it may be named in the message
                self._lane.send(kept)
            self._release()
        self._lane.send(message)

    def _release(self) -> None:
        """The hub hears of what the last handle here has gone."""
        if gone := self._keeping.gone():
            self._lane.send(wire.Release(gone))

    def _let_go(self) -> None:
        """The task is over: what it was given is not held any more, and the hub hears what has gone with it."""
        self._holds = []
        self._stage.said()
        self._release()

    # ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, task: int) -> None:
        self._stage.nanos = 0
        self._mouth.begin(task)
        self._recorder.begin(task)
        self._guard.begin(task)

    def _end(self, task: int) -> tuple[int, int]:
        """User code is over; the numbers of the task's last control-lane message and last output."""
        if self._child:
            self._stay_home()
        self._guard.end()
        self._guard.install()
        output = self._mouth.settle(task)
        control = self._recorder.end()
        self._console.hang_up()
        return control, output

    def _stay_home(self) -> None:
        """User code forked, and the child came all the way back here: it has nothing more to do."""
        flush_streams()
        os._exit(0)

    def _call(self, call: wire.Call) -> None:
        stage, mode = self._stage, call.mode or _ONCE
        stage.keep(call)
        renewal = self._code.turn(call.snapshot)
        if isinstance(renewal, Outdated):
            self._say(wire.Stale(call.task, renewal.modules))
            return
        if call.refs:
            self._holds = self._keeping.holdings.delivered(call.refs)
        self._begin(call.task)
        if renewal is not None and (renewed := self._renewed(call.task, renewal)).error is not None:
            self._over(call.task, Ran(None, renewed.error, renewed.interrupted))
            return
        if mode.kind == "stream":
            self._credit.begin(call.task, mode.credit)
            ran = self._packed(Stream(stage, self._credit, call.task).run(call))
        elif mode.kind == "actor":
            placed = self._place(call, mode)
            if placed is None:
                return
            ran = Ran(None, placed.error, placed.interrupted)
            del placed  # see Ran
        elif mode.chunk:
            outcomes = Chunk(stage).run(call.function, call.arguments)
            ran = Ran(None if outcomes.value is None else (outcomes.value, ""), outcomes.error, outcomes.interrupted)
            del outcomes
        else:
            ran = self._guard.run(lambda: self._evaluate(call, keep=mode.keep))
        self._over(call.task, ran)
        del ran

    def _evaluate(self, call: wire.Call, *, keep: bool) -> tuple[wire.Body, str]:
        stage = self._stage
        function = stage.function(call.function)
        arguments, keywords = stage.arguments(call.arguments)
        value = stage.run(function, arguments, keywords)
        kept = Handle(*self._keeping.keep(value)) if keep else value
        return stage.pack(kept), preview.summary(value)

    def _fetch(self, fetch: wire.Fetch) -> None:
        """Somebody else needs the value of an object that is kept here."""
        self._begin(fetch.task)
        self._over(
            fetch.task, self._guard.run(lambda: (self._stage.pack(self._keeping.own(fetch.ref), near=False), ""))
        )

    def _packed(self, returned: Ran[Any]) -> Ran[tuple[wire.Body, str]]:
        if returned.error is not None:
            return Ran(None, returned.error, returned.interrupted)
        value = returned.value
        return self._guard.run(lambda: (self._stage.pack(value), preview.summary(value)))

    def _over(self, task: int, ran: Ran[tuple[wire.Body, str]]) -> None:
        """The task's user code has come to its end: tell it."""
        if figures() is not None:
            drawn = self._guard.run(flush_figures)
            if ran.error is None and drawn.error is not None:
                ran = Ran(None, drawn.error, drawn.interrupted)
        told = None
        if ran.value is not None:
            body, summary = ran.value
        else:
            assert ran.error is not None  # noqa: S101 - user code gives a value or raises
            body, told = self._stage.told(ran.error)
            summary = preview.shorten(f"{told.type}: {told.message}")
        control, output = self._end(task)
        micros = max(self._stage.nanos // 1000, 1)  # 0 would say that it is not known
        done = wire.Done(task, told is None, body, control, output, summary, told, micros, self._stage.refs())
        del ran
        if holding.in_use():
            self._say(done)
            self._let_go()
        else:
            self._lane.send(done)
        if self._imports is not None and (modules := self._imports.fresh()):
            self._control.send(wire.Imported(modules))

    # ── actors ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, call: wire.Call, mode: wire.Mode) -> Ran[Actor] | None:
        """Make the object; how it failed, or None: it lives, and so does its task."""

        def make() -> Actor:
            function = self._stage.function(call.function)
            arguments, keywords = self._stage.arguments(call.arguments)
            return Actor(self._stage, call.task, self._stage.run(function, arguments, keywords), mode)

        made = self._guard.run(make)
        try:
            if made.value is None:
                return made
            self._actor = made.value
        finally:
            del made  # see Ran
        self._actor.flush()
        self._say(wire.Placed(call.task, self._actor.methods))
        return None

    def _method(self, message: wire.Method) -> None:
        actor = self._actor
        if actor is None or actor.task != message.task:
            return  # it was asked of an object that could not be made
        if message.name:
            holds = self._keeping.holdings.delivered(message.refs)
            actor.asked(time.monotonic(), message)
            del holds  # the handles in its arguments hold by themselves now
            self._release()
            return
        closed = actor.close()
        self._actor = None
        self._over(actor.task, self._packed(closed))

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _block(self, block: wire.Block) -> None:
        outcome = self._outset(block)
        if outcome is None:
            outcome = self._namespace.block(block.code, block.path, block.line, flush_figures)
        self._tell(block.task, outcome)

    def _outset(self, block: wire.Block) -> Outcome | None:
        """The block's task begins, on its snapshot; how it ended already, where that could not be taken."""
        renewal = self._code.turn(block.snapshot)
        self._begin(block.task)
        if renewal is None or isinstance(renewal, Outdated):
            return None
        renewed = self._renewed(block.task, renewal)
        return None if renewed.error is None else self._namespace.failed(renewed, block.path)

    def _renewed(self, task: int, renewal: Renewal) -> Ran[None]:
        """Load again what the task's snapshot has otherwise. User code runs in it."""
        ran = self._guard.run(renewal.run)
        if renewal.reloaded or renewal.kept:
            self._say(wire.Reloaded(task, renewal.reloaded, renewal.kept))
        return ran

    def _file(self, block: wire.Block) -> int:
        """A program: its threads and atexit functions belong to the run, then the process is over."""

        def finish() -> None:
            flush_figures()
            finish_program()

        outcome = self._outset(block)
        if outcome is None:
            here = self._code.here(block.path)
            outcome = self._namespace.file(block.code, block.path, block.argv, finish, here)
        self._control.leaving = True
        self._tell(block.task, outcome)
        return outcome.code

    def _tell(self, task: int, outcome: Outcome) -> None:
        control, output = self._end(task)
        self._lane.send(
            wire.BlockDone(task, control, output, outcome.preview, outcome.failure, outcome.interrupted, outcome.code)
        )

    # ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, last: Callable[[], None]) -> None:
        """Run the last of user code (an actor's end, atexit functions); what it raises is said on stderr, as Python does."""
        if self._actor is not None and (error := self._actor.close().error) is not None:
            traceback.print_exception(error)
        try:
            last()
        except BaseException:  # noqa: BLE001 - nobody is left to hand it to
            traceback.print_exc()
        flush_streams()

    def _forked_by_user(self) -> None:
        """In a child that user code forked: it is nobody's worker, and keeps none of our doors open."""
        self._child = True
        self._lane.close()
        self._control.close()
        self._mouth.close()
        self._recorder.silence()
        seat.take(None)
        signal.signal(signal.SIGINT, signal.default_int_handler)
