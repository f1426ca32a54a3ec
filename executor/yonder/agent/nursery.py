"""The agent's side of its zygotes: which one forks, which one is being prepared, what happens when one dies.

What belongs here: starting zygotes, queueing births, replacing a zygote by one that has imported more. What this file
must not know: the hub, workers once they are born.

Imports never hold up a birth that does not need them: a Preload prepares a *second* zygote that takes over when it is
ready, and the first goes on forking meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from yonder import wire
from yonder.agent import birth, processes
from yonder.agent.birth import Ends
from yonder.agent.launching import Launched, launch

ATTEMPTS = 2
SEND_SECONDS = 10.0
STUCK_SECONDS = 3.0
"""How long a zygote may go on with a birth that nobody wants any more before it is called stuck."""


@dataclass
class Wish:
    """A birth that was asked for. `ends` are made when it is sent to a zygote."""

    fork: wire.Fork
    ends: Ends | None = None
    attempts: int = 0


class Parent(Protocol):
    """Who gets the children: the agent."""

    def born(self, fork: wire.Fork, pid: int, ends: Ends) -> None: ...

    def unborn(self, fork: wire.Fork, sentence: str) -> None: ...

    def preloaded(self, modules: list[str], seconds: float, failed: dict[str, str]) -> None: ...


@dataclass
class Zygote:
    """One zygote process as the agent sees it."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    imports: list[str]
    careful: bool = False
    busy: Wish | None = None
    at: str = ""  # the module it is importing
    retired: bool = False
    replies: birth.Replies = field(default_factory=birth.Replies)


class Nursery:
    def __init__(
        self,
        parent: Parent,
        *,
        agent: str,
        hub: str,
        token: str,
        core: str,
        spawn: bool,
        store: str,
        work: Callable[[str], str],
    ) -> None:
        self._parent = parent
        self._agent = agent
        self._hub = hub
        self._token = token
        self._core = core
        self._store = store
        self._work = work  # which working directory an executor has, "" for the workspace's folder
        self._spawn = spawn  # never fork: each worker is a zygote that becomes one
        self._loop = asyncio.get_running_loop()
        self._all: dict[int, Zygote] = {}
        self._current: Zygote | None = None
        self._rising: Zygote | None = None
        self._wishes: deque[Wish] = deque()
        self._asked: list[str] = []  # every module ever asked for, in order
        self._bad: dict[str, str] = {}  # those that are not imported ahead, and why
        self._told: set[str] = set()  # those whose Preloaded was sent
        self._overlay = ""  # a folder that is imported from besides
        self._snapshot = b""  # the code that was told of last

    @property
    def pids(self) -> set[int]:
        return set(self._all)

    @property
    def expecting(self) -> bool:
        """Is a birth under way, so that a process may exist whose pid is not known here yet?"""
        return any(zygote.busy is not None for zygote in self._all.values())

    def start(self, launched: Launched | None) -> None:
        """Have a bare zygote ready before the first birth is asked for: this one, if it was launched already."""
        if launched is not None:
            self._current = self._enrol(launched, [], careful=False)
        elif not self._spawn:
            self._current = self._launch([])

    def import_from(self, overlay: str) -> None:
        """Workers import from this folder, too, from now on ("": from none). Zygotes that may have imported from another
        are of no more use."""
        if overlay == self._overlay:
            return
        bare = self._overlay == "" and not (self._current and self._current.imports)
        self._overlay = overlay
        if self._rising is not None:
            rising, self._rising = self._rising, None
            self._forget(rising)
            processes.signal_one(rising.process.pid, 9)
        if self._current is not None and not bare:
            before, self._current = self._current, None
            before.retired = True
            if before.busy is None:
                self._forget(before)

    def read(self, snapshot: bytes) -> None:
        """Births will come that run on this code: it is read once for all of them."""
        self._snapshot = snapshot
        if self._current is not None:
            self._read(self._current)

    def _read(self, zygote: Zygote) -> None:
        if self._snapshot:
            self._talk(zygote, birth.Read(self._store, self._snapshot))

    def fork(self, fork: wire.Fork) -> None:
        self._wishes.append(Wish(fork))
        self._pump()

    def withdraw(self, worker: str) -> wire.Fork | None:
        """Take back a birth that was not begun."""
        for wish in self._wishes:
            if wish.fork.worker == worker:
                self._wishes.remove(wish)
                return wish.fork
        return None

    def abandon(self, worker: str) -> None:
        """Nobody wants a birth that was begun. A zygote that does not come to its end would hold up all others."""
        for zygote in self._all.values():
            if zygote.busy is not None and zygote.busy.fork.worker == worker:
                self._loop.call_later(STUCK_SECONDS, self._unstick, zygote, zygote.busy)

    def _unstick(self, zygote: Zygote, wish: Wish) -> None:
        if zygote.busy is wish:
            wish.attempts = ATTEMPTS
            processes.signal_one(zygote.process.pid, 9)  # its end-of-file brings us to `_dead`

    def preload(self, modules: list[str]) -> None:
        """Import these ahead; answered through `preloaded`, also when it was done before."""
        fresh = [name for name in dict.fromkeys(modules) if name not in self._asked]
        self._asked += fresh
        if self._spawn:
            self._parent.preloaded(modules, 0.0, dict.fromkeys(modules, "this system starts every worker afresh"))
            return
        if all(name in self._told for name in modules):
            self._parent.preloaded(modules, 0.0, {name: self._bad[name] for name in modules if name in self._bad})
        self._pump()

    # ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pump(self) -> None:
        """Send the next birth that the current zygote can serve; see that others will be."""
        if self._spawn:
            while self._wishes:
                self._send(self._launch([]), self._wishes.popleft())
            return
        for wish in self._wishes:
            self._asked += [name for name in wish.fork.preload if name not in self._asked]
        wanted = [name for name in self._asked if name not in self._bad]
        have = self._current.imports if self._current is not None else None
        if self._rising is None and have is None and not wanted:
            self._current = self._launch([])
        elif self._rising is None and (have is None or not set(wanted) <= set(have)):
            self._rising = self._launch(wanted)
        current = self._current
        if current is None or current.busy is not None:
            return
        ready = set(current.imports) | set(self._bad)
        for wish in self._wishes:
            if ready.issuperset(wish.fork.preload):
                self._wishes.remove(wish)
                self._send(current, wish)
                return

    def _send(self, zygote: Zygote, wish: Wish) -> None:
        fork = wish.fork
        try:
            work = self._work(fork.executor)
            wish.ends = Ends.make()
        except (OSError, ValueError) as error:
            self._parent.unborn(fork, f"no pipes or no working directory for another worker: {error}")
            return
        message = birth.Birth(
            fork.worker,
            fork.executor,
            fork.kind,
            fork.env,
            fork.folder,
            fork.threads,
            self._hub,
            self._token,
            os.getpid(),
            fork.background,
            work,
            self._spawn,
            self._overlay,
            self._store,
        )
        wish.attempts += 1
        zygote.busy = wish
        self._talk(zygote, message, wish.ends.passed)
        wish.ends.sent()

    def _talk(self, zygote: Zygote, message: birth.ToZygote, fds: list[int] | None = None) -> None:
        """A zygote has one thing to do at a time and waits for the next, so this does not block for long."""
        try:
            zygote.sock.settimeout(SEND_SECONDS)
            birth.send(zygote.sock, message, fds)
            zygote.sock.setblocking(False)
        except OSError:
            processes.signal_one(zygote.process.pid, 9)  # its end-of-file brings us to `_dead`
            zygote.sock.setblocking(False)

    # ── zygotes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _launch(self, imports: list[str], *, careful: bool = False) -> Zygote:
        return self._enrol(launch(self._agent, self._core), imports, careful)

    def _enrol(self, launched: Launched, imports: list[str], careful: bool) -> Zygote:
        process, ours = launched
        zygote = self._all[process.pid] = Zygote(process, ours, imports, careful)
        self._loop.add_reader(ours.fileno(), self._readable, zygote)
        if imports:
            self._talk(zygote, birth.Import(imports, careful, self._overlay))
        return zygote

    def _readable(self, zygote: Zygote) -> None:
        try:
            data = zygote.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            said = zygote.replies.feed(data)
        except wire.WireError:  # whatever got into it, it is no use any more
            data = b""
        if not data:
            self._dead(zygote)
            return
        for message in said:
            match message:
                case birth.Importing(module=module):
                    zygote.at = module
                case birth.Imported():
                    zygote.at = ""
                    self._imported(zygote, message)
                case birth.Born(pid=pid):
                    wish, zygote.busy = zygote.busy, None
                    if self._spawn:  # it is the worker now, and the agent's to reap
                        zygote.retired = True
                        zygote.process.returncode = 0
                        del self._all[pid]
                    if wish is not None and wish.ends is not None:
                        self._parent.born(wish.fork, pid, wish.ends)
                case birth.Unborn(sentence=sentence):
                    wish, zygote.busy = zygote.busy, None
                    if wish is not None and wish.ends is not None:
                        wish.ends.close()
                        self._parent.unborn(wish.fork, sentence)
        if zygote.retired and zygote.busy is None:
            self._forget(zygote)
        self._pump()

    def _imported(self, zygote: Zygote, told: birth.Imported) -> None:
        """A zygote under preparation has done its imports: it takes over, unless children of it would hang."""
        if zygote is not self._rising:
            return
        self._rising = None
        self._bad |= told.failed
        if told.poisoned:
            wanted = [name for name in self._asked if name not in self._bad]
            if zygote.careful and not told.failed:
                self._bad |= dict.fromkeys(
                    wanted, "children forked after importing these hang; workers import them themselves"
                )
                wanted = []
            self._forget(zygote)
            self._rising = self._launch(wanted, careful=not zygote.careful) if wanted else None
            if not wanted:
                self._announce(told.seconds)
            return
        before, self._current = self._current, zygote
        self._read(zygote)
        if before is not None:
            before.retired = True
            if before.busy is None:
                self._forget(before)
        self._announce(told.seconds)

    def _announce(self, seconds: float) -> None:
        have = set(self._bad) | set(self._current.imports if self._current is not None else ())
        fresh = [name for name in self._asked if name in have and name not in self._told]
        if fresh:
            self._told |= set(fresh)
            self._parent.preloaded(fresh, seconds, {name: self._bad[name] for name in fresh if name in self._bad})

    def _forget(self, zygote: Zygote) -> None:
        """Close its door; it leaves by itself. Its pid stays ours until it is reaped."""
        self._loop.remove_reader(zygote.sock.fileno())
        zygote.sock.close()

    def _dead(self, zygote: Zygote) -> None:
        """It ended without being asked. What it was to do is done again by another; workers do not notice."""
        self._forget(zygote)
        processes.signal_one(zygote.process.pid, 9)
        if (wish := zygote.busy) is not None:
            zygote.busy = None
            if wish.ends is not None:
                wish.ends.close()
                wish.ends = None
            if wish.attempts < ATTEMPTS:
                self._wishes.appendleft(wish)
            else:
                self._parent.unborn(wish.fork, "the process that workers are forked from died while forking it, twice")
        if zygote is self._rising:
            self._rising = None
            culprit = zygote.at or (zygote.imports[-1] if zygote.imports else "")
            if culprit:
                self._bad[culprit] = "the process that was to import it ahead died in it; workers import it themselves"
                self._announce(0.0)
        if zygote is self._current:
            self._current = None
            self._snapshot = b""  # it may be what was read that killed it
        if self._wishes or self._asked:
            self._pump()

    def reaped(self, pid: int, status: int) -> bool:
        """A child of the agent ended; was it a zygote?"""
        zygote = self._all.pop(pid, None)
        if zygote is None:
            return False
        zygote.process.returncode = os.waitstatus_to_exitcode(status)
        return True
