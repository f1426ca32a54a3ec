"""What can be said of an object without moving it: type, shape, size, a line to show. Runs no code of the object's.

What belongs here: facts for handles. What this file must not know: names, who keeps the object.
"""

from __future__ import annotations

from typing import Any

from yonder.agent import peek_raw as raw
from yonder.agent import preview
from yonder.agent.peek_raw import c_call, c_field
from yonder.agent.peek_stores import Stores
from yonder.wire import Facts

MOST_PARTS = 10_000
"""Objects that are weighed at most."""


def facts_of(ref: bytes, value: object) -> Facts:
    """The facts of an object that is called `ref`."""
    stores = Stores()
    found = dict(stores.facts(value, lambda: False)) if stores.line(value) else {}
    return Facts(
        ref,
        raw.type_name(type(value)),
        _Weighing(stores).weigh(value),
        _shape(value) if stores.is_tensor(value) or stores.is_array(value) else None,
        found.get("dtype", ""),
        found.get("device", ""),
        stores.line(value) or preview.summary(value),
    )


def _shape(value: object) -> list[int] | None:
    extent = c_field(type(value), "shape", value)
    return [int(length) for length in tuple.__iter__(extent)] if isinstance(extent, tuple) else None


class _Weighing:
    """Bytes of an object and of what it holds, as far as that is builtin containers and what libraries make of memory."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._seen: set[int] = set()

    def weigh(self, value: object) -> int:
        total, waiting = 0, [value]
        while waiting and len(self._seen) < MOST_PARTS:
            one = waiting.pop()
            if id(one) in self._seen:
                continue
            self._seen.add(id(one))
            total += self._alone(one)
            waiting += self._parts(one)
        return total

    def _alone(self, value: object) -> int:
        kind = type(value)
        if self._stores.is_tensor(value) or self._stores.is_array(value):
            held = c_field(kind, "nbytes", value)
            return held if type(held) is int else 0
        if self._stores.is_frame(value) or self._stores.is_series(value):
            return self._stores.memory(value)
        held = c_call(kind, "__sizeof__", value)
        return held if type(held) is int else object.__sizeof__(value)

    def _parts(self, value: object) -> list[Any]:
        if isinstance(value, (list, tuple, set, frozenset)) and type(value) in {list, tuple, set, frozenset}:
            return list(value)[:MOST_PARTS]
        if raw.is_dict(value):
            return [part for pair in raw.items(value)[:MOST_PARTS] for part in pair]
        if self._stores.is_network(value):
            return list(self._stores.parameters(value))
        own = raw.instance_dict(value)
        return [part for _, part in raw.items(own)[:MOST_PARTS]] if own else []
