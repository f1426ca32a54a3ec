"""What a worker reads of its machine's store of code, and the bytecode that it leaves there for the next one.

What belongs here: files of the store, by name. What this file must not know: which module is which, who wrote the store
(`store`).
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import secrets
import sys
from importlib.util import decode_source
from pathlib import Path
from types import CodeType
from typing import ClassVar

from yonder import wire
from yonder.agent.importing import Asked, asked
from yonder.agent.sight import Tree
from yonder.errors import YonderError
from yonder.snapshot import Snapshot, content, version

MOST_AHEAD = 32 * 1024 * 1024
"""Bytes of bytecode that a zygote reads."""


def view(worker: str) -> str:
    """The name of a worker's link to the files of its snapshot."""
    return hashlib.sha256(worker.encode()).hexdigest()[:16]


def bytecode(file: str, digest: bytes) -> str:
    """The name of what a file of that content compiles to, under this Python."""
    tag = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
    return hashlib.sha256(b"\0".join((digest, tag.encode(), file.encode("utf-8", "surrogateescape")))).hexdigest()[:32]


def part(store: str | Path, name: bytes) -> Path:
    """Where a large part of arguments lies in a store."""
    return Path(store, "parts", name.hex())


class _Read:
    """What a zygote has read of its machine's store, for all its children: nothing of it has run. A file's name says what is
    in it, so nothing here is ever old; what the last snapshot has not is forgotten."""

    snapshots: ClassVar[dict[bytes, tuple[Snapshot, Tree]]] = {}
    code: ClassVar[dict[str, tuple[CodeType, list[Asked]]]] = {}


def read_ahead(store: str, digest: bytes) -> None:
    """Read that snapshot, and the bytecode that workers have left for files in it."""
    shelf = Shelf(store, "")
    before, _Read.code = _Read.code, {}
    try:
        snapshot = shelf.snapshot(digest)
        there = set(os.listdir(f"{store}/bytecode"))  # noqa: PTH208 - names only
    except (OSError, YonderError):
        return
    _Read.snapshots = {digest: (snapshot, Tree(snapshot))}
    left = MOST_AHEAD
    for path, content_digest in snapshot.files.items():
        file = f"{snapshot.folder.rstrip('/')}/{path}"
        if not path.endswith(".py") or (name := bytecode(file, content_digest)) not in there:
            continue
        place = f"{store}/bytecode/{name}"
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
            if (left := left - os.stat(place).st_size) < 0:  # noqa: PTH116 - for each module
                return
            _Read.code[place] = before.get(place) or _kept(place)


def _kept(place: str) -> tuple[CodeType, list[Asked]]:
    with open(place, "rb") as opened:  # noqa: PTH123 - for each module of each new process
        code, imports = marshal.loads(opened.read())  # noqa: S302 - written by ourselves, in a private folder
    return code, imports


class Shelf:
    """`folder` is the store, `worker` whose link is set."""

    def __init__(self, folder: str, worker: str) -> None:
        self._folder = Path(folder)
        self._bytecode = str(self._folder / "bytecode")
        self.view = str(self._folder / "views" / view(worker))

    def tree(self, snapshot: Snapshot) -> Tree:
        """Its folders."""
        read = _Read.snapshots.get(snapshot.digest)
        return read[1] if read is not None else Tree(snapshot)

    def snapshot(self, digest: bytes) -> Snapshot:
        """Raises YonderError where it is not there."""
        if (read := _Read.snapshots.get(digest)) is not None:
            return read[0]
        try:
            found = Snapshot.decoded((self._folder / "snapshots" / digest.hex()).read_bytes())
        except (OSError, wire.WireError) as error:
            raise YonderError(
                f"the code of this run ({version(digest)}) is not on this machine; run it again"
            ) from error
        if found.digest != digest:
            raise YonderError(f"the code of this run ({version(digest)}) is damaged on this machine; run it again")
        return found

    def blob(self, digest: bytes) -> str:
        """The file of a content."""
        return str(self._folder / "blobs" / digest.hex())

    def content(self, digest: bytes) -> bytes:
        """Raises OSError where it is not there (any more)."""
        data = Path(self.blob(digest)).read_bytes()
        if content(data) != digest:
            raise OSError(f"the content {digest.hex()} is damaged")
        return data

    def rooted(self, digest: bytes) -> bool:
        """Are there files of this snapshot, because the owner's folder is not on this machine?"""
        return (self._folder / "roots" / digest.hex()).is_dir()

    def look_at(self, digest: bytes) -> None:
        """Let the worker's link lead to the files of this snapshot. Raises YonderError where it cannot."""
        partial = f"{self.view}.{secrets.token_hex(4)}"
        try:
            os.symlink(os.path.join("..", "roots", digest.hex()), partial)  # noqa: PTH118, PTH211 - relative, as it is said
            os.replace(partial, self.view)  # noqa: PTH105
        except OSError as error:
            words = error.strerror or error
            raise YonderError(f"the code of this run cannot be laid out in {self._folder}: {words}") from error

    def code(self, file: str, digest: bytes) -> tuple[CodeType, list[Asked]]:
        """What a file of that content compiles to, and what it imports as it is executed. Raises what compiling raises."""
        place = f"{self._bytecode}/{bytecode(file, digest)}"
        if (read := _Read.code.get(place)) is not None:
            return read
        try:
            return _kept(place)
        except (OSError, EOFError, ValueError, TypeError):
            return self._compiled(file, digest, Path(place))

    def _compiled(self, file: str, digest: bytes, kept: Path) -> tuple[CodeType, list[Asked]]:
        source = self.content(digest)
        code = compile(source, file, "exec", dont_inherit=True)
        imports = asked(code)
        partial = kept.with_name(f".{kept.name}.{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):  # a full disk: the next one compiles it again
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(marshal.dumps((code, imports)))
            partial.replace(kept)
        return code, imports

    def lines(self, digest: bytes) -> list[str]:
        """The text, for who shows it; [] where it is gone."""
        try:
            return decode_source(self.content(digest)).splitlines(keepends=True)
        except (OSError, UnicodeDecodeError, SyntaxError):
            return []
