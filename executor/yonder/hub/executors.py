"""Executors as the hub sees them: booted through a backend, filled with workers by their agent, ended and confirmed.

Knows backends, agents and workers; not calls or runs. "Gone" is said only after the platform has said it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from yonder import wire
from yonder.backends.base import HELD, BootSpec
from yonder.core.writers import Span
from yonder.errors import BootFailed
from yonder.hub.agents import Agent, Agents
from yonder.hub.code import Library
from yonder.hub.endings import Endings
from yonder.hub.environments import Unfit, fit, place_of
from yonder.hub.executor import Executor, Renewal, Resident, progress
from yonder.hub.files import Files
from yonder.hub.ledger import Ledger
from yonder.hub.lessons import Lessons
from yonder.hub.stacks import Stacks
from yonder.hub.substrates import Substrates
from yonder.hub.worker import Worker, clock
from yonder.wire import PLACE_VARIABLE

LEAVE_GRACE = 1.0
"""Seconds between the polite request to leave and the kill."""

KILL_LIMIT = 4.0
"""Seconds that an agent may take to kill; after them the platform ends its machine."""

COMPANIONS = {"torch": "torch._dynamo"}
"""What a module imports later, at a bad moment: the first torch optimizer costs every fork a second without this."""

NAMED = 8
"""How many preloaded modules are told by name."""

STILLBORN = 3
"""So many successors for one place that die before they serve are a reason to give up the executor, siblings and all."""

END_LIMIT = 20.0
"""Seconds after which `end_all` stops waiting for stubborn executors."""


class Executors:
    """All executors of one owner, on all backends."""

    def __init__(
        self,
        owner: str,
        substrates: Substrates,
        ledger: Ledger,
        trouble: Callable[[str], None],
        tell: Callable[[wire.Event], None],
        changed: Callable[[], None],
        *,
        beside_editor: bool,
    ) -> None:
        self._owner = owner
        self._substrates = substrates
        self._ledger = ledger
        self.endings = Endings(owner, substrates, trouble)
        self._tell_owner = tell
        self.changed = changed
        self._beside_editor = beside_editor
        self.all: dict[str, Executor] = {}
        self.workers: dict[str, Worker] = {}
        self.library = Library()
        self.agents = Agents(self, self.library)
        self.files = Files(self)
        self.stacks = Stacks(self.agent_of)
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._lessons = Lessons(self._teach)
        self.environments: dict[str, wire.Environment] = {}
        """The Pythons of executors that have one of their own, by pool, the latest one's."""
        self.peak = 0
        self.booted = 0

    # ── names ──

    def worker_ids(self, executor: str, count: int) -> tuple[str, ...]:
        return tuple(f"{executor}.{n}" for n in range(count))

    def next_id(self, kind: str) -> str:
        return f"{mark_of(self._owner)}-{kind}-{next(self._numbers)}"

    # ── agents ──

    def agent_of(self, executor: Executor) -> Agent | None:
        """Its agent, while it is here."""
        return self.agents.find(executor.handle.agent) if executor.handle else None

    def preload(self, executor: Executor, modules: list[str]) -> None:
        """Have the executor's zygote import these, so that later forks begin with them."""
        agent = self.agent_of(executor)
        if agent is not None and modules:
            agent.say(wire.Preload([*modules, *(COMPANIONS[name] for name in modules if name in COMPANIONS)]))

    def supply(self, executor: Executor, snapshot: bytes, then: Callable[[str], None]) -> None:
        """Have the code on the executor's machine; `then` is told "" or why it cannot be."""
        agent = self.agent_of(executor)
        if agent is None:
            return  # its workers are as good as dead, and their ends are told
        agent.shelf.want(snapshot, then)

    def supplied(self, executor: Executor, snapshot: bytes) -> bool:
        """Has the executor's machine this code?"""
        agent = self.agents.find(executor.handle.agent) if executor.handle else None
        return agent is not None and agent.shelf.has(snapshot)

    # ── booting ──

    def boot(self, spec: BootSpec, resident: Resident) -> Executor:
        """Start one; the resident is told how it went."""
        executor = self.all[spec.executor] = Executor(spec, resident)
        self._ledger.begun(spec.executor, executor.pool or spec.kind, executor.backend)
        self._state(executor, "creating")
        self._spawn(self._boot(executor))
        return executor

    async def _boot(self, executor: Executor) -> None:
        spec = executor.spec
        executor.creating = asyncio.current_task()
        try:
            backend = self._substrates.of(spec.pool.backend)
            async with asyncio.timeout(spec.pool.boot_timeout) as limit:
                await self.endings.swept()
                if executor.unwanted():  # before it was begun
                    raise asyncio.CancelledError
                executor.handle = await backend.boot(
                    spec, lambda phase, detail: self._phase(executor, limit, phase, detail)
                )
                self._ledger.named(executor.id, executor.handle.native)
                agent = await self.agents.arrival(executor.handle.agent)
                suits = await fit(agent, spec, lambda phase, far: self._phase(executor, limit, phase, far))
                executor.overlay, executor.there = suits.overlay, suits.there
                if suits.there is not None:
                    self.environments[spec.pool.name] = suits.there
                if suits.differs:
                    executor.resident.differs(executor, suits.differs)
                if not executor.ending:
                    executor.creating = None
                    self._far(executor, "booting", "")
                    self._state(executor, "booting")
                    for worker in spec.workers:
                        executor.workers[worker] = self.workers[worker] = Worker(worker, executor.id, self)
                        agent.say(self._fork(executor, worker))
                    await executor.settled.wait()
                    return
            await self._confirm(executor)
        except asyncio.CancelledError:
            if not executor.ending:
                raise
            await self._confirm(executor)
        except BootFailed as error:
            if isinstance(error, Unfit):
                executor.unfit = True
                if error.there is not None:
                    self.environments[spec.pool.name] = error.there
            await self._half_made(executor, str(error))
        except TimeoutError:
            far = executor.progress or executor.state
            await self._half_made(executor, f"the executor was not ready within {spec.pool.boot_timeout:g} s: {far}")
        except Exception as error:  # noqa: BLE001 - whatever a backend meets, who waits for the executor must be told
            await self._half_made(executor, f"the backend {spec.pool.backend!r} failed: {error!r}")

    def _phase(self, executor: Executor, limit: asyncio.Timeout, phase: str, detail: str) -> None:
        """What a backend says of a boot. While it holds one back, the boot's time stands still."""
        if executor.ending:
            return
        held = phase == HELD
        if held != executor.held:
            executor.held = held
            limit.reschedule(None if held else asyncio.get_running_loop().time() + executor.spec.pool.boot_timeout)
            executor.resident.held(executor, detail if held else "")
        self._far(executor, "creating" if held else phase, detail)
        self._state(executor, "creating" if held else phase, detail)

    @staticmethod
    def _far(executor: Executor, phase: str, detail: str) -> None:
        executor.progress = progress(phase, detail)
        executor.resident.phase(executor, phase, detail)

    def _fork(self, executor: Executor, worker: str) -> wire.Fork:
        spec, own = executor.spec, executor.handle.env if executor.handle else {}
        return wire.Fork(
            worker=worker,
            executor=spec.executor,
            kind=spec.kind,
            env={**spec.place.env, **spec.pool.env, **own, **_marks(spec)},
            folder=spec.place.folder,
            preload=spec.preload,
            threads=spec.threads,
            background=self._beside_editor and spec.kind == "pool",
            overlay=executor.overlay,
        )

    async def _half_made(self, executor: Executor, sentence: str) -> None:
        """Whatever the platform has of it is removed before anybody is told, once (several of its workers may fail)."""
        if executor.broken:
            return
        executor.broken = executor.ending = True
        executor.reason = executor.reason or sentence
        executor.settled.set()
        for worker in executor.everyone():
            self._kill(executor, worker)
        await self._confirm(executor, told=False)
        executor.resident.boot_failed(executor, sentence)

    def fork_failed(self, worker: Worker, sentence: str) -> None:
        executor = self.all.get(worker.executor)
        if executor is None:
            return
        if executor.ending or executor.state in ("ready", "busy"):
            # withdrawn before it was born, or one that should have come later: no more and no less than dead
            worker.exited(wire.ExitReport(code=0, stderr="" if executor.ending else sentence))
        else:
            self._spawn(self._half_made(executor, sentence))

    def imported(self, worker: Worker, modules: list[str]) -> None:
        """A worker's task has imported these."""
        executor = self.all.get(worker.executor)
        if executor is not None and executor.handle is not None and executor.resident.learns():
            self._lessons.heard(executor.handle.agent, modules)

    def outdated(self, worker: Worker, modules: list[str]) -> None:
        """It holds older code than what it was told to adopt."""
        executor = self.all.get(worker.executor)
        if executor is not None and not executor.ending:
            executor.resident.outdated(executor, worker, modules)

    def _teach(self, agent: str, modules: list[str]) -> None:
        found = self.agents.find(agent)
        if found is not None:
            found.say(wire.Preload(modules))

    def preloaded(self, message: wire.Preloaded) -> None:
        named = ", ".join(message.modules[:NAMED])
        more = f" and {len(message.modules) - NAMED} more" if len(message.modules) > NAMED else ""
        detail = f"{named}{more} in {message.seconds:.1f} s"
        if message.failed:
            detail += "; not importable: " + ", ".join(f"{name} ({why})" for name, why in message.failed.items())
        self._tell_owner(wire.Phase("", "preloaded", clock(), detail))

    def ready(self, worker: Worker) -> None:
        """Both of its lanes said hello."""
        executor = self.all.get(worker.executor)
        if executor is not None and not executor.ending:
            agent = self.agent_of(executor)
            worker.cellar = agent.cellar if agent is not None and agent.elsewhere else None
            executor.resident.welcome(worker, lambda why: self._welcomed(executor, worker, why))

    def ready_again(self, worker: Worker) -> None:
        """One that was welcomed and does not serve yet has something more to do first."""
        executor = self.all.get(worker.executor)
        if executor is None or executor.ending:
            return
        worker.initiated = False
        if executor.state not in ("ready", "busy"):
            executor.waiting.add(worker.id)
        executor.resident.welcome(worker, lambda why: self._welcomed(executor, worker, why))

    def _welcomed(self, executor: Executor, worker: Worker, why: str) -> None:
        if executor.ending or not worker.alive:
            return
        if why:
            self._unfit(executor, worker, why)
            return
        worker.initiated = True
        if worker.id in executor.waiting:
            executor.waiting.discard(worker.id)
            self._up_if_complete(executor)
            return
        if (renewal := executor.renewal_by(worker)) is not None:
            self._renewed_if_complete(executor, renewal.old)

    def _unfit(self, executor: Executor, worker: Worker, why: str) -> None:
        if executor.waiting:
            self._spawn(self._half_made(executor, why))
            return
        worker.last_words = why
        self._kill(executor, worker)

    def _up_if_complete(self, executor: Executor) -> None:
        if executor.waiting or executor.state == "ready":
            return
        executor.settled.set()
        self._state(executor, "ready")
        self.booted += 1
        self.peak = max(
            self.peak,
            sum(1 for one in self.all.values() if one.pool and one.state in ("ready", "busy", "draining")),
        )
        executor.resident.up(executor)

    # ── renewing ──

    def prepare(self, executor: Executor) -> None:
        """A worker will have to be replaced soon: fork the next one now, so that nobody waits for it then."""
        busy = sum(1 for worker in executor.workers.values() if worker.task is not None)
        if not executor.ending and not executor.fallen and len(executor.spares) < busy:
            worker = self._fork_later(executor)
            if worker is not None:
                executor.spares[worker.id] = worker

    def drop_spares(self, executor: Executor, code: bytes) -> None:
        """Those that have loaded other code than this may hold what is older."""
        for worker in [worker for worker in executor.spares.values() if worker.code not in (b"", code)]:
            del executor.spares[worker.id]
            self._kill(executor, worker)

    def renew(self, executor: Executor, old: str) -> None:
        """Put a fresh worker where `old` is. What is left of the old one goes first; the resident is told `renewed`, or
        `falling` when it does not work."""
        leaving = executor.workers.get(old)
        if executor.ending or old in executor.renewals or leaving is None:
            return
        successor = next(iter(executor.spares.values()), None)
        if successor is not None:
            del executor.spares[successor.id]
        else:
            successor = self._fork_later(executor)
        if successor is None:
            self._fall(executor)
            return
        executor.renewals[old] = Renewal(old, successor, gone=not leaving.alive)
        if leaving.alive:
            self._spawn(self._retire(executor, leaving))
        self._renewed_if_complete(executor, old)

    def _fork_later(self, executor: Executor) -> Worker | None:
        agent = self.agent_of(executor)
        if agent is None or executor.handle is None:
            return None
        name = executor.next_worker()
        worker = self.workers[name] = Worker(name, executor.id, self)
        agent.say(self._fork(executor, name))
        return worker

    async def _retire(self, executor: Executor, worker: Worker) -> None:
        worker.say(wire.Leave())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.buried.wait(), LEAVE_GRACE)
        if worker.alive:
            self._kill(executor, worker)

    def _renewed_if_complete(self, executor: Executor, old: str) -> None:
        renewal = executor.renewals[old]
        if not renewal.gone or not renewal.successor.initiated or executor.ending:
            return
        del executor.renewals[old]
        del executor.workers[old]
        executor.workers[renewal.successor.id] = renewal.successor
        executor.resident.renewed(executor, old, renewal.successor)

    # ── ending ──

    def end(self, executor: Executor, reason: str, *, hard: bool = False) -> None:
        """Ask it to leave, kill what does not, tell the resident when the platform says it is gone."""
        if executor.ending:
            return
        executor.ending = True
        executor.reason = reason
        self._state(executor, "draining", reason)
        if not executor.workers:
            if executor.creating is not None:
                executor.creating.cancel()  # else it sees `ending` before it begins
            return  # _boot confirms
        if not any(worker.alive for worker in executor.everyone()):
            self._fall(executor)
            return
        self._spawn(self._leave(executor, hard))

    async def _leave(self, executor: Executor, hard: bool) -> None:
        if not hard and not executor.waiting:
            for worker in executor.everyone():
                if worker.attached:
                    worker.say(wire.Leave())
                else:
                    self._kill(executor, worker)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(executor.emptied.wait(), LEAVE_GRACE)
        for worker in executor.everyone():
            if worker.alive:
                self._kill(executor, worker)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(executor.emptied.wait(), KILL_LIMIT)
            return
        await self._wrest(executor)

    async def _wrest(self, executor: Executor) -> None:
        """Its agent does nothing: it stands still, or cannot be reached. The platform ends it, whatever is said here."""
        if executor.handle is not None:
            await self._substrates.of(executor.backend).terminate(executor.handle)
        for worker in executor.everyone():
            if worker.alive:
                worker.exited(wire.ExitReport(words="was ended by its platform: its agent did not answer"))

    def _kill(self, executor: Executor, worker: Worker) -> None:
        agent = self.agent_of(executor)
        if agent is not None:
            agent.say(wire.Kill(worker.id, hard=True))

    def kill(self, worker: Worker) -> None:
        """Kill one worker now (a call that would not stop, a run that its person killed)."""
        executor = self.all.get(worker.executor)
        if executor is not None:
            self._kill(executor, worker)
            executor.condemned.add(worker.id)
            self._spawn(self._see_dead(executor, worker))

    async def _see_dead(self, executor: Executor, worker: Worker) -> None:
        """Where the kill does not come about, the platform ends the machine, once nobody else's work is lost by that."""
        while worker.alive:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.buried.wait(), KILL_LIMIT)
                return
            if not any(one.alive and one.task and one.id not in executor.condemned for one in executor.everyone()):
                await self._wrest(executor)
                return

    def dead(self, worker: Worker, report: wire.ExitReport) -> None:
        """The agent has reaped it, and what it had to say is heard."""
        executor = self.all.get(worker.executor)
        self.workers.pop(worker.id, None)
        if executor is None or executor.state == "gone":
            return
        if worker.last_words:
            report = msgspec.structs.replace(report, stderr=worker.last_words)
        if executor.ending or executor.waiting or executor.severed or executor.fallen:
            self._fell(executor, report)
        elif executor.spares.pop(worker.id, None) is not None:
            pass  # the next one is forked when it is needed
        elif (renewal := executor.renewals.get(worker.id)) is not None:
            renewal.gone = True
            self._renewed_if_complete(executor, worker.id)
        elif (renewal := executor.renewal_by(worker)) is not None:
            renewal.deaths += 1
            successor = self._fork_later(executor) if renewal.deaths < STILLBORN else None
            if successor is None:
                self._fell(executor, report)
            else:
                renewal.successor = successor
        elif worker.id not in executor.workers:
            pass  # a spare that was not wanted any more
        elif not executor.renewable:
            self._fell(executor, report)
        else:
            executor.report = report
            executor.resident.worker_down(executor, worker, report)

    def _fell(self, executor: Executor, report: wire.ExitReport) -> None:
        """A worker's death is the executor's end (or belongs to it)."""
        if not executor.fallen:
            executor.report = report  # the first one's: its siblings are ended because of it
        if executor.waiting and not executor.ending:
            executor.fallen = True
            words = f"its worker {report.sentence()} before it was ready"
            self._spawn(self._half_made(executor, words + (f":\n{report.stderr}" if report.stderr else "")))
            return
        self._fall(executor)

    def _fall(self, executor: Executor) -> None:
        if not executor.fallen:
            executor.fallen = True
            executor.resident.falling(executor)
        left = [worker for worker in executor.everyone() if worker.alive]
        for worker in left:
            self._kill(executor, worker)
        if not left:
            executor.ending = True
            executor.emptied.set()
            if not executor.broken:  # else _half_made confirms, and says that it was never up
                self._spawn(self._confirm(executor))

    def agent_lost(self, agent: Agent) -> None:
        self.agents.lost(agent)
        self._lessons.lost(agent.id)
        for executor in self._on(agent.id):
            executor.severed = True
            self.files.gone(executor.id)
            for worker in executor.everyone():
                worker.exited(agent.verdict)

    def away(self, agent: str, sentence: str) -> None:
        """The machine of an agent cannot be reached at present, or ("") is back."""
        if (found := self.agents.find(agent)) is not None:
            found.owed.away = bool(sentence)
        for executor in self._on(agent):
            self._tell_owner(
                wire.ExecutorChanged(
                    executor.id, executor.pool, executor.state, clock(), executor.pid, sentence or "it is back"
                )
            )

    def _on(self, agent: str) -> list[Executor]:
        return [one for one in self.all.values() if one.handle is not None and one.handle.agent == agent]

    def files_found(self, agent: Agent, message: wire.FilesFound) -> None:
        self.files.found(agent, message)

    def running(self, executor: Executor) -> list[Span]:
        tasks = (worker.task for worker in executor.workers.values())
        return [span for span in (getattr(task, "span", None) for task in tasks) if isinstance(span, Span)]

    def file_part(self, agent: str, message: wire.FilePart) -> None:
        self.files.part(agent, message)

    def stack_taken(self, agent: str, message: wire.StackTaken) -> None:
        self.stacks.taken(agent, message)

    def worker_on(self, agent: str, worker: str) -> Worker | None:
        """This worker, if it lives on this agent's machine: an agent may speak for no other."""
        found = self.workers.get(worker)
        executor = self.all.get(found.executor) if found is not None else None
        here = executor is not None and executor.handle is not None and executor.handle.agent == agent
        return found if here else None

    async def _confirm(self, executor: Executor, *, told: bool = True) -> None:
        """Have the platform say that nothing is left, then say so ourselves."""
        if not executor.severed:
            await self.files.released(executor)
        silent = await self.endings.confirm(executor, lambda words: self._state(executor, "draining", words))
        if self.all.pop(executor.id, None) is None:
            return
        for worker in executor.everyone():
            self.workers.pop(worker.id, None)
        reason = executor.reason or executor.report.sentence()
        self._ledger.ended(executor.id, f"{reason}; {silent}" if silent else reason)
        self._state(executor, "gone", reason)
        self.files.gone(executor.id)
        executor.settled.set()
        executor.gone.set()
        if told:
            executor.resident.down(executor, executor.report, reason)

    async def end_all(self, reason: str) -> None:
        """End every executor and every agent and come back when the platforms say so."""
        ending = list(self.all.values())
        for executor in ending:
            self.end(executor, reason)
        with contextlib.suppress(TimeoutError):  # what is left then is counted by `left` and swept by the backends
            await asyncio.wait_for(asyncio.gather(*(executor.gone.wait() for executor in ending)), END_LIMIT)
        self.agents.dismiss(reason)

    # ── small things ──

    def tell(self, event: wire.Event) -> None:
        self._tell_owner(event)

    def busy(self, executor: Executor, busy: bool) -> None:
        if executor.state in ("ready", "busy"):
            executor.state = "busy" if busy else "ready"
            self.changed()

    def _state(self, executor: Executor, state: str, detail: str = "") -> None:
        executor.state = state
        executor.since = clock()
        self._tell_owner(wire.ExecutorChanged(executor.id, executor.pool, state, executor.since, executor.pid, detail))
        self.changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an executor's task failed", "exception": error, "task": task}
            )


def _marks(spec: BootSpec) -> dict[str, str]:
    """What a worker elsewhere says when a module is missing there."""
    return {PLACE_VARIABLE: place_of(spec.pool)} if spec.needs is not None else {}


def mark_of(owner: str) -> str:
    """The beginning of every id of this owner's. Agents sweep the whole process table for ids, so that two owners must
    never share one: an owner's name ends in what was drawn at random (it may begin like everybody's)."""
    return owner[-6:]
