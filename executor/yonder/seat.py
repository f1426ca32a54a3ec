"""Where this process sits: in a worker of some hub, or nowhere (a plain program).

`Pool`, `log` and `progress` ask here. The worker sits down once, right after its fork; nothing else writes it. The token
stays in memory: it is in no environment variable, so user code's children do not inherit it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from yonder.holding import Grip, Holdings
from yonder.wire import Facts, Kept


class Recorder(Protocol):
    """What a running task can say; implemented by the worker. Calls outside a task are allowed and say nothing."""

    def metrics(self, step: float | None, values: dict[str, float]) -> None: ...

    def progress(self, bar: str, label: str, done: float, total: float) -> None: ...

    def display(self, mime: str, data: bytes, alt: str) -> None: ...


class Keeper(Protocol):
    """What keeps objects in this process; implemented by the worker."""

    holdings: Holdings

    def keep(self, value: object) -> tuple[Facts, Grip]:
        """Keep it."""

    def has(self, ref: bytes) -> bool:
        """Does it live here?"""

    def own(self, ref: bytes) -> Any:
        """The object itself. Raises KeyError."""

    def announcement(self, ref: bytes) -> Kept | None:
        """What the hub may not have been told of it yet."""


@dataclass(frozen=True, slots=True)
class Seat:
    """`hub` is the path of the hub's socket, `folder` the workspace folder whose modules travel by value."""

    hub: str
    token: str = field(repr=False)
    worker: str
    folder: str
    recorder: Recorder
    keeper: Keeper | None = None


class _Chair:
    """Holds the process's one seat."""

    seat: Seat | None = None


_chair = _Chair()


def current() -> Seat | None:
    """The seat of this process, or None in a plain program."""
    return _chair.seat


def take(seat: Seat | None) -> None:
    """Sit down (the worker, after its fork) or get up (a child of user code, which is nobody's worker)."""
    _chair.seat = seat
