"""The main job in a terminal: open the example, run its cells on the cluster, watch, say goodbye, count what is left.

It drives the real language server exactly as the editor does and has no shortcut to anything behind it; only the count
at the end asks somebody else, the operating system. The last line is made for programs.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run by its path: this is where the package `scripts` lies

from scripts.editor import ENDED, Document, Editor, ServerError, ServerGone  # noqa: E402
from scripts.engine import Engine, get_engine  # noqa: E402
from scripts.private_engine import NoEngineError  # noqa: E402
from scripts.process_table import marked  # noqa: E402
from scripts.view import Lines, LiveTable, Picture, View  # noqa: E402
from yonder_lsp import protocol  # noqa: E402

LINGER = 1.0
SLOW_LINE, QUICK_LINE = "EPOCHS = 15", "EPOCHS = 2"
CELL_LIMIT = 600.0
GONE_LIMIT = 30.0


class _Options(argparse.Namespace):
    backend: str
    executors: int
    quick: bool
    folder: Path


@dataclass
class Tally:
    """What the last line says."""

    runs: int = 0
    failed: int = 0
    best_accuracy: float = 0.0
    first_executor_s: float = 0.0
    executors_peak: int = 0
    executors_left: int = 0

    def line(self) -> str:
        return (
            f"runs={self.runs} failed={self.failed} best_accuracy={self.best_accuracy:.4f} "
            f"first_executor_s={self.first_executor_s:.2f} executors_peak={self.executors_peak} "
            f"executors_left={self.executors_left}"
        )

    @property
    def good(self) -> bool:
        return self.runs > 0 and self.failed == 0 and self.executors_left == 0


@dataclass
class Demo:
    """One window from its opening to the last look at the process table."""

    editor: Editor
    owner: str
    view: View
    engine: Engine | None = None
    tally: Tally = field(default_factory=Tally)
    picture: Picture = field(default_factory=Picture)
    _printed: dict[str, int] = field(default_factory=dict)
    _partial: str = ""

    async def work(self, path: Path, *, quick: bool) -> None:
        """Open the file and run its cells, one after another, until one fails."""
        document = self.editor.open(path)
        if quick:
            self.editor.replace(document, SLOW_LINE, QUICK_LINE)
        with self.editor.listening("yonder/statusChanged", self._status_came):
            for cell in await self._cells(document):
                pressed = time.time()
                started = await self.editor.run(document, cell, where="cell", within=CELL_LIMIT)
                ended = await self._follow(started.run)
                if not self.tally.first_executor_s and ended.started:
                    self.tally.first_executor_s = ended.started - pressed
                if ended.state != "ok":
                    self.tally.failed += 1
                    self.view.say(ended.text or ended.short or ended.detail)
                    break
            self._status_came(await self.editor.status())

    async def _cells(self, document: Document) -> list[protocol.Position]:
        """Where the cells are, as the server's code lenses say."""
        asked = {"textDocument": {"uri": document.uri}}
        lenses = await self.editor.request("textDocument/codeLens", asked) or []
        starts = [msgspec.convert(lens["range"]["start"], protocol.Position) for lens in lenses]
        if not starts:
            raise ServerError("textDocument/codeLens", 0, f"no cells were found in {document.path.name}", None)
        return sorted(starts, key=lambda start: start.line)

    async def _follow(self, run: str) -> protocol.RunSummary:
        """Watch one run until it has ended and everything it said has been shown."""
        news = asyncio.Event()
        with self.editor.listening("yonder/runsChanged", lambda _: news.set()):
            async with asyncio.timeout(CELL_LIMIT):
                while True:
                    news.clear()
                    summary = await self._look(run)
                    if summary is not None and summary.state in ENDED:
                        await self._read_to_the_end(summary)
                        return summary
                    # Half a second without news still moves the clocks in the table, and notices a dead server.
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), 0.5)

    async def _look(self, run: str) -> protocol.RunSummary | None:
        for summary in (await self.editor.runs()).runs:
            self.picture.runs[summary.run] = summary
        found = self.picture.runs.get(run)
        if found is not None and found.calls:
            self.picture.calls = (await self.editor.calls(run)).calls
        await self._print_output(run)
        self.view.show(self.picture)
        return found

    async def _print_output(self, run: str) -> None:
        """What the cell itself has printed since the last look, by whole lines."""
        result = await self.editor.output(run, self._printed.get(run, 0))
        self._printed[run] = result.next
        lines = (self._partial + "".join(piece.text for piece in result.pieces if not piece.call)).split("\n")
        self._partial = lines.pop()
        for line in lines:
            self.view.say("           " + line)

    async def _read_to_the_end(self, summary: protocol.RunSummary) -> None:
        await self._print_output(summary.run)
        if self._partial:
            self.view.say("           " + self._partial)
            self._partial = ""
        if summary.displays:
            asked = protocol.DisplaysParams(run=summary.run)
            shown = await self.editor.ask("yonder/displays", asked, protocol.DisplaysResult)
            for item in shown.displays:
                size = len(base64.b64decode(item.data)) if item.mime == "image/png" else len(item.data)
                self.view.say(f"           a figure came back: {item.mime}, {size / 1000:,.0f} kB")
        if summary.calls:
            self._count(self.picture.calls)

    def _count(self, calls: list[protocol.CallRow]) -> None:
        self.tally.runs += len(calls)
        self.tally.failed += sum(call.state != "ok" for call in calls)
        accuracies = [call.metrics.get("accuracy", 0.0) for call in calls]
        self.tally.best_accuracy = max([self.tally.best_accuracy, *accuracies])

    def _status_came(self, status: Any) -> None:
        self.picture.status = status
        self.tally.executors_peak = max(self.tally.executors_peak, status.peak)

    async def count_what_is_left(self) -> None:
        """Wait until the hub has ended by itself, then ask the process table, and the engine for containers."""
        limit = time.monotonic() + LINGER + GONE_LIMIT
        while any(one.hub for one in marked(self.owner)) and time.monotonic() < limit:  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.1)
        left = marked(self.owner)
        self.tally.executors_left = len(left)
        for one in left:
            self.view.say(f"still there: process {one.pid}: {one.command}")
        if self.engine is not None:
            containers = self.engine.docker(
                "ps", "--all", "--quiet", "--filter", f"label=dev.yonder.owner={self.owner}"
            )
            self.tally.executors_left += len(containers.split())
            for container in containers.split():
                self.view.say(f"still there: container {container}")


def parse(arguments: list[str] | None = None) -> _Options:
    parser = argparse.ArgumentParser(
        prog="npm run demo --",
        description="Runs examples/digits_sweep.py on the cluster, cell by cell, through the real language server.",
        epilog="first_executor_s is the time from the first press of Run to the first line running on an executor; "
        "executors_peak counts the pool's executors, not the session's own; executors_left is the process table's answer, "
        "with docker the engine's, too.",
    )
    parser.add_argument(
        "--backend", choices=["local", "docker"], default="local", help="where the pool's executors run (local)"
    )
    parser.add_argument("--executors", type=int, default=8, metavar="N", help="most executors at a time, 1 to 64 (8)")
    parser.add_argument("--quick", action="store_true", help="two epochs instead of fifteen, edited as a person would")
    parser.add_argument(
        "--folder", type=Path, default=ROOT, help="the workspace folder (the clone); curves.png goes there"
    )
    options = parser.parse_args(arguments, _Options())
    if not 1 <= options.executors <= 64:
        parser.error(f"--executors {options.executors}: must be 1 to 64")
    return options


async def demo(options: _Options, console: Console, engine: Engine | None) -> Tally:
    """The whole job; the tally is filled in even when something on the way fails."""
    owner = f"demo-{secrets.token_hex(6)}"
    storage = Path(tempfile.mkdtemp(prefix="yonder-demo-"))
    pool: dict[str, object] = {"max": options.executors, "backend": options.backend}
    if engine is not None:
        pool["image"] = engine.examples_image()
    settings = protocol.Settings(provide="without", linger=LINGER, tool={"pools": {"default": pool}})
    folder = options.folder.resolve()
    editor = Editor(folder, owner=owner, storage=storage, python=sys.executable, settings=settings)
    view: View = LiveTable(console) if console.is_terminal else Lines(console)
    job = Demo(editor, owner, view, engine)
    try:
        with view:
            await _in_a_window(job, options, folder)
        view.say("the window is closed; waiting until its hub has ended its executors and itself …")
        await job.count_what_is_left()
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return job.tally


async def _in_a_window(job: Demo, options: _Options, folder: Path) -> None:
    """Open the window, work, close it in good order whatever happened."""
    example = folder / "examples" / "digits_sweep.py"
    try:
        await job.editor.start()
        job.view.say(f"the language server is up (process {job.editor.pid}); {example.name} is open")
        await job.work(example if example.exists() else ROOT / "examples" / "digits_sweep.py", quick=options.quick)
    except (ServerError, ServerGone, TimeoutError) as error:
        job.tally.failed += 1
        job.view.say(f"{type(error).__name__}: {error}")
    finally:
        # Also after Ctrl+C: an orderly goodbye is what ends the executors soonest.
        with contextlib.suppress(ServerGone, ServerError, TimeoutError):
            await job.editor.goodbye()


@contextlib.contextmanager
def _engine(backend: str) -> Iterator[Engine | None]:
    """The engine for the time of the demo, found by everything started here; one of our own is ended afterwards.
    Raises NoEngineError."""
    if backend != "docker":
        yield None
        return
    engine = get_engine()
    try:
        os.environ["DOCKER_HOST"] = engine.host
        yield engine
    finally:
        for left in engine.close():
            print(f"the engine left process {left.pid}: {left.command}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    console = Console()
    try:
        with _engine(options.backend) as engine:
            tally = asyncio.run(demo(options, console, engine))
    except NoEngineError as error:
        console.print(f"no Docker engine can be had: {error}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the window was closed and its cluster ends by itself")
        return 130
    curves = options.folder.resolve() / "curves.png"
    if curves.exists():
        console.print(f"the curves are in {curves}", highlight=False, soft_wrap=True)
    print(tally.line(), flush=True)
    return 0 if tally.good else 1


if __name__ == "__main__":
    sys.exit(main())
