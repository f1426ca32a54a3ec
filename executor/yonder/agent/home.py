"""The private folder of an agent on another machine, and its sign of life to the platform.

What belongs here: making the folder, removing it, and those that agents have left which were killed: a machine that stands
outlives them. What this file must not know: what listens in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

RUN = Path("/run/yonder")
LONGEST_PATH = 103
"""Bytes of a Unix socket's path, at most (macOS allows the least)."""


SIGN = "alive"
"""A file in the folder that is locked for as long as its agent lives."""


class Home:
    """The agent's private folder: the socket that workers dial, and the file that it touches while it is well.

    In a container the platform looks at `run`/beat, which is small and executes nothing; everything else is temporary.
    """

    def __init__(self, run: Path = RUN) -> None:
        given = run.is_dir() and os.access(run, os.W_OK | os.X_OK)
        self._sign = -1
        _sweep(Path(tempfile.gettempdir()))
        for place in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
            self.folder = Path(tempfile.mkdtemp(prefix="agent-", dir=place))
            self.socket = str(self.folder / "hub.sock")
            if len(self.socket.encode()) <= LONGEST_PATH:
                break
            self.leave()
        self._sign = os.open(self.folder / SIGN, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here = Path.cwd()
        self.work = here if given and here != Path("/") and os.access(here, os.W_OK | os.X_OK) else None
        """The folder that the container was given to work in, None elsewhere."""
        self._beat = (run if given else self.folder) / "beat"

    def beat(self) -> None:
        """Say to the platform that all is well."""
        with contextlib.suppress(OSError):  # a full disk is no reason to end
            self._beat.touch()

    def leave(self) -> None:
        """Remove what was made here."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.abandon()

    def abandon(self) -> None:
        """Give no sign of life any more; the next agent here removes the folder."""
        if self._sign >= 0:
            os.close(self._sign)
            self._sign = -1


def _sweep(place: Path) -> None:
    """Remove what agents have left that were killed. One without a sign may be on its way: it is let be."""
    for folder in place.glob("agent-*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            sign = os.open(folder / SIGN, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(sign)
