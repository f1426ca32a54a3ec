"""Working directories of executors elsewhere: one private folder each; what was written there, and its bytes.

What belongs here: making, looking through, reading and removing these folders. What this file must not know: who asks, what
the files are for. Code of the executor writes here as it likes while we look: nothing of it is followed, trusted or waited
for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from yonder import wire
from yonder.snapshot import content, outside

MOST_LOOKED_AT = 10_000
"""Entries of one folder that are looked at; a run that writes more is told that there are more."""

DEEPEST = 32
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_Seen = tuple[int, int, int]
Data = Mapping[str, tuple[bytes, Path]]
"""Files by their paths: the hash of each one's content, and where that lies."""


class Desks:
    """All executors' working directories, below `folder`. `whole`: the folder itself is that of the one executor that there
    will be (in a container of its own), and nothing in it is removed."""

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self._folder = folder
        self._whole = whole
        self._seen: dict[str, dict[str, _Seen]] = {}
        self._data: Data = {}
        self._given: dict[str, dict[str, tuple[bytes, _Seen]]] = {}
        self._lock = threading.Lock()  # looking is done in threads

    def of(self, executor: str) -> str:
        """Its working directory, made when it is asked for first. Raises ValueError for a name that is none, OSError."""
        place = self._place(executor)
        with self._lock:
            if executor not in self._given:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._given[executor] = {}
                self._look(wire.LookForFiles(0, executor))  # what lies there already nobody wrote
                self._lay(executor)
        return str(place)

    def supply(self, data: Data) -> None:
        """These files of the workspace travel with the code: they lie in every working directory, as beside the code at home,
        unless the executor's own code has put something else there. What cannot be written is missed by who opens it."""
        with self._lock:
            self._data = data
            for executor in self._given:
                self._lay(executor)

    def _lay(self, executor: str) -> None:
        place, given = self._place(executor), self._given[executor]
        for path, (_, left) in [(path, found) for path, found in given.items() if path not in self._data]:
            if _mark(place / path) == left:
                with contextlib.suppress(OSError):
                    (place / path).unlink()
            del given[path]
        for path, (digest, blob) in self._data.items():
            before, last = given.get(path, (b"", None))
            if before == digest or _mark(place / path) != last:
                continue
            with contextlib.suppress(OSError):
                if (now := _laid(blob, place, path)) is not None:
                    given[path] = digest, now
                    self._seen.setdefault(executor, {})[path] = now

    def _place(self, executor: str) -> Path:
        if outside(executor) or "/" in executor:
            raise ValueError(f"{executor!r} is no executor's name")
        return self._folder if self._whole else self._folder / executor

    def look(self, asked: wire.LookForFiles) -> wire.FilesFound:
        """What is new or changed since the last time. Nothing where there is no such folder."""
        with self._lock:
            return self._look(asked)

    def _look(self, asked: wire.LookForFiles) -> wire.FilesFound:
        seen = self._seen.setdefault(asked.executor, {})
        found: dict[str, _Seen] = {}
        fresh: list[wire.Written] = []
        skipped = 0
        for path, entry in _walk(self._place(asked.executor)):
            if entry is None or len(path) > wire.LONGEST_PATH or outside(path) or not _speakable(path):
                skipped += 1
                continue
            found[path] = mark = _marked(entry)
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
        with self._lock:
            self._seen.pop(executor, None)
            self._given.pop(executor, None)
        if not self._whole:
            shutil.rmtree(self._place(executor), ignore_errors=True)


def _marked(about: os.stat_result) -> _Seen:
    return about.st_size, about.st_mtime_ns, about.st_ino


def _mark(file: Path) -> _Seen | None:
    """What tells this file from another version of it; None when there is none."""
    try:
        return _marked(file.lstat())
    except OSError:
        return None


def _laid(blob: Path, place: Path, path: str) -> _Seen | None:
    """Copy a content to its path, never the content's own file: it is everybody's. None where a link stands in the way."""
    target = place / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.parent.resolve() != place.resolve().joinpath(*path.split("/")[:-1]):
        return None
    making = target.with_name(f".{secrets.token_hex(8)}")
    shutil.copyfile(blob, making)
    making.replace(target)
    return _mark(target)


def _device(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_dev
    except OSError:
        return -1


def _walk(top: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """All plain files below, each with its relative path; None for what could not be looked at, or is too much. Hidden ones
    are caches and settings of libraries, and what is mounted there has a life of its own: neither is looked at."""
    below = [("", 0)]
    device = top.stat().st_dev if top.is_dir() else 0
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
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and _device(entry) == device:
                    below.append((path + "/", depth + 1))
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
