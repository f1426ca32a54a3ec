"""The workspace's code at the hub: contents and snapshots that owner and programs have published, kept while somebody uses
them.

    publisher ── Blobs, Publish ──▶ Library ── Shelf.want ──▶ one Shelf per agent (`shelves`)

The last KEPT snapshots of each publisher stay, and those that something runs on (`pin`): calls and runs that wait, workers
that may still import from them. What this file must not know: agents, workers, files on disk.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from yonder import wire
from yonder.snapshot import SIZE, Snapshot, applied, content, outside, version

KEPT = 8
"""Snapshots of one publisher that stay though nothing runs on them: what was just left is often come back to."""

MOST_BYTES = 512 * 1024 * 1024
MOST_FILES = 50_000
MOST_ROOTS = 1_000
LONGEST_PATH = 4_096
"""Bytes of all contents together, files and roots of one snapshot, characters of a path; beyond, it is no code."""

OWNER = "owner"
"""The publisher that is the owner, not a program."""


class Publisher:
    """What one publisher has told: contents for its next snapshot, what was wrong with them, and its last snapshots."""

    def __init__(self) -> None:
        self.fresh: dict[bytes, bytes] = {}
        self.trouble = ""
        self.last: deque[bytes] = deque()


class Library:
    """All code of one owner. `forgotten` is told of snapshots that nobody uses any more."""

    def __init__(self) -> None:
        self.forgotten: Callable[[list[bytes]], None] = lambda _: None
        self.size = 0
        self._publishers: dict[object, Publisher] = {}
        self._snapshots: dict[bytes, Snapshot] = {}
        self._contents: dict[bytes, bytes] = {}
        self._uses: Counter[bytes] = Counter()  # of each content, by snapshots
        self._pins: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._snapshots)

    # ── what publishers say ──

    def blobs(self, publisher: object, message: wire.Blobs) -> None:
        """Contents for the snapshot that follows. What is wrong with them is said when that comes."""
        found = self._publishers.setdefault(publisher, Publisher())
        for digest, data in message.contents.items():
            if content(data) != digest:
                found.trouble = found.trouble or "the content of a file did not arrive as it was sent"
            elif digest not in self._contents and digest not in found.fresh:
                if self.size + len(data) > MOST_BYTES:
                    found.trouble = found.trouble or (
                        f"the workspace's code is larger than {MOST_BYTES >> 20} MB; leave out what is no code "
                        '(exclude = ["…"] in [tool.yonder])'
                    )
                    return
                found.fresh[digest] = data
                self.size += len(data)

    def publish(self, publisher: object, message: wire.Publish) -> wire.Published:
        """Keep a snapshot; the answer says whether it could be."""
        found = self._publishers.setdefault(publisher, Publisher())
        sentence = found.trouble or self._take(found, message)
        self.size -= sum(len(data) for data in found.fresh.values())
        found.fresh, found.trouble = {}, ""
        return wire.Published(message.snapshot, sentence)

    def _take(self, publisher: Publisher, message: wire.Publish) -> str:
        if why := _unfit(message):
            return why
        base = self._snapshots.get(message.base)
        try:
            snapshot = applied(base, message)
        except wire.WireError as error:
            return str(error)
        if len(snapshot.files) > MOST_FILES:
            return f"the workspace has more than {MOST_FILES} files of code; leave some out (exclude in [tool.yonder])"
        if any(name not in self._contents and name not in publisher.fresh for name in snapshot.files.values()):
            return f"contents of the snapshot {version(message.snapshot)} are not here"
        if snapshot.digest not in self._snapshots:
            self._keep(snapshot, publisher.fresh)
        self.pin(snapshot.digest)
        publisher.last.append(snapshot.digest)
        if len(publisher.last) > KEPT:
            self.unpin(publisher.last.popleft())
        return ""

    def _keep(self, snapshot: Snapshot, fresh: dict[bytes, bytes]) -> None:
        self._snapshots[snapshot.digest] = snapshot
        for name in set(snapshot.files.values()):
            if not self._uses[name]:
                self._contents[name] = fresh[name]
                self.size += len(fresh[name])
            self._uses[name] += 1

    def left(self, publisher: object) -> None:
        """It publishes nothing more."""
        found = self._publishers.pop(publisher, None)
        if found is not None:
            self.size -= sum(len(data) for data in found.fresh.values())
            for digest in found.last:
                self.unpin(digest)

    # ── who uses what ──

    def get(self, digest: bytes) -> Snapshot | None:
        """The snapshot of that name, if it is here."""
        return self._snapshots.get(digest)

    def content(self, digest: bytes) -> bytes:
        """What a file of a snapshot that is here holds."""
        return self._contents[digest]

    def latest(self, publisher: object) -> bytes:
        """The snapshot that it published last, b"" for none."""
        found = self._publishers.get(publisher)
        return found.last[-1] if found is not None and found.last else b""

    def pin(self, digest: bytes) -> None:
        """Something runs on it: it stays until it is unpinned as often. Nothing happens when it is not here."""
        if digest in self._snapshots:
            self._pins[digest] += 1

    def unpin(self, digest: bytes) -> None:
        """Something runs on it no more."""
        if digest not in self._pins:
            return
        self._pins[digest] -= 1
        if not self._pins[digest]:
            del self._pins[digest]
            self._drop(self._snapshots.pop(digest))

    def _drop(self, snapshot: Snapshot) -> None:
        for name in set(snapshot.files.values()):
            self._uses[name] -= 1
            if not self._uses[name]:
                del self._uses[name]
                self.size -= len(self._contents.pop(name))
        self.forgotten([snapshot.digest])


def _unfit(message: wire.Publish) -> str:
    """Why this is no snapshot of a workspace, "" when it may be one."""
    if len(message.changed) > MOST_FILES:
        return f"the workspace has more than {MOST_FILES} files of code; leave some out (exclude in [tool.yonder])"
    if len(message.roots) > MOST_ROOTS or len(message.folder) > LONGEST_PATH or "\0" in message.folder:
        return "the snapshot's folder is no path, or there are too many roots"
    for path in (*message.changed, *(root for root in message.roots if root)):
        if outside(path) or len(path) > LONGEST_PATH:
            return f"the snapshot names {path[:200]!r}, which is no path inside its folder"
    if any(len(digest) != SIZE for digest in message.changed.values()):
        return "the snapshot names contents by something that is no hash"
    return ""
