"""Agent and hub."""

from __future__ import annotations

from typing import Literal

from yonder.wire.base import Hello, Msg, Part, Refused, Welcome
from yonder.wire.code import Blobs, Publish, Published, Unpublish
from yonder.wire.environment import Provide, Provided, Providing, Survey, Surveyed
from yonder.wire.events import Descriptor
from yonder.wire.files import FilePart, FilesFound, LookForFiles, ReadFile
from yonder.wire.remotes import Drop, Stow, Stowed
from yonder.wire.shapes import ExitReport
from yonder.wire.stacks import StackTaken, TakeStack


class Fork(Msg, frozen=True, tag=True):
    """Fork one worker. `env` is added to its environment, `folder` is its working directory and first import entry,
    `preload` the modules the zygote must have imported before. kind: pool, session, file. background: everything else
    on the machine goes first. `overlay` is the key of what was installed for it (Provide)."""

    worker: str
    executor: str
    kind: Literal["pool", "session", "file"]
    env: dict[str, str]
    folder: str
    preload: list[str]
    threads: int = 0
    background: bool = False
    overlay: str = ""


class Preload(Msg, frozen=True, tag=True):
    """Import these in the zygote now, in the background of nothing: no fork waits for it unless it names them too."""

    modules: list[str]


class Kill(Msg, frozen=True, tag=True):
    """End a worker's process group and everything it started. hard: SIGKILL at once; else SIGTERM, then SIGKILL after 1 s."""

    worker: str
    hard: bool = True


class Sweep(Msg, frozen=True, tag=True):
    """End whatever an executor has left on this machine, which goes on without it. Answered by Swept."""

    executor: str


class AgentExit(Msg, frozen=True, tag=True):
    reason: str


class Forked(Msg, frozen=True, tag=True):
    worker: str
    pid: int
    started: float


class ForkFailed(Msg, frozen=True, tag=True):
    worker: str
    sentence: str


class Preloaded(Msg, frozen=True, tag=True):
    """`failed` maps a module to why it could not be imported (its workers import it themselves and see the error)."""

    modules: list[str]
    seconds: float
    failed: dict[str, str] = {}


class WorkerOutput(Msg, frozen=True, tag=True):
    """Text from a worker's descriptor 1 or 2. `task` is what it was running (0 = nothing yet), `n` counts this task's
    pieces from 1, `after` says that the task had already ended."""

    worker: str
    task: int
    n: int
    fd: Descriptor
    text: str
    at: float
    after: bool = False


class Exited(Msg, frozen=True, tag=True):
    """The worker is dead (from waitpid); nothing of it comes after this, and all it wrote came before."""

    worker: str
    report: ExitReport


class Swept(Msg, frozen=True, tag=True):
    """So many processes of the executor did not end."""

    executor: str
    left: int


class Usage(Part, frozen=True):
    worker: str
    cpu_percent: float
    memory: int


class Beat(Msg, frozen=True, tag=True):
    usage: list[Usage]


HubToAgent = (
    Welcome
    | Refused
    | Fork
    | Preload
    | Kill
    | Sweep
    | AgentExit
    | Blobs
    | Publish
    | Unpublish
    | Survey
    | Provide
    | LookForFiles
    | ReadFile
    | Stow
    | Drop
    | TakeStack
)
AgentToHub = (
    Hello
    | Forked
    | ForkFailed
    | Preloaded
    | WorkerOutput
    | Exited
    | Swept
    | Beat
    | Published
    | Surveyed
    | Providing
    | Provided
    | FilesFound
    | FilePart
    | Stowed
    | StackTaken
)
AgentBulk = Hello | FilePart
"""What it says beside, where that holds up nothing else."""
