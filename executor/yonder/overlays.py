"""Folders of packages that were installed for executors on this machine: which there are, who uses one, which go first.

    <state>/overlays/<key>/.yonder    its bytes as text; locked (shared) by every agent that uses it, touched when one does

What belongs here: these folders. What this file must not know: installers, executors. A lock ends with its process: what a
killed agent used is free. Agents of all owners of this user share them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yonder.errors import UsageError
from yonder.paths import spell
from yonder.places import private, state_root

MOST_BYTES = 20 * 10**9
OLDEST = 30 * 24 * 3600.0
"""Bytes of all of them together, and seconds that one is kept unused: beyond that the longest unused goes, never one in use."""

ABANDONED = 24 * 3600.0
"""Seconds after which what somebody began to make or to remove here was given up."""

KEY = re.compile(r"[0-9a-f]{32}\Z")
_MARK = ".yonder"


@dataclass(frozen=True, slots=True)
class Overlay:
    """One of them: how many bytes, when it was used last, whether it is used now."""

    folder: Path
    size: int
    used: float
    busy: bool


class Hold:
    """One that this process uses: nobody removes it until `release`, or the end of the process."""

    def __init__(self, file: int) -> None:
        self._file = file

    def release(self) -> None:
        """It may go. Said once."""
        with contextlib.suppress(OSError):
            os.utime(self._file)
        os.close(self._file)


def root() -> Path:
    """Where they are, made when it is not there. Raises OSError, RuntimeError, UsageError."""
    try:
        return private(state_root() / "overlays")
    except (OSError, RuntimeError, UsageError):  # no home that can be written to: this machine's own time then
        return private(Path(tempfile.gettempdir()) / f"yonder-overlays-{os.getuid()}")


def finish(folder: Path) -> None:
    """All of it is installed: note how large it is."""
    (folder / _MARK).write_text(str(_weight(folder)), encoding="ascii")


def hold(folder: Path) -> Hold | None:
    """Use it; None when it is not there, or is just being removed."""
    try:
        file = os.open(folder / _MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH)  # who removes it, or looks, has it for a moment only
        if os.fstat(file).st_ino == (folder / _MARK).stat().st_ino:
            os.utime(file)
            return Hold(file)
    except OSError:
        pass
    os.close(file)
    return None


def look(top: Path) -> list[Overlay]:
    """All of them, the longest unused first."""
    return sorted((_seen(folder) for folder in _folders(top)), key=lambda one: one.used)


def trim(top: Path, now: float, *, most: int | None = None) -> list[Overlay]:
    """Remove what is too old, and beyond `most` bytes (None: MOST_BYTES) what was unused for longest. Returns what went."""
    for folder in top.glob(".*-*"):  # begun and never finished
        with contextlib.suppress(OSError):
            if now - folder.stat().st_mtime > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
    gone: list[Overlay] = []
    there = look(top)
    left = sum(one.size for one in there)
    bound = MOST_BYTES if most is None else most
    for one in there:
        if (now - one.used > OLDEST or left > bound) and _removed(one.folder):
            gone.append(one)
            left -= one.size
    return gone


def spoken(found: list[Overlay]) -> str:
    """How many these are, in words."""
    return f"{len(found)} folder{'' if len(found) == 1 else 's'} of packages, {spell(sum(one.size for one in found))}"


def _folders(top: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (folder for folder in top.iterdir() if KEY.match(folder.name))


def _seen(folder: Path) -> Overlay:
    mark = folder / _MARK
    try:
        used = mark.stat().st_mtime
        size = int(mark.read_text(encoding="ascii") or 0)
    except (OSError, ValueError):  # made by an earlier version, or nobody finished it
        used, size = _changed(folder), 0
    return Overlay(folder, size or _weight(folder), used, _busy(mark))


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()


def _weight(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - for each file of torch
    return total


def _busy(mark: Path) -> bool:
    file = _locked(mark)
    if file is not None:
        os.close(file)
    return file is None and mark.exists()


def _locked(mark: Path) -> int | None:
    """The mark of one that nobody uses, locked; None where somebody does, or there is none."""
    try:
        file = os.open(mark, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _removed(folder: Path) -> bool:
    """Remove it if nobody uses it: at once by name, so that nobody begins to, then its files."""
    mark = folder / _MARK
    if not mark.exists():
        with contextlib.suppress(OSError):
            mark.touch(0o600)
    file = _locked(mark)
    if file is None:
        return False
    going = folder.with_name(f".going-{secrets.token_hex(8)}")
    try:
        folder.rename(going)
    except OSError:
        return False
    finally:
        os.close(file)
    shutil.rmtree(going, ignore_errors=True)
    return True
