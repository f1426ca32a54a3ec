"""A scripted hub for the agent's tests: it speaks the wire, keeps all it heard in order, and does nothing by itself.

What belongs here: starting the real agent under it, asking the process table. What this file must not know: the real hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import yonder
from yonder import bootstrap, payload, wire
from yonder.agent import processes
from yonder.snapshot import Snapshot, content

CORE = str(Path(yonder.__file__).parent.parent)
M = TypeVar("M")
SECONDS = 80.0


class Peer:
    """One connection: who it said it is, and a way to answer."""

    def __init__(self, hello: wire.Hello, writer: asyncio.StreamWriter) -> None:
        self.hello = hello
        self.writer = writer
        self.open = True

    def say(self, message: wire.Message) -> None:
        self.writer.write(wire.frames(message))


class FakeHub:
    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "hub.sock")
        self.folder = folder
        self.token = uuid.uuid4().hex
        self.owner = f"test-{uuid.uuid4().hex[:12]}"
        self.heard: list[wire.Message] = []
        self.peers: dict[tuple[str, str], Peer] = {}
        self.process: asyncio.subprocess.Process | None = None
        self.log = folder / "agent.log"
        self._news = asyncio.Event()
        self._tasks = itertools.count(1)
        self._server: asyncio.Server | None = None
        self.deaf = False
        self.workspace = payload.Workspace(str(Path(__file__).parent))

    # ── life ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, *, argv: list[str] | None = None, env: dict[str, str] | None = None) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.socket)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("YONDER_")}
        environment |= {"YONDER_HUB": self.socket, "YONDER_OWNER": self.owner, "YONDER_EXECUTOR": f"{self.owner}-agent"}
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(argv or bootstrap.command(sys.executable, CORE)),
                env=environment | (env or {}),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self.token.encode() + b"\n")
        await self.process.stdin.drain()
        self.process.stdin.close()
        await self.until(lambda: ("agent", f"{self.owner}-agent") in self.peers, "the agent's hello")

    async def close(self) -> None:
        """Hang up and wait until nothing of this owner is left; what is left then is the test's failure."""
        self.hang_up()
        if self.process is not None:
            await asyncio.wait_for(self.process.wait(), SECONDS)
        await self.gone()

    def hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        for peer in self.peers.values():
            peer.writer.close()

    def left(self) -> list[int]:
        """Every process that carries this owner's mark, as the process table says."""
        return processes.marked("YONDER_OWNER", [self.owner])

    async def gone(self) -> None:
        await self.poll(lambda: not self.left(), lambda: f"still there: {[_command(pid) for pid in self.left()]}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser: wire.Parser[Any] = wire.Parser(wire.Message)
        peer: Peer | None = None
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                for message in parser.feed(data):
                    if isinstance(message, wire.Hello):
                        peer = self._hello(message, writer)
                    else:
                        self.heard.append(message)
                self._news.set()
                while self.deaf:
                    await self._news.wait()
                    self._news.clear()
        if peer is not None:
            peer.open = False
            self._news.set()
        writer.close()

    def _hello(self, hello: wire.Hello, writer: asyncio.StreamWriter) -> Peer:
        peer = Peer(hello, writer)
        if hello.token != self.token:
            peer.say(wire.Refused(code="token", sentence="wrong token", version=wire.VERSION, package="0"))
            return peer
        peer.say(wire.Welcome(version=wire.VERSION, package=yonder.__version__, hub="fake"))
        self.peers[hello.role, hello.id] = peer
        return peer

    def listen(self) -> None:
        self.deaf = False
        self._news.set()

    # ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait for something that only arriving messages can make true."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"waited for {what}; heard {self.heard[-5:]}; the agent's exit code: "
                f"{self.process and self.process.returncode}; log: {self.log.read_text()[-3000:]}"
            ) from None

    async def poll(self, condition: Callable[[], bool], what: Callable[[], str], seconds: float = SECONDS) -> None:
        """Wait for something that only the process table tells."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, what()
            await asyncio.sleep(0.02)

    def find(self, kind: type[M], **fields: Any) -> list[M]:
        return [
            message
            for message in self.heard
            if type(message) is kind and all(getattr(message, key) == value for key, value in fields.items())
        ]

    async def first(self, kind: type[M], **fields: Any) -> M:
        await self.until(lambda: bool(self.find(kind, **fields)), f"{kind.__name__} {fields}")
        return self.find(kind, **fields)[0]

    # ── code ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def publish(
        self, files: dict[str, str | bytes], *, folder: str = "/nowhere/ws", roots: tuple[str, ...] = ("",)
    ) -> bytes:
        """Have the agent's store keep a snapshot; its name."""
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        blobs = {content(data): data for data in contents.values()}
        made = Snapshot(folder, roots, {path: content(data) for path, data in contents.items()})
        self.agent.say(wire.Blobs(blobs))
        self.agent.say(made.publish(None))
        told = await self.first(wire.Published, snapshot=made.digest)
        assert told.sentence == ""
        return made.digest

    async def on(self, snapshot: bytes, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """A call on that snapshot: its value, the exception it raised, or the Stale that it was answered with."""
        task = self._call(worker, function, payload.pack_call(arguments, {}), None, snapshot)
        await self.until(lambda: bool(self.find(wire.Done, task=task) + self.find(wire.Stale, task=task)), "an end")
        for done in self.find(wire.Done, task=task):
            return payload.unpack(done.body) if done.ok else payload.exception(done.body, done.failure)
        return self.find(wire.Stale, task=task)[0]

    # ── verbs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def agent(self) -> Peer:
        return self.peers["agent", f"{self.owner}-agent"]

    def fork(self, kind: str = "session", *, preload: list[str] | None = None, **more: Any) -> str:
        """Ask for a worker; its id."""
        worker = f"{self.owner}-w{next(self._tasks)}"
        fields = {"env": {}, "folder": str(self.folder), "preload": preload or []} | more
        self.agent.say(
            wire.Fork(
                worker, more.pop("executor", worker), kind, **{k: v for k, v in fields.items() if k != "executor"}
            )
        )
        return worker

    async def worker(self, kind: str = "session", **more: Any) -> str:
        """A worker whose two lanes have said hello and whose agent has told its process; its id."""
        worker = self.fork(kind, **more)
        await self.until(lambda: ("call", worker) in self.peers and ("control", worker) in self.peers, "two lanes")
        await self.until(lambda: self.find(wire.Forked, worker=worker), "its process")
        return worker

    def pid(self, worker: str) -> int:
        return self.find(wire.Forked, worker=worker)[0].pid

    def start(
        self,
        worker: str,
        code: str,
        *,
        path: str = "/ws/a.py",
        line: int = 0,
        kind: Any = "block",
        argv: Any = (),
        snapshot: bytes = b"",
    ) -> int:
        task = next(self._tasks)
        self.peers["call", worker].say(wire.Block(task, f"run{task}", code, path, line, kind, list(argv), snapshot))
        return task

    async def block(self, worker: str, code: str, **more: Any) -> wire.BlockDone:
        return await self.first(wire.BlockDone, task=self.start(worker, code, **more))

    def call_later(self, worker: str, function: Callable[..., Any], *arguments: Any, **mode: Any) -> int:
        return self._call(worker, function, payload.pack_call(arguments, {}), wire.Mode(**mode) if mode else None)

    def chunk_later(self, worker: str, function: Callable[..., Any], members: list[tuple[Any, ...]]) -> int:
        packed = payload.pack_chunk([payload.pack_call(member, {}) for member in members])
        return self._call(worker, function, packed, wire.Mode(chunk=len(members)))

    def _call(
        self, worker: str, function: Callable[..., Any], arguments: bytes, mode: wire.Mode | None, snapshot: bytes = b""
    ) -> int:
        task = next(self._tasks)
        self.workspace.register()  # the tests' own functions travel by value
        digest, body = payload.pack_function(function)
        self.peers["call", worker].say(wire.Call(task, digest, body, arguments, mode, [], snapshot))
        return task

    async def place(self, worker: str, kind: Callable[..., Any], *arguments: Any, **mode: Any) -> int:
        """Make an actor; its task, once it is there."""
        task = self.call_later(worker, kind, *arguments, kind="actor", **mode)
        await self.first(wire.Placed, task=task)
        return task

    def ask(self, worker: str, task: int, name: str, *arguments: Any, **keywords: Any) -> int:
        """Ask for an actor's method; its number. The name "" ends the actor."""
        number = next(self._tasks)
        self.peers["call", worker].say(wire.Method(task, number, name, payload.pack_call(arguments, keywords)))
        return number

    async def answer(self, task: int, number: int) -> Any:
        """A method's value; an exception is raised."""
        done = await self.first(wire.MethodDone, task=task, number=number)
        if done.ok:
            return payload.unpack(done.body)
        raise payload.exception(done.body, done.failure)

    def allow(self, worker: str, task: int, upto: int) -> None:
        self.peers["control", worker].say(wire.Allow(task, upto))

    def yielded(self, task: int) -> list[Any]:
        """The values of a stream so far; their numbers are asserted."""
        found = self.find(wire.Yielded, task=task)
        assert [one.n for one in found] == list(range(1, len(found) + 1))
        return [payload.unpack(one.body) for one in found]

    async def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> wire.Done:
        return await self.first(wire.Done, task=self.call_later(worker, function, *arguments))

    async def interrupt(self, worker: str, task: int) -> str:
        self.peers["control", worker].say(wire.Raise(task))
        await self.until(lambda: bool(self.find(wire.Raised, task=task)), "Raised")
        found = self.find(wire.Raised, task=task)[-1]
        self.heard.remove(found)
        return found.outcome

    def output(self, task: int, fd: int | None = None) -> str:
        pieces = [piece for piece in self.find(wire.WorkerOutput, task=task) if fd is None or piece.fd == fd]
        return "".join(piece.text for piece in pieces)

    async def all_output(self, done: wire.BlockDone | wire.Done) -> str:
        """The text up to the number that the end carries, as the hub would wait for it."""
        assert done.output >= 0
        await self.until(
            lambda: not done.output or any(o.n == done.output for o in self.find(wire.WorkerOutput, task=done.task)),
            "output",
        )
        return "".join(o.text for o in self.find(wire.WorkerOutput, task=done.task) if o.n <= done.output)


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()[:200]!r}"
    return str(pid)


@asynccontextmanager
async def living_hub(**more: Any) -> AsyncIterator[FakeHub]:
    """A hub with its agent; at the end both are gone and the process table is asked."""
    folder = Path(tempfile.mkdtemp(prefix="yb-"))
    hub = FakeHub(folder)
    try:
        await hub.open(**more)
        yield hub
        await hub.close()
    finally:
        hub.hang_up()
        for pid in hub.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        if hub.process is not None:
            await hub.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
