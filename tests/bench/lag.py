"""How long the language server's loop lets a key wait while metrics pour in: `loop_lag_p95_ms` of the group `intelligence`.

The probe is a request that the server answers on its loop without looking anywhere, put every 5 ms, timed at the client's
side of stdio; beside it a person types at 10 keys a second, and each key is a list of 750 members.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from scripts.editor import Document, Editor
from tests.bench.figures import BenchError, Figure, quantile

from yonder_lsp import protocol

TEXT = "# %% train\ntrain()\n\n# %% look\nx"
PROBE, KEY = 0.005, 0.1


@contextlib.asynccontextmanager
async def _scene() -> AsyncIterator[tuple[Editor, Document, asyncio.subprocess.Process]]:
    owner = f"bench-{secrets.token_hex(6)}"
    pipe = asyncio.subprocess.PIPE
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.flood", owner, stdin=pipe, stdout=pipe
    )
    try:
        assert hub.stdout is not None
        if await asyncio.wait_for(hub.stdout.readline(), 30) != b"up\n":
            raise BenchError("the flooding hub did not come up")
        with tempfile.TemporaryDirectory(prefix="yonder-bench-") as name:
            folder, storage = Path(name) / "work", Path(name) / "storage"
            folder.mkdir()
            storage.mkdir()
            settings = protocol.Settings(python=sys.executable, provide="without", static="none")
            async with Editor(folder, owner=owner, storage=storage, python=sys.executable, settings=settings) as editor:
                path = folder / "bench.py"
                path.write_text(TEXT)
                yield editor, editor.open(path), hub
    finally:
        with contextlib.suppress(ProcessLookupError):
            hub.kill()
        await hub.wait()


async def _typing(editor: Editor, document: Document, keys: int) -> None:
    """A dot, its list, and the dot away: 10 keys a second."""
    for number in range(keys):
        name = f"x{number}"
        editor.rewrite(document, f"{TEXT}{number}.")
        found = await editor.complete(document, document.find(f"{name}.", after=True), trigger=".")
        if len(found["items"]) < 700 and not found["isIncomplete"]:
            raise BenchError(f"a list of {len(found['items'])} members")
        await asyncio.sleep(KEY)


async def _lags(editor: Editor, document: Document, keys: int) -> list[float]:
    typing = asyncio.create_task(_typing(editor, document, keys))
    spent = []
    while not typing.done():
        begin = time.perf_counter()
        await editor.request("completionItem/resolve", {"label": "probe"})
        spent.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(PROBE)
    await typing
    return spent


async def _measured(keys: int) -> tuple[list[float], list[float], int]:
    async with _scene() as (editor, document, hub):
        async with asyncio.timeout(30):
            while not (await editor.status()).sessions:  # noqa: ASYNC110 - it is taken up in the background
                await asyncio.sleep(0.05)
        started = await editor.run(document, document.find("train()"))
        quiet = await _lags(editor, document, keys)
        assert hub.stdin is not None
        hub.stdin.write(f"{started.run}\n".encode())
        flooded = await _lags(editor, document, keys)
        hub.stdin.write(b"\n")
        shown = await editor.ask(
            "yonder/series", protocol.SeriesParams(run=started.run, pixels=10), protocol.SeriesResult
        )
        return quiet, flooded, sum(curve.points for curve in shown.curves)


def measure(quick: bool) -> Figure:
    """`loop_lag_p95_ms`. Raises BenchError when nothing was flooded."""
    quiet, flooded, points = asyncio.run(_measured(40 if quick else 200))
    if points < 64_000:
        raise BenchError(f"only {points} points came in")
    return Figure("loop_lag_p95_ms", quantile(flooded, 0.95), "ms", {"without the flood": quantile(quiet, 0.95)})
