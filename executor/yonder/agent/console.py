"""A worker's side of stdout, stderr and stdin: the streams user code writes to, the certainty that all was read, input().

What belongs here: descriptors 0 to 2 of a worker and the questions to a person. What this file must not know: the hub's
sockets (it is given a recorder), the loop on the agent's side.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import io
import itertools
import os
import queue
import select
import socket
import sys
import termios
import time
from typing import TextIO

from yonder import wire
from yonder.agent.output import ANSWER, ASK
from yonder.agent.page import Page
from yonder.agent.recorder import Recorder

SETTLE_SECONDS = 2.0
"""How long the end of a task waits for the agent's word. The agent answers in well under a millisecond when it runs at
all; the bound is there for an agent that was stopped, and generous because a late answer would let the result overtake
its output."""


class Mouth:
    """Descriptors 1 and 2, and whether the agent has read everything that went in."""

    def __init__(self, out: int, err: int, page: Page, talk: socket.socket) -> None:
        os.dup2(out, 1)
        os.dup2(err, 2)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._pipes = (out, err)  # kept beside 1 and 2: user code may point those elsewhere
        self._page = page
        self._talk = talk
        self._begun = -1
        self._calm = -1  # as _begun, since `heard` asked last
        self._last = 0  # what it was told then
        self._fflush = ctypes.CDLL(None).fflush
        self._waiting = array.array("i", [0])
        for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            stream = _stream(fd, mode)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        self._own: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)

    def begin(self, task: int) -> None:
        """A task begins; remember how often the agent had read, if it is not reading right now."""
        self._page.begin(task)
        begun = self._page.begun
        self._begun = self._calm = begun if self._page.ended == begun else -1
        self._last = 0

    def settle(self, task: int) -> int:
        """The task's user code is over: push out every buffer, see that it was read, and close the task.

        Returns the number of the task's last WorkerOutput, -1 if the agent did not say in time.
        """
        self.flush()
        last = 0 if self._quiet(self._begun) else self._ask(task)
        self._page.rest()
        return last

    def heard(self, task: int) -> int:
        """In the middle of a task, after `flush`: the number of its last WorkerOutput so far, -1 if it is not known."""
        if not self._quiet(self._calm):
            self._last = self._ask(task)
            self._calm = self._page.begun if self._last >= 0 else -1
        return self._last

    def flush(self) -> None:
        """Push out what Python's and C's buffers hold."""
        for stream in self._own:
            try:
                stream.flush()
            except (OSError, ValueError):  # the user has closed it, or what it writes to
                continue
        out, err = self._own
        if not (sys.stdout is sys.__stdout__ is out and sys.stderr is sys.__stderr__ is err):
            self._flush_others()
        self._fflush(None)

    def _flush_others(self) -> None:
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            # The user may have put any object there; one that cannot be flushed has nothing of ours to lose.
            with contextlib.suppress(Exception):
                if stream is not None:
                    stream.flush()

    def _quiet(self, begun: int) -> bool:
        """Both pipes are empty and nothing was read from them since `begun` reads: nothing was written, no need to ask."""
        waiting = self._waiting
        for fd in self._pipes:
            try:
                fcntl.ioctl(fd, termios.FIONREAD, waiting)
            except OSError:
                return False
            if waiting[0]:
                return False
        return begun >= 0 and self._page.begun == begun

    def _ask(self, task: int) -> int:
        try:
            self._talk.send(ASK.pack(task))
            deadline = time.monotonic() + SETTLE_SECONDS
            answer = b""
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([self._talk], [], [], left)[0]:
                    continue
                data = self._talk.recv(ANSWER.size - len(answer))
                if not data:
                    return -1
                answer += data
                if len(answer) < ANSWER.size:
                    continue
                about, last = ANSWER.unpack(answer)
                answer = b""
                if about == task:  # else the late answer to an earlier question
                    return int(last)
        except OSError:
            return -1
        return -1

    def close(self) -> None:
        """In a forked child of user code: it asks nobody."""
        self._talk.close()


def _stream(fd: int, mode: str) -> TextIO:
    """A text stream as a terminal would have it: lines go out at once, nothing is refused for its characters."""
    raw = io.FileIO(fd, mode, closefd=False)
    if mode == "r":
        return io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", errors="replace")
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=False
    )


class Console:
    """input() and getpass(): asked over the control lane, answered by a person."""

    def __init__(self, worker: str, recorder: Recorder) -> None:
        self._worker = worker
        self._recorder = recorder
        self._ids = itertools.count(1)
        self._asked: dict[str, queue.SimpleQueue[str | None]] = {}

    def input(self, prompt: object = "", /) -> str:
        """Stands in for the builtin. Raises EOFError when the person dismissed the question."""
        return self._ask(str(prompt), secret=False)

    def getpass(self, prompt: str = "Password: ", stream: object = None) -> str:
        """Stands in for getpass.getpass."""
        del stream  # where to prompt is the editor's business
        return self._ask(prompt, secret=True)

    def _ask(self, prompt: str, *, secret: bool) -> str:
        if not self._recorder.task:
            raise EOFError("there is nobody to answer outside a run")
        ident = f"{self._worker}-q{next(self._ids)}"
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._asked[ident] = answers
        try:
            print(prompt, end="", flush=True)
            self._recorder.say(lambda task, n: wire.InputAsked(task, n, ident, prompt, secret))
            text = answers.get()
        finally:
            self._asked.pop(ident, None)
        print("" if secret or text is None else text, flush=True)
        if text is None:
            raise EOFError(
                "nobody answered: the question was dismissed, or this is a call of a plain program, where nobody can be "
                "asked (ask before the call, and give it the answer)"
            )
        return text

    def typed(self, ident: str, text: str | None) -> None:
        """Called by the side thread."""
        if (answers := self._asked.get(ident)) is not None:
            answers.put(text)

    def hang_up(self) -> None:
        """The task is over: threads that still wait for a person are told that nobody comes."""
        for answers in list(self._asked.values()):
            answers.put(None)
