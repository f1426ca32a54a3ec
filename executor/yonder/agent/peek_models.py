"""What pydantic's models are called with: their fields as the class has stored them. Its own `__signature__` is made by a
descriptor when it is asked, and so is never asked.

What belongs here: which stored entries say it. What this file must not know: how a signature is written.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from yonder.agent import peek_raw as raw

ABSENT = raw.ABSENT
_AT_MOST: Final = 500


class Field(NamedTuple):
    """`default` is ABSENT for a field that has to be given; `made`: a factory makes it."""

    name: str
    annotation: object
    default: object
    made: bool


def fields(kind: type) -> list[Field] | None:
    """A model's fields under the names it is called with. None: no model, or one with a constructor of its own."""
    base = raw.known("pydantic.main", "BaseModel")
    info = raw.known("pydantic.fields", "FieldInfo")
    if base is ABSENT or not raw.is_class(info) or not raw.derives(kind, base):
        return None
    stored = raw.class_attribute(kind, "__pydantic_fields__")[0]
    if raw.class_attribute(kind, "__init__")[1] is not base or type(stored) is not dict:
        return None
    undefined = raw.known("pydantic_core._pydantic_core", "PydanticUndefined")
    return [
        _field(name, found, undefined)
        for name, found in raw.items(stored)[:_AT_MOST]
        if type(name) is str and type(found) is info
    ]


def _field(name: str, info: Any, undefined: object) -> Field:
    default, alias = _slot(info, "default"), _slot(info, "alias")
    called = alias if type(alias) is str and alias.isidentifier() else name
    factory = _slot(info, "default_factory")
    made = factory is not None and factory is not ABSENT
    return Field(called, _slot(info, "annotation"), ABSENT if default is undefined else default, made)


def _slot(info: Any, name: str) -> Any:
    descriptor = raw.class_attribute(type(info), name)[0]
    return raw.slot(descriptor, info) if raw.is_slot(descriptor) else ABSENT
