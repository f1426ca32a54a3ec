"""A file on its way here: which pieces are still to be asked for, and a place for them until all have come.

What belongs here: order, checks, the temporary file, the name in the end. What this file must not know: who sends, how
pieces are asked for.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import secrets
import shutil
from pathlib import Path

from yonder import wire
from yonder.errors import FetchFailed
from yonder.patterns import another
from yonder.snapshot import content

ATTEMPTS = 3
"""How often a file is begun again that was written while it was read."""


class FileChanged(FetchFailed):
    """It was written while it was read; from the beginning it may succeed."""


class Incoming:
    """One file, for `target`. Raises OSError when there is no room for it there. `drop` or `keep` ends it."""

    def __init__(self, name: str, target: Path) -> None:
        self._name = name
        self._target = target
        target.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = target.parent / f".yonder-{secrets.token_hex(8)}"
        self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._asked = 0  # pieces
        self._come = 0  # bytes
        self._first: wire.FilePart | None = None

    def wanted(self) -> int | None:
        """The offset of a piece that is to be asked for next; None: of none now. The first one says how many there are."""
        if self._first is None and self._asked:
            return None
        offset = self._asked * wire.PIECE
        if self._first is not None and offset >= self._first.total:
            return None
        self._asked += 1
        return offset

    @property
    def whole(self) -> bool:
        """Has all of it come?"""
        return self._first is not None and self._come == self._first.total

    def take(self, offset: int, part: wire.FilePart) -> None:
        """A piece has come. Raises FileChanged when it is of another version of the file, FetchFailed when there is none
        or it is not what it should be, OSError when it cannot be written."""
        if part.sentence:
            raise FetchFailed(part.sentence)
        if self._first is None:
            free = shutil.disk_usage(self._temporary.parent).free
            if part.total > free:
                raise FetchFailed(f"{self._name!r} has {part.total:,} bytes, and there are {free:,} free here")
            self._first = part
        elif part.stamp != self._first.stamp or part.total != self._first.total:
            raise FileChanged(f"{self._name!r} was written while it was read; fetch it when the run is over")
        expected = min(wire.PIECE, self._first.total - offset)
        if len(part.data) != expected or content(part.data) != part.digest:
            raise FileChanged(f"{self._name!r} did not arrive as it was sent ({len(part.data)} of {expected} bytes)")
        os.pwrite(self._fd, part.data, offset)
        self._come += expected

    def keep(self, *, replace: bool = False) -> Path:
        """All has come: where it lies now. A file of that name that is another one stays, unless it is to be replaced;
        this one gets a name beside it then. Raises OSError."""
        os.close(self._fd)
        self._fd = -1
        target = self._target
        while not replace:
            if not os.path.lexists(target):
                with contextlib.suppress(FileExistsError):  # somebody was quicker: it is looked at again
                    if not _linked(self._temporary, target):
                        break
                    self._temporary.unlink()
                    return target
            elif _same(self._temporary, target):
                self._temporary.unlink()
                return target
            else:
                target = target.with_name(another(self._target.name, {one.name for one in target.parent.iterdir()}))
        self._temporary.replace(target)
        return target

    def drop(self) -> None:
        """Nothing of it stays that has no name yet. Harmless after `keep`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(OSError):  # it has its name
            self._temporary.unlink()


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):  # a link that leads nowhere is another one
        return filecmp.cmp(one, other, shallow=False)
    return False


def _linked(file: Path, target: Path) -> bool:
    """Give it that name too, unless somebody was quicker. False where file systems have no such links."""
    try:
        os.link(file, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True
