"""The static source: jedi in a process of its own, one question at a time, the newest wins.

`Static` is the asking side (in the language server); `python -m yonder_lsp.static` the answering one, the only place that
imports jedi. They exchange JSON with a four-byte length before it. Names only: a type or signature of each item would
cost seconds. What this file must not know: live objects, LSP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

import msgspec

from yonder_lsp.completion import Named

PATIENCE = 3.0
STARTING = 10.0
RESPAWN_PAUSE = 1.0
_LENGTH = struct.Struct("<I")
What = Literal["complete", "hover", "signature"]


class Query(msgspec.Struct, frozen=True):
    """`line` counts from 0, `column` code points. `python` is the project's interpreter ("" = jedi's own choice)."""

    what: What
    text: str
    path: str
    line: int
    column: int
    folder: str
    python: str


class Facts(msgspec.Struct, frozen=True):
    """What the static source knows: `names` as (name, kind) pairs, `text` for a hover, `signature` with `parameters`."""

    names: list[tuple[str, str]] = []
    text: str = ""
    signature: str = ""
    parameters: list[str] = []
    index: int = 0

    def named(self) -> list[Named]:
        return [Named(name, kind) for name, kind in self.names]


_EMPTY = Facts()


class Static:
    """`command` starts the answering process."""

    def __init__(self, log: Callable[[str], None], *, command: tuple[str, ...] = ()) -> None:
        self._log = log
        self._command = command or (sys.executable, "-P", "-m", "yonder_lsp.static")
        self._process: asyncio.subprocess.Process | None = None
        self._slot: tuple[Query, asyncio.Future[Facts]] | None = None
        self._more = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._fresh = True

    async def ask(self, query: Query) -> Facts:
        """Facts, or empty ones when a newer question took the slot or the process had to be killed."""
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
            if isinstance(error, OSError):
                await asyncio.sleep(RESPAWN_PAUSE)
            return _EMPTY
        self._fresh = False
        return facts

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
                process.kill()
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


def serve(reading: BinaryIO, writing: BinaryIO) -> None:
    """Answer until the asking side is gone. A question that jedi fails on has no facts."""
    engine = _Engine()
    while True:
        head = reading.read(4)
        if len(head) < 4:
            return
        (size,) = _LENGTH.unpack(head)
        query = msgspec.json.decode(reading.read(size), type=Query)
        try:
            facts = engine.answer(query)
        except Exception:  # noqa: BLE001 - jedi raises anything on unfinished code; to a typing person that is "nothing known"
            facts = _EMPTY
        body = msgspec.json.encode(facts)
        writing.write(_LENGTH.pack(len(body)) + body)
        writing.flush()


def main() -> None:
    # Whatever a library prints must not get between the answers.
    writing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, writing)


if __name__ == "__main__":
    main()
