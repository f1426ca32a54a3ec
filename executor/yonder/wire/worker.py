"""Worker and hub: the call lane (main thread) and the control lane (side thread)."""

from __future__ import annotations

from typing import Literal

from yonder.wire.base import Body, Hello, Msg, Refused, Welcome
from yonder.wire.client import Mode
from yonder.wire.code import Adopt, Reloaded, Stale
from yonder.wire.looking import Answer, Query
from yonder.wire.remotes import Drop, Fetch, Kept, Lost, Release, Stow
from yonder.wire.shapes import Column, Failure, Preview

# A task is one Call or one Block on one worker, numbered by the hub, unique for that worker and rising.


class Call(Msg, frozen=True, tag=True):
    """`function_body` is empty when this worker has had that digest before; those in `forget` it will not be asked for
    again without their bytes. `mode` None: once. `snapshot`: see Submit; the worker's machine has it. `near`: who gets the
    values is on this machine, and may open memory that the worker names (`segments`)."""

    task: int
    function: bytes
    function_body: Body
    arguments: Body
    mode: Mode | None = None
    forget: list[bytes] = []
    snapshot: bytes = b""
    near: bool = False
    refs: list[bytes] = []


class Method(Msg, frozen=True, tag=True):
    """A method of the actor that `task` is; answered by MethodDone. The name "" ends the actor, answered by Done."""

    task: int
    number: int
    name: str
    arguments: Body
    refs: list[bytes] = []


class Block(Msg, frozen=True, tag=True):
    """See Execute. kind file: run as __main__, then the worker exits."""

    task: int
    run: str
    code: str
    path: str
    line: int
    kind: Literal["block", "file"]
    argv: list[str]
    snapshot: bytes = b""


class Leave(Msg, frozen=True, tag=True):
    """End in good order (flush, atexit); the agent kills what does not."""


class Done(Msg, frozen=True, tag=True):
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
    refs: list[bytes] = []


class Yielded(Msg, frozen=True, tag=True):
    """The `n`th value (from 1) of a stream."""

    task: int
    n: int
    body: Body
    refs: list[bytes] = []


class Placed(Msg, frozen=True, tag=True):
    """The actor's object is made."""

    task: int
    methods: list[str]


class MethodDone(Msg, frozen=True, tag=True):
    """See Done; the counts are those of the actor's whole task so far."""

    task: int
    number: int
    ok: bool
    body: Body
    failure: Failure | None = None
    control: int = 0
    output: int = -1
    refs: list[bytes] = []


class BlockDone(Msg, frozen=True, tag=True):
    """A Block's end; `interrupted` when it ended by the KeyboardInterrupt that was asked for;
    `code` is the exit code of a file."""

    task: int
    control: int
    output: int
    preview: Preview | None = None
    failure: Failure | None = None
    interrupted: bool = False
    code: int = 0


HubToCall = Welcome | Refused | Call | Method | Block | Leave | Adopt | Fetch | Stow | Drop | Lost
CallToHub = Hello | Done | Yielded | Placed | MethodDone | BlockDone | Stale | Reloaded | Kept | Release


class Raise(Msg, frozen=True, tag=True):
    """Raise KeyboardInterrupt in the main thread if `task` is current and its user code is on."""

    task: int


class Allow(Msg, frozen=True, tag=True):
    """The stream `task` may go on up to its `upto`th value."""

    task: int
    upto: int


class Raised(Msg, frozen=True, tag=True):
    """outcome: interrupted (the exception is on its way), idle, not_this_run."""

    task: int
    outcome: str


class Look(Msg, frozen=True, tag=True):
    id: int
    query: Query


class Looked(Msg, frozen=True, tag=True):
    id: int
    answer: Answer


class Typed(Msg, frozen=True, tag=True):
    """What the person typed for InputAsked."""

    id: str
    text: str | None


class TaskMetrics(Msg, frozen=True, tag=True):
    task: int
    n: int
    columns: list[Column]


class TaskProgress(Msg, frozen=True, tag=True):
    task: int
    n: int
    id: str
    label: str
    done: float
    total: float
    at: float


class TaskDisplay(Msg, frozen=True, tag=True):
    task: int
    n: int
    mime: str
    data: bytes
    alt: str
    at: float


class InputAsked(Msg, frozen=True, tag=True):
    task: int
    n: int
    id: str
    prompt: str
    secret: bool


class Imported(Msg, frozen=True, tag=True):
    """Third-party modules that a task of this pool worker has imported."""

    modules: list[str]


HubToControl = Welcome | Refused | Raise | Look | Typed | Allow
ControlToHub = Hello | Raised | Looked | Imported | TaskMetrics | TaskProgress | TaskDisplay | InputAsked
