"""Pools on paper, in the states that tests begin with."""

from __future__ import annotations

from yonder.testing import PaperPool
from yonder.wire import PoolSpec


def paper(**spec: object) -> PaperPool:
    """A pool of that description."""
    return PaperPool(PoolSpec(**spec))  # type: ignore[arg-type]


def up(pool: PaperPool) -> PaperPool:
    """Let all boots come to a good end."""
    for name in pool.booting:
        pool.up(name)
    return pool


def ready(count: int, **spec: object) -> PaperPool:
    """A pool with `count` ready, idle executors, all of them kept."""
    return up(paper(**{"max": count, "min": count, **spec}))
