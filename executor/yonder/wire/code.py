"""The workspace's code as it travels: contents of files under their hashes, and snapshots that say which file has which.

    owner or client ── Blobs, Publish ──▶ hub ── Blobs, Publish ──▶ agent      each content once per receiver
                    ◀── Published ───────     ◀── Published ───────           from here on it may be a base, and be used

A snapshot is called by the hash of all that it says (`yonder.snapshot`). Calls and blocks name the one that they run on.
"""

from __future__ import annotations

from yonder.wire.base import Msg


class Blobs(Msg, frozen=True, tag=True):
    """Contents of files, by their hashes (`snapshot.content`). A receiver keeps them for the snapshots that follow."""

    contents: dict[bytes, bytes]


class Publish(Msg, frozen=True, tag=True):
    """A snapshot: the one called `base` (b"": nothing) with the files `changed` put in and those `removed` taken out.

    Paths are relative to `folder`, which is where the files lie on the owner's side; they are separated by "/". `roots` are
    the folders in which modules are looked for, in order ("" is `folder` itself). `snapshot` is what the result is called:
    who gets another one has misunderstood something and says so. `changed` maps paths to hashes of contents, all of which the receiver has.
    """

    snapshot: bytes
    base: bytes
    folder: str
    roots: list[str]
    changed: dict[str, bytes]
    removed: list[str] = []


class Published(Msg, frozen=True, tag=True):
    """The snapshot is here: it may be named, and be the base of others. `sentence` says why not, when it could not be kept."""

    snapshot: bytes
    sentence: str = ""


class Unpublish(Msg, frozen=True, tag=True):
    """Nobody uses these snapshots any more, nor the contents that no other one has."""

    snapshots: list[bytes]


class Adopt(Msg, frozen=True, tag=True):
    """Hub to an idle pool worker: calls will come that run on this snapshot. Answered by Stale (task 0) when what it has
    loaded is something else there; else not at all."""

    snapshot: bytes


class Stale(Msg, frozen=True, tag=True):
    """Worker to hub: it has loaded these modules as they are no more in the snapshot of this task (0: of an Adopt), and
    cannot load them again safely. The task was not begun; a fresh process has to run it."""

    task: int
    modules: list[str]


class Reloaded(Msg, frozen=True, tag=True):
    """Worker to hub, before the task's user code: these modules were loaded again, in this order. `kept` are those that are
    older than the snapshot and were not, with the reason in words."""

    task: int
    modules: list[str]
    kept: dict[str, str] = {}
