"""Where the threads of executors stand, for a person to read: `pool.stacks()` and the editor's *Show Stacks*.

What belongs here: the shapes and how they are spelled. What this file must not know: how stacks are taken, who asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from yonder import wire


@dataclass(frozen=True, slots=True)
class Frame:
    """`line` counts from 1, 0 when it is not known. `own`: it is Yonder's, on which the other code stands."""

    file: str
    line: int
    function: str
    own: bool = False

    def __str__(self) -> str:
        return f'File "{self.file}", line {self.line or "?"}, in {self.function}'


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread, most recent call first. `own`: it is Yonder's. `cut`: it has more frames."""

    name: str
    main: bool
    own: bool
    frames: tuple[Frame, ...]
    cut: bool = False

    def __str__(self) -> str:
        kind = "main thread" if self.main else "Yonder's thread" if self.own else "thread"
        head = f"{kind} {self.name!r}" if self.name else kind
        lines = [f"    {frame}" for frame in self.frames if not frame.own]
        if self.cut:
            lines.append("    … and more")
        if not lines:
            lines = ["    waits for work" if self.frames else "    runs no Python code"]
        return "\n".join([f"  {head}, most recent call first:", *lines])


@dataclass(frozen=True, slots=True)
class Stack:
    """One worker process. `doing` names its call or run, "" when it does nothing. `note` says why there are no threads, or
    not all."""

    worker: str
    executor: str
    pool: str
    session: str
    pid: int
    doing: str
    threads: tuple[Thread, ...]
    note: str = ""

    @property
    def title(self) -> str:
        """Which process it is."""
        whose = f"session {self.session}" if self.session else f"pool {self.pool}" if self.pool else "file"
        return f"{self.worker} ({whose}, pid {self.pid or '?'}), {f'at {self.doing}' if self.doing else 'idle'}"

    def __str__(self) -> str:
        shown = [str(thread) for thread in self.threads if not thread.own]
        own = sum(thread.own for thread in self.threads)
        tail = [f"  and {own} of Yonder's own threads"] if own > 1 else ["  and one of Yonder's own threads"] * own
        return "\n".join([self.title, *([f"  {self.note}"] if self.note else []), *shown, *tail])


def read(message: wire.Stacks) -> list[Stack]:
    """What was answered, in these shapes."""
    return [
        Stack(
            one.worker,
            one.executor,
            one.pool,
            one.session,
            one.pid,
            one.doing,
            tuple(_thread(thread) for thread in one.threads),
            one.note,
        )
        for one in message.processes
    ]


def _thread(told: wire.ThreadStack) -> Thread:
    frames = tuple(Frame(frame.file, frame.line, frame.function, frame.own) for frame in told.frames)
    return Thread(told.name, told.main, told.own, frames, told.cut)
