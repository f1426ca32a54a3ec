"""What code on another machine may have run elsewhere: pools of its own kind, and those of the owner's settings.

Such a worker may be hostile, and the machine of the hub is often somebody's laptop: no pool that it opens may start
anything there, nor choose the engine, the image or the folders that executors are made with.
"""

from __future__ import annotations

import msgspec

from yonder.hub.executor import Executor
from yonder.wire import PoolSpec

HERE = "local"
"""The backend whose executors are processes of the hub's own machine."""

MOST = {"min": 10_000, "max": 10_000, "buffer": 10_000, "concurrency": 1024, "retries": 1000, "queue_limit": 10**9}
"""Counts of a pool beyond these are meant to hurt."""


def at_home(spec: PoolSpec, own: Executor) -> PoolSpec:
    """What code on this executor means by a pool that nobody has described: executors such as its own."""
    kind = own.spec.pool
    return msgspec.structs.replace(spec, backend=kind.backend, image=kind.image, options=kind.options)


def forbidden(wanted: PoolSpec, own: Executor | None, settled: PoolSpec) -> str:
    """Why a worker on another machine may not have this pool, "" when it may. `own` is its executor as long as that is
    there, `settled` what the owner's settings, or whoever opened the pool first, say of it."""
    if own is None:
        return "the executor of this code is gone"
    if wanted.backend == HERE:
        return (
            f"the pool {wanted.name!r} runs on the machine of the hub, and code on another machine "
            f"(executor {own.id}, backend {own.backend}) starts nothing there; name another backend"
        )
    if _substrate(wanted) not in (_substrate(settled), _substrate(own.spec.pool)):
        return (
            f"the pool {wanted.name!r} asks for another backend, image or options than executor {own.id} was made "
            f"with; code on another machine does not choose these: describe the pool in [tool.yonder.pools.{wanted.name}]"
        )
    return unreasonable(wanted)


def unreasonable(spec: PoolSpec) -> str:
    """What of this pool no program's door would have let through, "" when it is all right."""
    for name, most in MOST.items():
        if not 0 <= (count := getattr(spec, name)) <= most:
            return f"the pool {spec.name!r} asks for {name}={count}; allowed: 0 to {most}"
    if not 1 <= len(spec.name) <= 63 or not spec.name.isprintable():
        return "a pool's name is a text of 1 to 63 characters"
    return ""


def _substrate(spec: PoolSpec) -> tuple[object, ...]:
    return spec.backend, spec.image, spec.options
