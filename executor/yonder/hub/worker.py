"""The hub's picture of one worker: its two lanes, the task it runs, and the order in which a task's end may be told.

A result must not overtake its output: the end of a task waits here until the control-lane messages and the output
pieces that came before it have arrived, or the worker is known to be dead. Knows the wire; not pools or sessions.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from yonder import wire
from yonder.hub.cellar import Cellar
from yonder.hub.code import Library
from yonder.hub.connection import Conversation

End = wire.Done | wire.BlockDone
ToCall = wire.Call | wire.Block | wire.Method | wire.Leave | wire.Adopt | wire.Fetch | wire.Stow | wire.Drop | wire.Lost
Part = wire.Yielded | wire.Placed | wire.MethodDone
Named = wire.Done | wire.Yielded | wire.MethodDone
"""What may name objects that are kept."""

OVERTAKEN = 0.02
"""Seconds until an interrupt that met no user code is tried again."""

LAST_WORDS = 0.2
"""Seconds that a dead worker's lanes may still be read."""


NAMED = 5
"""Modules that a sentence names."""

MOST_MODULES, LONGEST = 100, 500
"""How many modules a worker may name at once, and characters of what it says of each."""


class Task(Protocol):
    """Somebody whose code the worker runs: a call of a pool, or a run of a session."""

    @property
    def run(self) -> str: ...

    @property
    def call(self) -> str: ...

    def ended(self, end: End) -> None:
        """The end was delivered in order."""

    def gave(self, part: Part) -> None:
        """A stream's value or an actor's word, before the end."""

    def asked(self, question: wire.InputAsked) -> None:
        """The code called input()."""

    def stale(self, modules: list[str]) -> None:
        """It was not begun: the worker holds older code of these modules."""

    def reloaded(self, message: wire.Reloaded) -> None:
        """The worker has taken newer code first."""


class Surroundings(Protocol):
    """What a worker needs of the hub."""

    def tell(self, event: wire.Event) -> None: ...

    def ready(self, worker: Worker) -> None: ...

    def dead(self, worker: Worker, report: wire.ExitReport) -> None: ...

    def imported(self, worker: Worker, modules: list[str]) -> None: ...

    def outdated(self, worker: Worker, modules: list[str]) -> None:
        """It holds older code than what it was told to adopt."""

    @property
    def library(self) -> Library: ...


class Keeper(Protocol):
    """Who counts what a worker keeps and holds."""

    def kept(self, message: wire.Kept) -> None: ...

    def released(self, refs: dict[bytes, int]) -> None: ...

    def carry(self, message: Named) -> None:
        """This names what is kept, and waits for its turn."""

    def carried(self, message: Named) -> None:
        """It was passed on."""


class _Current:
    """One task while its messages may still arrive."""

    def __init__(self, number: int, task: Task) -> None:
        self.number = number
        self.task = task
        self.control = 0
        self.output = 0
        self.renewed = False  # it has told which modules it loaded again
        self.end: End | None = None
        self.replies: deque[wire.MethodDone] = deque()  # an actor's, that wait for what came before them

    def heard(self, word: End | wire.MethodDone) -> bool:
        """Has everything arrived that came before this?"""
        return self.control >= word.control and self.output >= word.output

    def complete(self) -> bool:
        return self.end is not None and not self.replies and self.heard(self.end)


class Worker:
    """`id` is known to agent and hub; `executor` is the machine it lives on."""

    KEPT = 64  # tasks whose late output can still be attributed
    KNOWN = 256  # functions that the worker process keeps unpacked

    def __init__(self, worker: str, executor: str, hub: Surroundings) -> None:
        self.id = worker
        self.executor = executor
        self.pid = 0
        self.usage = wire.Usage(worker, 0.0, 0)
        self.alive = True
        self.buried = asyncio.Event()
        self.initiated = False  # it may be counted
        self.last_words = ""  # why it was killed, when it did not die by itself
        self.report: wire.ExitReport | None = None
        self.code = b""  # the snapshot that it runs on, or ran on last
        self.served = 0  # how many calls it was given
        self._adopting = False
        self.keeper: Keeper | None = None
        self._functions: dict[bytes, None] = {}
        self._open: set[str] = set()
        self.near = False  # it may be named memory of this machine's processes
        self.cellar: Cellar | None = None  # of its machine, where that is another one
        self._waits = 0
        self._unsaid: list[ToCall] = []
        self._relayed = False  # its lanes come over the link of another machine
        self._hub = hub
        self._call: Conversation | None = None
        self._control: Conversation | None = None
        self._numbers = itertools.count(1)
        self._looks = itertools.count(1)
        self._recent: dict[int, _Current] = {}
        self._now: _Current | None = None
        self._answers: dict[int, Callable[[wire.Answer], None]] = {}
        self._held_back = False
        self._raised: dict[int, asyncio.Future[str]] = {}

    # ── lanes ──

    def attach(self, role: str, conversation: Conversation) -> Lane:
        """One of the worker's lanes said hello."""
        if role == "call":
            self._call = conversation
            self.near = conversation.near
        else:
            self._control = conversation
        self._open.add(role)
        self._relayed = self._relayed or conversation.relayed
        if self.attached:
            self._hub.ready(self)
        return Lane(self, role)

    @property
    def task(self) -> Task | None:
        """What runs now (or has just ended and is not delivered yet)."""
        return self._now.task if self._now else None

    @property
    def attached(self) -> bool:
        """Both lanes said hello."""
        return self._call is not None and self._control is not None

    def hold(self, paused: bool) -> None:
        """Its side thread is not read for now, or again. What one that has died had to say is always read: it is not much,
        and nobody can say it again."""
        if paused and self.report is not None:
            return
        if self._control is not None:
            self._control.hold(paused)

    def hold_back(self, held: bool) -> None:
        """What the task gives is not read for now, so that it waits here no more than one message of it."""
        if held != self._held_back and self._call is not None:
            self._held_back = held
            self._call.hold(held)

    def say(self, message: ToCall) -> None:
        if self._waits:
            self._unsaid.append(message)
        elif self._call is not None:
            self._call.send(message)

    def wait(self) -> Callable[[ToCall], None]:
        """What is said from here on waits until what this returns is called, once, with what has to be said first."""
        self._waits += 1
        return self._go_on

    def _go_on(self, first: ToCall) -> None:
        if self._call is not None and self.alive:
            self._call.send(first)
        self._waits -= 1
        if not self._waits:
            unsaid, self._unsaid = self._unsaid, []
            for message in unsaid if self.alive else []:
                self.say(message)

    def control(self, message: wire.Raise | wire.Look | wire.Typed | wire.Allow) -> None:
        if self._control is not None:
            self._control.send(message)

    # ── work ──

    def start(self, task: Task) -> int:
        """A new task begins; returns its number, which goes into Call or Block."""
        number = next(self._numbers)
        self.hold_back(False)
        self._now = self._recent[number] = _Current(number, task)
        while len(self._recent) > self.KEPT:
            del self._recent[next(iter(self._recent))]
        return number

    def abandon(self, task: Task) -> None:
        """The task was never sent."""
        if self._now is not None and self._now.task is task:
            del self._recent[self._now.number]
            self._now = None

    def runs_on(self, snapshot: bytes) -> None:
        """What it is sent from here on runs on this code, which stays for as long as it may import from it."""
        if snapshot != self.code:
            self._hub.library.pin(snapshot)
            self._hub.library.unpin(self.code)
            self.code = snapshot

    def adopt(self, snapshot: bytes) -> None:
        """Calls will come that run on this code."""
        if snapshot != self.code:
            self.runs_on(snapshot)
            self._adopting = True
            self.say(wire.Adopt(snapshot))

    def learn(self, function: bytes) -> tuple[bool, list[bytes]]:
        """It is going to be sent this function: does it have it already, and which ones may it forget? What was used last
        stays longest."""
        known = function in self._functions
        self._functions.pop(function, None)
        self._functions[function] = None
        forgotten: list[bytes] = []
        while len(self._functions) > self.KNOWN:
            forgotten.append(next(iter(self._functions)))
            del self._functions[forgotten[-1]]
        return known, forgotten

    def look(self, query: wire.Query, answer: Callable[[wire.Answer], None]) -> None:
        """Ask the side thread; `answer` is called when (and if) it replies."""
        number = next(self._looks)
        self._answers[number] = answer
        while len(self._answers) > 256:
            del self._answers[next(iter(self._answers))]
        self.control(wire.Look(number, query))

    async def interrupt(self, task: Task) -> str:
        """Raise KeyboardInterrupt in `task` if it is current. Returns interrupted, idle or not_this_run; waits for the
        side thread, which a C call that holds the GIL can delay: the caller sets the time-out."""
        while (current := self._now) is not None and current.task is task and self.alive:
            if await self.strike(current.number) == "interrupted":
                return "interrupted"
            # On its own lane the interrupt has overtaken the task, or the task is just ending: look again.
            await asyncio.sleep(OVERTAKEN)
        return "idle" if current is None else "not_this_run"

    async def strike(self, number: int) -> str:
        """One interrupt of the task with that number. Returns interrupted, idle or not_this_run."""
        waiter = self._raised.get(number)
        if waiter is None or waiter.done():
            waiter = self._raised[number] = asyncio.get_running_loop().create_future()
        self.control(wire.Raise(number))
        return await asyncio.shield(waiter)

    # ── what comes back ──

    def received(self, message: wire.CallToHub | wire.ControlToHub) -> None:
        match message:
            case wire.Done() | wire.BlockDone():
                current = self._recent.get(message.task)
                if current is not None and current.end is None:
                    self._carry(message)
                    current.end = message
                    self._deliver(current)
            case wire.MethodDone():
                current = self._recent.get(message.task)
                if current is not None:
                    self._carry(message)
                    current.replies.append(message)
                    self._deliver(current)
            case wire.Yielded() | wire.Placed():
                current = self._recent.get(message.task)
                if current is not None:
                    self._carry(message)
                    self._give(current, message)
            case wire.Stale(task=number, modules=modules):
                self._stale(number, modules[:MOST_MODULES])
            case wire.Reloaded():
                current = self._recent.get(message.task)
                if current is not None and current is self._now and not current.renewed:
                    current.renewed = True
                    current.task.reloaded(bounded(message))
            case wire.Kept():
                if self.keeper is not None:
                    self.keeper.kept(message)
            case wire.Release(refs=refs):
                if self.keeper is not None:
                    self.keeper.released(refs)
            case wire.Looked():
                answer = self._answers.pop(message.id, None)
                if answer is not None:
                    answer(message.answer)
            case wire.Raised():
                waiter = self._raised.pop(message.task, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message.outcome)
            case wire.TaskMetrics() | wire.TaskProgress() | wire.TaskDisplay() | wire.InputAsked():
                current = self._recent.get(message.task)
                if current is not None:
                    current.control = message.n
                    self._pass_on(current.task, message)
                    self._deliver(current)
            case wire.Imported(modules=modules):
                self._hub.imported(self, modules)
            case wire.Hello():
                pass  # a second hello says nothing new

    def _stale(self, number: int, modules: list[str]) -> None:
        if not number:
            if self._adopting:  # else nobody asked
                self._adopting = False
                self._hub.outdated(self, modules)
            return
        current = self._recent.get(number)
        if current is not None and current is self._now:
            self._now = None
            current.task.stale(modules)

    def _pass_on(
        self, task: Task, message: wire.TaskMetrics | wire.TaskProgress | wire.TaskDisplay | wire.InputAsked
    ) -> None:
        match message:
            case wire.TaskMetrics():
                self._hub.tell(wire.Metrics(task.run, task.call, message.columns))
            case wire.TaskProgress(id=bar, label=label, done=done, total=total, at=at):
                self._hub.tell(wire.Progress(task.run, task.call, bar, label, done, total, at))
            case wire.TaskDisplay(mime=mime, data=data, alt=alt, at=at):
                self._hub.tell(wire.Display(task.run, task.call, mime, data, alt, at))
            case wire.InputAsked():
                task.asked(message)

    def printed(self, message: wire.WorkerOutput) -> None:
        """The agent read something from this worker's descriptors."""
        current = self._recent.get(message.task)
        run, call = (current.task.run, current.task.call) if current else ("", "")
        self._hub.tell(wire.Output(run, call, message.fd, message.text, message.at, after=message.after))
        if current is not None:
            current.output = message.n
            self._deliver(current)

    def _deliver(self, current: _Current) -> None:
        while current.replies and current.heard(current.replies[0]):
            self._give(current, current.replies.popleft())
        if not current.complete():
            return
        end, current.end = current.end, None
        if end is None:
            return
        if self._now is current:
            self._now = None
        current.task.ended(end)
        self._carried(end)

    def _give(self, current: _Current, part: Part) -> None:
        current.task.gave(part)
        self._carried(part)

    def _carry(self, message: End | Part) -> None:
        if isinstance(message, Named) and message.refs and self.keeper is not None:
            self.keeper.carry(message)

    def _carried(self, message: End | Part) -> None:
        if isinstance(message, Named) and message.refs and self.keeper is not None:
            self.keeper.carried(message)

    def exited(self, report: wire.ExitReport) -> None:
        """The agent reaped it (everything it printed came before), or the agent itself is gone. Its last messages may
        still lie in the lanes' sockets: they are read to the end, but a child that keeps a lane open is not waited for. On
        another machine the agent sees to that, and the lanes' ends may come long after this, or with the loss of the link."""
        if self.report is not None:
            return
        self.report = report
        self.hold_back(False)
        self.hold(False)
        if not self._open:
            self._bury()
        elif not self._relayed:
            asyncio.get_running_loop().call_later(LAST_WORDS, self._bury)

    def lane_ended(self, role: str) -> None:
        self._open.discard(role)
        if self.report is not None and not self._open:
            self._bury()

    def _bury(self) -> None:
        report = self.report
        if not self.alive or report is None:
            return
        self.alive = False
        self._hub.library.unpin(self.code)
        self.code = b""
        self.buried.set()
        for current in list(self._recent.values()):
            for word in [*current.replies, *([current.end] if current.end is not None else [])]:
                # It arrived; what it waited for never will.
                current.control, current.output = word.control, word.output
                self._deliver(current)
        for waiter in self._raised.values():
            if not waiter.done():
                waiter.set_result("idle")
        self._answers.clear()
        for lane in (self._call, self._control):
            if lane is not None:
                lane.close()
        self._hub.dead(self, report)


class Lane:
    """Receives one lane's messages for its worker. A lane's end says nothing: death is what the agent's waitpid says."""

    def __init__(self, worker: Worker, role: str) -> None:
        self._worker = worker
        self._role = role

    def received(self, message: wire.CallToHub | wire.ControlToHub) -> None:
        self._worker.received(message)

    def lost(self) -> None:
        self._worker.lane_ended(self._role)


def bounded(message: wire.Reloaded) -> wire.Reloaded:
    """What is told on of it: it is an event that the owner keeps, and the worker may be hostile."""
    modules = [name[:LONGEST] for name in message.modules[:MOST_MODULES]]
    kept = {name[:LONGEST]: why[:LONGEST] for name, why in list(message.kept.items())[:MOST_MODULES]}
    return wire.Reloaded(message.task, modules, kept)


def named(modules: list[str]) -> str:
    """Some modules in a sentence."""
    shown = ", ".join(name[:LONGEST] for name in modules[:NAMED])
    more = f" and {len(modules) - NAMED} more" if len(modules) > NAMED else ""
    return shown + more


def clock() -> float:
    """Seconds since the epoch, for what a person sees."""
    return time.time()
