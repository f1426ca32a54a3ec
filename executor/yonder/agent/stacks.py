"""Where the threads of a worker stand, even when it is stuck in C code: asked by a signal, read from a pipe.

    agent ── processes.DUMP ──▶ faulthandler in the worker ── a text ──▶ pipe ──▶ agent ── parse ──▶ StackTaken

The handler is C: it needs neither the interpreter nor its lock. What belongs here: sending the signal, telling when the
text is whole, reading it, and what is said of a process that cannot answer. What this file must not know: the hub, tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from yonder import wire
from yonder.agent import processes

WITHIN = 2.0
"""Seconds that a process has for its answer."""

STILL = 0.1
"""Seconds without another byte after which the text is taken for whole."""

MOST_BYTES = 2 * 1024 * 1024
LONGEST = 512
"""Bytes of a text that are read, and characters of a name in it."""

OURS = str(Path(wire.__file__).parents[1]) + os.sep
"""What the paths of Yonder's own files begin with."""

_MAIN = re.compile(rb"main 0x([0-9a-f]{16})\n")
_THREAD = re.compile(r"(?:Current thread|Thread) 0x([0-9a-fA-F]{1,16})(?: \[(.*)\])? \(most recent call first\):")
_FRAME = re.compile(r'  File "(.*)", line (\d{1,9}|\?\?\?) in (.*)')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


# ── the text ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def parse(text: str, main: int, ours: str = OURS) -> list[wire.ThreadStack]:
    """What faulthandler wrote, the main thread first. `main` is that thread's number, `ours` what our files begin with.
    Lines that are none of faulthandler's are passed over."""
    found: list[tuple[bool, str, list[wire.StackFrame], bool]] = []
    for line in text.splitlines():
        if head := _THREAD.fullmatch(line):
            if len(found) == wire.MOST_THREADS:
                break
            found.append((int(head[1], 16) == main, _name(head[2] or ""), [], False))
        elif found and (frame := _FRAME.fullmatch(line)):
            if len(found[-1][2]) < wire.MOST_FRAMES:
                number = int(frame[2]) if frame[2].isdigit() else 0
                found[-1][2].append(wire.StackFrame(_name(frame[1]), number, _name(frame[3])))
        elif found and line == "  ...":
            found[-1] = (*found[-1][:3], True)
    threads = [_thread(*one, ours) for one in found]
    return sorted(threads, key=lambda thread: (not thread.main, thread.own))


def _name(text: str) -> str:
    """Faulthandler writes ASCII, and everything else as an escape."""

    def letter(escape: re.Match[str]) -> str:
        code = int(escape[1] or escape[2] or escape[3], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"

    return _ESCAPE.sub(letter, text)[:LONGEST]


def _thread(main: bool, name: str, frames: list[wire.StackFrame], cut: bool, ours: str) -> wire.ThreadStack:
    """Outermost come the frames that begin every thread, then ours, then the user's: those before the user's are `own`."""
    base = len(frames)
    outer = frames[::-1]
    start = next((n for n, frame in enumerate(outer) if frame.file.startswith(ours)), None)
    beginning = [] if start is None else outer[:start]
    if start is not None and all(_begins(frame.file) for frame in beginning):
        end = next((n for n in range(start, len(outer)) if not outer[n].file.startswith(ours)), len(outer))
        base = len(frames) - end
    marked = [*frames[:base], *(msgspec.structs.replace(frame, own=True) for frame in frames[base:])]
    return wire.ThreadStack(name, main, base < len(frames) and not main, marked, cut)


def _begins(file: str) -> bool:
    """Is it of a file in which threads and programs begin?"""
    return file.startswith("<") or file.endswith((f"{os.sep}threading.py", f"{os.sep}runpy.py"))


# ── the process ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Standing:
    """What the system says of a process. `catches`: it has a handler for our signal; `busy`: it is in it, or will be.
    `at` is where in the kernel it waits."""

    state: str
    catches: bool
    busy: bool
    at: str = ""


def standing(pid: int) -> Standing | None:
    """How a process stands; None where the system does not say, or it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        said = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        bit = 1 << (processes.DUMP - 1)
        masks = {key: int(said[key], 16) & bit for key in ("SigCgt", "SigBlk", "ShdPnd")}
    except (OSError, KeyError, ValueError):
        return None
    at = ""
    with contextlib.suppress(OSError):
        at = Path(f"/proc/{pid}/wchan").read_text()[:100].strip("0\n")
    return Standing(said["State"][:1], bool(masks["SigCgt"]), bool(masks["SigBlk"] or masks["ShdPnd"]), at)


def unable(now: Standing | None) -> str:
    """Why a process cannot answer now, "" when it can."""
    match now:
        case None if processes.LINUX:
            return "the process is gone"
        case Standing(state="T"):
            return "the process is stopped (SIGSTOP, or Ctrl-Z); it goes on with SIGCONT"
        case Standing(state="t"):
            return "a debugger has stopped the process"
        case Standing(state="Z" | "X"):
            return "the process has ended"
        case Standing(catches=False):
            return f"the process has no handler for signal {processes.DUMP} any more: its code has taken it away"
    return ""


def silent(now: Standing | None) -> str:
    """Why nothing came of a process that was able."""
    if why := unable(now):
        return why
    if now is not None and now.state == "D":
        where = f" ({now.at})" if now.at else ""
        return (
            f"the process waits in the kernel{where}, where no signal reaches it: for a disk or a network file system?"
        )
    return f"the process has not answered within {WITHIN:g} s"


class Stacks:
    """One worker's. `fd` is the agent's end of the pipe that it writes to; it is read always, and nothing waits there."""

    def __init__(self, pid: int, fd: int, look: Callable[[int], Standing | None] = standing) -> None:
        self._pid = pid
        self._fd = fd
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._main = 0
        self._early = b""
        self._text: bytearray | None = None
        self._whole = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.Task[tuple[list[wire.ThreadStack], str]] | None = None
        self._loop.add_reader(fd, self._readable)

    async def take(self) -> tuple[list[wire.ThreadStack], str]:
        """The threads, and why there are none, or not all. Who asks meanwhile gets the same answer."""
        if self._taking is None or self._taking.done():
            self._taking = self._loop.create_task(self._take())
        return await asyncio.shield(self._taking)

    async def _take(self) -> tuple[list[wire.ThreadStack], str]:
        if self._fd < 0:
            return [], "the process has ended"
        if not self._main:
            return [], "the process is only beginning, no code runs in it yet"
        if why := unable(self._look(self._pid)):
            return [], why
        self._text = bytearray()
        self._whole.clear()
        processes.signal_one(self._pid, processes.DUMP)
        note = ""
        try:
            async with asyncio.timeout(WITHIN):
                await self._whole.wait()
        except TimeoutError:
            note = "the process was not done with its answer" if self._text else silent(self._look(self._pid))
        text, self._text = bytes(self._text), None
        if self._fd < 0 and not text:
            note = "the process ended while it was asked"
        return parse(text.decode("ascii", "replace"), self._main), note

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._fd)
            return
        if not self._main:
            data = self._greeted(data)
        if self._text is None or not data:  # somebody else's signal
            return
        self._text += data[: MOST_BYTES - len(self._text)]
        self._later()

    def _greeted(self, data: bytes) -> bytes:
        """The first thing that a worker writes is which thread is its main one."""
        self._early = (self._early + data)[:4096]
        if (found := _MAIN.match(self._early)) is None:
            return b""
        self._main = int(found[1], 16)
        return self._early[found.end() :]

    def _later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(STILL, self._stands_still)

    def _stands_still(self) -> None:
        now = self._look(self._pid)
        if now is not None and now.busy and not unable(now):  # it did not get a processor for so long
            self._later()
        else:
            self._whole.set()

    def close(self) -> None:
        """The worker is dead. Whoever waits gets what has come."""
        self._loop.remove_reader(self._fd)
        self._fd = -1
        if self._timer is not None:
            self._timer.cancel()
        self._whole.set()
