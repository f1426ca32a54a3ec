"""Folders that are watched by inotify: what has changed in them since it was last asked.

The kernel notes a change before the call that made it returns, so who asks after a save hears of it. What this file must
not know: what is in the folders. Only Linux has this; elsewhere `Watching` raises OSError.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import defaultdict
from typing import NamedTuple, Protocol

_KINDS = ("fuse", "nfs", "cifs", "smb", "9p", "vbox", "vmhgfs", "virtiofs", "prl_fs", "afs", "ceph", "lustre", "gpfs")


class Change(NamedTuple):
    """Something became of `name` in `folder` ("": of the folder itself)."""

    folder: str
    name: str


class Watcher(Protocol):
    """Who says what has changed."""

    def watch(self, folder: str, path: str) -> bool:
        """Watch `path` from now on, under the name `folder`. False: no more folders can be watched."""

    def forget(self, folder: str) -> None:
        """It is watched no more."""

    def changes(self) -> list[Change] | None:
        """What has changed since the last time; None when that is not known any more."""

    def close(self) -> None: ...


class Watching:
    """A `Watcher` by inotify. Raises OSError where there is none."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        from inotify_simple import INotify, flags

        self._inotify = INotify(nonblocking=True)
        self._flags = flags
        self._mask = (
            flags.CREATE | flags.DELETE | flags.MODIFY | flags.CLOSE_WRITE | flags.ATTRIB | flags.MOVED_FROM
        ) | (flags.MOVED_TO | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR)
        # A folder that links lead to has several names, and one watch.
        self._names: defaultdict[int, set[str]] = defaultdict(set)
        self._watches: dict[str, int] = {}

    def watch(self, folder: str, path: str) -> bool:
        try:
            watch = self._inotify.add_watch(path, self._mask)
        except OSError as error:
            # One that is gone or closed to us tells nothing; its parent tells of its return.
            return error.errno not in (errno.ENOSPC, errno.ENOMEM)
        self.forget(folder) if self._watches.get(folder, watch) != watch else None
        self._names[watch].add(folder)
        self._watches[folder] = watch
        return True

    def forget(self, folder: str) -> None:
        watch = self._watches.pop(folder, None)
        if watch is None:
            return
        self._names[watch].discard(folder)
        if not self._names[watch]:
            del self._names[watch]
            try:
                self._inotify.rm_watch(watch)
            except OSError:  # it went with its folder
                return

    def changes(self) -> list[Change] | None:
        found: dict[Change, None] = {}
        while events := list(self._inotify.read(timeout=0)):
            for event in events:
                if event.mask & self._flags.Q_OVERFLOW:
                    return None
                for folder in self._names.get(event.wd, ()):
                    found[Change(folder, event.name)] = None
        return list(found)

    def close(self) -> None:
        self._inotify.close()


def tells(path: str, mounts: str = "/proc/self/mountinfo") -> bool:
    """Does the kernel hear of all changes there? Not on file systems that others change, too (network, shared folders)."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as opened:  # noqa: PTH123 - as fast as can be
            lines = opened.read().splitlines()
    except OSError:
        return False
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        point = fields[4].replace("\\040", " ") if len(fields) > 4 else ""
        if len(point) >= len(best) and (path + "/").startswith(point.rstrip("/") + "/"):
            best, kind = point, after.partition(" ")[0]
    return not kind.startswith(_KINDS)
