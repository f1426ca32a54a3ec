"""Yonder: code in your editor, run on machines that start when you press Run and are gone when you close the window."""

from __future__ import annotations

from yonder.errors import (
    BootFailed,
    CallTimeout,
    Cancelled,
    CannotRun,
    ExecutorLost,
    PoolClosed,
    SerializationError,
    UsageError,
    VersionMismatch,
    YonderError,
)
from yonder.future import Future
from yonder.pool import Pool
from yonder.record import display, log, progress
from yonder.version import __version__

__all__ = [
    "BootFailed",
    "CallTimeout",
    "Cancelled",
    "CannotRun",
    "ExecutorLost",
    "Future",
    "Pool",
    "PoolClosed",
    "SerializationError",
    "UsageError",
    "VersionMismatch",
    "YonderError",
    "__version__",
    "display",
    "log",
    "progress",
]
