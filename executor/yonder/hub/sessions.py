"""Sessions and file runs: blocks in order on a worker that keeps its namespace, and what is said when it dies.

A session is one executor of its own, not counted in any pool's `max`. Knows executors and workers; not pools.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from yonder import wire
from yonder.backends.base import BootSpec
from yonder.core.writers import Span
from yonder.hub.executor import Executor
from yonder.hub.executors import Executors
from yonder.hub.worker import End, Part, Worker, clock
from yonder.snapshot import version


class Surroundings(Protocol):
    """What a session needs of the hub."""

    owner: str
    executors: Executors
    place: wire.Place
    session_spec: wire.PoolSpec

    def tell(self, event: wire.Event) -> None: ...

    def reply(self, message: wire.HubToOwner) -> None: ...

    def needs_of(self, backend: str, own: wire.Needs | None) -> wire.Needs | None:
        """What executors of this backend are compared with."""

    def changed(self) -> None: ...

    def run_over(self, run: str) -> None:
        """Calls that the run made and nobody waits for any more can end."""


class Run:
    """One block or file on its way. Implements worker.Task."""

    call = ""

    def __init__(self, request: wire.Execute, room: SessionRoom) -> None:
        self.request = request
        self.run = request.run
        self.began = 0.0
        self.over = asyncio.Event()
        self.syncing = False  # it waits for its code to be where the session is
        self._room = room

    @property
    def span(self) -> Span:
        """What it was, and when it ran, up to now."""
        return Span(self.run, "", self.began, clock())

    def ended(self, end: End) -> None:
        if isinstance(end, wire.BlockDone):
            self._room.block_ended(self, end)

    def gave(self, part: Part) -> None:
        """A block gives nothing before its end."""

    def asked(self, question: wire.InputAsked) -> None:
        self._room.asked(self, question)

    def stale(self, modules: list[str]) -> None:
        self._room.stale()

    def reloaded(self, message: wire.Reloaded) -> None:
        self._room.reloaded(self, message)


class SessionRoom:
    """One session. With `single`, the worker runs one file and is gone: a *Run File*."""

    def __init__(self, session: str, hub: Surroundings, *, single: bool = False) -> None:
        self.id = session
        self.single = single
        self.generation = 0
        self.state = "none"
        self._hub = hub
        self._queue: deque[Run] = deque()
        self._now: Run | None = None
        self._executor: Executor | None = None
        self._lost = ""
        self._restarting = False
        self._questions: dict[str, wire.InputWanted] = {}
        self._differs = ""  # what was said last of its executor's packages

    # ── what is asked ──

    def execute(self, request: wire.Execute) -> None:
        run = Run(request, self)
        library = self._hub.executors.library
        if request.snapshot and library.get(request.snapshot) is None:
            self._over(run, "lost", sentence="the code that this was to run on is not at the hub; run it again")
            return
        library.pin(request.snapshot)
        self._queue.append(run)
        self._hub.tell(wire.Phase(run.run, "queued", clock()))
        self._go_on()

    async def interrupt(self, request: wire.Interrupt) -> wire.Interrupted:
        """End the named run; says in words what came of it."""
        waiting = next((run for run in self._queue if run.run == request.run), None)
        if waiting is not None:
            self._queue.remove(waiting)
            self._over(waiting, "cancelled", sentence="cancelled before it began")
            return wire.Interrupted(request.id, "cancelled", "the run was still waiting; it was taken out of the queue")
        run, worker = self._now, self.worker
        if run is None or worker is None or run.run != request.run:
            return wire.Interrupted(request.id, "not_this_run" if run else "idle", "that run is not running any more")
        if request.kill:
            self._hub.executors.kill(worker)
            await run.over.wait()
            return wire.Interrupted(request.id, "killed", "the worker was killed; the session's variables are gone")
        if run.syncing:
            self._dropped(run, "cancelled", "cancelled while its code was on the way")
            return wire.Interrupted(request.id, "cancelled", "the run waited for its code; it has not begun")
        return await self._interrupt(request, run, worker)

    async def _interrupt(self, request: wire.Interrupt, run: Run, worker: Worker) -> wire.Interrupted:
        try:
            async with asyncio.timeout(request.grace):
                outcome = await worker.interrupt(run)
                if outcome == "interrupted" or not run.over.is_set():
                    await run.over.wait()
        except TimeoutError:
            sentence = (
                f"still running {request.grace:g} s after the interrupt: it is in C code or ignores KeyboardInterrupt"
            )
            return wire.Interrupted(request.id, "in_c_code", sentence)
        if outcome == "interrupted":
            return wire.Interrupted(request.id, "interrupted", "interrupted")
        return wire.Interrupted(request.id, "idle", "the run ended by itself just before")

    def restart(self) -> None:
        """End the worker; the next block begins with nothing."""
        self._cancel_queue("the session was restarted before this run began")
        if self._executor is not None:
            self._restarting = True
            self._hub.executors.end(self._executor, "the session was restarted", hard=True)
        else:
            self._lost = ""
            self._state("none")

    def look(self, query: wire.Query, answer: object) -> bool:
        """Pass a question to the side thread; False when there is nobody to ask."""
        worker = self.worker
        if worker is None or not callable(answer):
            return False
        worker.look(query, answer)
        return True

    def typed(self, question: str, text: str | None) -> None:
        if (worker := self.worker) is not None:
            worker.control(wire.Typed(question, text))
        self._answered(question)

    def ask_again(self) -> None:
        """A reloaded window has forgotten what it was asked."""
        for wanted in self._questions.values():
            self._hub.tell(wanted)

    def _answered(self, question: str) -> None:
        if (wanted := self._questions.pop(question, None)) is not None:
            self._hub.tell(wire.InputOver(wanted.id))

    # ── what happened ──

    @property
    def worker(self) -> Worker | None:
        if self._executor is None or self._executor.waiting:
            return None
        return next((worker for worker in self._executor.workers.values() if worker.alive), None)

    def status(self) -> wire.SessionState:
        worker = self.worker
        return wire.SessionState(
            id=self.id,
            state=self.state,
            generation=self.generation,
            python=self._hub.place.python,
            pid=worker.pid if worker else 0,
            run=self._now.run if self._now else "",
            queued=len(self._queue),
        )

    def welcome(self, worker: Worker, done: Callable[[str], None]) -> None:
        """A session's worker has nothing to do before its first block."""
        done("")

    def learns(self) -> bool:
        """What a session needs, its text says."""
        return False

    def worker_down(self, executor: Executor, worker: Worker, report: wire.ExitReport) -> None:
        """A session has one worker only: its death is the executor's."""

    def renewed(self, executor: Executor, old: str, worker: Worker) -> None:
        """A session's worker is never replaced: its variables are in it."""

    def up(self, executor: Executor) -> None:
        self._state("idle", note=self._lost)
        self._lost = ""
        self._go_on()
        request = self._now.request if self._now else None
        if request is not None and not self.single:
            self._hub.executors.preload(executor, request.preload)

    def phase(self, executor: Executor, phase: str, detail: str) -> None:
        """Whoever waits for the first block sees it."""
        if detail and self._queue:
            self._hub.tell(wire.Phase(self._queue[0].run, phase, clock(), detail))

    def held(self, executor: Executor, sentence: str) -> None:
        """Its state says so."""

    def boot_failed(self, executor: Executor, sentence: str) -> None:
        self._executor = None
        self._restarting = False  # what a restart would have ended has ended: the next end is a verdict again
        self._state("none")
        waiting = list(self._queue)
        self._queue.clear()
        for run in waiting:
            self._over(run, "lost", sentence=f"the session did not start: {sentence}")

    def outdated(self, executor: Executor, worker: Worker, modules: list[str]) -> None:
        """A session is not told of code before its runs."""

    def differs(self, executor: Executor, sentence: str) -> None:
        if sentence != self._differs:
            self._differs = sentence
            self._hub.reply(wire.Problem(sentence))

    def falling(self, executor: Executor) -> None:
        """A session has no other worker to prefer: it waits for `down`."""

    def down(self, executor: Executor, report: wire.ExitReport, sentence: str) -> None:
        self._executor = None
        how = f"was ended: {executor.reason}" if executor.reason else report.sentence()
        restarted, self._restarting = self._restarting, False
        run, self._now = self._now, None
        if run is not None and restarted:
            self._over(run, "cancelled", sentence="the session was restarted while it ran")
        elif run is not None:
            what = "the process" if self.single else "the session's worker"
            tail = "" if self.single else " The variables are gone; the next run starts a fresh session."
            self._over(run, "lost", report=report, sentence=f"{what} {how}.{tail}")
        if restarted or self.single:
            self._state("none")
        else:
            self._lost = f"a fresh session: the previous one {how}, so its variables are gone"
            self._state("dead", note="" if run else f"the session {how}; its variables are gone")
            self._cancel_queue("not run: the session it was meant for died")
        self._go_on()

    def asked(self, run: Run, question: wire.InputAsked) -> None:
        wanted = wire.InputWanted(run.run, f"{self.id}\n{question.id}", question.prompt, question.secret)
        self._questions[question.id] = wanted
        self._hub.tell(wanted)

    def block_ended(self, run: Run, end: wire.BlockDone) -> None:
        self.generation += 1
        if self._executor is not None:
            self._hub.executors.files.over(self._executor.id, run)
        if self._now is run:
            self._now = None
        if end.interrupted:
            self._over(run, "cancelled", failure=end.failure, sentence="interrupted")
        elif end.failure is not None:
            self._over(run, "error", failure=end.failure, report=wire.ExitReport(end.code) if self.single else None)
        else:
            self._over(run, "ok", preview=end.preview)
        self._state("idle")
        self._go_on()

    # ── going on ──

    def _go_on(self) -> None:
        if self._now is not None or not self._queue:
            return
        if self._executor is None:
            self._boot(self._queue[0])
            return
        worker = self.worker
        if worker is None or self._executor.ending:
            return
        run = self._now = self._queue.popleft()
        code = run.request.snapshot
        if code and not self._hub.executors.supplied(self._executor, code):
            run.syncing = True
            self._hub.tell(wire.Phase(run.run, "syncing", clock()))
            self._hub.executors.supply(self._executor, code, lambda why: self._supplied(run, worker, why))
        else:
            self._begin(run, worker)

    def _supplied(self, run: Run, worker: Worker, why: str) -> None:
        """Its code is there, or will not be."""
        if self._now is not run or not run.syncing or not worker.alive:
            return  # it was cancelled, or its worker has died, which is told
        if why:
            self._dropped(run, "lost", f"the code of the run did not come to the session: {why}")
        else:
            self._begin(run, worker)

    def _begin(self, run: Run, worker: Worker) -> None:
        run.syncing = False
        run.began = clock()
        request = run.request
        if request.snapshot:
            worker.runs_on(request.snapshot)
        number = worker.start(run)
        self._hub.tell(wire.Phase(run.run, "running", run.began))
        worker.say(
            wire.Block(
                number, run.run, request.code, request.path, request.line, request.kind, request.argv, request.snapshot
            )
        )
        self._state("busy")

    def _dropped(self, run: Run, outcome: Literal["lost", "cancelled"], sentence: str) -> None:
        """It was never sent to the worker, and will not be."""
        self._now, run.syncing = None, False
        self._over(run, outcome, sentence=sentence)
        if self.single and self._executor is not None:
            self._hub.executors.end(self._executor, "its file was not run")
        self._go_on()

    def stale(self) -> None:
        """A session keeps its variables and takes newer code as far as it can: a worker that says this is none of ours."""
        if (worker := self.worker) is not None:
            self._hub.executors.kill(worker)

    def reloaded(self, run: Run, message: wire.Reloaded) -> None:
        self._hub.tell(wire.CodeChanged(run.run, "", message.modules, message.kept, clock()))

    def _boot(self, run: Run) -> None:
        kind: Literal["session", "file"] = "file" if self.single else "session"
        self._hub.tell(
            wire.Phase(run.run, "booting", clock(), "starting a process" if self.single else "starting a session")
        )
        executor = self._hub.executors.next_id(kind)
        spec = BootSpec(
            executor=executor,
            owner=self._hub.owner,
            kind=kind,
            workers=self._hub.executors.worker_ids(executor, 1),
            place=run.request.place or self._hub.place,
            pool=self._hub.session_spec,
            preload=[],
            needs=self._hub.needs_of(self._hub.session_spec.backend, None),
        )
        self._state("booting")
        self._executor = self._hub.executors.boot(spec, self)

    def _cancel_queue(self, sentence: str) -> None:
        waiting = list(self._queue)
        self._queue.clear()
        for run in waiting:
            self._over(run, "cancelled", sentence=sentence)

    def _over(
        self,
        run: Run,
        outcome: Literal["ok", "error", "lost", "cancelled"],
        *,
        preview: wire.Preview | None = None,
        failure: wire.Failure | None = None,
        report: wire.ExitReport | None = None,
        sentence: str = "",
    ) -> None:
        now = clock()
        seconds = now - run.began if run.began else 0.0
        self._hub.tell(
            wire.RunEnded(
                run.run,
                outcome,
                now,
                seconds,
                preview,
                failure,
                report,
                sentence,
                self.generation,
                version(run.request.snapshot),
            )
        )
        if not run.over.is_set():
            self._hub.executors.library.unpin(run.request.snapshot)
        for question in [name for name, wanted in self._questions.items() if wanted.run == run.run]:
            self._answered(question)
        run.over.set()
        self._hub.run_over(run.run)

    def _state(self, state: str, note: str = "") -> None:
        self.state = state
        worker = self.worker
        pid = worker.pid if worker else 0
        if not self.single:
            self._hub.tell(
                wire.SessionChanged(self.id, state, self.generation, clock(), self._hub.place.python, pid, note)
            )
        if self._executor is not None:
            self._hub.executors.busy(self._executor, state == "busy")
        self._hub.changed()
