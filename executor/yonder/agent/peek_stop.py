"""Where a debugger of Python's own has stopped the main thread: the names of the frame that its prompt is about.

The debugger's copy of them is read and not the frame: reading a stopped frame anew would take back what a person has
assigned at the prompt. What this file must not know: queries, the worker.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any, NamedTuple

from yonder.agent import peek_raw as raw

DEEPEST = 200
_MODULES = ("pdb", "IPython.core.debugger")


class Stop(NamedTuple):
    """A function's local names at a prompt, and the function's own name."""

    names: dict[str, Any]
    function: str


def stop() -> Stop | None:
    """Where the main thread stands, None if in no debugger or at its module's top level. It runs nothing of the person's."""
    files = {raw.exact(raw.known(name, "__file__")) for name in _MODULES} - {""}
    if not files:
        return None
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - the documented way
    for _ in range(DEEPEST):
        if frame is None:
            return None
        if frame.f_code.co_filename in files and (found := _prompt(frame)) is not None:
            return found
        frame = frame.f_back
    return None


def _prompt(frame: FrameType) -> Stop | None:
    """What the debugger of this frame of its own has stopped at."""
    debugger = frame.f_locals.get("self")
    kept = raw.instance_dict(debugger)
    stopped, names = raw.find(kept, "curframe"), raw.find(kept, "curframe_locals")
    if type(stopped) is not FrameType or stopped.f_code.co_name == "<module>":
        return None
    if names is raw.ABSENT and sys.version_info >= (3, 13):
        names = dict(stopped.f_locals)  # there it shows the frame itself, and takes nothing back
    return Stop(names, stopped.f_code.co_name) if type(names) is dict else None


def first(local: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Both in one, the local ones first. Only names, so that nothing of the person's is compared."""
    return {name: value for name, value in (*raw.items(names), *raw.items(local)) if type(name) is str}
