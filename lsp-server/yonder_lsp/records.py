"""What is kept of runs: the records in memory, which are also what the store writes, and how the panel is told of them.

What belongs here: shapes and their way into the editor's shapes. What this file must not know: what events do to them
(runs.py), SQLite, curves.
"""

from __future__ import annotations

import msgspec

from yonder import wire
from yonder_lsp.protocol import CallRow, FileRow, Position, ProgressRow, Range, RunSummary, Trace

ENDED = frozenset({"ok", "error", "lost", "cancelled"})


class Bar(msgspec.Struct, array_like=True):
    id: str
    label: str
    done: float
    total: float

    @property
    def full(self) -> bool:
        return 0 < self.total <= self.done


class Call(msgspec.Struct):
    """A pool call of a run. `order` is its place in the table: the first to start stands first."""

    call: str
    order: int
    label: str = ""
    pool: str = ""
    executor: str = ""
    state: str = "running"
    started: float = 0.0
    seconds: float = 0.0
    summary: str = ""
    metrics: dict[str, float] = {}
    bars: list[Bar] = []

    def row(self, now: float) -> CallRow:
        running = self.state == "running" and self.started > 0
        bar = next((bar for bar in self.bars if not bar.full), self.bars[-1] if self.bars else Bar("", "", 0.0, 0.0))
        return CallRow(
            call=self.call,
            label=self.label,
            pool=self.pool,
            executor=self.executor,
            state=self.state,
            started=self.started,
            seconds=max(0.0, now - self.started) if running else self.seconds,
            summary=self.summary,
            metrics=dict(self.metrics),
            progress_label=bar.label,
            done=bar.done,
            total=bar.total,
        )


class Kept(msgspec.Struct):
    """A file that the run, or one of its calls, wrote on an executor elsewhere; `local`: where it was fetched to."""

    executor: str
    path: str
    size: int
    at: float
    call: str = ""
    local: str = ""

    def row(self) -> FileRow:
        return FileRow(
            executor=self.executor, path=self.path, size=self.size, at=self.at, call=self.call, local=self.local
        )


class Run(msgspec.Struct):
    """Everything about a run but its text, pictures, points and calls, of which it holds the counts.

    `output` and `displays` are the numbers of the newest piece and picture. `letters` is how much text is stored, `kept`
    what the run takes on disk in bytes, `missing` the characters left out since the last gap. `presumed`: lost because
    its hub was gone, not because the hub said so. `code`: what the session did about newer code before it.
    `failure` is what went wrong, without its text. `files` were written on executors elsewhere, `more_files` are not named.
    """

    run: str
    session: str = ""
    uri: str = ""
    title: str = ""
    hash: str = ""
    range: Range = Range(start=Position(line=0, character=0), end=Position(line=0, character=0))
    kind: str = "block"
    generation: int = 0
    hub: str = ""
    state: str = "queued"
    detail: str = ""
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    short: str = ""
    text: str = ""
    rich: dict[str, str] = {}
    error_type: str = ""
    trace: list[Trace] = []
    metrics: list[str] = []
    bars: list[Bar] = []
    displays: int = 0
    calls: int = 0
    calls_done: int = 0
    output: int = 0
    letters: int = 0
    kept: int = 0
    missing: int = 0
    stale: bool = False
    presumed: bool = False
    code: str = ""
    files: list[Kept] = []
    more_files: int = 0
    failure: wire.Failure | None = None

    @property
    def over(self) -> bool:
        return self.state in ENDED

    def summary(self, revision: int) -> RunSummary:
        return RunSummary(
            run=self.run,
            revision=revision,
            session=self.session,
            uri=self.uri,
            title=self.title,
            hash=self.hash,
            range=self.range,
            kind=self.kind,
            state=self.state,
            detail=self.detail,
            created=self.created,
            started=self.started,
            ended=self.ended,
            short=self.short,
            text=self.text,
            rich=dict(self.rich),
            error_type=self.error_type,
            trace=list(self.trace),
            metrics=list(self.metrics),
            displays=self.displays,
            calls=self.calls,
            calls_done=self.calls_done,
            output=self.output,
            stale=self.stale,
            code=self.code,
            files=len(self.files) + self.more_files,
        )

    def progress(self) -> list[ProgressRow]:
        return [ProgressRow(label=bar.label, done=bar.done, total=bar.total) for bar in self.bars]


Calls = dict[str, Call]

# ── what is kept beside them ───────────────────────────────────────────────────────────────────────────────────────


class Piece(msgspec.Struct, frozen=True):
    """Text number n of the run."""

    n: int
    call: str
    fd: int
    text: str
    after: bool


class Picture(msgspec.Struct, frozen=True):
    """Display number n of the run."""

    n: int
    call: str
    mime: str
    data: bytes
    alt: str


class Points(msgspec.Struct, frozen=True):
    call: str
    columns: list[wire.Column]


class CallChanged(msgspec.Struct, frozen=True):
    call: str


Write = Piece | Picture | Points | CallChanged
