"""Others beside live intelligence, on the same text and the same objects: jedi in a warm process (names only, as it is
quickest), jedi-language-server over stdio as an editor speaks to it, and IPython's completer with the objects in its hands.

Each is asked as we are, and how many members it found is told: none for a tensor but IPython's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import jedi
from scripts.editor import Editor
from tests.bench.figures import quantile
from tests.bench.rss import resident_mb


def warm_jedi(source: str, count: int) -> list[float]:
    """Milliseconds of each completion at the text's end, the first left out."""
    lines = source.split("\n")
    spent = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        jedi.Script(source).complete(len(lines), len(lines[-1]))
        spent.append((time.perf_counter() - begin) * 1000)
    return spent[1:]


def language_server(source: str, folder: Path, count: int) -> dict[str, float]:
    """jedi-language-server's `start_ms`, `first_ms`, `p50_ms`, `p95_ms`, `items` and `rss_mb`; {} where it is missing."""
    if importlib.util.find_spec("jedi_language_server") is None:
        print("  not measured: jedi-language-server is not installed (pip install 'yonder[bench]')", file=sys.stderr)
        return {}
    return asyncio.run(_language_server(source, folder, count))


async def _language_server(source: str, folder: Path, count: int) -> dict[str, float]:
    command = (sys.executable, "-c", "from jedi_language_server.cli import cli; cli()")
    editor = Editor(folder, owner="nobody", storage=folder, command=command)
    begin = time.perf_counter()
    await editor.start()
    start = (time.perf_counter() - begin) * 1000
    try:
        path = folder / "rival.py"
        path.write_text(source, "utf-8")
        document = editor.open(path)
        at, spent, items = document.position(len(source)), [], 0
        for _ in range(count + 1):
            begin = time.perf_counter()
            found: Any = await editor.complete(document, at, trigger=".")
            spent.append((time.perf_counter() - begin) * 1000)
            items = len(found["items"] if isinstance(found, dict) else found or [])
        first, later = spent[0], spent[1:]
        return {
            "start_ms": start,
            "first_ms": first,
            "p50_ms": quantile(later, 0.5),
            "p95_ms": quantile(later, 0.95),
            "items": float(items),
            "rss_mb": resident_mb(editor.pid),
        }
    finally:
        await editor.goodbye()


def ipython(code: str, expression: str, count: int) -> dict[str, float]:
    """IPython's completer with the objects that this code makes: `p50_ms`, `p95_ms`, `items`; {} where it is missing."""
    if importlib.util.find_spec("IPython") is None:
        print("  not measured: IPython is not installed (pip install 'yonder[bench]')", file=sys.stderr)
        return {}
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    namespace: dict[str, Any] = {}
    exec(code, namespace)
    config = Config()
    config.HistoryManager.enabled = False
    completer = InteractiveShell(user_ns=namespace, config=config).Completer
    spent, found = [], []
    for _ in range(count + 1):
        begin = time.perf_counter()
        with provisionalcompleter():
            found = list(completer.completions(expression, len(expression)))
        spent.append((time.perf_counter() - begin) * 1000)
    later = spent[1:]
    return {"p50_ms": quantile(later, 0.5), "p95_ms": quantile(later, 0.95), "items": float(len(found))}
