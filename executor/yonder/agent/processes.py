"""Processes as the operating system shows them: parentage, marks in the environment, ends, memory verdicts.

What belongs here: prctl, /proc and signals. What this file must not know: workers' tasks, the wire, loops. Everything
that only Linux has is looked up at run time and falls back to less, never to an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from yonder.agent.launching import MARK_WIDTH
from yonder.places import started_at

LINUX = sys.platform.startswith("linux")
LAST = 19
"""The niceness of who runs when nobody else wants to."""

DUMP = signal.SIGRTMAX - 3 if sys.platform == "linux" else signal.SIGUSR2
"""The signal that has a worker write where its threads stand."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Orphans below this process become its children, so that it alone reaps them and knows how they ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent's thread ends. The caller checks `getppid()` afterwards."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wake_with_parent() -> None:
    """Have the kernel continue this process when its parent ends: one that was stopped could not end itself. To a running
    one it means nothing, however often it comes (it comes at the end of any thread that is the parent)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def keep_to_itself() -> None:
    """Nobody of this user may read this process's memory, nor what /proc tells of its files. Programs that it starts are
    like any other; while this is on, it cannot reopen a file of its own by /proc/self/fd."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_first() -> None:
    """Short of memory, the kernel shall take this process before its agent."""
    with contextlib.suppress(OSError):  # no such file: the kernel has no such choice
        Path("/proc/self/oom_score_adj").write_text("500")


def give_way() -> None:
    """Have everything else on the machine run first, this process and its whole session.

    With autogroups (sched(7)) the kernel shares the processors between sessions before it looks at any process's
    niceness: sixty-four workers in sessions of their own got sixty-four shares, the editor one. So the workers stay in
    one session, and it is the session that is made nice.
    """
    os.nice(LAST)
    with contextlib.suppress(OSError):  # this kernel has no autogroups, or another worker has just written the same
        Path("/proc/self/autogroup").write_text(str(LAST))


# ── marks: environment variables that the process table shows ─────────────────────────────────────────────────────────


def mark(name: str, value: str) -> None:
    """Set a variable so that /proc/<pid>/environ shows it too, by overwriting the placeholder in place.

    The kernel shows the block that `exec` laid out; setenv would only change a copy. Raises ValueError when the value
    has no room.
    """
    raw = value.encode()
    if len(raw) > MARK_WIDTH:
        raise ValueError(f"{name} has room for {MARK_WIDTH} bytes, not {len(raw)}")
    address = _initial_address(name.encode() + b"=")
    if address:
        ctypes.memmove(address, raw + bytes(MARK_WIDTH - len(raw)), MARK_WIDTH)
    os.environ[name] = value


def _initial_address(prefix: bytes) -> int:
    """Where the value of a variable stands in the block this process was started with; 0 when it is not there."""
    found = _block()
    if found is None:
        return 0
    start, block = found
    at = (b"\0" + block).find(b"\0" + prefix)
    if at < 0 or len(block) < at + len(prefix) + MARK_WIDTH:
        return 0
    return start + at + len(prefix)


def _block() -> tuple[int, bytes] | None:
    """The start and the bytes of the initial environment block, where /proc tells them."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])
    except (OSError, IndexError, ValueError):
        return None
    return (start, ctypes.string_at(start, end - start)) if 0 < start < end else None


def marked(name: str, values: Iterable[str]) -> list[int]:
    """The processes of this user whose environment block carries `name` with one of `values`."""
    wanted = {f"{name}={value}".encode() for value in values if value}
    if not wanted:
        return []
    return [pid for pid in all_pids() if not wanted.isdisjoint(_environ(pid))]


def _environ(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb", 0) as opened:  # noqa: PTH123 - of every process, at every worker's end
            return opened.read().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names only, and often
    except OSError:
        return []


def descendants(root: int) -> list[int]:
    """Every living process below `root`, found by walking the process table once."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


# ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def signal_one(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def sweep(find: Callable[[], Iterable[int]], rounds: int = 8) -> None:
    """Kill what `find` finds, again and again until it finds nobody new (a process may fork while it is hunted)."""
    killed: set[tuple[int, str]] = set()
    for _ in range(rounds):
        fresh = {(pid, started_at(pid)) for pid in find() if pid != os.getpid()} - killed
        if not fresh:
            return
        for pid, _started in fresh:
            signal_one(pid, signal.SIGKILL)
        killed |= fresh


class MemoryWatch:
    """Did the kernel kill something of this control group for want of memory since the last look?"""

    def __init__(self) -> None:
        self._last = self._count()

    def moved(self) -> bool:
        now = self._count()
        before, self._last = self._last, now
        return now > before

    @staticmethod
    def _count() -> int:
        for file in _memory_files():
            try:
                lines = file.read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                key, _, value = line.partition(" ")
                if key == "oom_kill" and value.strip().isdigit():
                    return int(value)
        return 0


def _memory_files() -> list[Path]:
    """Where version 2 and version 1 of control groups count their kills, nearest first."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            root = Path("/sys/fs/cgroup/memory")
            found += [root / path.lstrip("/") / "memory.oom_control", root / "memory.oom_control"]
        elif not controllers:
            root = Path("/sys/fs/cgroup")
            found += [root / path.lstrip("/") / "memory.events", root / "memory.events"]
    return found
