"""A window for measurements: a folder, one open document, a real language server, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from scripts.editor import Document, Editor
from scripts.process_table import marked
from tests.bench.figures import BenchError

from yonder_lsp import protocol

LINGER = 0.5
GONE = 30.0


@contextlib.asynccontextmanager
async def window(text: str, *, executors: int = 8) -> AsyncIterator[tuple[Editor, Document]]:
    """Open a window on a document with this text; on leaving, wait until its cluster is gone. Raises BenchError if not."""
    owner = f"bench-{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="yonder-bench-") as name:
        folder = Path(name) / "work"
        folder.mkdir()
        path = folder / "bench.py"
        path.write_text(text)
        settings = protocol.Settings(provide="without", linger=LINGER, tool={"pools": {"default": {"max": executors}}})
        storage = Path(name) / "storage"
        storage.mkdir()
        async with Editor(folder, owner=owner, storage=storage, python=sys.executable, settings=settings) as editor:
            yield editor, editor.open(path)
        async with asyncio.timeout(LINGER + GONE):
            while any(one.hub for one in marked(owner)):  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(0.05)
        if left := marked(owner):
            raise BenchError(f"{len(left)} processes are left: {left[0].command}")


async def run_cell(editor: Editor, document: Document, marker: str) -> protocol.RunSummary:
    """Run the cell that begins with `marker` to its end. Raises BenchError when it fails."""
    started = await editor.run(document, document.find(marker), where="cell")
    ended = await editor.finished(started.run)
    if ended.state != "ok":
        raise BenchError(f"{marker} ended with {ended.state}: {ended.text or ended.short or ended.detail}")
    return ended
