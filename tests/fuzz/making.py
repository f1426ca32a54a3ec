"""Messages as a liar would make them: every shape is right, and what stands in it is anything."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from yonder import wire

EDGES = [0, 1, -1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63)]
numbers = st.sampled_from(EDGES) | st.integers(-(2**63), 2**64 - 1) | st.integers(-3, 70)
floats = st.floats() | st.sampled_from([0.0, -1.0, 1e300, 1.7e9])
texts = st.sampled_from(["", "\x00", "r", "c", "w", "a" * 2000, "\N{SNOWMAN}", "../..", "<script>"]) | st.text(
    max_size=8
)
bodies = st.sampled_from([b"", b"\x00" * 8, b"\xff" * 8, b"\x00" * 7, b"\x89PNG"]) | st.binary(max_size=24)

names = {
    "run": st.sampled_from(["r", "r", "", "q"]) | texts,
    "call": st.sampled_from(["", "c", "d"]) | texts,
    "worker": st.sampled_from(["w", "w", "v"]) | texts,
    "pool": st.sampled_from(["p", "p", "q"]) | texts,
    "name": st.sampled_from(["p", "p", "q"]) | texts,
}
refs = st.sampled_from([b"k" * wire.REF, b"k" * wire.REF, b"l" * wire.REF, b"k" * wire.BLOB, b""])
"""Names of objects and parts: the same ones again and again, as the fields below."""

few = st.sampled_from([1, 1, 1, 2, 3]) | numbers
counted = {"task": few, "call": few, "channel": few, "n": few, "number": few, "id": few, "control": few, "output": few}
"""Fields that name what is there must often name the same, else little happens."""


def messages(kind: Any) -> st.SearchStrategy[Any]:
    """Any message of a union of `wire`, or of one struct."""
    return _made(inspect.type_info(kind), {})


def _made(shape: inspect.Type, making: dict[type, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    match shape:
        case inspect.UnionType(types=types):
            return st.one_of([_made(one, making) for one in types])
        case inspect.StructType(cls=cls, fields=fields):
            if cls not in making:
                making[cls] = st.deferred(lambda: strategy)
                parts = {one.name: _part(one, making) for one in fields}
                strategy = st.builds(cls, **parts)
                making[cls] = strategy
            return making[cls]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return st.lists(_made(item, making), max_size=3)
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_made(key, making), _made(value, making), max_size=3)
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.IntType(ge=least, le=most):
            return numbers if least is None else st.integers(least, most)
        case inspect.FloatType(ge=least, le=most):
            return floats if least is None else st.floats(least, most)
        case inspect.StrType(max_length=most):
            return texts.map(lambda text: text[:most])
        case inspect.BytesType():
            return bodies
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
    raise NotImplementedError(f"nothing is made for {shape}")


def _part(field: inspect.Field, making: dict[type, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if field.encode_name in ("body", "function_body", "arguments"):
        return bodies  # in pieces they travel in another way: tests/core/test_loads.py
    if isinstance(field.type, inspect.BytesType) and field.name in ("ref", "pin"):
        return refs
    if isinstance(field.type, inspect.ListType) and field.name in ("refs", "needs", "blobs"):
        return st.lists(refs, max_size=3)
    if isinstance(field.type, inspect.DictType) and field.name == "refs":
        return st.dictionaries(refs, few, max_size=3)
    if isinstance(field.type, inspect.StrType) and field.name in names:
        return names[field.name]
    if isinstance(field.type, inspect.IntType) and field.name in counted and field.type.ge is None:
        return counted[field.name]
    return _made(field.type, making)


def travelled(message: Any, kind: Any) -> Any:
    """The same message as it comes out of the other end of a wire."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=kind)
