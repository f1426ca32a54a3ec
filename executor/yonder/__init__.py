"""Yonder: code in your editor, run on machines that start when you press Run and are gone when you close the window."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from yonder.version import __version__

if TYPE_CHECKING:
    from yonder.actor import Actor
    from yonder.errors import (
        BootFailed,
        CallTimeout,
        Cancelled,
        CannotRun,
        ExecutorLost,
        FetchFailed,
        NoRoom,
        PoolClosed,
        PoolDeadlock,
        QueueFull,
        RemoteLost,
        SerializationError,
        UsageError,
        VersionMismatch,
        YonderError,
    )
    from yonder.files import File
    from yonder.future import Future
    from yonder.pool import Pool, limit
    from yonder.record import display, log, progress
    from yonder.remotes import Remote, keep
    from yonder.stream import Stream
    from yonder.warm import resource

__all__ = [
    "Actor",
    "BootFailed",
    "CallTimeout",
    "Cancelled",
    "CannotRun",
    "ExecutorLost",
    "FetchFailed",
    "File",
    "Future",
    "NoRoom",
    "Pool",
    "PoolClosed",
    "PoolDeadlock",
    "QueueFull",
    "Remote",
    "RemoteLost",
    "SerializationError",
    "Stream",
    "UsageError",
    "VersionMismatch",
    "YonderError",
    "__version__",
    "display",
    "keep",
    "limit",
    "log",
    "progress",
    "resource",
]

# Every process of an executor imports this package first of all, and few of them need more of it than its name: the public
# names are fetched when they are first used.
_HOMES = {
    "Actor": "actor",
    "File": "files",
    "Future": "future",
    "Pool": "pool",
    "Remote": "remotes",
    "Stream": "stream",
    "display": "record",
    "keep": "remotes",
    "limit": "pool",
    "log": "record",
    "progress": "record",
    "resource": "warm",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"yonder.{_HOMES.get(name, 'errors')}")
    found = globals()[name] = getattr(home, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
