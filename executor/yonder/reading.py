"""Files of a folder as they were read: their hashes, and their contents for as long as somebody may want them.

What this file must not know: which files are wanted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yonder import snapshot

MOST_SOURCE = 5_000_000
"""Bytes of a Python file that still travels."""
MOST_OTHER = 64_000_000
"""Bytes of another file that still travels."""
HELD = 64_000_000
"""Bytes of contents that are kept in memory until they are released; the others are read again."""
MOST_TEXTS = 64
"""Contents from elsewhere than the disk that are kept beside those of the snapshot that was made last."""
RECENT = 2_000_000_000
"""Nanoseconds. What was changed so shortly before it was read may have changed again within the same tick of its clock."""


class Changed(Exception):  # noqa: N818 - it asks for another look
    """A file is not as it was when the snapshot was made."""


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read. `mark` is what its stat says then; `sure` that a change since then would be seen there."""

    mark: tuple[int, int, int]
    sure: bool
    digest: bytes


class Reading:
    """Of `folder`; paths are relative to it. `warn` gets sentences for the person, each once."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
        self._warned: set[str] = set()
        self._held: dict[bytes, bytes] = {}
        self._held_bytes = 0
        self._texts: dict[bytes, bytes] = {}

    def say(self, sentence: str) -> None:
        """Tell the person, once."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._warn(sentence)

    def read(self, path: str, known: Read | None) -> Read | None:
        """The file as it is now, `known` when that still holds; None when it cannot travel."""
        file = self._at(path)
        most = MOST_SOURCE if path.endswith(".py") else MOST_OTHER
        try:
            found = os.stat(file)  # noqa: PTH116 - asked of thousands of files
            if known is not None and known.sure and known.mark == _mark(found):
                return known
            if found.st_size > most:
                self.say(
                    f"{file} has {found.st_size:,} bytes; {'Python files' if path.endswith('.py') else 'files'} over "
                    f"{most:,} do not travel. Data belongs where executors can reach it, or into a call's arguments."
                )
                return None
            with open(file, "rb") as opened:  # noqa: PTH123
                now = time.time_ns()  # before the reading: a change while it lasts must be seen next time
                found = os.fstat(opened.fileno())
                data = opened.read(most + 1)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self.say(f"{file} cannot be read ({error.strerror}); it does not travel.")
            return None
        digest = snapshot.content(data)
        if known is None or known.digest != digest:
            self._hold(digest, data)
        return Read(_mark(found), now - found.st_mtime_ns > RECENT, digest)

    def now(self, path: str) -> bytes | None:
        """The file's content as it is on the disk."""
        try:
            with open(self._at(path), "rb") as opened:  # noqa: PTH123
                return opened.read(MOST_OTHER)
        except OSError:
            return None

    def lay(self, texts: Mapping[bytes, bytes]) -> None:
        """Keep these contents by their hashes, which are to be had nowhere else; those of long ago go."""
        self._texts = {digest: text for digest, text in self._texts.items() if digest not in texts} | dict(texts)
        for digest in list(self._texts)[: -MOST_TEXTS - len(texts)]:
            del self._texts[digest]

    def _hold(self, digest: bytes, data: bytes) -> None:
        if digest not in self._held and self._held_bytes + len(data) <= HELD:
            self._held[digest] = data
            self._held_bytes += len(data)

    def release(self) -> None:
        """What was read is not wanted from memory any more."""
        self._held.clear()
        self._held_bytes = 0
        self._texts.clear()

    def contents(self, wanted: Mapping[str, bytes]) -> dict[bytes, bytes]:
        """The contents of these files by their hashes. Raises Changed when one is not to be had any more."""
        found: dict[bytes, bytes] = {}
        for path, digest in wanted.items():
            data = self._texts.get(digest, self._held.get(digest))
            if data is None:
                data = self.now(path)
                if data is None or snapshot.content(data) != digest:
                    raise Changed(path)
            found[digest] = data
        return found

    def _at(self, path: str) -> str:
        return os.path.join(self._folder, path)  # noqa: PTH118


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino
