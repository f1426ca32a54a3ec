"""The program's own terminal, on which appears what its executors print."""

from __future__ import annotations

import contextlib
import sys


def show(fd: int, text: str) -> None:
    """Write to the program's standard output (fd 1) or error output, wherever it has pointed them to."""
    stream = sys.stdout if fd == 1 else sys.stderr
    with contextlib.suppress(ValueError, OSError):  # a closed terminal must not end the calls
        stream.write(text)
        stream.flush()
