"""Where every thread of a process stands, even of one that is stuck.

    owner or client ── GetStacks ──▶ hub ── TakeStack (each worker) ──▶ agent
                    ◀── Stacks ─────     ◀── StackTaken ──────────────

What is told of a process is bounded: so many threads, so many frames of each, and so many characters of a name.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from yonder.wire.base import Msg, Part

MOST_THREADS = 100
MOST_FRAMES = 100
MOST_PROCESSES = 100
"""Processes of one answer; the others are counted."""

Name = Annotated[str, msgspec.Meta(max_length=512)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Note = Annotated[str, msgspec.Meta(max_length=500)]


class StackFrame(Part, frozen=True):
    """`line` counts from 1, 0 when it is not known. own: Yonder's, on which user code stands."""

    file: Name
    line: Whole
    function: Name
    own: bool = False


class ThreadStack(Part, frozen=True):
    """One thread, most recent call first. own: it is Yonder's. cut: there are more frames."""

    name: Name
    main: bool
    own: bool
    frames: Annotated[list[StackFrame], msgspec.Meta(max_length=MOST_FRAMES)]
    cut: bool = False


Threads = Annotated[list[ThreadStack], msgspec.Meta(max_length=MOST_THREADS)]


class TakeStack(Msg, frozen=True, tag=True):
    """Where do the threads of this worker stand? Answered by StackTaken."""

    id: int
    worker: str


class StackTaken(Msg, frozen=True, tag=True):
    """`note` says why there is nothing, or less than there is."""

    id: int
    pid: Whole
    threads: Threads
    note: Note = ""


class GetStacks(Msg, frozen=True, tag=True):
    """Where do they stand: the workers of a pool, of an executor, of a session? All three "": all workers. A client has
    those of its pools only. Answered by Stacks."""

    id: int
    pool: str = ""
    executor: str = ""
    session: str = ""


class ProcessStack(Part, frozen=True):
    """One worker: what it is for (pool or session), what it is doing (a call or a run, "" for nothing), its threads."""

    worker: str
    executor: str
    pool: str
    session: str
    pid: int
    doing: str
    threads: list[ThreadStack]
    note: str = ""


class Stacks(Msg, frozen=True, tag=True):
    """Answer to GetStacks. `more` processes are not told of."""

    id: int
    processes: list[ProcessStack]
    more: int = 0
