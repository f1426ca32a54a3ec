"""The protocol's classes made without what this server never uses of them: half of its start were 550 classes of lsprotocol
each given a comparison, a text form and checks on assignment.

What belongs here: the one import that has to come first. What this file must not know: which of them the server needs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import attrs

_LEFT_OUT: dict[str, Any] = {"eq": False, "repr": False, "slots": False, "on_setattr": []}


def load() -> None:
    """Import lsprotocol's types, before anybody else does; afterwards it does nothing. (A server that starts without it
    works alike, and later.)"""
    if "lsprotocol.types" in sys.modules:
        return
    whole = attrs.define

    def lighter(kind: type | None = None, **options: Any) -> Any:
        made: Callable[[type], type] = whole(**{**options, **_LEFT_OUT})
        return made if kind is None else made(kind)

    attrs.define = lighter  # type: ignore[assignment]  # while one module is made
    try:
        importlib.import_module("lsprotocol.types")
    finally:
        attrs.define = whole
