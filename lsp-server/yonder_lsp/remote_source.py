"""Texts of files that sessions have, kept by content: what a `yonder-remote:` document shows, also when its executor has
ended and after the editor was started anew.

What belongs here: one folder of files named by their content's hash, bounded. What this file must not know: sessions, LSP.
Every function works on the disk: call it in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path

LARGEST = 64 << 20
_DIGEST = re.compile(r"[0-9a-f]{40}")


class RemoteSources:
    """`folder` is made when the first text is put. Several windows may use the same one."""

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self.folder = folder
        self._largest = largest

    def put(self, text: str) -> str:
        """Keep a text; its name. The ones that were shown longest ago go when there are too many. Raises OSError."""
        data = text.encode("utf-8", "surrogatepass")
        digest = _digest(data)
        file = self.folder / digest
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._touched(file):
            return digest
        partial = self.folder / f".{digest}.{secrets.token_hex(4)}"
        partial.write_bytes(data)
        partial.replace(file)
        self._bound(keep=digest)
        return digest

    def get(self, digest: str) -> str | None:
        """The text of this name, None when it is not kept (any more) or is damaged."""
        if not _DIGEST.fullmatch(digest):
            return None
        file = self.folder / digest
        try:
            data = file.read_bytes()
        except OSError:
            return None
        if _digest(data) != digest:
            file.unlink(missing_ok=True)
            return None
        self._touched(file)
        return data.decode("utf-8", "surrogatepass")

    def _touched(self, file: Path) -> bool:
        """Let the file count as used now, if it is there."""
        try:
            os.utime(file)
        except FileNotFoundError:
            return False
        return True

    def _bound(self, keep: str) -> None:
        """Let the oldest go. Another window may do the same: what is gone already is fine."""
        with os.scandir(self.folder) as entries:
            found = []
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    state = entry.stat(follow_symlinks=False)
                    found.append((state.st_mtime_ns, state.st_size, entry.name))
        total = sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if total <= self._largest:
                return
            if name != keep:
                (self.folder / name).unlink(missing_ok=True)
                total -= size


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:40]


def lost(file: str) -> str:
    """What a document says whose text is not kept any more."""
    return (
        f"# The text of {' '.join(file.split())} is not kept on this machine any more.\n"
        "# Go to its definition again while a session that has it is running.\n"
    )
