"""How the demo looks in a terminal: a live table where there is one to redraw, plain lines everywhere else.

What belongs here: words, columns, colours. What this file must not know: how the facts were come by.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from yonder_lsp import protocol

_COLOURS = {"running": "cyan", "ok": "green", "error": "red", "lost": "red", "timeout": "red", "cancelled": "yellow"}
_PENDING = {"queued", "creating", "booting"}
_FRAME = 9
"""Lines around the calls: titles, borders, the session's own lines."""


@dataclass
class Picture:
    """What is known at one moment. `calls` belong to the newest run that made any."""

    runs: dict[str, protocol.RunSummary] = field(default_factory=dict)
    calls: list[protocol.CallRow] = field(default_factory=list)
    status: protocol.StatusResult | None = None

    def done(self) -> int:
        return sum(call.state not in _PENDING | {"running"} for call in self.calls)


class View(Protocol):
    """Where the demo shows itself."""

    def show(self, picture: Picture) -> None: ...

    def say(self, line: str) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """Without a terminal: one line for each thing that begins or ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, str] = {}

    def show(self, picture: Picture) -> None:
        self._tell_runs(run for run in picture.runs.values() if not run.ended)
        for call in picture.calls:
            if call.state not in _PENDING and self._told.get(call.call) != call.state:
                self._told[call.call] = call.state
                numbers = "" if call.state == "running" else f"  {_numbers(call.metrics)}  {call.seconds:.1f} s"
                self.say(f"{call.state:>9}    {call.label} on {call.executor}{numbers}")
        self._tell_runs(run for run in picture.runs.values() if run.ended)

    def _tell_runs(self, runs: Iterable[protocol.RunSummary]) -> None:
        for run in runs:
            if self._told.get(run.run) != run.state:
                self._told[run.run] = run.state
                self.say(f"{run.state:>9}  {run.title}{_after(run)}")

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lines need no goodbye."""


class LiveTable:
    """In a terminal: executors, cells and calls, redrawn in place; what the cells print scrolls above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=10, vertical_overflow="ellipsis")

    def show(self, picture: Picture) -> None:
        self._live.update(picture_of(picture, max(4, self._console.height - _FRAME - len(picture.runs))))

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)


def picture_of(picture: Picture, room: int) -> RenderableType:
    """Everything at a glance, with at most `room` lines of calls."""
    parts: list[RenderableType] = [_headline(picture.status), _cells(picture.runs.values())]
    if picture.calls:
        parts.append(_calls(picture, room))
    return Panel(Group(*parts), title="yonder", title_align="left", border_style="dim")


def _headline(status: protocol.StatusResult | None) -> Text:
    if status is None:
        return Text("cluster: off", style="dim")
    text = Text(f"cluster: {status.cluster}")
    for pool in status.pools:
        text.append(f"   {pool.name}: {pool.executors}/{pool.max} executors on {pool.backend}", style="bold")
        text.append(f", {pool.busy} busy, {pool.booting} booting, {pool.queued} waiting")
    return text


def _cells(runs: Iterable[protocol.RunSummary]) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=9)
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column(width=22)
    table.add_column(justify="right", width=8)
    for run in runs:
        bar: RenderableType = ""
        if run.calls:
            bar = ProgressBar(total=run.calls, completed=run.calls_done, width=20)
        elapsed = (run.ended or time.time()) - run.started if run.started else 0.0
        table.add_row(_state(run.state), run.title, bar, f"{elapsed:.1f} s" if run.started else "")
    return table


def _calls(picture: Picture, room: int) -> Table:
    names = sorted({name for call in picture.calls for name in call.metrics})
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("call", width=9)
    table.add_column(f"{picture.done()} of {len(picture.calls)} done", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("executor", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", width=9)
    bars = any(call.total for call in picture.calls)
    if bars:
        table.add_column("", width=12)
    table.add_column("", justify="right", width=7)
    # The ones at work are what a person watches; the finished ones give way first.
    order = sorted(picture.calls, key=lambda call: (call.state != "running", -call.started))
    for call in order[:room]:
        table.add_row(
            _state(call.state),
            call.label,
            call.executor,
            *(f"{call.metrics[name]:.4f}" if name in call.metrics else "" for name in names),
            *([ProgressBar(total=call.total or 1.0, completed=call.done, width=12)] if bars else []),
            f"{call.seconds:.1f} s" if call.started else "",
        )
    if len(order) > room:
        table.add_row("", Text(f"… and {len(order) - room} more", style="dim"))
    return table


def _state(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, "dim"))


def _numbers(metrics: dict[str, float]) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in sorted(metrics.items()))


def _after(run: protocol.RunSummary) -> str:
    """What is worth a word beside a run's title once it has ended."""
    if not run.ended:
        return ""
    return f"  ({run.ended - run.started:.1f} s)" + (f"  {run.short}" if run.short else "")
