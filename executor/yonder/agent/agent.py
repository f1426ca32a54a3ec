"""The agent: the first process of an executor. Dials the hub, has workers forked, watches them, ends with the hub.

What belongs here: one loop over the hub's link, the children's ends, and the clock of the beat. What this file must not
know: user code (it never runs any), pickles, tasks beyond a number on a page, whether the hub is on this machine
(`main` is for that; on another machine it is `remote`).

    hub ── Fork ──▶ agent ── Birth ──▶ zygote ─fork─▶ middle ─fork─▶ worker ── two lanes ──▶ hub
                      ▲ stdout, stderr, page, talk ◀────────────────────┘
All reasons to end (the hub's word, its end-of-file, SIGTERM) meet in `Agent.end`, which leaves no process behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from yonder import installed, wire
from yonder.agent import processes
from yonder.agent.birth import Ends
from yonder.agent.files import Desks
from yonder.agent.launching import Launched
from yonder.agent.nursery import Nursery
from yonder.agent.output import Outlet
from yonder.agent.providing import Provider
from yonder.agent.stacks import Stacks
from yonder.agent.store import Store, place, sweep
from yonder.agent.telemetry import Telemetry
from yonder.version import __version__

BEAT = 2.0
TERM_GRACE = 1.0
END_SECONDS = 3.0
SWEEP_POLL = 0.02
HIGH_WATER = 4 * 1024 * 1024
LOW_WATER = 1024 * 1024


def main() -> None:
    """Entry: argv is the core folder, the environment names hub and owner, stdin's first line is the token."""
    token = sys.stdin.readline().strip()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    processes.become_subreaper()
    processes.wake_with_parent()
    core = sys.argv[1] if len(sys.argv) > 1 else ""
    hub, ident = os.environ.get("YONDER_HUB", ""), os.environ.get("YONDER_EXECUTOR", "")
    asyncio.run(_live(hub, ident, token, core))


async def _live(hub: str, ident: str, token: str, core: str) -> None:
    loop = asyncio.get_running_loop()
    sweep(Path(hub).parent)
    agent = Agent(hub=hub, ident=ident, token=token, core=core)
    agent.begin()
    try:
        await loop.create_unix_connection(lambda: Conversation(agent), hub)
    except OSError as error:
        agent.end(f"no hub at {hub}: {error}", code=1)
    await agent.beat()


class Conversation(asyncio.Protocol):
    """The connection to the hub: frames in, frames out, and whether the hub keeps up."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._parser: wire.Parser[wire.Message] = wire.Parser(wire.HubToAgent)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream socket's
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self.transport = transport
        self.greet()

    def greet(self) -> None:
        self._agent.dialled(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._parser.feed(data):
                self._agent.heard(message)
        except wire.WireError as error:
            self._agent.end(f"the hub said something that is not the protocol: {error}", code=1)

    def eof_received(self) -> None:
        self._agent.end("the hub is gone")

    def connection_lost(self, exc: Exception | None) -> None:
        self._agent.end("the hub is gone" if exc is None else f"the hub is gone: {exc}")

    def pause_writing(self) -> None:
        self._agent.hold_back(True)

    def resume_writing(self) -> None:
        self._agent.hold_back(False)

    def send(self, message: wire.Message) -> None:
        if self.transport is not None:
            self.transport.write(wire.frames(message))


@dataclass
class Child:
    """One living worker. `asked`: we were told to kill it, so its end is no verdict."""

    fork: wire.Fork
    pid: int
    outlet: Outlet
    stacks: Stacks
    asked: bool = False


class Agent:
    """`hub` is the socket that workers dial, `token` what they and the agent show there; `desks` the working directories
    of executors, on a machine where the workspace's folder is not."""

    def __init__(self, *, hub: str, ident: str, token: str, core: str, desks: Desks | None = None) -> None:
        self._desks = desks
        self._ident = ident
        self._token = token
        self.dead: Callable[[str], None] = lambda _: None
        """Told which worker has ended, before the hub is."""
        self.leaving: Callable[[], None] = lambda: None
        """Told last of all, when everything below has ended."""
        self._link: Conversation | None = None
        self.bulk: Conversation | None = None
        """Where contents of files go, and hold up nothing else."""
        self._children: dict[str, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._early: dict[int, int] = {}  # ends of children whose birth was not told yet
        self._doomed: set[str] = set()  # workers to kill as soon as they are born
        self._executors = {ident}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = False
        self._over = False
        self._telemetry = Telemetry()
        self._memory = processes.MemoryWatch()
        store = place(hub, ident)
        self._store = Store(store)
        self._nursery = Nursery(
            self,
            agent=ident,
            hub=hub,
            token=token,
            core=core,
            spawn=not processes.LINUX,
            store=str(store),
            work=self._work,
        )
        self._provider = Provider(self._send)
        self._stowing = asyncio.Lock()

    # ── the hub ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, launched: Launched | None = None) -> None:
        """Heed signals, and have a zygote at hand (this one, if it was launched already)."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.end, f"signal {number}")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at a terminal is for the program there
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        self._nursery.start(launched)

    def dialled(self, link: Conversation) -> None:
        self._link = link
        self._send(self.hello("agent"))

    def hello(self, role: wire.Role) -> wire.Hello:
        """What it says first in a conversation."""
        return wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role=role,
            token=self._token,
            id=self._ident,
            pid=os.getpid(),
        )

    def heard(self, message: wire.Message) -> None:
        match message:
            case wire.Welcome():
                return
            case wire.Refused(sentence=sentence):
                self.end(f"the hub refused this agent: {sentence}", code=1)
            case wire.Fork():
                self._executors.add(message.executor)
                self._fork(message)
            case wire.Preload(modules=modules):
                self._nursery.preload(modules)
            case wire.Blobs():
                self._store.keep(message)
            case wire.Publish():
                answer = self._store.publish(message)
                if not answer.sentence:
                    self._nursery.read(message.snapshot)
                if self._desks is not None and not answer.sentence:
                    self._desks.supply(self._store.data(message.snapshot))
                self._send(answer)
            case wire.Unpublish():
                self._store.unpublish(message)
            case wire.Kill(worker=worker, hard=hard):
                self._kill(worker, hard=hard)
            case wire.Sweep(executor=executor):
                self._beside(self._sweep(executor))
            case wire.LookForFiles() | wire.ReadFile():
                self._beside(self._file(message))
            case wire.Stow() | wire.Drop():
                self._beside(self._part(message))
            case wire.TakeStack():
                self._beside(self._stack(message))
            case wire.Survey():
                self._send(wire.Surveyed(installed.survey()))
            case wire.Provide():
                self._provider.provide(message)
            case wire.AgentExit(reason=reason):
                self.end(reason)
            case _:
                self.end(f"the hub said {type(message).__name__}, which no agent understands", code=1)

    def _fork(self, message: wire.Fork) -> None:
        overlay = self._provider.folder(message.overlay, message.executor)
        if overlay is None:
            self.unborn(message, "what it is to import was not installed on this machine")
            return
        self._nursery.import_from(overlay)
        self._nursery.fork(message)

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _file(self, asked: wire.LookForFiles | wire.ReadFile) -> None:
        """In a thread: a disk may be slow, and the workers' output must not wait for it."""
        desks = self._desks
        if isinstance(asked, wire.LookForFiles):
            nothing = wire.FilesFound(asked.id, [], 0, time.time())
            self._send(await asyncio.to_thread(desks.look, asked) if desks is not None else nothing)
        elif desks is not None:
            part = await asyncio.to_thread(desks.read, asked)
            self.bulk.send(part) if self.bulk is not None else self._send(part)

    async def _part(self, message: wire.Stow | wire.Drop) -> None:
        """In the order in which the hub says it, and in a thread: they are large."""
        async with self._stowing:
            if isinstance(message, wire.Drop):
                await asyncio.to_thread(self._store.discard, message.refs)
                return
            sentence = await asyncio.to_thread(self._store.stow, message.ref, message.body)
        self._send(wire.Stowed(message.ref, sentence))

    async def _stack(self, asked: wire.TakeStack) -> None:
        child = self._children.get(asked.worker)
        if child is None:
            self._send(wire.StackTaken(asked.id, 0, [], "the process is not there (yet, or any more)"))
        else:
            threads, note = await child.stacks.take()
            self._send(wire.StackTaken(asked.id, child.pid, threads, note))

    def _work(self, executor: str) -> str:
        return self._desks.of(executor) if self._desks is not None else ""

    def hold_back(self, held: bool) -> None:
        """The hub does not keep up (or does again): let the workers' pipes fill, so that their writers wait."""
        self._held = held
        for child in self._children.values():
            child.outlet.pause() if held else child.outlet.resume()

    async def beat(self) -> NoReturn:
        while True:
            await asyncio.sleep(BEAT)
            self._send(wire.Beat(self._telemetry.read((name, child.pid) for name, child in self._children.items())))

    def _send(self, message: wire.Message) -> None:
        if self._link is not None:
            self._link.send(message)

    # ── births (the nursery's parent) ─────────────────────────────────────────────────────────────────────────────────

    def born(self, fork: wire.Fork, pid: int, ends: Ends) -> None:
        child = Child(fork, pid, Outlet(fork.worker, ends, self._send), Stacks(pid, ends.stacks))
        if self._held:
            child.outlet.pause()
        self._children[fork.worker] = self._by_pid[pid] = child
        self._send(wire.Forked(fork.worker, pid, time.time()))
        if fork.worker in self._doomed:
            self._doomed.discard(fork.worker)
            self._kill(fork.worker, hard=True)
        if pid in self._early:
            self._ended(child, self._early.pop(pid))

    def unborn(self, fork: wire.Fork, sentence: str) -> None:
        self._doomed.discard(fork.worker)
        self._send(wire.ForkFailed(fork.worker, sentence))

    def preloaded(self, modules: list[str], seconds: float, failed: dict[str, str]) -> None:
        self._send(wire.Preloaded(modules, seconds, failed))

    # ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _kill(self, worker: str, *, hard: bool) -> None:
        child = self._children.get(worker)
        if child is None:
            if (fork := self._nursery.withdraw(worker)) is not None:
                self.unborn(fork, "it was no longer wanted")
            elif self._nursery.expecting:
                self._doomed.add(worker)
                self._nursery.abandon(worker)
            return
        child.asked = True
        if hard:
            processes.signal_group(child.pid, signal.SIGKILL)
            processes.signal_one(child.pid, signal.SIGKILL)  # should it have left its own group
        else:
            processes.signal_group(child.pid, signal.SIGTERM)
            asyncio.get_running_loop().call_later(TERM_GRACE, self._kill_if_there, child)

    def _kill_if_there(self, child: Child) -> None:
        if self._by_pid.get(child.pid) is child:
            self._kill(child.fork.worker, hard=True)

    def reap(self) -> None:
        """Some child ended: a worker, a zygote, or an orphan of user code that came to us."""
        while not self._over:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if self._nursery.reaped(pid, status) or self._provider.reaped(pid, status):
                continue
            if (child := self._by_pid.get(pid)) is not None:
                self._ended(child, status)
            elif self._nursery.expecting:
                self._early[pid] = status
        if not self._nursery.expecting:
            self._early.clear()

    def _ended(self, child: Child, status: int) -> None:
        """A worker is dead: end what it left behind, forward its last words, report."""
        worker = child.fork.worker
        processes.signal_group(child.pid, signal.SIGKILL)
        processes.sweep(lambda: processes.marked("YONDER_WORKER", [worker]))
        del self._children[worker]
        del self._by_pid[child.pid]
        child.stacks.close()
        words = child.outlet.close()
        self.dead(worker)
        self._store.bury(worker)
        code = os.waitstatus_to_exitcode(status)
        killed = code == -signal.SIGKILL
        starved = killed and self._memory.moved() and not child.asked
        self._send(wire.Exited(worker, wire.ExitReport(max(code, -1), -code if code < 0 else 0, starved, words)))

    async def _sweep(self, executor: str) -> None:
        """End what is left of an executor, and say how much of it the kernel does not let go."""
        deadline = time.monotonic() + END_SECONDS
        while left := self._left_by(executor):
            processes.sweep(lambda: self._left_by(executor))
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(SWEEP_POLL)  # a killed process takes a moment to go
        self._executors.discard(executor)
        self._provider.left(executor)
        if self._desks is not None:
            await asyncio.to_thread(self._desks.leave, executor)
        self._send(wire.Swept(executor, len(left)))

    def _left_by(self, executor: str) -> list[int]:
        """What carries its mark. With no worker here, what has taken the mark off is known by being below us, too."""
        found = set(processes.marked("YONDER_EXECUTOR", [executor]))
        if not self._children and not self._nursery.expecting:
            ours = self._nursery.pids
            theirs = {pid for zygote in ours for pid in processes.descendants(zygote)}
            found |= set(processes.descendants(os.getpid())) - ours - theirs
        return sorted(found)

    def end(self, reason: str, *, code: int = 0) -> None:
        """End everything below this process, then this process. Safe to call at any time, from any reason, twice."""
        if self._over:
            return
        self._over = True
        try:
            with contextlib.suppress(OSError, ValueError):  # who started us may be gone, or its disk full
                print(f"yonder agent {self._ident}: {reason}", file=sys.stderr, flush=True)
            self._end_everything()
            self._store.leave()
            self.leaving()
        finally:
            os._exit(code)  # whatever went wrong: a process that did not end now would live for ever

    def _end_everything(self) -> None:
        for child in self._children.values():
            processes.signal_group(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            processes.sweep(self._everything)
            if not _wait_for_children(deadline):
                break

    def _everything(self) -> list[int]:
        """All that is ours: below us in the tree (orphans included, we are their reaper), or carrying our marks."""
        marked = processes.marked("YONDER_EXECUTOR", self._executors)
        return [pid for pid in {*processes.descendants(os.getpid()), *marked} if pid != os.getpid()]


def _wait_for_children(deadline: float) -> bool:
    """Reap what has ended. True while there may be more to kill, False when there are no children left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)  # a killed process takes a moment to become reapable
            return True
