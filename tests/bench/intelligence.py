"""Group `intelligence`: completion and hover on live objects, timed where a person waits: the client's side of stdio.

Every sample is a keystroke: the dot is typed (a document change), the list is asked for, the dot is taken away again.
Each asks for a tensor that nobody asked for before, so that the server cannot answer from memory; what it takes from
memory is shown beside it. Busy means that the session runs a training loop meanwhile. The peer is jedi on the same text
in a warm process: names only, as it is quickest. (It finds no member of a tensor.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

import jedi
from scripts.editor import Document, Editor
from tests.bench import lag
from tests.bench.figures import BenchError, Figure, quantile
from tests.bench.window import run_cell, window

from yonder_lsp import protocol

TEXT = """\
# %% make
import torch
from torch import nn

layer = nn.Linear(64, 64)
batch = torch.randn(32, 64)
{outputs}

# %% busy
optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)
while True:
    optimizer.zero_grad()
    (layer(batch) ** 2).mean().backward()
    optimizer.step()

# %% look
output_0
"""
WANTED = "backward"
WARM = 5
ASKINGS = 20
Ask = Callable[[Editor, Document, int], Awaitable[float]]


def _text(tensors: int) -> str:
    return TEXT.format(outputs="\n".join(f"output_{number} = layer(batch)" for number in range(tensors)))


def _look_at(editor: Editor, document: Document, number: int) -> str:
    """Type another tensor's name into the last cell, and return the cell's text."""
    cell = f"# %% look\noutput_{number}\n"
    now = document.text[document.text.index("# %% look") :]
    if now != cell:
        editor.replace(document, now, cell)
    return cell.rstrip("\n")


async def _complete(editor: Editor, document: Document, number: int) -> float:
    """Type the dot behind a tensor, and time the list. Raises BenchError when the tensor's members are not in it."""
    look = _look_at(editor, document, number)
    editor.replace(document, look, look + ".")
    at = document.find(look + ".", after=True)
    begin = time.perf_counter()
    await _until_complete(editor, document, at)
    spent = (time.perf_counter() - begin) * 1000
    editor.replace(document, look + ".", look)
    return spent


async def _until_complete(editor: Editor, document: Document, at: protocol.Position) -> None:
    """Ask as the editor does: again, for as long as the list says that it is not complete (the deadline has passed)."""
    for _ in range(ASKINGS):
        found = await editor.complete(document, at, trigger=".")
        items = found["items"] if isinstance(found, dict) else found or []
        if any(item["label"] == WANTED for item in items):
            return
        if not isinstance(found, dict) or not found["isIncomplete"]:
            break
    raise BenchError(f"a completion of {len(items)} items has no {WANTED!r}")


async def _hover(editor: Editor, document: Document, number: int) -> float:
    at = document.find(_look_at(editor, document, number), after=True)
    begin = time.perf_counter()
    found = await editor.hover(document, protocol.Position(line=at.line, character=at.character - 1))
    spent = (time.perf_counter() - begin) * 1000
    if not found or "32" not in str(found["contents"]):
        raise BenchError(f"the hover does not tell the tensor's shape: {found}")
    return spent


async def _sample(ask: Ask, editor: Editor, document: Document, numbers: Iterable[int]) -> list[float]:
    return [await ask(editor, document, number) for number in numbers]


async def _live(count: int) -> dict[str, list[float]]:
    warm, fresh = range(WARM), range(WARM, WARM + count)
    async with window(_text(WARM + count)) as (editor, document):
        await run_cell(editor, document, "# %% make")
        found: dict[str, list[float]] = {}
        for name, ask in (("complete", _complete), ("hover", _hover)):
            await _sample(ask, editor, document, warm)
            found[name] = await _sample(ask, editor, document, fresh)
            found[name + " again"] = await _sample(ask, editor, document, [WARM + count - 1] * count)
        busy = await editor.run(document, document.find("# %% busy"), where="cell")
        await _until_running(editor, busy.run)
        found["busy"] = await _sample(_complete, editor, document, fresh)
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
    source = _text(WARM).rstrip("\n") + "."
    lines = source.split("\n")
    spent = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        jedi.Script(source).complete(len(lines), len(lines[-1]))
        spent.append((time.perf_counter() - begin) * 1000)
    return spent[1:]


def measure(quick: bool) -> Iterator[Figure]:
    """`complete_live_p50_ms`, `complete_live_p95_ms`, `complete_busy_p95_ms`, `hover_p95_ms`, `loop_lag_p95_ms`."""
    found = asyncio.run(_live(60 if quick else 300))
    peer = _jedi(3 if quick else 15)
    memory = "again, from memory"
    for name, share in (("complete_live_p50_ms", 0.5), ("complete_live_p95_ms", 0.95)):
        beside = {"jedi": quantile(peer, share), memory: quantile(found["complete again"], share)}
        yield Figure(name, quantile(found["complete"], share), "ms", beside)
    yield Figure(
        "complete_busy_p95_ms", quantile(found["busy"], 0.95), "ms", {"idle": quantile(found["complete"], 0.95)}
    )
    beside = {memory: quantile(found["hover again"], 0.95)}
    yield Figure("hover_p95_ms", quantile(found["hover"], 0.95), "ms", beside)
    yield lag.measure(quick)
