"""What user code has written and drawn and not shown yet, and the last that a program does.

What belongs here: pushing it out. What this file must not know: tasks, lanes.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
from typing import Any


def flush_streams() -> None:
    """Push out what Python holds back of the two standard streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # whatever object the user put there
            stream.flush()


def figures() -> Any:
    """Our drawing backend, if anything was drawn in this process."""
    return sys.modules.get("yonder.agent.figures")


def flush_figures() -> None:
    """Send what the user drew and did not show; costs nothing where nothing was drawn."""
    if (drawing := figures()) is not None:
        drawing.flush()


def finish_program() -> None:
    """What the interpreter does at the end of a program: wait for its threads, run its atexit functions."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - has no public name
    atexit._run_exitfuncs()  # noqa: SLF001 - has no public name
