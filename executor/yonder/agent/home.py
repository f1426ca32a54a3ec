"""The private folder of an agent on another machine, and its sign of life to the platform.

What belongs here: making the folder, removing it. What this file must not know: what listens in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

RUN = Path("/run/yonder")
LONGEST_PATH = 103
"""Bytes of a Unix socket's path, at most (macOS allows the least)."""


class Home:
    """The agent's private folder: the socket that workers dial, and the file that it touches while it is well.

    In a container the platform looks at `run`/beat; where there is no such folder, everything is temporary.
    """

    def __init__(self, run: Path = RUN) -> None:
        given = run.is_dir() and os.access(run, os.W_OK | os.X_OK)
        places = [str(run)] if given else [tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp makes it private
        for place in places:
            self.folder = Path(tempfile.mkdtemp(prefix="agent-", dir=place))
            self.socket = str(self.folder / "hub.sock")
            if len(self.socket.encode()) <= LONGEST_PATH:
                break
            self.leave()
        self._beat = (run if given else self.folder) / "beat"

    def beat(self) -> None:
        """Say to the platform that all is well."""
        with contextlib.suppress(OSError):  # a full disk is no reason to end
            self._beat.touch()

    def leave(self) -> None:
        """Remove what was made here."""
        shutil.rmtree(self.folder, ignore_errors=True)
