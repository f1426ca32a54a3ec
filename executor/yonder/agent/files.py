"""Working directories of executors elsewhere: one private folder each; what was written there, and its bytes.

What belongs here: making, looking through, reading and removing these folders. What this file must not know: who asks, what
the files are for. Code of the executor writes here as it likes while we look: nothing of it is followed, trusted or waited
for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from yonder import wire
from yonder.snapshot import content, outside

MOST_LOOKED_AT = 10_000
"""Entries of one folder that are looked at; a run that writes more is told that there are more."""

DEEPEST = 32
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_Seen = tuple[int, int, int]


class Desks:
    """All executors' working directories, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, dict[str, _Seen]] = {}

    def of(self, executor: str) -> str:
        """Its working directory, made when it is asked for first. Raises ValueError for a name that is none, OSError."""
        place = self._place(executor)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(place)

    def _place(self, executor: str) -> Path:
        if outside(executor) or "/" in executor:
            raise ValueError(f"{executor!r} is no executor's name")
        return self._folder / executor

    def known(self, executor: str) -> None:
        """What lies there now was put there by us: nobody wrote it."""
        self.look(wire.LookForFiles(0, executor))

    def look(self, asked: wire.LookForFiles) -> wire.FilesFound:
        """What is new or changed since the last time. Nothing where there is no such folder."""
        seen = self._seen.setdefault(asked.executor, {})
        found: dict[str, _Seen] = {}
        fresh: list[wire.Written] = []
        skipped = 0
        for path, entry in _walk(self._place(asked.executor)):
            if entry is None or len(path) > wire.LONGEST_PATH or outside(path) or not _speakable(path):
                skipped += 1
                continue
            found[path] = mark = (entry.st_size, entry.st_mtime_ns, entry.st_ino)
            if seen.get(path) != mark:
                fresh.append(wire.Written(path, entry.st_size, max(entry.st_mtime, 0.0)))
        self._seen[asked.executor] = found
        fresh.sort(key=lambda one: one.at, reverse=True)
        told = fresh[: wire.MOST_FILES]
        return wire.FilesFound(asked.id, told, len(fresh) - len(told) + skipped, time.time())

    def read(self, asked: wire.ReadFile) -> wire.FilePart:
        """The bytes that were asked for, or in words why there are none."""
        try:
            file = self._open(asked.executor, asked.path)
        except (OSError, ValueError) as error:
            return _none(asked, error)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                return _none(asked, ValueError("it is no plain file"))
            data = os.pread(file, min(asked.size, wire.PIECE), asked.offset)
        except OSError as error:
            return _none(asked, error)
        finally:
            os.close(file)
        stamp = f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}"
        return wire.FilePart(asked.id, data, about.st_size, stamp, content(data))

    def _open(self, executor: str, path: str) -> int:
        """A descriptor, opened folder by folder: no link on the way leads anywhere. Raises OSError, ValueError."""
        if outside(path):
            raise ValueError("it is no relative path in the working directory")
        *folders, name = path.split("/")
        at = os.open(self._place(executor), _DIRECTORY)
        try:
            for folder in folders:
                below = os.open(folder, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = below
            return os.open(name, _FILE, dir_fd=at)
        finally:
            os.close(at)

    def leave(self, executor: str) -> None:
        """The executor is no more: nor is its folder."""
        self._seen.pop(executor, None)
        shutil.rmtree(self._place(executor), ignore_errors=True)


def _walk(top: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """All plain files below, each with its relative path; None for what could not be looked at, or is too much."""
    below = [("", 0)]
    looked = 0
    while below:
        prefix, depth = below.pop()
        try:
            with os.scandir(top / prefix) as listing:
                entries = list(itertools.islice(listing, MOST_LOOKED_AT - looked + 1))
        except OSError:
            if prefix:
                yield prefix, None
            continue
        for entry in sorted(entries, key=lambda one: one.name):
            looked += 1
            if looked > MOST_LOOKED_AT:
                yield prefix, None
                return
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                below.append((path + "/", depth + 1)) if depth < DEEPEST else None
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):  # gone meanwhile
                    yield path, entry.stat(follow_symlinks=False)


def _speakable(path: str) -> bool:
    """Can it be said on the wire? A name that is no UTF-8 could not be asked for again."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _none(asked: wire.ReadFile, error: Exception) -> wire.FilePart:
    why = (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error))[:200]
    return wire.FilePart(asked.id, b"", 0, "", b"", f"{asked.path[:200]!r} cannot be read there: {why}")
