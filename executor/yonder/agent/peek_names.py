"""The names of a session with a hint each (`Tensor[32, 10] float32`), and what has changed of them since they were told last.

What is remembered between questions is text: no object, and no id of one. A hint says types, shapes and lengths, never a
value. It takes CPU from the person's own thread, so that a pass over many names ends when its time is spent, and the next
question goes on where it ended.

What belongs here: hints, and the difference. What this file must not know: sockets, paths, who asks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from time import thread_time
from typing import Any, Final, NamedTuple

from yonder.agent import peek_raw as raw
from yonder.agent.peek_stores import Stores
from yonder.agent.peek_text import cut
from yonder.holding import Handle
from yonder.wire import Answer, Row

MOST: Final = 2000
LONGEST: Final = 200
HINT: Final = 80
SECONDS: Final = 0.008
_BETWEEN: Final = 16
"""Names that are looked at between two looks at the clock."""
_BURIED: Final = 2 * MOST

_SIZED: Final = frozenset(map(id, (list, tuple, set, frozenset, deque, bytes, bytearray)))
# The two numbers that say what a layer does, by the name of its exact class.
_LAYERS: Final = {
    "Linear": ("in_features", "out_features"),
    "Conv1d": ("in_channels", "out_channels"),
    "Conv2d": ("in_channels", "out_channels"),
    "Conv3d": ("in_channels", "out_channels"),
    "Embedding": ("num_embeddings", "embedding_dim"),
}

Hint = Callable[[Any], str]


class Names:
    """What was told of one namespace. `clock` gives the CPU seconds of this thread."""

    def __init__(self, clock: Callable[[], float] = thread_time) -> None:
        self._clock = clock
        # Marks of another process are none of ours: a random beginning tells them apart.
        self._mark = self._floor = int.from_bytes(os.urandom(6), "big") + 1
        self._rows: dict[str, tuple[Row, int]] = {}
        self._gone: dict[str, int] = {}
        self._next = 0
        self._left = 0
        self._generation = -1

    def answer(self, namespace: dict[str, Any], since: int, stores: Stores, generation: int) -> Answer:
        """The rows that are new or changed since the answer with the mark `since`, or all of them."""
        if generation != self._generation:  # a run has ended: what was looked at before it may be otherwise now
            self._generation, self._left = generation, 0
        entries = [entry for entry in raw.items(namespace) if _told(entry[0])]
        now, fresh = self._mark, self._mark + 1
        chosen = entries[-MOST:]
        if self._pass(chosen, fresh, _Hints(stores)) | self._bury({name for name, _ in chosen}, fresh):
            self._mark = fresh
        whole = not self._floor <= since <= now
        return Answer(
            found=True,
            rows=[row for row, mark in self._rows.values() if whole or mark > since],
            gone=[] if whole else [name for name, mark in self._gone.items() if mark > since],
            total=len(entries),
            whole=whole,
            mark=self._mark,
            rest=self._left,
        )

    def _pass(self, entries: list[tuple[str, Any]], fresh: int, hints: _Hints) -> bool:
        """Look at all names, or at those that the pass before had no time for, or at as many as the time allows. True when
        something has changed."""
        end = self._clock() + SECONDS
        count = len(entries)
        begin = self._next if self._next < count else 0
        wanted = min(self._left, count) or count
        changed, self._next, self._left = False, 0, 0
        for step in range(wanted):
            at = (begin + step) % count
            if step % _BETWEEN == 0 and step and self._clock() > end:
                self._next, self._left = at, wanted - step
                break
            name, value = entries[at]
            row = hints.row(name, value)
            known = self._rows.get(name)
            if known is None or known[0] != row:
                self._rows[name] = (row, fresh)
                self._gone.pop(name, None)
                changed = True
        return changed

    def _bury(self, there: set[str], fresh: int) -> bool:
        """Names that went, for those who still have them. Who has not asked for very long is told everything."""
        gone = [name for name in self._rows if name not in there]
        for name in gone:
            del self._rows[name]
            self._gone[name] = fresh
        if len(self._gone) > _BURIED:
            self._gone.clear()
            self._floor = fresh
        return bool(gone)


def _told(name: object) -> bool:
    if type(name) is not str or len(name) > LONGEST or not name.isidentifier():
        return False
    return not (name.startswith("__") and name.endswith("__"))


class _Kind(NamedTuple):
    """What all objects of one class have in common. It holds the class, so that no other can get its id meanwhile."""

    kind: type
    type: str
    short: str
    kin: int
    hint: Hint | None


class _Hints:
    """The hints of one pass. Everything about a class is found out once."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._kinds: dict[int, _Kind] = {}
        self._dtypes: dict[int, tuple[object, str]] = {}

    def row(self, name: str, value: object) -> Row:
        letter = raw.kind_of(value)
        known = self._kinds.get(id(type(value))) or self._learn(type(value), value)
        if letter != "v":
            return Row(name, letter, known.type)
        return Row(name, letter, known.type, cut(known.hint(value) if known.hint else known.short, HINT), kin=known.kin)

    def _learn(self, kind: type, example: object) -> _Kind:
        short = cut("None" if example is None else raw.name_of(kind), HINT)
        kin = raw.kin(kind) if raw.kind_of(example) == "v" else 0
        found = _Kind(kind, cut(raw.type_name(kind), LONGEST), short, kin, self._hint(kind, example, short))
        self._kinds[id(kind)] = found
        return found

    def _hint(self, kind: Any, example: object, short: str) -> Hint | None:
        """How objects of this class are hinted at; None: by the class's name."""
        stores = self._stores
        if id(kind) in _SIZED:
            return lambda value: f"{short}[{kind.__len__(value)}]"
        if raw.plain_dict(example):
            return lambda value: f"{short}[{dict.__len__(value)}]"
        if stores.is_tensor(example):
            return self._tensor(kind, short)
        if stores.is_array(example):
            return self._array(kind, short)
        if stores.is_frame(example):
            return lambda value: "{}[{} x {}]".format(short, *stores.extent(value))
        if stores.is_series(example):
            return lambda value: f"{short}[{stores.extent(value)[0]}]"
        if stores.is_network(example):
            return self._layer(kind, short)
        return _elsewhere if raw.derives(kind, Handle) else None

    def _tensor(self, kind: type, short: str) -> Hint:
        shape, dtype, device = (raw.c_reader(kind, name) for name in ("shape", "dtype", "device"))

        def hint(value: object) -> str:
            where = self._named(device(value))
            return f"{short}{_extent(shape(value))} {self._named(dtype(value))}" + (
                "" if where == "cpu" else f" {where}"
            )

        return hint

    def _named(self, value: object) -> str:
        """A torch dtype or device in words; both are C types whose text is theirs."""
        known = self._dtypes.get(id(value))
        if known is None:
            known = (value, "?" if value is raw.ABSENT else str(value).removeprefix("torch."))
            self._dtypes[id(value)] = known
        return known[1]

    def _array(self, kind: type, short: str) -> Hint:
        shape, dtype = raw.c_reader(kind, "shape"), raw.c_reader(kind, "dtype")

        def hint(value: object) -> str:
            held = dtype(value)
            known = self._dtypes.get(id(held))
            if known is None:
                known = self._dtypes[id(held)] = (held, self._stores.dtype(value))
            return f"{short}{_extent(shape(value))} {known[1]}"

        return hint

    def _layer(self, kind: type, short: str) -> Hint | None:
        fields = _LAYERS.get(short) if raw.module_of(kind).startswith("torch.nn.modules.") else None
        if fields is None:
            return None

        def hint(value: object) -> str:
            own = raw.instance_dict(value)
            taken, given = (raw.find(own, name) for name in fields)
            return f"{short}({taken} → {given})" if type(taken) is int and type(given) is int else short

        return hint


def _extent(shape: Any) -> str:
    if not raw.is_tuple(shape):
        return "[?]"
    return f"[{', '.join([str(size) for size in tuple.__iter__(shape) if type(size) is int])}]"


def _elsewhere(value: Any) -> str:
    """An object on an executor, by the facts that its handle has."""
    facts = raw.c_field(Handle, "_facts", value)
    return "Remote" if facts is raw.ABSENT else f"Remote[{facts.type}]"
