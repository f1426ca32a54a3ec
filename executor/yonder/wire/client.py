"""Client (a Pool in a program, in a session or in a worker) and hub."""

from __future__ import annotations

from typing import Literal

from yonder.wire.base import Body, Hello, Msg, Part, Refused, Seconds, Welcome
from yonder.wire.code import Blobs, Publish, Published
from yonder.wire.environment import AskEnvironments, Environments, Needs
from yonder.wire.events import Descriptor
from yonder.wire.files import FilePart, Files, GetFiles, ReadFile
from yonder.wire.owner import PoolState, Problem
from yonder.wire.remotes import Drop, Get, Kept, Lost, Put, Release, Spill, Stow
from yonder.wire.shapes import ExitReport, Failure, Place, PoolSpec, Resources
from yonder.wire.stacks import GetStacks, Stacks


class OpenPool(Msg, frozen=True, tag=True):
    """Open or attach to the pool `spec.name`. `given` names the fields the program gave: they win over the workspace's
    settings for that name, the rest of `spec` is defaults. Answered by PoolOpened. `place` is for plain programs; so is
    `needs`, for executors whose Python may be another one."""

    id: int
    spec: PoolSpec
    given: list[str]
    place: Place | None = None
    needs: Needs | None = None


class PoolOpened(Msg, frozen=True, tag=True):
    """`near`: its executors are processes of this client's machine, and may open memory that it names (`segments`)."""

    id: int
    pool: str
    spec: PoolSpec
    near: bool = False


class Mode(Part, frozen=True):
    """How a worker runs a function. kind call: once; `chunk` > 0: `arguments` are so many calls' (`payload.pack_chunk`)
    and the result is their ends (`payload.unpack_outcomes`). stream: a generator, at most `credit` values ahead of the reader. actor: the function is a
    class, the object stays and answers methods; with `max_batch` > 1 its methods take and give lists, gathered for at most
    `max_wait` seconds. `keep`: the value stays where it was made, and a handle of it is the result."""

    kind: Literal["call", "stream", "actor"] = "call"
    chunk: int = 0
    credit: int = 0
    max_batch: int = 0
    max_wait: Seconds = 0.0
    keep: bool = False


class CallOptions(Part, frozen=True):
    """A call's own wishes, defaults of the pool already mixed in. Times are seconds left, 0 = none. `affinity`: calls with
    the same key go to the same executor for as long as it lives. `resources` None: the pool's."""

    timeout: Seconds = 0.0
    queue_timeout: Seconds = 0.0
    retries: int = 0
    grace: Seconds = 5.0
    affinity: str = ""
    resources: Resources | None = None
    mode: Mode = Mode()


class Submit(Msg, frozen=True, tag=True):
    """One call. `function` is the digest of the pickled function; its bytes come along (`function_body`) the first time
    this client uses that digest, later they are empty (until Forget). `options` None: nothing but defaults. `snapshot` is
    the code that it runs on (b"": that of the worker in which this client lives, or none). `refs` are the handles in the
    arguments; the objects of those in `needs` are arguments themselves; `pin`: it runs where this one lives. `blobs`
    are parts of the arguments that are named and were stowed before."""

    call: int
    pool: str
    function: bytes
    function_body: Body
    arguments: Body
    label: str
    options: CallOptions | None = None
    snapshot: bytes = b""
    refs: list[bytes] = []
    needs: list[bytes] = []
    pin: bytes = b""
    blobs: list[bytes] = []


class Forget(Msg, frozen=True, tag=True):
    """These functions are not used again without being sent again."""

    functions: list[bytes]


class Cancel(Msg, frozen=True, tag=True):
    call: int


class Credit(Msg, frozen=True, tag=True):
    """The reader of a stream has room up to its `upto`th value, counted from 1."""

    call: int
    upto: int


class ActorCall(Msg, frozen=True, tag=True):
    """A method of the actor that `call` placed; answered by ActorReply with the same number. Calls of one actor run in
    the order in which they were sent."""

    call: int
    number: int
    method: str
    arguments: Body
    refs: list[bytes] = []
    blobs: list[bytes] = []


class ActorClose(Msg, frozen=True, tag=True):
    """Let the actor finish what it was sent, then free its slot; the placing call ends with CallDone."""

    call: int


class Broadcast(Msg, frozen=True, tag=True):
    """Run this once in every worker process of the pool: those that are there, and each that comes, before its first call.
    Answered by BroadcastDone when those that were there are done."""

    call: int
    pool: str
    function: bytes
    function_body: Body
    arguments: Body
    label: str
    snapshot: bytes = b""
    refs: list[bytes] = []


class Waits(Msg, frozen=True, tag=True):
    """The code of the worker that this client lives in waits for these calls of its own, and does nothing else meanwhile;
    none: it waits no more."""

    calls: list[int]


class Resize(Msg, frozen=True, tag=True):
    """Other sizes from now on (None: as before). Answered by PoolOpened."""

    id: int
    pool: str
    min: int | None = None
    max: int | None = None
    buffer: int | None = None


class Watch(Msg, frozen=True, tag=True):
    """Tell this client of the pool's events from now on, or no more."""

    pool: str
    on: bool


class ClosePool(Msg, frozen=True, tag=True):
    """Refuse new calls; with `cancel` the running ones end too. Answered by PoolClosedNow when its executors are gone
    (a pool that the workspace keeps is only detached)."""

    id: int
    pool: str
    cancel: bool


class PoolClosedNow(Msg, frozen=True, tag=True):
    id: int


class GetPool(Msg, frozen=True, tag=True):
    id: int
    pool: str


class PoolStatus(Msg, frozen=True, tag=True):
    id: int
    state: PoolState


CallOutcome = Literal[
    "ok",
    "error",
    "lost",
    "cancelled",
    "timeout",
    "boot_failed",
    "queue_full",
    "deadlock",
    "closed",
    "remote_lost",
    "no_room",
]


class CallDone(Msg, frozen=True, tag=True):
    """outcome ok: `body` is the pickled value. error: `body` the pickled exception ("" if it did not pickle), `failure`
    its data. lost: `report`. The others: `sentence` and `phase`. `times` are seconds spent per phase (queued, booting,
    syncing, running), `attempts` how often it was begun, `micros` how long the function itself ran, `code` the version of the code that made it (`snapshot.version`), `refs` the handles in the value."""

    call: int
    outcome: CallOutcome
    body: Body = b""
    failure: Failure | None = None
    report: ExitReport | None = None
    sentence: str = ""
    phase: str = ""
    executor: str = ""
    attempts: int = 1
    micros: int = 0
    times: dict[str, float] = {}
    code: str = ""
    refs: list[bytes] = []


class CallPhase(Msg, frozen=True, tag=True):
    """A call began to run (Future.set_running_or_notify_cancel), for the `attempt`th time."""

    call: int
    phase: str
    attempt: int = 1


class CallYield(Msg, frozen=True, tag=True):
    """The `n`th value (from 1) of a stream."""

    call: int
    n: int
    body: Body
    refs: list[bytes] = []


class ActorReady(Msg, frozen=True, tag=True):
    """The object stands on `executor`; `methods` are its public ones."""

    call: int
    executor: str
    methods: list[str]


class ActorReply(Msg, frozen=True, tag=True):
    """See CallDone for `ok`, `body` and `failure`. When the actor is gone there are no replies but the placing call's end."""

    call: int
    number: int
    ok: bool
    body: Body = b""
    failure: Failure | None = None
    refs: list[bytes] = []


class BroadcastDone(Msg, frozen=True, tag=True):
    """One end per worker process that was there, in no order."""

    call: int
    ends: list[CallDone]


class PoolEvent(Msg, frozen=True, tag=True):
    """kind: boot, ready, boot_failed, draining, gone, worker_lost, retry, resized, outdated, reloaded, differs (its packages
    are others than here), files_lost, closed. `sentence` says why."""

    pool: str
    kind: str
    at: float
    executor: str = ""
    sentence: str = ""


class Limit(Msg, frozen=True, tag=True):
    """Bound all pools of this hub together, from the plain program that the hub serves; see Configure for the bounds."""

    executors: int
    gpus: int
    hours: float


class Printed(Msg, frozen=True, tag=True):
    """What executors of a plain program print, when its hub is another process."""

    fd: Descriptor
    text: str


ClientToHub = (
    Hello
    | OpenPool
    | Submit
    | Forget
    | Cancel
    | Credit
    | ActorCall
    | ActorClose
    | Broadcast
    | Waits
    | Resize
    | Watch
    | ClosePool
    | GetPool
    | AskEnvironments
    | Limit
    | Blobs
    | Publish
    | GetFiles
    | ReadFile
    | Kept
    | Release
    | Get
    | Spill
    | Put
    | Stow
    | Drop
    | GetStacks
)
HubToClient = (
    Welcome
    | Refused
    | PoolOpened
    | PoolClosedNow
    | PoolStatus
    | Environments
    | CallDone
    | CallPhase
    | CallYield
    | ActorReady
    | ActorReply
    | BroadcastDone
    | PoolEvent
    | Printed
    | Problem
    | Published
    | Files
    | FilePart
    | Lost
    | Stacks
)
