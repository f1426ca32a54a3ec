"""The agent's store of code: contents and snapshots that came from the hub, as files that its workers read.

    <store>/blobs/<hash>           a file's content            <store>/bytecode/<key>   written by workers (`shelf`)
    <store>/snapshots/<hash>       `Snapshot.encoded()`        <store>/views/<worker>   a worker's link to its root
    <store>/roots/<hash>/…         hard links, where the owner's folder is not on this machine
    <store>/parts/<name>           a large part of arguments, which workers map

What belongs here: writing, answering, deleting, all by what snapshots say is there. What this file must not know: modules,
who asks for what.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import threading
from collections import Counter
from pathlib import Path

from yonder import wire
from yonder.agent import shelf
from yonder.snapshot import Snapshot, applied, content, outside, version

PREFIX = "code-"
CODE = (".py", ".pyi", ".pyc", ".so", ".pyd")
_SOME = 16
_FLAT = ("blobs", "snapshots", "bytecode", "views", "parts")

SPARE = 256 * 1024**2
"""Bytes of the disk that large parts leave free."""


def place(hub: str, agent: str) -> Path:
    """Where the store of this agent lies: beside the socket that its workers dial, in a folder that nobody else enters."""
    return Path(hub).parent / (PREFIX + hashlib.sha256(agent.encode()).hexdigest()[:12])


class Store:
    """Made with the first thing that is put into it; `leave` takes it away again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshots: dict[bytes, Snapshot] = {}
        self._users: Counter[bytes] = Counter()  # in how many snapshots a content is
        self._have: set[bytes] = set()
        self._trouble = ""
        self._lock = -1
        self._opening = threading.Lock()

    # ── what the hub says ─────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, blobs: wire.Blobs) -> None:
        """Write contents down. One that is not what it is called is dropped: the snapshot that needs it will say so."""
        try:
            self._open()
            folder = f"{self._folder}/blobs/"
            for digest, data in blobs.contents.items():
                if digest not in self._have and content(data) == digest:
                    _write(folder + digest.hex(), data)
                    self._have.add(digest)
        except OSError as error:
            self._trouble = f"code cannot be written to {self._folder}: {error.strerror or error}"

    def publish(self, told: wire.Publish) -> wire.Published:
        """Write a snapshot down; the answer says why not, where it cannot be."""
        if told.snapshot in self._snapshots:
            return wire.Published(told.snapshot)
        try:
            made = self._made(told)
            self._open()
            if not _here(made):
                self._root(made)
            _write(f"{self._folder}/snapshots/{made.digest.hex()}", made.encoded())
        except wire.WireError as error:
            return wire.Published(told.snapshot, self._trouble or str(error))
        except OSError as error:
            return wire.Published(told.snapshot, f"code cannot be written to {self._folder}: {error.strerror or error}")
        self._snapshots[made.digest] = made
        self._users.update(set(made.files.values()))
        self._trouble = ""
        return wire.Published(told.snapshot)

    def data(self, digest: bytes) -> dict[str, tuple[bytes, Path]]:
        """The files of a snapshot that are no code, each with the hash of its content and where that lies."""
        snapshot = self._snapshots.get(digest)
        files = snapshot.files.items() if snapshot is not None else ()
        blobs = self._folder / "blobs"
        return {path: (found, blobs / found.hex()) for path, found in files if not path.endswith(CODE)}

    def unpublish(self, told: wire.Unpublish) -> None:
        """Delete these snapshots, and the contents that no other one has."""
        for digest in told.snapshots:
            if (snapshot := self._snapshots.pop(digest, None)) is None:
                continue
            _delete(self._folder / "snapshots" / digest.hex())
            _uproot(self._folder / "roots" / digest.hex(), snapshot)
            self._users.subtract(set(snapshot.files.values()))
            for path, found in snapshot.files.items():
                if self._users[found] <= 0:
                    self._have.discard(found)
                    _delete(self._folder / "blobs" / found.hex())
                    key = shelf.bytecode(f"{snapshot.folder}/{path}", found)
                    _delete(self._folder / "bytecode" / key)
            self._users = +self._users

    def stow(self, name: bytes, body: wire.Body) -> str:
        """Write a part down, for workers to map; why not, "" when it is there. In any thread."""
        if len(name) != wire.BLOB:
            return "that is no name"
        try:
            self._open()
            if shutil.disk_usage(self._folder).free < wire.weight(body) + SPARE:
                return f"there is no room for it in {self._folder}"
            _write(str(shelf.part(self._folder, name)), body)
        except OSError as error:
            return f"it cannot be written to {self._folder}: {error.strerror or error}"
        return ""

    def discard(self, names: list[bytes]) -> None:
        """Nobody will open these parts any more. In any thread."""
        for name in names:
            if len(name) == wire.BLOB:
                _delete(shelf.part(self._folder, name))

    def bury(self, worker: str) -> None:
        """A worker has ended."""
        _delete(self._folder / "views" / shelf.view(worker))

    def leave(self) -> None:
        """Nobody will read here any more."""
        if self._lock >= 0:
            _clear(self._folder)
            os.close(self._lock)
            self._lock = -1

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _made(self, told: wire.Publish) -> Snapshot:
        """The snapshot that is meant. Raises WireError when it is none, or something that it needs is not here."""
        for path in (*told.changed, *filter(None, told.roots)):
            if outside(path):
                raise wire.WireError(f"a snapshot names {path!r}, which is no path inside of its folder")
        base = self._snapshots.get(told.base) if told.base else None
        made = applied(base, told)
        missing = [path for path, digest in made.files.items() if digest not in self._have]
        if missing:
            more = f" and of {len(missing) - 1} more files" if len(missing) > 1 else ""
            raise wire.WireError(f"the content of {missing[0]}{more} did not come before {version(told.snapshot)}")
        return made

    def _open(self) -> None:
        with self._opening:
            if self._lock < 0:
                self._make()

    def _make(self) -> None:
        for folder in (self._folder, *(self._folder / name for name in (*_FLAT, "roots"))):
            folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another agent, which has just begun, thinks that this one is gone
            os.close(lock)
            raise
        self._lock = lock

    def _root(self, snapshot: Snapshot) -> None:
        """Real files for what needs them: data beside modules, processes that have no finder."""
        root = self._folder / "roots" / snapshot.digest.hex()
        if root.is_dir():
            return
        making = root.with_name(f".{root.name}")
        _uproot(making, snapshot)
        try:
            self._fill(making, snapshot)
            making.rename(root)
        except OSError:  # the disk is full, or one path is a file and a folder
            _uproot(making, snapshot)
            raise

    def _fill(self, making: Path, snapshot: Snapshot) -> None:
        making.mkdir(mode=0o700)
        made = {""}
        for path, digest in snapshot.files.items():
            parent = path.rpartition("/")[0]
            if parent not in made:
                (making / parent).mkdir(mode=0o700, parents=True, exist_ok=True)
                made.add(parent)
            source, target = f"{self._folder}/blobs/{digest.hex()}", f"{making}/{path}"
            try:
                os.link(source, target)
            except OSError:  # a file system without hard links, or too many of them
                shutil.copyfile(source, target)


def _here(snapshot: Snapshot) -> bool:
    """Is the owner's folder on this machine? One of that name may be, without being it."""
    some = itertools.islice(snapshot.files, _SOME)
    there = (os.path.lexists(f"{snapshot.folder}/{path}") for path in some)
    return os.path.exists(snapshot.folder) and (not snapshot.files or any(there))  # noqa: PTH110 - as text


def sweep(folder: Path) -> int:
    """Remove the stores in this folder whose agents are gone; how many there were."""
    gone = 0
    for store in folder.glob(PREFIX + "*"):
        try:
            lock = os.open(store / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(store)
            gone += 1
        except OSError:
            continue  # its agent lives
        finally:
            os.close(lock)
    return gone


def _clear(store: Path) -> None:
    """Delete what a store has, by what its snapshots say; what somebody else put into a root stays, with that root."""
    for file in (store / "snapshots").glob("*"):
        with contextlib.suppress(OSError, wire.WireError):
            snapshot = Snapshot.decoded(file.read_bytes())
            for name in (file.name, f".{file.name}"):
                _uproot(store / "roots" / name, snapshot)
    for name in _FLAT:
        with contextlib.suppress(OSError):
            for entry in os.scandir(store / name):
                _delete(Path(entry.path))
    _delete(store / "lock")
    for folder in (*(store / name for name in (*_FLAT, "roots")), store):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _uproot(root: Path, snapshot: Snapshot) -> None:
    """Delete a root's files, and the folders that are empty then."""
    if not root.is_dir() or root.is_symlink():
        return
    real = str(root.resolve())
    folders = {""}
    for path in snapshot.files:
        parents = Path(path).parents
        # A folder that was replaced by a link to somewhere else is not ours.
        if str((root / parents[0]).resolve()) == str(Path(real, parents[0])):
            _delete(root / path)
            folders.update(str(parent) for parent in parents)
    for folder in sorted(folders - {"", "."}, key=len, reverse=True):
        with contextlib.suppress(OSError):
            (root / folder).rmdir()
    with contextlib.suppress(OSError):
        root.rmdir()


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):  # it is gone, or its disk is
        file.unlink()


def _write(file: str, data: wire.Body) -> None:
    """All of it or nothing, for this user's eyes, and not to be written to: links to it lie among the user's data.

    Plain calls: a workspace has thousands of files, and pathlib takes longer than the disk."""
    partial = file + "~"  # nobody else writes here
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        try:
            for piece in data if isinstance(data, list) else [data]:
                left = memoryview(piece)
                while left:
                    left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.rename(partial, file)  # noqa: PTH104
    except OSError:
        _delete(Path(partial))
        raise
