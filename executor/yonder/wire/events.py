"""Numbered events, hub to owner: kept by the hub until the owner has stored them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from yonder.wire.base import Msg
from yonder.wire.files import Written
from yonder.wire.shapes import Column, ExitReport, Failure, Preview

# A run is what a person asked for; `call` is "" for the run's own stream, else the id of a pool call made inside it.


class Phase(Msg, frozen=True, tag=True):
    """A run (or, with run "", the session's or a pool's boot) entered a phase: queued, creating, booting, ready, running."""

    run: str
    phase: str
    at: float
    detail: str = ""


Descriptor = Literal[1, 2]
"""Standard output or standard error."""


class Output(Msg, frozen=True, tag=True):
    """Text of a run. `after` is true for bytes that threads or children wrote after the run had ended;
    `missing` > 0 is a gap: that many characters were dropped at the bound."""

    run: str
    call: str
    fd: Descriptor
    text: str
    at: float
    after: bool = False
    missing: int = 0


class Metrics(Msg, frozen=True, tag=True):
    run: str
    call: str
    columns: list[Column]


class Progress(Msg, frozen=True, tag=True):
    """done of total (total 0: unknown), of the bar called `id` within the run or call."""

    run: str
    call: str
    id: str
    label: str
    done: float
    total: float
    at: float


class Display(Msg, frozen=True, tag=True):
    """A figure or other picture: `mime` is image/png, image/svg+xml, text/html or text/plain."""

    run: str
    call: str
    mime: str
    data: bytes
    alt: str
    at: float


class InputWanted(Msg, frozen=True, tag=True):
    run: str
    id: str
    prompt: str
    secret: bool


class InputOver(Msg, frozen=True, tag=True):
    """The question was answered or its run ended; close the box."""

    id: str


class CallStarted(Msg, frozen=True, tag=True):
    """A pool call made inside a run began on an executor. `label` names the curve ("lr=0.01 width=32" or "3")."""

    run: str
    call: str
    label: str
    pool: str
    executor: str
    at: float


class CallEnded(Msg, frozen=True, tag=True):
    """outcome: ok, error, lost, cancelled, timeout. `summary` is one line: the result's repr or the error's."""

    run: str
    call: str
    outcome: str
    summary: str
    at: float
    seconds: float


class RunEnded(Msg, frozen=True, tag=True):
    """The one terminal event of a run, delivered after everything else of it.

    outcome: ok (preview may be None for statements), error (failure), lost (report, sentence), cancelled (sentence).
    """

    run: str
    outcome: Literal["ok", "error", "lost", "cancelled"]
    at: float
    seconds: float
    preview: Preview | None = None
    failure: Failure | None = None
    report: ExitReport | None = None
    sentence: str = ""
    generation: int = 0
    code: str = ""


class CodeChanged(Msg, frozen=True, tag=True):
    """Before this run (and call) began, a worker that keeps its variables took newer code: `reloaded` modules were loaded
    again, in this order; `kept` are older than the code of the run, each with the reason. Nothing was `kept`: all is new."""

    run: str
    call: str
    reloaded: list[str]
    kept: dict[str, str]
    at: float


class FilesWritten(Msg, frozen=True, tag=True):
    """Code on an executor elsewhere wrote these in its working directory; `more` are not named. They are there until the
    executor ends. Told when the run or call is over, so it may come after its end. `run` "": nobody knows whose they are."""

    run: str
    call: str
    executor: str
    files: list[Written]
    more: int
    at: float


class ExecutorChanged(Msg, frozen=True, tag=True):
    """state: creating, booting, ready, busy, draining, gone. pool "" is the session's own executor."""

    executor: str
    pool: str
    state: str
    at: float
    pid: int = 0
    reason: str = ""


class SessionChanged(Msg, frozen=True, tag=True):
    """state: none, booting, idle, busy, dead. generation counts runs that ended; `note` is a sentence to show once."""

    session: str
    state: str
    generation: int
    at: float
    python: str = ""
    pid: int = 0
    note: str = ""


Event = (
    Phase
    | Output
    | Metrics
    | Progress
    | Display
    | InputWanted
    | InputOver
    | CallStarted
    | CallEnded
    | RunEnded
    | ExecutorChanged
    | SessionChanged
    | CodeChanged
    | FilesWritten
)


class Numbered(Msg, frozen=True, tag=True):
    """An event with its number, 1, 2, 3 … without holes; the owner stores it, then acknowledges."""

    n: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    event: Event
