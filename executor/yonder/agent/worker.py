"""A worker: one process that runs user code, from its fork to its end.

What belongs here: settling into the new process, the call lane's loop, the bracket around every task. What this file must
not know: how it was forked, what the hub does with results.

The bracket: begin (page, recorder, guard) -> user code, under the guard -> streams flushed and read by the agent -> counts
taken -> the end is told, with the counts, on the call lane. The hub delivers the end after everything it counts.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextlib
import faulthandler
import getpass
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from yonder import payload, seat, wire
from yonder.agent import birth, preview, processes
from yonder.agent.console import Console, Mouth
from yonder.agent.control import Control
from yonder.agent.guard import Guard, Ran
from yonder.agent.lane import Lane
from yonder.agent.namespace import Namespace, Outcome
from yonder.agent.page import Page
from yonder.errors import SerializationError

MAX_RESULT = wire.MAX_MESSAGE - 1024 * 1024
CallMessage = wire.Welcome | wire.Refused | wire.Call | wire.Block | wire.Leave
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def main(born: birth.Birth, fds: list[int]) -> int:
    """Be a worker until there is nothing more to do; the exit code."""
    out, err, shared, talk, life = fds
    page = Page(shared)
    os.close(shared)
    mouth = Mouth(out, err, page, socket.socket(fileno=talk))
    _settle_in(born)
    return Worker(born, mouth, life).serve()


def _settle_in(born: birth.Birth) -> None:
    """Make the forked process its own: group, marks, signals, folder, randomness, share of the processors."""
    with contextlib.suppress(PermissionError):  # leads a session already (it became a worker without a fork)
        if born.background:
            os.setpgid(0, 0)  # one session for all of them: see `give_way`
        else:
            os.setsid()
    if born.background:
        processes.give_way()
    processes.die_first()
    processes.mark("YONDER_EXECUTOR", born.executor)
    processes.mark("YONDER_WORKER", born.worker)
    os.environ.pop("YONDER_HUB", None)
    os.environ.setdefault("MPLBACKEND", "module://yonder.agent.figures")
    os.environ.update(born.env)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.enable(file=2)
    if born.folder:
        with contextlib.suppress(OSError):  # a folder that is gone: user code sees the same as in a shell there
            os.chdir(born.folder)
        # The workspace comes first, as under plain `python`. A real entry for now; the virtual finder that will serve
        # workspace code from a snapshot takes its place in a later issue.
        sys.path.insert(0, born.folder)
    if born.threads > 0:
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(born.threads)))
    _own_state(born.threads)


def _own_state(threads: int) -> None:
    """All forks of one zygote would draw the same random numbers and use every processor."""
    if numpy_random := sys.modules.get("numpy.random"):  # numpy imports it when first used; before, there is no state
        numpy_random.seed(int.from_bytes(os.urandom(4), "little"))
    if torch := sys.modules.get("torch"):
        torch.seed()
        if threads > 0:
            torch.set_num_threads(threads)


class Worker:
    def __init__(self, born: birth.Birth, mouth: Mouth, life: int) -> None:
        self._born = born
        self._child = False
        self._mouth = mouth
        self._guard = Guard()
        self._guard.install()
        self._namespace = Namespace(self._guard, born.folder)
        self._functions: dict[bytes, Callable[..., Any]] = {}
        self._bodies: dict[bytes, bytes] = {}  # those that are not unpacked yet: sent once, though unpacking may fail
        self._workspace = payload.Workspace(born.folder)
        control: Lane[Any] = Lane.dial(born.hub, "control", born.worker, born.token, wire.HubToControl)
        self._control = Control(control, life, self._guard, lambda: (self._namespace.names, self._namespace.generation))
        self._recorder = self._control.recorder
        self._console = self._control.console = Console(born.worker, self._recorder)
        builtins.input = self._console.input
        getpass.getpass = self._console.getpass
        seat.take(seat.Seat(born.hub, born.token, born.worker, born.folder, self._recorder))
        os.register_at_fork(after_in_child=self._forked_by_user)
        self._lane: Lane[CallMessage] = Lane.dial(born.hub, "call", born.worker, born.token, wire.HubToCall)
        self._control.start()

    def serve(self) -> int:
        """Until the hub says Leave or hangs up, or a file has run. Returns the exit code."""
        while (message := self._wait()) is not None:
            match message:
                case wire.Call():
                    self._call(message)
                case wire.Block(kind="file"):
                    return self._file(message)
                case wire.Block():
                    self._block(message)
                case wire.Leave():
                    break
                case _:
                    return 70
        self._control.leaving = True
        self._say(_finish_program)
        return 0

    # ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _wait(self) -> CallMessage | None:
        """The next message. Once a block has used `await`, its loop runs meanwhile, so that its tasks live on."""
        loop = self._namespace.loop
        if loop is None or loop.is_closed():
            return self._lane.receive()
        while not self._lane.ready:
            try:
                loop.run_until_complete(self._readable(loop))
            except BaseException:  # noqa: BLE001 - a task left behind raised SystemExit or the like through the loop
                traceback.print_exc()
                continue
            if not self._lane.fill():
                return None
        return self._lane.receive()

    async def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        arrived = asyncio.Event()
        loop.add_reader(self._lane.sock, arrived.set)
        try:
            await arrived.wait()
        finally:
            loop.remove_reader(self._lane.sock)

    # ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, task: int) -> None:
        self._mouth.begin(task)
        self._recorder.begin(task)
        self._guard.begin(task)

    def _end(self, task: int) -> tuple[int, int]:
        """User code is over; the numbers of the task's last control-lane message and last output."""
        if self._child:  # user code forked, and the child came all the way back here: it has nothing more to do
            _flush_streams()
            os._exit(0)
        self._guard.end()
        self._guard.install()
        output = self._mouth.settle(task)
        control = self._recorder.end()
        self._console.hang_up()
        return control, output

    def _call(self, call: wire.Call) -> None:
        if call.function_body:
            self._bodies[call.function] = call.function_body
        self._begin(call.task)
        ran = self._guard.run(lambda: self._evaluate(call))
        drawn = self._guard.run(_flush_figures)
        if ran.error is None and drawn.error is not None:
            ran = Ran(None, drawn.error, drawn.interrupted)
        body, told, summary = b"", None, ""
        if ran.error is None and ran.value is not None:
            body, summary = ran.value
        elif ran.error is not None:
            error = _shown(ran.error)
            told = payload.failure(error, self._born.folder)
            packed = self._guard.run(lambda: payload.pack_exception(error))
            body, summary = packed.value or b"", preview.shorten(f"{told.type}: {told.message}")
        control, output = self._end(call.task)
        self._lane.send(wire.Done(call.task, ran.error is None, body, control, output, summary, told))

    def _evaluate(self, call: wire.Call) -> tuple[bytes, str]:
        function = self._functions.get(call.function)
        if function is None:
            function = self._functions[call.function] = payload.unpack(self._bodies[call.function])
            del self._bodies[call.function]
        arguments, keywords = payload.unpack(call.arguments)
        value = function(*arguments, **keywords)
        self._workspace.register()
        body = payload.pack(value)
        if len(body) > MAX_RESULT:
            raise SerializationError(
                f"the result is {len(body):,} bytes large; a call may return at most {MAX_RESULT:,}"
            )
        return body, preview.summary(value)

    def _block(self, block: wire.Block) -> None:
        self._begin(block.task)
        outcome = self._namespace.block(block.code, block.path, block.line, _flush_figures)
        self._tell(block.task, outcome)

    def _file(self, block: wire.Block) -> int:
        """A program: its threads and atexit functions belong to the run, then the process is over."""

        def finish() -> None:
            _flush_figures()
            _finish_program()

        self._begin(block.task)
        outcome = self._namespace.file(block.code, block.path, block.argv, finish)
        self._control.leaving = True
        self._tell(block.task, outcome)
        return outcome.code

    def _tell(self, task: int, outcome: Outcome) -> None:
        control, output = self._end(task)
        self._lane.send(
            wire.BlockDone(task, control, output, outcome.preview, outcome.failure, outcome.interrupted, outcome.code)
        )

    # ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, last: Callable[[], None]) -> None:
        """Run the last of user code (its atexit functions); what it raises is said on stderr, as Python does."""
        try:
            last()
        except BaseException:  # noqa: BLE001 - nobody is left to hand it to
            traceback.print_exc()
        _flush_streams()

    def _forked_by_user(self) -> None:
        """In a child that user code forked: it is nobody's worker, and keeps none of our doors open."""
        self._child = True
        self._lane.close()
        self._control.close()
        self._mouth.close()
        self._recorder.silence()
        seat.take(None)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # whatever object the user put there
            stream.flush()


def _shown(error: BaseException) -> BaseException:
    """What a call's end is called: leaving the process is not for a call to decide."""
    if isinstance(error, SystemExit):
        return RuntimeError(
            f"the call ended with exit({'' if error.code is None else repr(error.code)})"
        ).with_traceback(error.__traceback__)
    return error


def _flush_figures() -> None:
    """Send what the user drew and did not show; costs nothing where nothing was drawn."""
    if figures := sys.modules.get("yonder.agent.figures"):
        figures.flush()


def _finish_program() -> None:
    """What the interpreter does at the end of a program: wait for its threads, run its atexit functions."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - has no public name
    atexit._run_exitfuncs()  # noqa: SLF001 - has no public name
