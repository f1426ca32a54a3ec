"""Executors as processes of this machine: one agent per Python, from whose zygote every executor is forked.

What exists is asked of the process table: every process of an executor carries its id in its environment, and so do the
children that user code starts, whatever session or parent they give themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from yonder.backends.base import HELD, BootSpec, Finding, Handle, PhaseSink
from yonder.backends.gpus import Gpus, environment
from yonder.bootstrap import command
from yonder.errors import BootFailed
from yonder.places import OwnerFolder, started_at
from yonder.wire import Place, Resources

GONE_LIMIT = 5.0
"""Seconds in which a process must vanish after SIGKILL before it is called unkillable."""


class Process(NamedTuple):
    """One line of the process table that carries Yonder's marks. role: agent, zygote, executor, hub or child."""

    pid: int
    started: str
    owner: str
    executor: str
    role: str
    command: str


@dataclass(slots=True)
class _Agent:
    """One running agent process."""

    id: str
    process: asyncio.subprocess.Process


class LocalBackend:
    """Forks on this machine. `folder` is the owner's runtime folder, `token` its secret, `ended` is told which agent's
    process has ended and its last words, `gpus` is the book of this machine's devices.

    Of a pool's resources GPUs are handed out one executor each and `cpus` is the workers' number of threads; `memory` is
    a wish that nobody enforces here.
    """

    def __init__(
        self, folder: OwnerFolder, token: str, ended: Callable[[str, str], None], gpus: Gpus | None = None
    ) -> None:
        self._folder = folder
        self._token = token
        self._ended = ended
        self._watching: set[asyncio.Task[Any]] = set()
        self._agents: dict[tuple[str, str], _Agent] = {}
        self._starting = asyncio.Lock()
        self._gpus = gpus or Gpus()

    async def boot(self, spec: BootSpec, phase: PhaseSink) -> Handle:
        if sys.platform == "win32":
            raise BootFailed(
                "local executors need Linux or macOS; on Windows use WSL, a container or a remote pool",
                phase="creating",
            )
        check(spec.pool.resources, processors=os.cpu_count() or 1, memory=memory_there())
        wishes = spec.pool.resources.gpu
        env: dict[str, str] = {}
        if wishes:
            env = environment(await self._gpus.take(spec.executor, wishes, lambda why: phase(HELD, why)))
            phase("creating", "")
        try:
            # Others wait for the same agent: who is not wanted any more must not leave it half started.
            starting = asyncio.get_running_loop().create_task(self._agent(spec.place, phase))
            self._watching.add(starting)
            starting.add_done_callback(self._watching.discard)
            agent = await asyncio.shield(starting)
        except BaseException:  # cancelled, too: nobody has a handle to end it by
            await self._gpus.give_back(spec.executor)
            raise
        return Handle(executor=spec.executor, owner=spec.owner, native=f"{agent.process.pid}", agent=agent.id, env=env)

    async def _agent(self, place: Place, phase: PhaseSink) -> _Agent:
        key = (place.python, place.core)
        async with self._starting:
            found = self._agents.get(key)
            if found is not None and found.process.returncode is None:
                return found
            phase("creating", f"starting {place.python or sys.executable}")
            agent = self._agents[key] = await self._start(place)
            return agent

    async def _start(self, place: Place) -> _Agent:
        python = place.python or sys.executable
        name = f"agent-{secrets.token_hex(4)}"
        environment = {
            **os.environ,
            **place.env,
            "YONDER_HUB": str(self._folder.hub_socket),
            "YONDER_OWNER": self._folder.owner,
            "YONDER_EXECUTOR": name,
        }
        environment.pop("PYTHONHOME", None)
        words = self._folder.path / f"{name}.log"
        try:
            with words.open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *command(python, place.core),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise BootFailed(
                f"cannot start {python}: {error.strerror}. Choose another interpreter.", phase="creating"
            ) from error
        if process.stdin is not None:
            process.stdin.write(self._token.encode() + b"\n")
            with contextlib.suppress(ConnectionError, OSError):  # it died at once; the hello that never comes says so
                await process.stdin.drain()
            process.stdin.close()
        watch = asyncio.get_running_loop().create_task(self._watch(_Agent(name, process), words))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)
        return _Agent(name, process)

    async def _watch(self, agent: _Agent, words: Path) -> None:
        """Say when the agent's process ends; its last words are kept until then."""
        code = await agent.process.wait()
        tail = words.read_text(errors="replace").strip()[-2000:]
        words.unlink(missing_ok=True)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._ended(agent.id, f"the agent ended with {how}" + (f":\n{tail}" if tail else ""))

    async def terminate(self, handle: Handle) -> None:
        """Kill what still carries the executor's mark and wait until the process table is free of it."""
        left = [one for one in await _look(handle.owner) if one.executor == handle.executor]
        await asyncio.gather(*(kill(one) for one in left))
        await self._gpus.give_back(handle.executor)

    async def owned(self, owner: str) -> list[Handle]:
        found = await _look(owner)
        return [
            Handle(executor=one.executor, owner=one.owner, native=f"{one.pid}:{one.started}")
            for one in found
            if one.role in ("executor", "child")
        ]

    async def close(self) -> None:
        """End the agents; each ends its zygote and workers by itself, and what does not is killed."""
        for agent in self._agents.values():
            if agent.process.returncode is None:
                try:
                    await asyncio.wait_for(agent.process.wait(), 3.0)
                except TimeoutError:
                    agent.process.kill()
                    await agent.process.wait()
        for one in await _look(self._folder.owner):
            if one.role != "hub" and one.pid != os.getpid():
                await kill(one)

    async def preflight(self) -> list[Finding]:
        windows = sys.platform == "win32"
        return [
            Finding(
                name="local executors",
                ok=not windows,
                sentence="not on Windows" if windows else "processes of this machine, forked from a warm Python",
                remedy="use WSL, a container or a remote pool" if windows else "",
            )
        ]


def check(asked: Resources, *, processors: int, memory: int) -> None:
    """Refuse what this machine has not got at all. `memory` in bytes, 0 = not known. Raises BootFailed."""
    if asked.cpus > processors:
        raise BootFailed(
            f"cpus={asked.cpus:g}, and this machine has {processors}; ask for fewer or use another backend",
            phase="creating",
        )
    if memory and asked.memory > memory:
        raise BootFailed(
            f"memory={asked.memory / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB; ask for less or use "
            f"another backend",
            phase="creating",
        )


def memory_there() -> int:
    """Bytes of this machine's memory, 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


async def kill(one: Process) -> None:
    """SIGKILL one process if it is still that process, and wait until the kernel has let it go."""
    if one.pid == os.getpid() or started_at(one.pid) != one.started:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(one.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_LIMIT):
            while started_at(one.pid) == one.started:  # noqa: ASYNC110 - the kernel sends no event to a non-parent
                await asyncio.sleep(0.005)


async def _look(owner: str) -> list[Process]:
    """`processes` without holding up the loop; when the interpreter is ending there are no threads any more."""
    try:
        return await asyncio.to_thread(processes, owner)
    except RuntimeError:
        return processes(owner)


def processes(owner: str = "") -> list[Process]:
    """Every process of this user that carries Yonder's marks, for one owner or ("") for all.

    Read from /proc; where there is none (macOS), from `ps -E`.
    """
    if not Path("/proc/self/environ").exists():
        return _processes_without_proc(owner)
    found: list[Process] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid != os.getuid():
                continue
            environment = Path(entry.path, "environ").read_bytes()
            if b"YONDER_OWNER=" not in environment:
                continue
            line = Path(entry.path, "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        one = _judge(int(entry.name), started_at(int(entry.name)), environment, line)
        if one.started and owner in ("", one.owner):
            found.append(one)
    return found


def _judge(pid: int, started: str, environment: bytes, line: bytes) -> Process:
    marks = dict(
        part.split(b"=", 1)
        for part in environment.split(b"\0")
        if part.startswith((b"YONDER_OWNER=", b"YONDER_EXECUTOR="))
    )
    owner = marks.get(b"YONDER_OWNER", b"").decode(errors="replace").strip()
    executor = marks.get(b"YONDER_EXECUTOR", b"").decode(errors="replace").strip()
    text = line.replace(b"\0", b" ").decode(errors="replace").strip()
    if "yonder.hub.detached" in text:
        role = "hub"
    elif executor.startswith("agent-"):
        role = "zygote" if "yonder.agent.zygote" in text else "agent"
    elif not executor:
        role = "zygote"
    else:
        role = "executor" if "yonder.agent" in text else "child"
    return Process(pid, started, owner, executor, role, text[:200])


def _processes_without_proc(owner: str) -> list[Process]:
    import subprocess

    listing = subprocess.run(
        ["ps", "-E", "-ww", "-U", str(os.getuid()), "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    found = []
    for line in listing.stdout.splitlines():
        number, _, rest = line.strip().partition(" ")
        if "YONDER_OWNER=" in rest and number.isdigit():
            marks = b"\0".join(word.encode() for word in rest.split() if word.startswith("YONDER_"))
            one = _judge(int(number), started_at(int(number)), marks, rest.encode())
            if one.started and owner in ("", one.owner):
                found.append(one)
    return found
