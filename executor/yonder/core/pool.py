"""One pool: calls, executors and the queue between them. Events go in, commands come out; time is in the event.

This file knows neither processes nor functions: a call is its id, an executor its id and the ids of its workers.
"""

from __future__ import annotations

from dataclasses import dataclass

# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Submitted:
    """A call asks for a worker. `deadline` is absolute on the same clock as `at`; None = no deadline."""

    at: float
    call: str
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class CancelAsked:
    at: float
    call: str


@dataclass(frozen=True, slots=True)
class Booted:
    """Every worker of the executor said hello."""

    at: float
    executor: str
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BootBroke:
    at: float
    executor: str
    sentence: str


@dataclass(frozen=True, slots=True)
class CallOver:
    """The worker has delivered this call's end (any end) and is free again."""

    at: float
    call: str


@dataclass(frozen=True, slots=True)
class ExecutorGone:
    """The platform says that the executor is dead (asked for or not)."""

    at: float
    executor: str
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Resized:
    at: float
    min: int
    max: int


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """No new calls. cancel: running and queued calls end too; else they finish first."""

    at: float
    cancel: bool


@dataclass(frozen=True, slots=True)
class Tick:
    at: float


Event = Submitted | CancelAsked | Booted | BootBroke | CallOver | ExecutorGone | Resized | CloseAsked | Tick

# ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Boot:
    """Start an executor under this id; answered by Booted or BootBroke."""

    executor: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """End this executor; answered by ExecutorGone. It holds no call."""

    executor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assign:
    call: str
    executor: str
    worker: str


@dataclass(frozen=True, slots=True)
class StopCall:
    """The call runs on `worker` and must end: interrupt, then kill after the grace. Answered by CallOver or ExecutorGone.
    Its caller has already been told by Drop."""

    call: str
    worker: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The call ends without a result. outcome: cancelled, timeout, boot_failed, lost, closed. `phase` is where it was:
    queued, booting, running."""

    call: str
    outcome: str
    phase: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Closed was asked for and the last executor is gone."""


Command = Boot | Terminate | Assign | StopCall | Drop | Closed
