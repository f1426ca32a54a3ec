"""Parts of messages that go in more than one direction."""

from __future__ import annotations

from typing import Literal

import msgspec

from yonder.wire.base import Part, Seconds


class Resources(Part, frozen=True):
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
    `options` what only this backend knows; the backend says what is allowed. `dependencies`: lock (what the code's own side
    has locked is installed on executors), report (differences are told), off (nobody looks). Functions that take along more
    than `capture_warning` bytes are warned of; contents of arguments of `blob_bytes` or more are named by their content and
    sent once (0: none is).
    `outputs` are patterns of files that the program fetches as soon as they are written.
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
    dependencies: Literal["lock", "report", "off"] = "report"
    outputs: list[str] = []
    capture_warning: int = 100_000_000
    blob_bytes: int = 256 * 1024


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where user code runs from: the project's Python and its surroundings.

    `python` is the interpreter's path ("" = the hub's own), `core` a folder appended to its path when the executor core
    is not installed in it, `folder` the working directory and first import entry, `env` extra environment variables.
    """

    python: str = ""
    core: str = ""
    folder: str = ""
    env: dict[str, str] = {}


class Frame(Part, frozen=True):
    """One line of a traceback: where, and the source line as it was when it ran."""

    file: str
    line: int
    function: str
    source: str
    end_line: int = 0
    column: int = -1
    end_column: int = -1
    user: bool = False


class Before(Part, frozen=True):
    """Another exception on the way to a failure: what it was raised from ("cause"), what was being handled ("context"), or
    a part of a group ("part")."""

    link: str
    type: str
    message: str
    frames: list[Frame] = []


class Failure(Part, frozen=True):
    """An exception as data: no pickle needed to show it. `text` is the whole formatted traceback, `before` what led to it,
    the nearest first."""

    type: str
    message: str
    text: str
    frames: list[Frame] = []
    before: list[Before] = []


class Preview(Part, frozen=True):
    """A value as a person sees it: `short` fits after a line (at most 100 characters), `text` is the whole repr, cut at
    100 kB, `rich` maps MIME types to text (HTML tables, SVG)."""

    type: str
    short: str
    text: str
    rich: dict[str, str] = {}


class Column(Part, frozen=True):
    """A batch of one metric's points: three little-endian float64 arrays of equal length."""

    name: str
    steps: bytes
    values: bytes
    times: bytes


class ExitReport(Part, frozen=True):
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
