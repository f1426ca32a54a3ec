"""The static source: jedi in a process of its own, one question at a time, the newest wins.

`Static` is the asking side (in the language server); `python -m yonder_lsp.static` the answering one, the only place that
imports jedi. They exchange JSON with a four-byte length before it. Names only: a type or signature of each item would
cost seconds. The answering process ends with its questions, whatever jedi is doing; and by itself when it has grown.
What this file must not know: live objects, LSP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

import msgspec

from yonder_lsp import columns
from yonder_lsp.completion import Named

PATIENCE = 3.0
STARTING = 10.0
RESPAWN_PAUSE = 1.0
LONGEST_REST = 60.0
LARGEST = (
    300_000  # characters, some 8,000 lines: jedi needs seconds to read a larger text, and the loop longer to send it
)
GROWN = 600 << 20  # bytes: jedi never forgets a module that it has read
_LENGTH = struct.Struct("<I")
What = Literal["complete", "hover", "signature", "definition"]


class Query(msgspec.Struct, frozen=True):
    """`line` counts from 0, `column` code points. `python` is the project's interpreter ("" = jedi's own choice)."""

    what: What
    text: str
    path: str
    line: int
    column: int
    folder: str
    python: str


class Place(msgspec.Struct, frozen=True):
    """Where a name is made: `path` "" is the text that was asked about; line and UTF-16 columns count from 0."""

    path: str
    line: int
    start: int
    end: int


class Facts(msgspec.Struct, frozen=True):
    """What the static source knows: `names` as (name, kind) pairs, `text` for a hover, `signature` with `parameters`,
    `places` of a definition. `leaving`: the process that answered has grown too large, and ends."""

    names: list[tuple[str, str]] = []
    text: str = ""
    signature: str = ""
    parameters: list[str] = []
    index: int = 0
    leaving: bool = False
    places: list[Place] = []

    def named(self) -> list[Named]:
        return [Named(name, kind) for name, kind in self.names]


_EMPTY = Facts()


class Static:
    """`command` starts the answering process. One that had to be killed twice in a row rests, each time longer: a text
    on which jedi hangs must not keep a core busy."""

    def __init__(
        self, log: Callable[[str], None], *, command: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._clock = clock
        self._command = command or (sys.executable, "-P", "-m", "yonder_lsp.static")
        self._process: asyncio.subprocess.Process | None = None
        self._slot: tuple[Query, asyncio.Future[Facts]] | None = None
        self._more = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._fresh = True
        self._killed = 0
        self._rested = 0.0

    async def ask(self, query: Query) -> Facts:
        """Facts, or empty ones when a newer question took the slot, the process had to be killed or rests, or the text
        is too large."""
        if len(query.text) > LARGEST or self._clock() < self._rested:
            return _EMPTY
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        answer: asyncio.Future[Facts] = asyncio.get_running_loop().create_future()
        if self._slot is not None and not self._slot[1].done():
            self._slot[1].set_result(_EMPTY)
        self._slot = (query, answer)
        self._more.set()
        return await answer

    async def _serve(self) -> None:
        """One question after another."""
        while True:
            await self._more.wait()
            self._more.clear()
            taken, self._slot = self._slot, None
            if taken is None:
                continue
            query, answer = taken
            if answer.done():
                continue
            facts = _EMPTY
            try:
                facts = await self._facts(query)
            finally:  # also when this is closed in the middle
                if not answer.done():
                    answer.set_result(facts)

    async def _facts(self, query: Query) -> Facts:
        """The answer, or empty facts and a process to be started anew."""
        try:
            facts = await asyncio.wait_for(self._exchange(query), STARTING if self._fresh else PATIENCE)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            self._log(f"the static engine was ended and starts again: {type(error).__name__}")
            await self._kill()
            self._rest()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                await asyncio.sleep(RESPAWN_PAUSE)
            return _EMPTY
        self._fresh, self._killed = False, 0
        if facts.leaving:
            await self._kill()
        return facts

    def _rest(self) -> None:
        self._killed += 1
        if self._killed > 1:
            self._rested = self._clock() + min(LONGEST_REST, PATIENCE * 2**self._killed)

    async def _exchange(self, query: Query) -> Facts:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            self._fresh = True
        assert process.stdin is not None  # noqa: S101 - both are pipes, asked for above
        assert process.stdout is not None  # noqa: S101
        body = msgspec.json.encode(query)
        process.stdin.write(_LENGTH.pack(len(body)) + body)
        await process.stdin.drain()
        (size,) = _LENGTH.unpack(await process.stdout.readexactly(4))
        return msgspec.json.decode(await process.stdout.readexactly(size), type=Facts)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                _end(process)
            await process.wait()

    async def close(self) -> None:
        """End the process; open questions get empty facts."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None
        if self._slot is not None and not self._slot[1].done():
            self._slot[1].set_result(_EMPTY)
        await self._kill()


def _end(process: asyncio.subprocess.Process) -> None:
    """With everything it started: jedi asks the project's Python in a process of its own."""
    if process.returncode is None and hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


# ── the answering process ─────────────────────────────────────────────────────────────────────────────────────────────


class _Engine:
    """jedi behind three questions; keeps its projects, because they hold the warm caches."""

    def __init__(self) -> None:
        import jedi

        self._jedi: Any = jedi
        self._projects: dict[tuple[str, str], Any] = {}

    def answer(self, query: Query) -> Facts:
        script = self._jedi.Script(query.text, path=query.path or None, project=self._project(query))
        line, column = query.line + 1, query.column
        if query.what == "complete":
            return Facts(names=[(one.name, one.type) for one in script.complete(line, column)])
        if query.what == "hover":
            found = script.help(line, column) or script.infer(line, column)
            return Facts(text=found[0].docstring() if found else "")
        if query.what == "definition":
            found = script.goto(line, column, follow_imports=True)
            return Facts(places=[_place(one, query.path) for one in found if one.line is not None])
        signatures = script.get_signatures(line, column)
        if not signatures:
            return _EMPTY
        first = signatures[0]
        return Facts(
            signature=first.to_string(), parameters=[one.to_string() for one in first.params], index=first.index or 0
        )

    def _project(self, query: Query) -> Any:
        key = (query.folder, query.python)
        if key not in self._projects:
            environment = query.python or None
            self._projects[key] = self._jedi.Project(query.folder or os.getcwd(), environment_path=environment)  # noqa: PTH109
        return self._projects[key]


def _place(name: Any, asked: str) -> Place:
    """A name of jedi's as a place; modules are their first line."""
    path = str(name.module_path or "")
    here = name.get_line_code()
    start, end = name.column, name.column + (0 if name.type == "module" else len(name.name))
    where = (columns.to_utf16(here, start), columns.to_utf16(here, end))
    return Place("" if path == asked else path, name.line - 1, *where)


def serve(questions: queue.SimpleQueue[Query], writing: BinaryIO) -> None:
    """Answer until this process has grown too large. A question that jedi fails on has no facts."""
    engine = _Engine()
    leaving = False
    while not leaving:
        query = questions.get()
        try:
            facts = engine.answer(query)
        except Exception:  # noqa: BLE001 - jedi raises anything on unfinished code; to a typing person that is "nothing known"
            facts = _EMPTY
        leaving = _memory() > GROWN
        body = msgspec.json.encode(msgspec.structs.replace(facts, leaving=leaving))
        writing.write(_LENGTH.pack(len(body)) + body)
        writing.flush()


def _memory() -> int:
    """What this process has, in bytes. Not the most that it has had: that counts its parent before the exec, too."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _listen(reading: BinaryIO, questions: queue.SimpleQueue[Query]) -> None:
    """Questions as they come. Their end is the end of the process, in the middle of an answer, too: nobody reads it."""
    with contextlib.suppress(msgspec.DecodeError):
        while len(head := reading.read(4)) == 4:
            (size,) = _LENGTH.unpack(head)
            questions.put(msgspec.json.decode(reading.read(size), type=Query))
    os._exit(0)


def main() -> None:
    # Whatever a library prints must not get between the answers.
    writing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions: queue.SimpleQueue[Query] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    serve(questions, writing)


if __name__ == "__main__":
    main()
