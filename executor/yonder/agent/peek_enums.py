"""Enumerations by the tables that their class keeps: no `__members__`, no iteration, no `value` property.

What this file must not know: queries, texts.
"""

from __future__ import annotations

import enum
from typing import Any

from yonder.agent import peek_raw as raw

ABSENT = raw.ABSENT


def members(kind: object) -> list[tuple[str, Any]]:
    """The names (aliases among them) and members of an enumeration's class, in their order; () for anything else."""
    if not raw.is_class(kind) or not raw.derives(kind, enum.Enum):  # type: ignore[arg-type]  # it is a class
        return []
    table = raw.class_own(kind, "_member_map_")  # type: ignore[arg-type]
    return [(name, item) for name, item in raw.items(table) if type(name) is str] if type(table) is dict else []


def value(member: object) -> Any:
    """What a member stands for, ABSENT for what is no member."""
    return raw.find(raw.instance_dict(member), "_value_") if raw.derives(type(member), enum.Enum) else ABSENT
