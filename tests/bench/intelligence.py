"""Group `intelligence`: completion and hover on live objects, timed where a person waits: the client's side of stdio.

Every sample is a keystroke: the dot is typed (a document change), the list is asked for, the dot is taken away again.
Busy means that the session runs a training loop meanwhile. The peer is jedi on the same text, asked in a warm process
of its own right: names only, as it is quickest. (It finds no member of a tensor.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import jedi
from scripts.editor import Document, Editor
from tests.bench.figures import BenchError, Figure, median, quantile
from tests.bench.window import run_cell, window

from yonder_lsp import protocol

TEXT = """\
# %% make
import torch
from torch import nn

layer = nn.Linear(64, 64)
batch = torch.randn(32, 64)
output = layer(batch)

# %% busy
optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)
while True:
    optimizer.zero_grad()
    (layer(batch) ** 2).mean().backward()
    optimizer.step()

# %% look
output
"""
LOOK = "# %% look\noutput"
WANTED = "backward"


async def _complete(editor: Editor, document: Document) -> float:
    """Type the dot behind `output`, and time the list. Raises BenchError when the tensor's members are not in it."""
    editor.replace(document, LOOK, LOOK + ".")
    at = document.find(LOOK + ".", after=True)
    begin = time.perf_counter()
    found = await editor.complete(document, at, trigger=".")
    spent = (time.perf_counter() - begin) * 1000
    editor.replace(document, LOOK + ".", LOOK)
    items = found["items"] if isinstance(found, dict) else found or []
    if not any(item["label"] == WANTED for item in items):
        raise BenchError(f"a completion of {len(items)} items has no {WANTED!r}")
    return spent


async def _hover(editor: Editor, document: Document) -> float:
    at = document.find(LOOK, after=True)
    begin = time.perf_counter()
    found = await editor.hover(document, protocol.Position(line=at.line, character=at.character - 1))
    spent = (time.perf_counter() - begin) * 1000
    if not found or "32" not in str(found["contents"]):
        raise BenchError(f"the hover does not tell the tensor's shape: {found}")
    return spent


async def _sample(
    ask: Callable[[Editor, Document], Awaitable[float]], editor: Editor, document: Document, count: int
) -> list[float]:
    for _ in range(5):
        await ask(editor, document)
    return [await ask(editor, document) for _ in range(count)]


async def _live(count: int) -> dict[str, list[float]]:
    async with window(TEXT) as (editor, document):
        await run_cell(editor, document, "# %% make")
        found = {
            "idle": await _sample(_complete, editor, document, count),
            "hover": await _sample(_hover, editor, document, count),
        }
        busy = await editor.run(document, document.find("# %% busy"), where="cell")
        await _until_running(editor, busy.run)
        found["busy"] = await _sample(_complete, editor, document, count)
        await editor.ask(
            "yonder/interrupt", protocol.InterruptParams(run=busy.run), protocol.InterruptResult, within=30
        )
        ended = await editor.finished(busy.run)
        if ended.ended - ended.started < sum(found["busy"]) / 1000:
            raise BenchError(f"the busy cell was not busy: it ended as {ended.state} {ended.short}")
        return found


async def _until_running(editor: Editor, run: str) -> None:
    news = asyncio.Event()
    with editor.listening("yonder/runsChanged", lambda _: news.set()):
        async with asyncio.timeout(60):
            while True:
                news.clear()
                if any(one.run == run and one.state == "running" for one in (await editor.runs()).runs):
                    return
                await news.wait()


def _jedi(count: int) -> list[float]:
    source = TEXT.rstrip("\n") + "."
    lines = source.split("\n")
    spent = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        jedi.Script(source).complete(len(lines), len(lines[-1]))
        spent.append((time.perf_counter() - begin) * 1000)
    return spent[1:]


def measure(quick: bool) -> Iterator[Figure]:
    """`complete_live_p50_ms`, `complete_live_p95_ms`, `complete_busy_p95_ms`, `hover_p95_ms`."""
    found = asyncio.run(_live(60 if quick else 300))
    peer = _jedi(3 if quick else 15)
    yield Figure("complete_live_p50_ms", median(found["idle"]), "ms", {"jedi": median(peer)})
    yield Figure("complete_live_p95_ms", quantile(found["idle"], 0.95), "ms", {"jedi": quantile(peer, 0.95)})
    yield Figure("complete_busy_p95_ms", quantile(found["busy"], 0.95), "ms")
    yield Figure("hover_p95_ms", quantile(found["hover"], 0.95), "ms")
