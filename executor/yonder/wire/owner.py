"""Owner (the language server) and hub."""

from __future__ import annotations

from typing import Literal

from yonder.wire.base import Hello, Msg, Part, Refused, Welcome
from yonder.wire.code import Blobs, Publish, Published
from yonder.wire.environment import AskEnvironments, Environments, Needs
from yonder.wire.events import Numbered
from yonder.wire.files import FilePart, Files, GetFiles, ReadFile
from yonder.wire.looking import Answer, Query
from yonder.wire.shapes import Place, PoolSpec
from yonder.wire.stacks import GetStacks, Stacks


class Configure(Msg, frozen=True, tag=True):
    """The workspace: where code runs from and which pools exist. Sent after every Welcome and when it changes.
    `max_executors` and `max_gpus` bound all pools together at any time, `max_executor_hours` what their executors run in
    all since the hub began (0 = no bound).

    `linger` and `silence` are the hub's two clocks, in seconds. `needs` is said where executors may have another Python.
    """

    place: Place
    pools: list[PoolSpec]
    linger: float
    silence: float
    stream_bound: int
    max_executors: int = 0
    max_gpus: int = 0
    max_executor_hours: float = 0.0
    needs: Needs | None = None


class Execute(Msg, frozen=True, tag=True):
    """Run a block in a session (made on demand). `line` is the 0-based line of the file where `code` begins.

    kind block: statements in the session's namespace; the last expression's value is the result.
    kind file: a fresh worker runs the text as __main__ with `argv` as the arguments after its path.
    `snapshot` is the code that it runs on (b"": nothing of the workspace is sent).
    """

    run: str
    session: str
    code: str
    path: str
    line: int
    kind: Literal["block", "file"] = "block"
    argv: list[str] = []
    place: Place | None = None
    preload: list[str] = []
    snapshot: bytes = b""


class Interrupt(Msg, frozen=True, tag=True):
    """Interrupt one run; answered by Interrupted. After `grace` seconds in C code the answer is "still in C code"."""

    id: int
    run: str
    grace: float = 5.0
    kill: bool = False


class Interrupted(Msg, frozen=True, tag=True):
    """outcome: interrupted, idle, not_this_run, in_c_code, cancelled (was still queued), killed."""

    id: int
    outcome: str
    sentence: str


class RestartSession(Msg, frozen=True, tag=True):
    session: str


class Peek(Msg, frozen=True, tag=True):
    """Ask a live namespace; answered by Peeked with the same id, or never (the asker has a deadline)."""

    id: int
    session: str
    query: Query


class Peeked(Msg, frozen=True, tag=True):
    id: int
    session: str
    answer: Answer


class AnswerInput(Msg, frozen=True, tag=True):
    """text None: the person dismissed the question; input() raises EOFError."""

    id: str
    text: str | None


class Ack(Msg, frozen=True, tag=True):
    """Everything up to and including n is stored."""

    n: int


class WindowAlive(Msg, frozen=True, tag=True):
    """The window itself (not just the extension host) answered a moment ago."""


class Goodbye(Msg, frozen=True, tag=True):
    """The owner closes in good order: the linger clock starts."""

    reason: str


class Stop(Msg, frozen=True, tag=True):
    """End everything now, without linger; answered by Receipt."""

    id: int


class Life(Part, frozen=True):
    """One executor from its start to its end. `ended` 0.0: it still exists, or nobody knows. `reason` is a sentence."""

    executor: str
    pool: str
    backend: str
    native: str
    started: float
    ended: float
    reason: str


class Receipt(Msg, frozen=True, tag=True):
    """What the cluster was and what the platforms say is left of it. `lives` are all executors there have been."""

    id: int
    executors: int
    peak: int
    left: int
    seconds: float
    sentence: str
    lives: list[Life] = []


class GetStatus(Msg, frozen=True, tag=True):
    id: int


class PoolState(Part, frozen=True):
    """`executors` are all that may exist (booting, ready and leaving); `done`, `retried` and `lost` count calls since the
    pool was opened, `why` says why the pool has this size."""

    name: str
    backend: str
    executors: int
    booting: int
    busy: int
    max: int
    queued: int
    why: str = ""
    min: int = 0
    buffer: int = 0
    idle: int = 0
    leaving: int = 0
    running: int = 0
    done: int = 0
    retried: int = 0
    lost: int = 0


class ExecutorState(Part, frozen=True):
    id: str
    pool: str
    backend: str
    state: str
    pid: int
    since: float
    doing: str = ""
    cpu_percent: float = 0.0
    memory: int = 0


class SessionState(Part, frozen=True):
    id: str
    state: str
    generation: int
    python: str
    pid: int
    run: str = ""
    queued: int = 0


class Status(Msg, frozen=True, tag=True):
    """A snapshot, sent as the answer to GetStatus (same id) and unasked (id 0) after changes, at most 5 a second."""

    id: int
    pools: list[PoolState]
    executors: list[ExecutorState]
    sessions: list[SessionState]
    hub_pid: int
    peak: int
    last: int


OwnerToHub = (
    Hello
    | Configure
    | Execute
    | Interrupt
    | RestartSession
    | Peek
    | AnswerInput
    | Ack
    | WindowAlive
    | Goodbye
    | Stop
    | GetStatus
    | AskEnvironments
    | Blobs
    | Publish
    | GetFiles
    | ReadFile
    | GetStacks
)


class Problem(Msg, frozen=True, tag=True):
    """Something the person should know that belongs to no run."""

    sentence: str


HubToOwner = (
    Welcome
    | Refused
    | Numbered
    | Interrupted
    | Peeked
    | Receipt
    | Status
    | Problem
    | Environments
    | Published
    | Files
    | FilePart
    | Stacks
)
