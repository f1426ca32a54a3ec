"""The state of the cluster as the editor shows it: the hub's snapshot and what this side knows, in one shape. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from yonder import wire
from yonder_lsp import protocol
from yonder_lsp.lifecycle import Cluster
from yonder_lsp.sessions import Session


@dataclass(slots=True)
class Local:
    """What the hub cannot say: whether it is there, and the project's Python as it would be used."""

    cluster: Cluster = "off"
    hub_pid: int = 0
    python: str = ""
    python_version: str = ""
    problem: str = ""
    slow: bool = False
    folder: str = ""
    where: str = ""


def compose(seen: wire.Status | None, local: Local, sessions: Sequence[Session]) -> protocol.StatusResult:
    """`seen` is the hub's last snapshot; without a living hub there are no executors, whatever it said once."""
    there = seen is not None and local.cluster in ("on", "away", "stopping")
    pools = seen.pools if there and seen else []
    executors = seen.executors if there and seen else []
    alive = [session for session in sessions if there or session.alive]
    return protocol.StatusResult(
        cluster=local.cluster,
        python=local.python,
        python_version=local.python_version,
        problem=local.problem,
        live=_live(local, alive),
        pools=[
            protocol.PoolStatus(
                name=pool.name,
                backend=pool.backend,
                executors=pool.executors,
                booting=pool.booting,
                busy=pool.busy,
                max=pool.max,
                queued=pool.queued,
                why=pool.why,
            )
            for pool in pools
        ],
        executors=[
            protocol.ExecutorStatus(
                id=one.id,
                pool=one.pool,
                backend=one.backend,
                state=one.state,
                pid=one.pid,
                since=one.since,
                doing=one.doing,
                cpu_percent=one.cpu_percent,
                memory=one.memory,
            )
            for one in executors
        ],
        sessions=[
            protocol.SessionStatus(
                id=session.id,
                state=session.state,
                generation=session.generation,
                python=session.python or local.python,
                pid=session.pid,
                run=session.run,
                queued=session.queued,
                folder=local.folder or session.id,
            )
            for session in alive
        ],
        hub_pid=local.hub_pid if local.cluster != "off" else 0,
        peak=seen.peak if there and seen else 0,
        where=local.where,
    )


def _live(local: Local, sessions: Sequence[Session]) -> Literal["off", "ok", "slow"]:
    if not any(session.alive for session in sessions):
        return "off"
    return "slow" if local.slow else "ok"
