"""The wire: every message that crosses a process boundary of Yonder, by direction, and how it becomes bytes.

What belongs here: message shapes, the version, the size limits, encoding and incremental decoding. What this file must
not know: sockets, loops, clocks, pickles (bodies are opaque bytes), what a receiver does with a message.

Frames: four bytes little-endian, of which the top bit says "more of this follows", the next one "this is part of a load",
and the rest is the length (at most MAX_FRAME), then that many bytes. A message is one msgpack value of a closed, tagged
union. A body over LARGE bytes travels in front of its message as a load (eight bytes of its size, then pieces), so that
whoever passes it on never needs it in one piece; the message itself then holds an empty list in its place.

Who speaks what::

    owner (language server) ── OwnerToHub ──▶ hub ── HubToOwner ──▶ owner        one websocket, Numbered events are replayed
    client (a Pool)         ── ClientToHub ─▶ hub ── HubToClient ─▶ client       in-process, or a Unix socket in a worker
    agent                   ── AgentToHub ──▶ hub ── HubToAgent ──▶ agent        one per machine
    worker, call lane       ── CallToHub ───▶ hub ── HubToCall ───▶ worker       main thread: user code and results
    worker, control lane    ── ControlToHub ▶ hub ── HubToControl ▶ worker       side thread: interrupt, peek, metrics
    agent elsewhere         ── LinkFrame ───▶ hub ── LinkFrame ───▶ agent        two TLS websockets that carry all of the above

Every conversation begins with Hello and is answered by Welcome or Refused; these three keep their shape for ever, so
that any two versions can tell each other who they are.

Times are seconds since the epoch (float) where a person sees them and *seconds left* where they are deadlines.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

import msgspec

VERSION = 1
MAX_FRAME = 64 * 1024
MAX_PIECE = MAX_FRAME + 4
"""Bytes of one Carry: a whole frame with its header."""
MAX_MESSAGE = 2 * 1024 * 1024 * 1024
MAX_HELLO = 4 * 1024
LARGE = 64 * 1024
_MORE = 0x8000_0000
_LOAD = 0x4000_0000
_HEADER = struct.Struct("<I")
_SIZE = struct.Struct("<Q")

Body = bytes | list[bytes]
"""A pickle that only its two ends open: in one piece, or in the pieces in which it came."""


class WireError(Exception):
    """The bytes are not what the protocol says; the connection must be closed."""


# ── the handshake: shape frozen for ever ──────────────────────────────────────────────────────────────────────────────

Role = Literal["owner", "client", "agent", "call", "control", "bulk"]
"""agent and bulk are also the two websockets of a machine's link: what must not wait, and everything else."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello", kw_only=True):
    """First message of every conversation, sent by the one who dialled.

    `id` is the owner's, agent's or worker's id; `resume` the highest event number the owner has stored (owners only).
    """

    version: int
    package: str
    role: Role
    token: str
    id: str
    resume: int = 0
    pid: int = 0

    def __repr__(self) -> str:
        return f"Hello({self.role} {self.id!r}, wire {self.version})"  # a token has no business in a log


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome", kw_only=True):
    """The hub's yes. `fresh` is false when the hub already knew this owner (a reload)."""

    version: int
    package: str
    hub: str
    fresh: bool = True


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused", kw_only=True):
    """The hub's no, in words; the connection closes after it. `code` is one of token, version, role, busy, closing, spent
    (a join secret or resume key that was used before)."""

    code: str
    sentence: str
    version: int
    package: str


# ── shared parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Msg(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all other messages: compact arrays, the class name as the tag."""


class _Part(msgspec.Struct, frozen=True, array_like=True):
    """Base of what travels inside messages."""


Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1.7e308)]
"""A span of time: a number, and finite. What is none would upset every clock that it is compared with."""


class Resources(_Part, frozen=True):
    """What an executor has to itself. `gpu` are alternatives, best first ("l40s", "l40s:2", "any:1"; none = no GPU),
    `cpus` processors, `memory` bytes (0 = whatever is there)."""

    gpu: list[str] = []
    cpus: float = 0.0
    memory: int = 0


Option = str | bool | int | float | list[str]
"""What an option of a backend may be."""


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool is. Counts are executors, times seconds; 0 of what may be left out means none or no limit.

    `buffer` are spare executors while there is work. `timeout`, `queue_timeout`, `retries` and `grace` are what calls
    get that say nothing else. `isolation`: worker (a process serves many calls), process (a fresh process per call),
    executor (a fresh executor per call). `strategy` names one of `core.scaling.STRATEGIES`. `queue_limit` bounds the
    calls that wait. `image` is what executors are made from where the platform has images ("" = the one of this version),
    `options` what only this backend knows; the backend says what is allowed.
    """

    name: str = "default"
    backend: str = "local"
    min: int = 0
    max: int = 8
    concurrency: int = 1
    buffer: int = 0
    idle_timeout: Seconds = 60.0
    boot_timeout: Seconds = 120.0
    max_lifetime: Seconds = 0.0
    timeout: Seconds = 0.0
    queue_timeout: Seconds = 0.0
    grace: Seconds = 5.0
    isolation: Literal["worker", "process", "executor"] = "worker"
    retries: int = 0
    resources: Resources = Resources()
    strategy: str = "pack"
    queue_limit: int = 0
    preload: list[str] = []
    env: dict[str, str] = {}
    image: str = ""
    options: dict[str, Option] = {}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where user code runs from: the project's Python and its surroundings.

    `python` is the interpreter's path ("" = the hub's own), `core` a folder appended to its path when the executor core
    is not installed in it, `folder` the working directory and first import entry, `env` extra environment variables.
    """

    python: str = ""
    core: str = ""
    folder: str = ""
    env: dict[str, str] = {}


class Frame(_Part, frozen=True):
    """One line of a traceback: where, and the source line as it was when it ran."""

    file: str
    line: int
    function: str
    source: str
    end_line: int = 0
    column: int = -1
    end_column: int = -1
    user: bool = False


class Failure(_Part, frozen=True):
    """An exception as data: no pickle needed to show it. `text` is the whole formatted traceback."""

    type: str
    message: str
    text: str
    frames: list[Frame] = []


class Preview(_Part, frozen=True):
    """A value as a person sees it: `short` fits after a line (at most 100 characters), `text` is the whole repr, cut at
    100 kB, `rich` maps MIME types to text (HTML tables, SVG)."""

    type: str
    short: str
    text: str
    rich: dict[str, str] = {}


class Column(_Part, frozen=True):
    """A batch of one metric's points: three little-endian float64 arrays of equal length."""

    name: str
    steps: bytes
    values: bytes
    times: bytes


class ExitReport(_Part, frozen=True):
    """How a process ended, as the operating system told its parent. `signal` 0 and `code` -1 mean unknown; `words` are
    what is to be said instead of them."""

    code: int = -1
    signal: int = 0
    out_of_memory: bool = False
    stderr: str = ""
    words: str = ""

    def sentence(self) -> str:
        """The end in words, without naming the process."""
        if self.words:
            return self.words
        if self.out_of_memory:
            return "was killed because it ran out of memory"
        if self.signal:
            return f"was killed by signal {self.signal} ({_signal_name(self.signal)})"
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        return "ended; how is not known"


def _signal_name(number: int) -> str:
    names = {1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE"}
    return "SIG" + names.get(number, {14: "ALRM", 15: "TERM", 24: "XCPU", 31: "SYS"}.get(number, str(number)))


# ── looking at live objects (EDITOR: section 4) ───────────────────────────────────────────────────────────────────────


class Step(_Part, frozen=True):
    """One step of a path: kind is name, attr, key (string subscript) or index (integer subscript)."""

    kind: Literal["name", "attr", "key", "index"]
    value: str | int


class Query(_Part, frozen=True):
    """What is asked of a namespace without running user code.

    what = members   of the object at `path` ([] = the namespace itself), names starting with `prefix` first
           describe  the object at `path`: a hover's facts
           variables the namespace as rows (name, type, short)
           keys      string keys or columns of the object at `path`
           signature of the callable at `path`
           imports   importable top-level modules (path []) or the submodules and members of the module named by path
    """

    what: Literal["members", "describe", "variables", "keys", "signature", "imports"]
    path: list[Step] = []
    prefix: str = ""
    limit: int = 5000


class Member(_Part, frozen=True):
    """kind: f field, m method or function, p property, c class, M module, v variable, k key. rank: 0 instance data,
    1 class members, 2 inherited from far (object and friends); the owner sorts by it."""

    name: str
    kind: str
    rank: int
    detail: str = ""


class Fact(_Part, frozen=True):
    """One line of a description, already in words: ("shape", "32 x 10")."""

    label: str
    value: str


class Parameter(_Part, frozen=True):
    name: str
    label: str
    keyword: bool = True


class Answer(_Part, frozen=True):
    """The reply to any Query; only the fields that fit are filled. `found` false: no such path; `why` says it in words.

    `type` is the object's type name (qualified when not builtin), `short` a preview, `doc` the documentation's first
    paragraphs, `file`/`line` where it is defined.
    """

    found: bool
    why: str = ""
    type: str = ""
    short: str = ""
    facts: list[Fact] = []
    doc: str = ""
    signature: str = ""
    parameters: list[Parameter] = []
    file: str = ""
    line: int = 0
    members: list[Member] = []
    generation: int = 0
    micros: int = 0


# ── numbered events: hub → owner, kept until acknowledged ─────────────────────────────────────────────────────────────

# A run is what a person asked for; `call` is "" for the run's own stream, else the id of a pool call made inside it.


class Phase(_Msg, frozen=True, tag=True):
    """A run (or, with run "", the session's or a pool's boot) entered a phase: queued, creating, booting, ready, running."""

    run: str
    phase: str
    at: float
    detail: str = ""


Descriptor = Literal[1, 2]
"""Standard output or standard error."""


class Output(_Msg, frozen=True, tag=True):
    """Text of a run. `after` is true for bytes that threads or children wrote after the run had ended;
    `missing` > 0 is a gap: that many characters were dropped at the bound."""

    run: str
    call: str
    fd: Descriptor
    text: str
    at: float
    after: bool = False
    missing: int = 0


class Metrics(_Msg, frozen=True, tag=True):
    run: str
    call: str
    columns: list[Column]


class Progress(_Msg, frozen=True, tag=True):
    """done of total (total 0: unknown), of the bar called `id` within the run or call."""

    run: str
    call: str
    id: str
    label: str
    done: float
    total: float
    at: float


class Display(_Msg, frozen=True, tag=True):
    """A figure or other picture: `mime` is image/png, image/svg+xml, text/html or text/plain."""

    run: str
    call: str
    mime: str
    data: bytes
    alt: str
    at: float


class InputWanted(_Msg, frozen=True, tag=True):
    run: str
    id: str
    prompt: str
    secret: bool


class InputOver(_Msg, frozen=True, tag=True):
    """The question was answered or its run ended; close the box."""

    id: str


class CallStarted(_Msg, frozen=True, tag=True):
    """A pool call made inside a run began on an executor. `label` names the curve ("lr=0.01 width=32" or "3")."""

    run: str
    call: str
    label: str
    pool: str
    executor: str
    at: float


class CallEnded(_Msg, frozen=True, tag=True):
    """outcome: ok, error, lost, cancelled, timeout. `summary` is one line: the result's repr or the error's."""

    run: str
    call: str
    outcome: str
    summary: str
    at: float
    seconds: float


class RunEnded(_Msg, frozen=True, tag=True):
    """The one terminal event of a run, delivered after everything else of it.

    outcome: ok (preview may be None for statements), error (failure), lost (report, sentence), cancelled (sentence).
    """

    run: str
    outcome: Literal["ok", "error", "lost", "cancelled"]
    at: float
    seconds: float
    preview: Preview | None = None
    failure: Failure | None = None
    report: ExitReport | None = None
    sentence: str = ""
    generation: int = 0


class ExecutorChanged(_Msg, frozen=True, tag=True):
    """state: creating, booting, ready, busy, draining, gone. pool "" is the session's own executor."""

    executor: str
    pool: str
    state: str
    at: float
    pid: int = 0
    reason: str = ""


class SessionChanged(_Msg, frozen=True, tag=True):
    """state: none, booting, idle, busy, dead. generation counts runs that ended; `note` is a sentence to show once."""

    session: str
    state: str
    generation: int
    at: float
    python: str = ""
    pid: int = 0
    note: str = ""


Event = (
    Phase
    | Output
    | Metrics
    | Progress
    | Display
    | InputWanted
    | InputOver
    | CallStarted
    | CallEnded
    | RunEnded
    | ExecutorChanged
    | SessionChanged
)


class Numbered(_Msg, frozen=True, tag=True):
    """An event with its number, 1, 2, 3 … without holes; the owner stores it, then acknowledges."""

    n: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    event: Event


# ── owner ↔ hub ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Configure(_Msg, frozen=True, tag=True):
    """The workspace: where code runs from and which pools exist. Sent after every Welcome and when it changes.
    `max_executors` and `max_gpus` bound all pools together at any time, `max_executor_hours` what their executors run in
    all since the hub began (0 = no bound).

    `linger` and `silence` are the hub's two clocks, in seconds.
    """

    place: Place
    pools: list[PoolSpec]
    linger: float
    silence: float
    stream_bound: int
    max_executors: int = 0
    max_gpus: int = 0
    max_executor_hours: float = 0.0


class Execute(_Msg, frozen=True, tag=True):
    """Run a block in a session (made on demand). `line` is the 0-based line of the file where `code` begins.

    kind block: statements in the session's namespace; the last expression's value is the result.
    kind file: a fresh worker runs the text as __main__ with `argv` as the arguments after its path.
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


class Interrupt(_Msg, frozen=True, tag=True):
    """Interrupt one run; answered by Interrupted. After `grace` seconds in C code the answer is "still in C code"."""

    id: int
    run: str
    grace: float = 5.0
    kill: bool = False


class Interrupted(_Msg, frozen=True, tag=True):
    """outcome: interrupted, idle, not_this_run, in_c_code, cancelled (was still queued), killed."""

    id: int
    outcome: str
    sentence: str


class RestartSession(_Msg, frozen=True, tag=True):
    session: str


class Peek(_Msg, frozen=True, tag=True):
    """Ask a live namespace; answered by Peeked with the same id, or never (the asker has a deadline)."""

    id: int
    session: str
    query: Query


class Peeked(_Msg, frozen=True, tag=True):
    id: int
    session: str
    answer: Answer


class AnswerInput(_Msg, frozen=True, tag=True):
    """text None: the person dismissed the question; input() raises EOFError."""

    id: str
    text: str | None


class Ack(_Msg, frozen=True, tag=True):
    """Everything up to and including n is stored."""

    n: int


class WindowAlive(_Msg, frozen=True, tag=True):
    """The window itself (not just the extension host) answered a moment ago."""


class Goodbye(_Msg, frozen=True, tag=True):
    """The owner closes in good order: the linger clock starts."""

    reason: str


class Stop(_Msg, frozen=True, tag=True):
    """End everything now, without linger; answered by Receipt."""

    id: int


class Life(_Part, frozen=True):
    """One executor from its start to its end. `ended` 0.0: it still exists, or nobody knows. `reason` is a sentence."""

    executor: str
    pool: str
    backend: str
    native: str
    started: float
    ended: float
    reason: str


class Receipt(_Msg, frozen=True, tag=True):
    """What the cluster was and what the platforms say is left of it. `lives` are all executors there have been."""

    id: int
    executors: int
    peak: int
    left: int
    seconds: float
    sentence: str
    lives: list[Life] = []


class GetStatus(_Msg, frozen=True, tag=True):
    id: int


class PoolState(_Part, frozen=True):
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


class ExecutorState(_Part, frozen=True):
    id: str
    pool: str
    backend: str
    state: str
    pid: int
    since: float
    doing: str = ""
    cpu_percent: float = 0.0
    memory: int = 0


class SessionState(_Part, frozen=True):
    id: str
    state: str
    generation: int
    python: str
    pid: int
    run: str = ""
    queued: int = 0


class Status(_Msg, frozen=True, tag=True):
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
)


class Problem(_Msg, frozen=True, tag=True):
    """Something the person should know that belongs to no run."""

    sentence: str


HubToOwner = Welcome | Refused | Numbered | Interrupted | Peeked | Receipt | Status | Problem


# ── client (a Pool in a program, in a session or in a worker) ↔ hub ───────────────────────────────────────────────────


class OpenPool(_Msg, frozen=True, tag=True):
    """Open or attach to the pool `spec.name`. `given` names the fields the program gave: they win over the workspace's
    settings for that name, the rest of `spec` is defaults. Answered by PoolOpened. `place` is for plain programs."""

    id: int
    spec: PoolSpec
    given: list[str]
    place: Place | None = None


class PoolOpened(_Msg, frozen=True, tag=True):
    id: int
    pool: str
    spec: PoolSpec


class Mode(_Part, frozen=True):
    """How a worker runs a function. kind call: once; `chunk` > 0: `arguments` are so many calls' (`payload.pack_chunk`)
    and the result is their ends (`payload.unpack_outcomes`). stream: a generator, at most `credit` values ahead of the reader. actor: the function is a
    class, the object stays and answers methods; with `max_batch` > 1 its methods take and give lists, gathered for at most
    `max_wait` seconds."""

    kind: Literal["call", "stream", "actor"] = "call"
    chunk: int = 0
    credit: int = 0
    max_batch: int = 0
    max_wait: Seconds = 0.0


class CallOptions(_Part, frozen=True):
    """A call's own wishes, defaults of the pool already mixed in. Times are seconds left, 0 = none. `affinity`: calls with
    the same key go to the same executor for as long as it lives. `resources` None: the pool's."""

    timeout: Seconds = 0.0
    queue_timeout: Seconds = 0.0
    retries: int = 0
    grace: Seconds = 5.0
    affinity: str = ""
    resources: Resources | None = None
    mode: Mode = Mode()


class Submit(_Msg, frozen=True, tag=True):
    """One call. `function` is the digest of the pickled function; its bytes come along (`function_body`) the first time
    this client uses that digest, later they are empty (until Forget). `options` None: nothing but defaults."""

    call: int
    pool: str
    function: bytes
    function_body: Body
    arguments: Body
    label: str
    options: CallOptions | None = None


class Forget(_Msg, frozen=True, tag=True):
    """These functions are not used again without being sent again."""

    functions: list[bytes]


class Cancel(_Msg, frozen=True, tag=True):
    call: int


class Credit(_Msg, frozen=True, tag=True):
    """The reader of a stream has room up to its `upto`th value, counted from 1."""

    call: int
    upto: int


class ActorCall(_Msg, frozen=True, tag=True):
    """A method of the actor that `call` placed; answered by ActorReply with the same number. Calls of one actor run in
    the order in which they were sent."""

    call: int
    number: int
    method: str
    arguments: Body


class ActorClose(_Msg, frozen=True, tag=True):
    """Let the actor finish what it was sent, then free its slot; the placing call ends with CallDone."""

    call: int


class Broadcast(_Msg, frozen=True, tag=True):
    """Run this once in every worker process of the pool: those that are there, and each that comes, before its first call.
    Answered by BroadcastDone when those that were there are done."""

    call: int
    pool: str
    function: bytes
    function_body: Body
    arguments: Body
    label: str


class Waits(_Msg, frozen=True, tag=True):
    """The code of the worker that this client lives in waits for these calls of its own, and does nothing else meanwhile;
    none: it waits no more."""

    calls: list[int]


class Resize(_Msg, frozen=True, tag=True):
    """Other sizes from now on (None: as before). Answered by PoolOpened."""

    id: int
    pool: str
    min: int | None = None
    max: int | None = None
    buffer: int | None = None


class Watch(_Msg, frozen=True, tag=True):
    """Tell this client of the pool's events from now on, or no more."""

    pool: str
    on: bool


class ClosePool(_Msg, frozen=True, tag=True):
    """Refuse new calls; with `cancel` the running ones end too. Answered by PoolClosedNow when its executors are gone
    (a pool that the workspace keeps is only detached)."""

    id: int
    pool: str
    cancel: bool


class PoolClosedNow(_Msg, frozen=True, tag=True):
    id: int


class GetPool(_Msg, frozen=True, tag=True):
    id: int
    pool: str


class PoolStatus(_Msg, frozen=True, tag=True):
    id: int
    state: PoolState


CallOutcome = Literal["ok", "error", "lost", "cancelled", "timeout", "boot_failed", "queue_full", "deadlock", "closed"]


class CallDone(_Msg, frozen=True, tag=True):
    """outcome ok: `body` is the pickled value. error: `body` the pickled exception ("" if it did not pickle), `failure`
    its data. lost: `report`. The others: `sentence` and `phase`. `times` are seconds spent per phase (queued, booting,
    running), `attempts` how often it was begun, `micros` how long the function itself ran."""

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


class CallPhase(_Msg, frozen=True, tag=True):
    """A call began to run (Future.set_running_or_notify_cancel), for the `attempt`th time."""

    call: int
    phase: str
    attempt: int = 1


class CallYield(_Msg, frozen=True, tag=True):
    """The `n`th value (from 1) of a stream."""

    call: int
    n: int
    body: Body


class ActorReady(_Msg, frozen=True, tag=True):
    """The object stands on `executor`; `methods` are its public ones."""

    call: int
    executor: str
    methods: list[str]


class ActorReply(_Msg, frozen=True, tag=True):
    """See CallDone for `ok`, `body` and `failure`. When the actor is gone there are no replies but the placing call's end."""

    call: int
    number: int
    ok: bool
    body: Body = b""
    failure: Failure | None = None


class BroadcastDone(_Msg, frozen=True, tag=True):
    """One end per worker process that was there, in no order."""

    call: int
    ends: list[CallDone]


class PoolEvent(_Msg, frozen=True, tag=True):
    """kind: boot, ready, boot_failed, draining, gone, worker_lost, retry, resized, outdated, closed. `sentence` says why."""

    pool: str
    kind: str
    at: float
    executor: str = ""
    sentence: str = ""


class Limit(_Msg, frozen=True, tag=True):
    """Bound all pools of this hub together, from the plain program that the hub serves; see Configure for the bounds."""

    executors: int
    gpus: int
    hours: float


class Printed(_Msg, frozen=True, tag=True):
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
    | Limit
)
HubToClient = (
    Welcome
    | Refused
    | PoolOpened
    | PoolClosedNow
    | PoolStatus
    | CallDone
    | CallPhase
    | CallYield
    | ActorReady
    | ActorReply
    | BroadcastDone
    | PoolEvent
    | Printed
    | Problem
)


# ── agent ↔ hub ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Fork(_Msg, frozen=True, tag=True):
    """Fork one worker. `env` is added to its environment, `folder` is its working directory and first import entry,
    `preload` the modules the zygote must have imported before. kind: pool, session, file. background: everything else
    on the machine goes first."""

    worker: str
    executor: str
    kind: Literal["pool", "session", "file"]
    env: dict[str, str]
    folder: str
    preload: list[str]
    threads: int = 0
    background: bool = False


class Preload(_Msg, frozen=True, tag=True):
    """Import these in the zygote now, in the background of nothing: no fork waits for it unless it names them too."""

    modules: list[str]


class Kill(_Msg, frozen=True, tag=True):
    """End a worker's process group and everything it started. hard: SIGKILL at once; else SIGTERM, then SIGKILL after 1 s."""

    worker: str
    hard: bool = True


class Sweep(_Msg, frozen=True, tag=True):
    """End whatever an executor has left on this machine, which goes on without it. Answered by Swept."""

    executor: str


class AgentExit(_Msg, frozen=True, tag=True):
    reason: str


class Forked(_Msg, frozen=True, tag=True):
    worker: str
    pid: int
    started: float


class ForkFailed(_Msg, frozen=True, tag=True):
    worker: str
    sentence: str


class Preloaded(_Msg, frozen=True, tag=True):
    """`failed` maps a module to why it could not be imported (its workers import it themselves and see the error)."""

    modules: list[str]
    seconds: float
    failed: dict[str, str] = {}


class WorkerOutput(_Msg, frozen=True, tag=True):
    """Text from a worker's descriptor 1 or 2. `task` is what it was running (0 = nothing yet), `n` counts this task's
    pieces from 1, `after` says that the task had already ended."""

    worker: str
    task: int
    n: int
    fd: Descriptor
    text: str
    at: float
    after: bool = False


class Exited(_Msg, frozen=True, tag=True):
    """The worker is dead (from waitpid); nothing of it comes after this, and all it wrote came before."""

    worker: str
    report: ExitReport


class Swept(_Msg, frozen=True, tag=True):
    """So many processes of the executor did not end."""

    executor: str
    left: int


class Usage(_Part, frozen=True):
    worker: str
    cpu_percent: float
    memory: int


class Beat(_Msg, frozen=True, tag=True):
    usage: list[Usage]


HubToAgent = Welcome | Refused | Fork | Preload | Kill | Sweep | AgentExit
AgentToHub = Hello | Forked | ForkFailed | Preloaded | WorkerOutput | Exited | Swept | Beat


# ── worker ↔ hub ──────────────────────────────────────────────────────────────────────────────────────────────────────

# A task is one Call or one Block on one worker, numbered by the hub, unique for that worker and rising.


class Call(_Msg, frozen=True, tag=True):
    """`function_body` is empty when this worker has had that digest before; those in `forget` it will not be asked for
    again without their bytes. `mode` None: once."""

    task: int
    function: bytes
    function_body: Body
    arguments: Body
    mode: Mode | None = None
    forget: list[bytes] = []


class Method(_Msg, frozen=True, tag=True):
    """A method of the actor that `task` is; answered by MethodDone. The name "" ends the actor, answered by Done."""

    task: int
    number: int
    name: str
    arguments: Body


class Block(_Msg, frozen=True, tag=True):
    """See Execute. kind file: run as __main__, then the worker exits."""

    task: int
    run: str
    code: str
    path: str
    line: int
    kind: Literal["block", "file"]
    argv: list[str]


class Leave(_Msg, frozen=True, tag=True):
    """End in good order (flush, atexit); the agent kills what does not."""


class Done(_Msg, frozen=True, tag=True):
    """A Call's end. `control` and `output` are the numbers of the last control-lane message and the last WorkerOutput of
    this task (output -1: not known, do not wait): the hub delivers this only after them."""

    task: int
    ok: bool
    body: Body
    control: int
    output: int
    summary: str = ""
    failure: Failure | None = None
    micros: int = 0


class Yielded(_Msg, frozen=True, tag=True):
    """The `n`th value (from 1) of a stream."""

    task: int
    n: int
    body: Body


class Placed(_Msg, frozen=True, tag=True):
    """The actor's object is made."""

    task: int
    methods: list[str]


class MethodDone(_Msg, frozen=True, tag=True):
    """See Done; the counts are those of the actor's whole task so far."""

    task: int
    number: int
    ok: bool
    body: Body
    failure: Failure | None = None
    control: int = 0
    output: int = -1


class BlockDone(_Msg, frozen=True, tag=True):
    """A Block's end; `interrupted` when it ended by the KeyboardInterrupt that was asked for;
    `code` is the exit code of a file."""

    task: int
    control: int
    output: int
    preview: Preview | None = None
    failure: Failure | None = None
    interrupted: bool = False
    code: int = 0


HubToCall = Welcome | Refused | Call | Method | Block | Leave
CallToHub = Hello | Done | Yielded | Placed | MethodDone | BlockDone


class Raise(_Msg, frozen=True, tag=True):
    """Raise KeyboardInterrupt in the main thread if `task` is current and its user code is on."""

    task: int


class Allow(_Msg, frozen=True, tag=True):
    """The stream `task` may go on up to its `upto`th value."""

    task: int
    upto: int


class Raised(_Msg, frozen=True, tag=True):
    """outcome: interrupted (the exception is on its way), idle, not_this_run."""

    task: int
    outcome: str


class Look(_Msg, frozen=True, tag=True):
    id: int
    query: Query


class Looked(_Msg, frozen=True, tag=True):
    id: int
    answer: Answer


class Typed(_Msg, frozen=True, tag=True):
    """What the person typed for InputAsked."""

    id: str
    text: str | None


class TaskMetrics(_Msg, frozen=True, tag=True):
    task: int
    n: int
    columns: list[Column]


class TaskProgress(_Msg, frozen=True, tag=True):
    task: int
    n: int
    id: str
    label: str
    done: float
    total: float
    at: float


class TaskDisplay(_Msg, frozen=True, tag=True):
    task: int
    n: int
    mime: str
    data: bytes
    alt: str
    at: float


class InputAsked(_Msg, frozen=True, tag=True):
    task: int
    n: int
    id: str
    prompt: str
    secret: bool


class Imported(_Msg, frozen=True, tag=True):
    """Third-party modules that a task of this pool worker has imported."""

    modules: list[str]


HubToControl = Welcome | Refused | Raise | Look | Typed | Allow
ControlToHub = Hello | Raised | Looked | Imported | TaskMetrics | TaskProgress | TaskDisplay | InputAsked

# ── the link of another machine: what its agent and its workers say, over connections that break ──────────────────────


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor on another machine must know to find its hub and be let in; handed to it as JSON, in secret.

    `hub` is host:port, `name` what the hub's certificate says it is called; `authority`, `certificate` and `key` are PEM.
    `secret` lets it in once, as the agent `agent`; `lane` is what its workers show. Seconds: it ends by itself when it
    was not let in within `reach`, has not heard of the hub for `silence`, is older than `lifetime` (0: any age). `direct`:
    what it dials is the hub's own door, so that nobody there means no hub; else something stands in between.
    """

    version: int
    package: str
    owner: str
    agent: str
    hub: str
    name: str
    authority: str
    certificate: str
    key: str
    secret: str
    lane: str
    reach: float
    silence: float
    lifetime: float = 0.0
    direct: bool = False

    def __repr__(self) -> str:
        return f"Invitation({self.agent!r} to {self.hub})"  # the rest is nobody's business


class Resume(_Msg, frozen=True, tag=True):
    """The first word of both sides on a link's connection, right after Welcome: every numbered frame up to `received` has
    arrived here. The hub adds the `key` that the next connection shows instead of this one's, and to the first connection
    of an agent `bulk`, the secret of its second."""

    received: int
    key: str = ""
    bulk: str = ""

    def __repr__(self) -> str:
        return f"Resume({self.received})"  # keys have no business in a log


class Begin(_Msg, frozen=True, tag=True):
    """A conversation begins; whoever dialled gives odd channels, the other even ones."""

    n: int
    channel: int


class Carry(_Msg, frozen=True, tag=True):
    """The next bytes of a conversation."""

    n: int
    channel: int
    body: bytes


class Finish(_Msg, frozen=True, tag=True):
    """A conversation is over."""

    n: int
    channel: int


class Grant(_Msg, frozen=True, tag=True):
    """So many bytes in all, from its beginning, may be sent of this conversation."""

    channel: int
    upto: int


class Got(_Msg, frozen=True, tag=True):
    """Every numbered frame up to and including n has arrived. Said at least at every beat, as a sign of life."""

    n: int


LinkFrame = Resume | Begin | Carry | Finish | Grant | Got

Message = (
    OwnerToHub
    | HubToOwner
    | ClientToHub
    | HubToClient
    | HubToAgent
    | AgentToHub
    | HubToCall
    | CallToHub
    | HubToControl
    | ControlToHub
    | LinkFrame
)
"""Anything that may be said by anybody."""

# ── bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """One message as msgpack, without a frame (websockets frame by themselves)."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        return _encoder.encode(_speakable(msgspec.to_builtins(message, builtin_types=(bytes,))))


def _speakable(value: Any) -> Any:
    """The same with every text such that it is UTF-8. A file name that is none, which Python keeps as half a character,
    may stand in an exception's words: it must not be the end of the conversation."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_speakable(item) for item in value]
    if isinstance(value, dict):
        return {_speakable(key): _speakable(item) for key, item in value.items()}
    return value


_BODIES: dict[type, tuple[str, ...]] = {
    Submit: ("function_body", "arguments"),
    ActorCall: ("arguments",),
    Broadcast: ("function_body", "arguments"),
    CallDone: ("body",),
    CallYield: ("body",),
    ActorReply: ("body",),
    Call: ("function_body", "arguments"),
    Method: ("arguments",),
    Done: ("body",),
    Yielded: ("body",),
    MethodDone: ("body",),
}
"""What may travel as a load, in this order."""


def heavy(message: Message) -> bool:
    """Has it a body that travels as a load?"""
    for name in _BODIES.get(type(message), ()):
        body = getattr(message, name)
        if type(body) is not bytes or len(body) > LARGE:
            return True
    return False


def loads(message: Message) -> list[Any]:
    """Its bodies that came in pieces."""
    bodies = [getattr(message, name) for name in _BODIES.get(type(message), ())]
    return [body for body in bodies if isinstance(body, list)]


def whole(body: Body) -> bytes | bytearray:
    """A body in one piece."""
    if not isinstance(body, list):
        return body
    return body[0] if len(body) == 1 else b"".join(body)


def parts(message: Message) -> Iterator[bytes]:
    """One message as length-prefixed frames, a few at a time, so that a large one is never held twice.

    Raises WireError when it is larger than MAX_MESSAGE.
    """
    if not heavy(message):
        yield _framed(message)
        return
    light: dict[str, Any] = {}
    for name in _BODIES[type(message)]:
        body = getattr(message, name)
        if isinstance(body, list) or len(body) > LARGE:
            yield from _load(body if isinstance(body, list) else [body])
            light[name] = []
    yield _framed(msgspec.structs.replace(message, **light))


def _load(body: list[bytes]) -> Iterator[bytes]:
    size = sum(len(piece) for piece in body)
    if size > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE}")
    more = _MORE if size else 0
    yield _HEADER.pack(_SIZE.size | _LOAD | more) + _SIZE.pack(size)
    for piece in body:
        view = memoryview(piece)
        for start in range(0, len(view), MAX_FRAME):
            part = view[start : start + MAX_FRAME]
            size -= len(part)
            yield b"".join((_HEADER.pack(len(part) | _LOAD | (_MORE if size else 0)), part))


def frames(message: Message) -> bytes:
    """One message as length-prefixed frames, all at once. Raises WireError when it is larger than MAX_MESSAGE."""
    return b"".join(parts(message)) if heavy(message) else _framed(message)


def _framed(message: Message) -> bytes:
    body = encode(message)
    size = len(body)
    if size <= MAX_FRAME:
        return _HEADER.pack(size) + body
    if size > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE}")
    view = memoryview(body)
    parts: list[bytes | memoryview] = []
    for start in range(0, size, MAX_FRAME):
        piece = view[start : start + MAX_FRAME]
        more = _MORE if start + MAX_FRAME < size else 0
        parts += (_HEADER.pack(len(piece) | more), piece)
    return b"".join(parts)


M = TypeVar("M")


class Parser(Generic[M]):
    """Bytes to messages of one direction; what it does not know it refuses.

    `kind` is one of the unions above. `limit` bounds one message in bytes; raise it once the peer is trusted. `gather`:
    loads are wanted in one piece, else in the pieces in which they come. `announced` is told the size of each load before
    its first piece, and gives the list that holds them.
    """

    def __init__(
        self,
        kind: Any,
        limit: int = MAX_MESSAGE,
        *,
        gather: bool = False,
        announced: Callable[[int], list[bytes]] | None = None,
    ) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._gather = gather
        self._announced = announced or (lambda _: [])
        self._load: _Load | None = None
        self._loads: list[list[bytes]] = []
        self.limit = limit

    @property
    def pending(self) -> bytes:
        """Bytes fed but not yet part of a whole frame (what to hand to the next parser after Hello)."""
        return bytes(self._buffer)

    def message(self, body: bytes | bytearray | memoryview) -> M:
        """One unframed message. Raises WireError when it is none of this direction's."""
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"not a message of this conversation: {error}") from error

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[M]:
        """Take what a stream socket gave and yield the messages that are complete. Raises WireError."""
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= 4:
                (word,) = _HEADER.unpack_from(buffer, at)
                size = word & ~(_MORE | _LOAD)
                if size > MAX_FRAME:
                    raise WireError(f"a frame of {size} bytes is over the limit of {MAX_FRAME}")
                if word & _MORE and size != MAX_FRAME and not word & _LOAD:
                    raise WireError("only a full frame may have more after it")
                if len(buffer) - at < 4 + size:
                    break
                body = bytes(memoryview(buffer)[at + 4 : at + 4 + size])
                at += 4 + size
                if word & _LOAD:
                    self._loaded(body, more=bool(word & _MORE))
                    continue
                self._grow(size)
                if word & _MORE:
                    self._parts.append(body)
                    continue
                if self._parts:
                    self._parts.append(body)
                    body = b"".join(self._parts)
                    self._parts.clear()
                self._size = 0
                message = self.message(body)
                if self._loads or self._load is not None:
                    self._unload(message)
                yield message
        finally:
            del buffer[:at]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self.limit:
            raise WireError(f"a message of over {self.limit} bytes is not accepted here")

    def _loaded(self, body: bytes, *, more: bool) -> None:
        """One frame of a load: its size, or the next piece."""
        if self._parts:
            raise WireError("a load in the middle of a message")
        load = self._load
        if load is None:
            if len(body) != _SIZE.size or len(self._loads) == MOST_LOADS:
                raise WireError("a load begins with its size, and a message has few")
            (size,) = _SIZE.unpack(body)
            self._grow(size)
            load = self._load = _Load(size, self._announced(size), gather=self._gather)
        else:
            load.add(body)
        if not more:
            self._loads.append(load.all())
            self._load = None

    def _unload(self, message: M) -> None:
        """Put the loads where the message has room for them."""
        loads, self._loads = self._loads, []
        places = [
            name
            for name in _BODIES.get(type(message), ())
            if isinstance(body := getattr(message, name), list) and not body
        ]
        if self._load is not None or len(places) != len(loads):
            raise WireError("the loads are not those of the message behind them")
        for name, load in zip(places, loads, strict=True):
            msgspec.structs.force_setattr(cast(msgspec.Struct, message), name, load)


MOST_LOADS = 2


class _Load:
    """A body on its way in. `pieces` is empty yet; it is what the message will hold."""

    def __init__(self, size: int, pieces: list[bytes], *, gather: bool) -> None:
        self._left = size
        self._most = 64 + size // 1024  # each costs memory of its own, however small it is
        self._pieces = pieces
        self._space = bytearray(size) if gather else None

    def add(self, piece: bytes) -> None:
        space = self._space
        self._left -= len(piece)
        self._most -= 1
        if self._left < 0 or not piece:
            raise WireError("a load is not as large as it was said to be")
        if self._most < 0:
            raise WireError("a load comes in crumbs")
        if space is None:
            self._pieces.append(piece)
        else:
            end = len(space) - self._left
            space[end - len(piece) : end] = piece

    def all(self) -> list[bytes]:
        if self._left:
            raise WireError("a load is not as large as it was said to be")
        if self._space is not None:
            self._pieces.append(cast(bytes, self._space))
        return self._pieces
