"""Having distributions installed for the workers of this machine: in a folder of their own, once for the same lines.

    order ──▶ installer, in a folder aside ──▶ its place among the `overlays`, where other agents of this user find it

What belongs here: the installer's process and what it says. What this file must not know: what is to be installed and why,
zygotes, links.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from yonder import overlays, wire
from yonder.errors import UsageError

LAST_LINES = 12
LONGEST_DETAIL = 200
FRESH = 3600.0
"""Seconds after which somebody who had something installed will have forked a worker that uses it."""

_SECRET = re.compile(r"://[^/@\s]+@")
_AT_WORK = re.compile(r"(?:Collecting|Downloading|Building|Preparing|Installing)\b.*|\s*\+ .*==.*")


class _There:
    """What was installed, and is held."""

    __slots__ = ("asked", "folder", "hold")

    def __init__(self, folder: str, hold: overlays.Hold) -> None:
        self.folder = folder
        self.hold = hold
        self.asked = 0.0


class Provider:
    """Installs one order after the other, and holds what its executors use. `say` speaks to the hub; `clock` gives
    seconds."""

    def __init__(self, say: Callable[[wire.Message], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._there: dict[str, _There] = {}
        self._users: dict[str, str] = {}  # keys by executor
        self._turn = asyncio.Lock()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def provide(self, order: wire.Provide) -> None:
        """Carry an order out, and answer it."""
        task = asyncio.get_running_loop().create_task(self._answer(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def folder(self, key: str, executor: str) -> str | None:
        """Where it was installed, for a worker of that executor; "" for nothing, None for what was not."""
        if not key:
            return ""
        if (there := self._there.get(key)) is None:
            return None
        self._users[executor] = key
        return there.folder

    def left(self, executor: str) -> None:
        """That executor is no more."""
        self._users.pop(executor, None)
        self._release()

    def _release(self) -> None:
        """What nobody uses any more may be removed by whoever needs the room."""
        used, now = set(self._users.values()), self._clock()
        for key, there in list(self._there.items()):
            if key not in used and now - there.asked >= FRESH:
                del self._there[key]
                there.hold.release()

    def reaped(self, pid: int, status: int) -> bool:
        """A child of the agent ended; was it an installer?"""
        ended = self._ends.pop(pid, None)
        if ended is None:
            return False
        if not ended.done():
            ended.set_result(os.waitstatus_to_exitcode(status))
        return True

    async def _answer(self, order: wire.Provide) -> None:
        async with self._turn:
            try:
                sentence = await self._carry_out(order)
            except (OSError, UsageError) as error:
                sentence = f"no folder for packages: {error}"
        self._say(wire.Provided(order.key, sentence))

    async def _carry_out(self, order: wire.Provide) -> str:
        if not overlays.KEY.match(order.key):
            return "the name of what is to be installed makes no sense"
        self._release()
        there = self._there.get(order.key)
        if there is None or not Path(there.folder).is_dir():
            root = overlays.root()
            target = root / order.key
            hold = overlays.hold(target)
            if hold is None:
                await asyncio.to_thread(overlays.trim, root, time.time())
                if sentence := await self._make(order, target):
                    return sentence
                hold = overlays.hold(target)
            if hold is None:
                return f"{target} was removed as soon as it was there"
            there = self._there[order.key] = _There(str(target), hold)
            await asyncio.to_thread(overlays.trim, root, time.time())
        there.asked = self._clock()
        return ""

    async def _make(self, order: wire.Provide, target: Path) -> str:
        """Have it installed, whole or not at all."""
        partial = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
        try:
            if sentence := await self._install(order, partial):
                return sentence
            await asyncio.to_thread(overlays.finish, partial / "packages")
            with contextlib.suppress(OSError):  # another agent was faster; its folder is as good
                (partial / "packages").rename(target)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
        return ""

    async def _install(self, order: wire.Provide, partial: Path) -> str:
        """Run the installer; what went wrong, "" for nothing."""
        (partial / "packages").mkdir()
        for name, lines in (("requirements.txt", order.requirements), ("constraints.txt", order.constraints)):
            (partial / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        environ = {**os.environ, **order.env}
        environ.pop("PYTHONHOME", None)
        last: list[str] = []
        code = await self._run(command(partial, environ), environ, partial, lambda line: self._heard(order, line, last))
        if code == 0:
            return ""
        words = "\n".join(last)
        return f"the packages could not be installed (the installer's exit code is {code}):\n{words}"

    def _heard(self, order: wire.Provide, line: str, last: list[str]) -> None:
        plain = _SECRET.sub("://", line)
        last.append(plain[:1000])
        del last[:-LAST_LINES]
        if _AT_WORK.match(plain):
            self._say(wire.Providing(order.key, plain.strip()[:LONGEST_DETAIL]))

    async def _run(
        self, argv: list[str], environ: Mapping[str, str], folder: Path, heard: Callable[[str], None]
    ) -> int:
        """A process below this agent, whose end the agent's own `waitpid` takes. Returns its exit code."""
        loop = asyncio.get_running_loop()
        process = subprocess.Popen(  # noqa: ASYNC220 - asyncio's own would wait for it, and so does the agent
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environ),
        )
        ended = self._ends[process.pid] = loop.create_future()
        assert process.stdout is not None  # noqa: S101 - asked for above
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        try:
            while line := await _line(reader):
                heard(line.decode(errors="replace").rstrip())
            process.returncode = await ended
        finally:
            transport.close()
        return int(process.returncode)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:  # longer than anybody reads
        return b"\n"


def command(partial: Path, environ: Mapping[str, str]) -> list[str]:
    """The installer for this Python: uv where it is, else its own pip."""
    files = ["--target", str(partial / "packages"), "--requirement", str(partial / "requirements.txt")]
    files += ["--constraint", str(partial / "constraints.txt")]
    if uv := shutil.which("uv", path=environ.get("PATH", os.defpath)):
        return [uv, "pip", "install", "--python", sys.executable, *files]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *files]
