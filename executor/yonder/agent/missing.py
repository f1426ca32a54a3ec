"""A module or file that is missing where the code runs: the exception says what is missing where, and what to do about it.

What belongs here: that note. What this file must not know: tasks, how exceptions travel.
"""

from __future__ import annotations

import os

from yonder.paths import note_there
from yonder.wire import PLACE_VARIABLE

_NOTE = (
    "{name!r} is missing on {place}. Add it to what executors are made from (yonder image --extras …), "
    'or say dependencies = "lock" (docs/dependencies.md).'
)


def explain(error: BaseException) -> None:
    """Add the note, where executors have a Python of their own."""
    place = os.environ.get(PLACE_VARIABLE)
    if place and isinstance(error, FileNotFoundError) and (note := note_there(place)) not in _notes(error):
        error.add_note(note)
    if place and isinstance(error, ModuleNotFoundError):
        note = _NOTE.format(name=(error.name or "?").partition(".")[0], place=place)
        if note not in _notes(error):
            error.add_note(note)


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])
