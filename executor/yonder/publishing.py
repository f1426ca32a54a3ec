"""How a snapshot is told to a hub: contents that it lacks, in portions, then the snapshot as what is new in it.

What belongs here: what one hub has been told. What this file must not know: how it is said, where contents come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from yonder import wire
from yonder.snapshot import Snapshot

PORTION = 1_000_000
"""Bytes of contents in one message; a content that is larger goes alone."""

Contents = Callable[[Mapping[str, bytes]], Mapping[bytes, bytes]]
"""Contents of these files by their hashes."""


class Publishing:
    """What a hub knows of us: the last snapshot that it was told, and all its contents."""

    def __init__(self) -> None:
        self.last: Snapshot | None = None

    def forget(self) -> None:
        """The hub knows nothing (any more): the next snapshot is told in full."""
        self.last = None

    def tell(self, snapshot: Snapshot, contents: Contents) -> Iterator[wire.Blobs | wire.Publish]:
        """What has to be said, in this order, before `snapshot` may be named; nothing when it is the last one. Raises what
        `contents` raises."""
        last = self.last
        if last is not None and last.digest == snapshot.digest:
            return
        known = set(last.files.values()) if last is not None else set()
        missing = {path: digest for path, digest in snapshot.files.items() if digest not in known}
        yield from _portions(missing, contents)
        yield snapshot.publish(last)
        self.last = snapshot


def _portions(missing: Mapping[str, bytes], contents: Contents) -> Iterator[wire.Blobs]:
    portion: dict[bytes, bytes] = {}
    size = 0
    for path, digest in missing.items():
        if digest in portion:
            continue
        data = contents({path: digest})[digest]
        if portion and size + len(data) > PORTION:
            yield wire.Blobs(portion)
            portion, size = {}, 0
        portion[digest] = data
        size += len(data)
    if portion:
        yield wire.Blobs(portion)
