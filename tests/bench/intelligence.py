"""Group `intelligence`: completion and hover on live objects, timed where a person waits: the client's side of stdio.

Every sample is a keystroke: the dot is typed (a document change), the list is asked for, the dot is taken away again.
Each asks for a tensor that nobody asked for before, so that the server cannot answer from memory; what it takes from
memory is shown beside it. Busy means that the session runs a training loop meanwhile, or a Python loop; stuck, that it cannot
answer at all (tests/bench/stuck.py). The others are asked on the same text (tests/bench/rivals.py).
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.editor import Document, Editor
from tests.bench import lag, rivals, side, stuck
from tests.bench.figures import BenchError, Figure, median, quantile
from tests.bench.rss import resident_mb
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

# %% python
number = 0
while True:
    number += 1

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


async def _told(editor: Editor, method: str, params: Any, words: str) -> float:
    """Milliseconds until an answer says these words; it is asked for again when the deadline has passed without."""
    begin = time.perf_counter()
    for _ in range(ASKINGS):
        found = await editor.request(method, params)
        if words in str(found):
            return (time.perf_counter() - begin) * 1000
    raise BenchError(f"{method} does not tell {words!r}: {found}")


def _place(document: Document, at: protocol.Position) -> dict[str, Any]:
    return {"textDocument": {"uri": document.uri}, "position": {"line": at.line, "character": at.character}}


async def _hover(editor: Editor, document: Document, number: int) -> float:
    """Point at a tensor; its shape must be told."""
    at = document.find(_look_at(editor, document, number), after=True)
    before = protocol.Position(line=at.line, character=at.character - 1)
    return await _told(editor, "textDocument/hover", _place(document, before), "32 x 64")


async def _signature(editor: Editor, document: Document, number: int) -> float:
    look = _look_at(editor, document, number)
    editor.replace(document, look, look + ".backward(")
    place = _place(document, document.find(look + ".backward(", after=True))
    return await _told(editor, "textDocument/signatureHelp", place, "retain_graph")


async def _resolve(editor: Editor, document: Document, number: int) -> float:
    """Take the item `shape` of a list; the tensor's own must be told."""
    look = _look_at(editor, document, number)
    editor.replace(document, look, look + ".")
    at = document.find(look + ".", after=True)
    await _until_complete(editor, document, at)
    found = await editor.complete(document, at, trigger=".")
    item = next(one for one in found["items"] if one["label"] == "shape")
    item = {"data": found.get("itemDefaults", {}).get("data"), **item}
    return await _told(editor, "completionItem/resolve", item, "torch.Size")


ASKED: dict[str, Ask] = {"complete": _complete, "hover": _hover, "signature": _signature, "resolve": _resolve}


async def _sample(ask: Ask, editor: Editor, document: Document, numbers: Iterable[int]) -> list[float]:
    return [await ask(editor, document, number) for number in numbers]


async def _live(count: int) -> dict[str, list[float]]:
    warm, fresh = range(WARM), range(WARM, WARM + count)
    async with window(_text(WARM + count)) as (editor, document):
        await run_cell(editor, document, "# %% make")
        found: dict[str, list[float]] = {}
        for name, ask in ASKED.items():
            await _sample(ask, editor, document, warm)
            found[name] = await _sample(ask, editor, document, fresh)
            found[name + " again"] = await _sample(ask, editor, document, [WARM + count - 1] * count)
        for name, cell in (("busy", "# %% busy"), ("python", "# %% python")):
            found[name] = await _while_it_runs(editor, document, cell, fresh)
        await editor.complete(document, document.find(_look_at(editor, document, 0), after=True))
        found["rss"] = [resident_mb(editor.pid), resident_mb(editor.pid, children=True)]
        return found


async def _while_it_runs(editor: Editor, document: Document, cell: str, numbers: Iterable[int]) -> list[float]:
    busy = await editor.run(document, document.find(cell), where="cell")
    await _until_running(editor, busy.run)
    spent = await _sample(_complete, editor, document, numbers)
    await editor.ask("yonder/interrupt", protocol.InterruptParams(run=busy.run), protocol.InterruptResult, within=30)
    ended = await editor.finished(busy.run)
    if ended.ended - ended.started < sum(spent) / 1000:
        raise BenchError(f"the cell {cell} was not busy: it ended as {ended.state} {ended.short}")
    return spent


async def _start() -> float:
    """Milliseconds from the start of the server's process to its answer to `initialize`."""
    with tempfile.TemporaryDirectory(prefix="yonder-bench-") as name:
        editor = Editor(Path(name), owner=f"bench-{secrets.token_hex(6)}", storage=Path(name), python=sys.executable)
        begin = time.perf_counter()
        await editor.start()
        spent = (time.perf_counter() - begin) * 1000
        await editor.goodbye()
        return spent


async def _until_running(editor: Editor, run: str) -> None:
    news = asyncio.Event()
    with editor.listening("yonder/runsChanged", lambda _: news.set()):
        async with asyncio.timeout(60):
            while True:
                news.clear()
                if any(one.run == run and one.state == "running" for one in (await editor.runs()).runs):
                    return
                await news.wait()


def measure(quick: bool) -> Iterator[Figure]:
    """`complete_live_p50_ms`, `complete_live_p95_ms`, `complete_busy_p95_ms`, `complete_python_p95_ms`,
    `complete_stuck_p99_ms`, `hover_p95_ms`, `signature_p95_ms`, `resolve_p95_ms`, `server_start_ms`, `server_rss_mb`,
    `loop_lag_p95_ms`, and what looking costs the session (tests/bench/side.py)."""
    found = asyncio.run(_live(60 if quick else 300))
    few = 3 if quick else 15
    source = _text(WARM).rstrip("\n") + "."
    warm = rivals.warm_jedi(source, few)
    with tempfile.TemporaryDirectory(prefix="yonder-bench-") as folder:
        server = rivals.language_server(source, Path(folder), few)
    ipython = rivals.ipython(source.partition("# %% busy")[0], "output_0.", few)
    for name, share in (("complete_live_p50_ms", 0.5), ("complete_live_p95_ms", 0.95)):
        beside = {"jedi": quantile(warm, share), "again, from memory": quantile(found["complete again"], share)}
        for rival, figures in (("jedi-language-server", server), ("IPython", ipython)):
            if figures:
                beside[f"{rival}, {figures['items']:.0f} members"] = figures["p50_ms" if share == 0.5 else "p95_ms"]
        yield Figure(name, quantile(found["complete"], share), "ms", beside)
    idle = {"idle": quantile(found["complete"], 0.95)}
    yield Figure("complete_busy_p95_ms", quantile(found["busy"], 0.95), "ms", idle)
    yield Figure("complete_python_p95_ms", quantile(found["python"], 0.95), "ms", idle)
    keys = 30 if quick else 120
    held = quantile(asyncio.run(stuck.keys(keys, held=True)), 0.99)
    stopped = quantile(asyncio.run(stuck.keys(keys, held=False)), 0.99)
    yield Figure("complete_stuck_p99_ms", max(held, stopped), "ms", {"GIL held": held, "SIGSTOP": stopped})
    for name in ("hover", "signature", "resolve"):
        beside = {"again, from memory": quantile(found[f"{name} again"], 0.95)}
        yield Figure(f"{name}_p95_ms", quantile(found[name], 0.95), "ms", beside)
    starts = [asyncio.run(_start()) for _ in range(3 if quick else 9)]
    beside = {"jedi-language-server": server["start_ms"]} if server else {}
    yield Figure("server_start_ms", median(starts), "ms", beside)
    beside = {"with the static engine's process": found["rss"][1]}
    beside |= {"jedi-language-server": server["rss_mb"]} if server else {}
    yield Figure("server_rss_mb", found["rss"][0], "MB", beside)
    yield from side.measure(quick)
    yield lag.measure(quick)
