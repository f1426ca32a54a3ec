"""What a pool is told and what it commands: the tables of `core.pool`. Times are seconds of one monotonic clock.

What belongs here: shapes only. A call is its id, an executor its id and the ids of its workers.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from yonder.wire import PoolSpec, Resources

Phase = Literal["queued", "booting", "running"]
Outcome = Literal["cancelled", "timeout", "boot_failed", "lost", "closed", "queue_full", "deadlock"]


class _Row(msgspec.Struct, frozen=True, gc=False):
    """Base: immutable and cheap to make; nothing in a row leads back to it, so the collector need not look."""


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Submitted(_Row, frozen=True):
    """A call asks for a worker.

    `deadline` ends it wherever it is, `queue_deadline` only while it waits for its first worker. `tenant`: calls of different tenants take
    turns, those of one are served in order. `affinity`: the same key, the same executor. `pin`: this worker and no other.
    `resources` None: the pool's own.
    """

    at: float
    call: str
    deadline: float | None = None
    queue_deadline: float | None = None
    tenant: str = ""
    retries: int = 0
    affinity: str = ""
    pin: str = ""
    resources: Resources | None = None


class CancelAsked(_Row, frozen=True):
    at: float
    call: str


class Refused(_Row, frozen=True):
    """A call that waits must not wait any longer, for `outcome` (a deadlock that the hub found)."""

    at: float
    call: str
    outcome: Outcome
    sentence: str


class Unrepeatable(_Row, frozen=True):
    """The running call has given something away (a stream's first value): it is not retried any more."""

    at: float
    call: str


class Booted(_Row, frozen=True):
    """Every worker of the executor said hello."""

    at: float
    executor: str
    workers: tuple[str, ...]


class Held(_Row, frozen=True):
    """The boot waits for what others have at present, says `sentence`: that is no failure, and its clock stands still.
    "": it goes on."""

    at: float
    executor: str
    sentence: str = ""


class Progress(_Row, frozen=True):
    """How far a boot is, as a sentence without an end: for who asks why it takes so long."""

    at: float
    executor: str
    sentence: str


class BootBroke(_Row, frozen=True):
    """Nothing runs under that id. `final`: the next one would meet the same, so that trying again is no use."""

    at: float
    executor: str
    sentence: str
    final: bool = False


class CallOver(_Row, frozen=True):
    """The worker has delivered this call's end (any end) and is free again."""

    at: float
    call: str


class WorkerGone(_Row, frozen=True):
    """One worker is dead, says the operating system; its executor lives on. Its call is lost or tried again."""

    at: float
    executor: str
    worker: str
    sentence: str = ""


class WorkerRenewed(_Row, frozen=True):
    """`worker` takes the place of `old` (a dead one, or one that Renew has asked to replace)."""

    at: float
    executor: str
    old: str
    worker: str


class WorkerStale(_Row, frozen=True):
    """One worker holds older code than `call` was to run on, and did not begin it ("": it has no call, and those to come
    run on newer code). It is replaced, and the call waits again for a worker, before all others and with no attempt counted.
    `hopeless` says why the call would never run: then it is lost instead."""

    at: float
    executor: str
    worker: str
    call: str = ""
    hopeless: str = ""


class Kept(_Row, frozen=True):
    """`worker` keeps objects that are held elsewhere from now on, or (not `on`) none any more: until then its executor is
    not ended for being idle, nor to make room for others."""

    at: float
    executor: str
    worker: str
    on: bool


class ExecutorGone(_Row, frozen=True):
    """The platform says that the executor is dead (asked for or not)."""

    at: float
    executor: str
    sentence: str = ""


class Falling(_Row, frozen=True):
    """The executor is of no more use, and ExecutorGone follows when the platform has said so."""

    at: float
    executor: str


class Resized(_Row, frozen=True):
    """Another spec counts from now on: sizes and idle time at once, the rest for clocks set and executors booted from here
    on. If the resources are others, the executors that have the old ones go when their calls are over."""

    at: float
    spec: PoolSpec


class Allowed(_Row, frozen=True):
    """The owner's budget lets this pool have so many executors at present (None: as many as it wants). Beyond that, idle
    ones go at once, others when one of their calls is over: they take no further one."""

    at: float
    executors: int | None


class Outdated(_Row, frozen=True):
    """The executors that exist are of no more use, for `reason`: each goes when its calls are over, others take its place."""

    at: float
    reason: str


class CloseAsked(_Row, frozen=True):
    """No new calls. cancel: running and queued calls end too; else they finish first."""

    at: float
    cancel: bool


class Tick(_Row, frozen=True):
    at: float


Event = (
    Submitted
    | CancelAsked
    | Refused
    | Unrepeatable
    | Booted
    | Held
    | Progress
    | BootBroke
    | CallOver
    | WorkerGone
    | WorkerRenewed
    | WorkerStale
    | Kept
    | ExecutorGone
    | Falling
    | Resized
    | Allowed
    | Outdated
    | CloseAsked
    | Tick
)

# ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Boot(_Row, frozen=True):
    """Start an executor under this id with these resources; answered by Booted or BootBroke."""

    executor: str
    resources: Resources


class Terminate(_Row, frozen=True):
    """End this executor; answered by ExecutorGone. It holds no call whose caller still waits."""

    executor: str
    reason: str


class Renew(_Row, frozen=True):
    """Put a fresh process in the place of this worker (it may be dead already); answered by WorkerRenewed, or by Falling
    when that does not work."""

    executor: str
    worker: str


class Assign(_Row, frozen=True):
    """`attempt` counts from 1."""

    call: str
    executor: str
    worker: str
    attempt: int = 1


class StopCall(_Row, frozen=True):
    """The call runs on `worker` and must end: interrupt, then kill after the grace. Answered by CallOver, WorkerGone or
    ExecutorGone. Its caller has already been told by Drop."""

    call: str
    worker: str


class Retry(_Row, frozen=True):
    """The call was lost and waits again, first in line; Assign follows."""

    call: str
    sentence: str


class Drop(_Row, frozen=True):
    """The call ends without a result. `phase` is where it was, `times` the seconds spent in each phase."""

    call: str
    outcome: Outcome
    phase: Phase
    sentence: str
    times: dict[str, float] = {}


class Closed(_Row, frozen=True):
    """Closed was asked for and the last executor is gone. Said again to whoever asks again."""


Command = Boot | Terminate | Renew | Assign | StopCall | Retry | Drop | Closed
