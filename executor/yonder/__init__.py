"""Yonder: code in your editor, run on machines that start when you press Run and are gone when you close the window."""

from __future__ import annotations

from yonder.actor import Actor
from yonder.errors import (
    BootFailed,
    CallTimeout,
    Cancelled,
    CannotRun,
    ExecutorLost,
    PoolClosed,
    PoolDeadlock,
    QueueFull,
    SerializationError,
    UsageError,
    VersionMismatch,
    YonderError,
)
from yonder.future import Future
from yonder.pool import Pool, limit
from yonder.record import display, log, progress
from yonder.stream import Stream
from yonder.version import __version__

__all__ = [
    "Actor",
    "BootFailed",
    "CallTimeout",
    "Cancelled",
    "CannotRun",
    "ExecutorLost",
    "Future",
    "Pool",
    "PoolClosed",
    "PoolDeadlock",
    "QueueFull",
    "SerializationError",
    "Stream",
    "UsageError",
    "VersionMismatch",
    "YonderError",
    "__version__",
    "display",
    "limit",
    "log",
    "progress",
]
