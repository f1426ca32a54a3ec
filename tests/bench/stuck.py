"""A key's answer while the session cannot answer at all: its worker is stopped by a signal, or C code holds the interpreter.

Every list must come, and say that it is not complete; after the session is let go it must be whole again, or the times mean
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

from scripts.editor import Document, Editor
from tests.bench.figures import BenchError
from tests.bench.window import run_cell, window

from yonder_lsp import protocol

TEXT = """\
# %% make
import ctypes, os
import torch
from torch import nn
layer, batch = nn.Linear(64, 64), torch.randn(32, 64)
{outputs}

# %% pid
os.getpid()

# %% hold
reader = os.open("held", os.O_RDWR)
ctypes.PyDLL(None).read(reader, ctypes.create_string_buffer(1), 1)

# %% look
output_0
"""
WANTED = "backward"
KEY = 0.1


async def keys(count: int, *, held: bool) -> list[float]:
    """Milliseconds of each of `count` keys, a tenth of a second apart. `held`: by C code, else by a signal."""
    outputs = "\n".join(f"output_{number} = layer(batch)" for number in range(count + 1))
    async with window(TEXT.format(outputs=outputs)) as (editor, document):
        await run_cell(editor, document, "# %% make")
        await _key(editor, document, count)
        async with _held(editor, document) if held else _stopped(editor, document):
            async with asyncio.timeout(10):
                while not (await _key(editor, document, 0))[2]:
                    pass  # the cell has begun and the call has not
            spent = []
            for number in range(count):
                took, labels, incomplete = await _key(editor, document, number)
                if not incomplete:
                    raise BenchError(f"a list of {len(labels)} items passed for complete while the session was stuck")
                spent.append(took)
                await asyncio.sleep(KEY)
        await _whole_again(editor, document, count)
        return spent


@contextlib.asynccontextmanager
async def _stopped(editor: Editor, document: Document) -> AsyncIterator[None]:
    pid = int((await run_cell(editor, document, "# %% pid")).short)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def _held(editor: Editor, document: Document) -> AsyncIterator[None]:
    fifo = editor.folder / "held"
    os.mkfifo(fifo)
    begun = await editor.run(document, document.find("# %% hold"), where="cell")
    async with contextlib.AsyncExitStack() as ending:
        while not any(one.run == begun.run and one.state == "running" for one in (await editor.runs()).runs):
            pass
        yield
        with fifo.open("wb", buffering=0) as hold:
            hold.write(b"x")
        ending.push_async_callback(editor.finished, begun.run)


async def _key(editor: Editor, document: Document, number: int) -> tuple[float, set[str], bool]:
    now = document.text[document.text.index("# %% look") :]
    editor.replace(document, now, f"# %% look\noutput_{number}.")
    at: protocol.Position = document.position(len(document.text))
    begin = time.perf_counter()
    found = await editor.complete(document, at, trigger=".")
    took = (time.perf_counter() - begin) * 1000
    return took, {one["label"] for one in found["items"]}, found["isIncomplete"]


async def _whole_again(editor: Editor, document: Document, number: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        _, labels, incomplete = await _key(editor, document, number)
        if WANTED in labels and not incomplete:
            return
    raise BenchError("the session was let go, and its members did not come back")
