"""Snapshots: which file of a workspace has which content at a moment, called by a hash of all of it.

What belongs here: hashing, the difference between two snapshots and its application, how one is written down. What this
file must not know: disks, sockets, modules (who looks files up, and what for).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from yonder import wire

SIZE = 16
"""Bytes of every hash here."""

_Written = tuple[str, list[str], list[tuple[str, bytes]]]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Written)


def content(data: bytes | memoryview) -> bytes:
    """The name of a file's content."""
    return hashlib.blake2b(data, digest_size=SIZE).digest()


@dataclass(frozen=True)
class Snapshot:
    """`folder` is where the files lie on the owner's side, `roots` where modules are looked for (relative to it, "" is
    the folder itself), `files` maps relative paths with "/" to hashes of contents."""

    folder: str
    roots: tuple[str, ...]
    files: Mapping[str, bytes]
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "digest", content(self.encoded()))

    def encoded(self) -> bytes:
        """How it is written down, the same for the same snapshot."""
        return _encoder.encode((self.folder, self.roots, sorted(self.files.items())))

    @classmethod
    def decoded(cls, body: bytes) -> Snapshot:
        """From `encoded`. Raises WireError when it is nothing of the kind."""
        try:
            folder, roots, files = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise wire.WireError(f"not a snapshot: {error}") from error
        return cls(folder, tuple(roots), dict(files))

    @property
    def version(self) -> str:
        """What a person sees of its name."""
        return version(self.digest)

    def rooted(self, roots: Iterable[str]) -> Snapshot:
        """The same files, looked for elsewhere."""
        return Snapshot(self.folder, tuple(dict.fromkeys(roots)), self.files)

    def publish(self, base: Snapshot | None) -> wire.Publish:
        """What tells this snapshot to who has `base` (None: nothing)."""
        old: Mapping[str, bytes] = base.files if base is not None else {}
        changed = {path: digest for path, digest in self.files.items() if old.get(path) != digest}
        removed = [path for path in old if path not in self.files]
        return wire.Publish(
            self.digest, base.digest if base is not None else b"", self.folder, list(self.roots), changed, removed
        )


def applied(base: Snapshot | None, told: wire.Publish) -> Snapshot:
    """The snapshot that `told` means to who has `base`. Raises WireError when it is not the one that it says it is."""
    if told.base != (base.digest if base is not None else b""):
        raise wire.WireError(f"the snapshot {version(told.snapshot)} builds on {version(told.base)}, which is not here")
    files = dict(base.files) if base is not None else {}
    for path in told.removed:
        files.pop(path, None)
    files.update(told.changed)
    made = Snapshot(told.folder, tuple(told.roots), files)
    if made.digest != told.snapshot:
        raise wire.WireError(f"the snapshot {version(told.snapshot)} did not arrive as it was sent")
    return made


@functools.lru_cache(64)
def version(digest: bytes) -> str:
    """The name of a snapshot as a person sees it, "" for none."""
    return digest.hex()[:12]


def outside(path: str) -> bool:
    """Does it lead out of the folder that it should be in, or is it no plain relative path? Who writes files asks this."""
    parts = path.split("/")
    return not path or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts)
