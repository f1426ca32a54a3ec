"""The hub's log file: one line, one time, never a secret."""

from __future__ import annotations

import contextlib
import datetime
import os
from pathlib import Path

LOG_LIMIT = 2_000_000
"""Bytes after which the log begins anew; the one before is kept beside it."""


class Log:
    """Lines in a file that only this user can read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def line(self, text: str) -> None:
        at = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")
        with contextlib.suppress(OSError):  # a full disk: what the line is about matters more than the line
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a") as file:
                file.write(f"{at} {text}\n")
                full = file.tell() > LOG_LIMIT
            if full:
                self._file.replace(self._file.with_suffix(".old"))
