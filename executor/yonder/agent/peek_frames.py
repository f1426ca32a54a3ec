"""What is known about arrays and tables: numpy's C fields, the blocks of a pandas frame, a pyarrow column's names.

Only exact types are read, and libraries are looked up in `sys.modules`, never imported.

What belongs here: where numpy and pandas keep shape, type and names. What this file must not know: torch, queries, paths.
"""

from __future__ import annotations

from typing import Any

from yonder.agent import peek_raw as raw
from yonder.agent.peek_raw import c_call, c_field
from yonder.agent.peek_text import size

ABSENT = raw.ABSENT
_MANAGERS = "pandas.core.internals.managers"
_EXTENSION_DTYPES = {
    "StringArray": "str",
    "ArrowStringArray": "str",
    "ArrowStringArrayNumpySemantics": "str",
    "Categorical": "category",
    "DatetimeArray": "datetime64",
    "TimedeltaArray": "timedelta64",
}


class Frames:
    """numpy's and pandas' types as they are loaded now; each is looked up once per look."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Any] = {}

    def _known(self, module: str, name: str) -> Any:
        key = (module, name)
        if key not in self._found:
            self._found[key] = raw.known(module, name)
        return self._found[key]

    def is_array(self, value: object) -> bool:
        return type(value) is self._known("numpy", "ndarray")

    def is_frame(self, value: object) -> bool:
        return type(value) is self._known("pandas.core.frame", "DataFrame")

    def is_series(self, value: object) -> bool:
        return type(value) is self._known("pandas.core.series", "Series")

    def series_type(self) -> Any:
        return self._known("pandas.core.series", "Series")

    def frame(self, value: object) -> list[tuple[str, str]]:
        """A DataFrame's or Series' size, columns, dtypes and memory, from its blocks."""
        blocks, axes = self.blocks(value)
        rows, dtypes, memory = 0, dict[str, int](), self.memory(value)
        for values in blocks:
            array = self._plain_array(values)
            extent = self._array_shape(array) if array is not None else ()
            rows = extent[-1] if extent else rows
            name = self._values_dtype(values)
            dtypes[name] = dtypes.get(name, 0) + (extent[0] if len(extent) == 2 else 1)
        if not rows and axes:
            rows = self._length(axes[-1])
        if self.is_series(value):
            name = raw.exact(raw.find(raw.instance_dict(value), "_name"))
            named = [("name", name)] if name else []
            return [("shape", f"{rows} rows, {', '.join(dtypes) or '?'}"), *named, ("memory", size(memory))]
        width = self.width(value) or sum(dtypes.values())
        columns = [f"{name}: {dtype}" if dtype else name for name, dtype in self.columns(value, 8)]
        return [
            ("shape", f"{rows} rows x {width} columns"),
            ("columns", ", ".join(columns) + (" …" if width > 8 else "")),
            ("dtypes", ", ".join(f"{name} ({count})" for name, count in dtypes.items())),
            ("memory", size(memory)),
        ]

    def extent(self, value: object) -> tuple[int, int]:
        """Rows and columns of a DataFrame or Series, and nothing else of it."""
        blocks, axes = self.blocks(value)
        first = self._plain_array(blocks[0]) if blocks else None
        inner = self._array_shape(first) if first is not None else ()
        rows = inner[-1] if inner else self._length(axes[-1]) if axes else 0
        return rows, self._length(axes[0]) if len(axes) == 2 else 1

    # ── numpy and pandas, inside ──────────────────────────────────────────────────────────────────────────────────

    def memory(self, value: object) -> int:
        """Bytes of a DataFrame's or Series' blocks."""
        total = 0
        for values in self.blocks(value)[0]:
            for held in (self._plain_array(values), self._arrow(values)):
                count = 0 if held is None else c_field(type(held), "nbytes", held)
                total += count if type(count) is int else 0
        return total

    def _array_shape(self, value: object) -> tuple[int, ...]:
        found = c_field(type(value), "shape", value) if self.is_array(value) else ABSENT
        return found if type(found) is tuple else ()

    def dtype(self, value: object) -> str:
        """`float64` from the dtype's C fields; its own `str` is Python code that may import."""
        dtype = c_field(type(value), "dtype", value)
        kind, width = c_field(type(dtype), "kind", dtype), c_field(type(dtype), "itemsize", dtype)
        if type(kind) is not str or type(width) is not int:
            return "?"
        named = {"f": "float", "i": "int", "u": "uint", "c": "complex"}.get(kind)
        if named:
            return f"{named}{width * 8}"
        code = c_field(type(dtype), "str", dtype)
        return {"b": "bool", "O": "object"}.get(kind) or (code if type(code) is str else "?")

    def is_manager(self, store: object) -> bool:
        """What a frame or series keeps its blocks in."""
        kinds = [self._known(_MANAGERS, name) for name in ("BlockManager", "SingleBlockManager")]
        return any(type(store) is kind for kind in kinds)

    def blocks(self, value: object) -> tuple[list[object], list[object]]:
        """The arrays a frame or series is made of, and its axes (columns first, rows last)."""
        store = raw.find(raw.instance_dict(value), "_mgr")
        kind = type(store)
        if not self.is_manager(store):
            return [], []
        if kind is self._known(_MANAGERS, "BlockManager"):
            blocks, axes = c_field(kind, "blocks", store), c_field(kind, "axes", store)
        else:
            own = raw.instance_dict(store)
            blocks, axes = raw.find(own, "blocks"), raw.find(own, "axes")
        values = [c_field(type(block), "values", block) for block in blocks] if type(blocks) is tuple else []
        return values, list(axes) if type(axes) is list else []

    def width(self, frame: object) -> int:
        """How many columns a frame has."""
        axes = self.blocks(frame)[1]
        return self._length(axes[0]) if len(axes) == 2 else 0

    def _plain_array(self, values: object) -> object | None:
        """The ndarray that holds a block's or index's values, if there is one."""
        if self.is_array(values):
            return values
        backed = self._known("pandas._libs.arrays", "NDArrayBacked")
        if raw.is_class(backed) and raw.derives(type(values), backed):
            inner = c_field(type(values), "_ndarray", values)
            return inner if self.is_array(inner) else None
        return None

    def _values_dtype(self, values: object) -> str:
        if self.is_array(values):
            return self.dtype(values)
        name = raw.name_of(type(values))
        return _EXTENSION_DTYPES.get(name, name)

    def _length(self, index: object) -> int:
        own = raw.instance_dict(index)
        steps = raw.find(own, "_range")
        if type(steps) is range:
            return len(steps)
        values = raw.find(own, "_data")
        extent = self._array_shape(self._plain_array(values))
        if extent:
            return extent[0]
        chunks = self._arrow(values)
        length = 0 if chunks is None else c_call(type(chunks), "__len__", chunks)
        return length if type(length) is int else 0

    def _arrow(self, values: object) -> object | None:
        """The pyarrow column behind a pandas array, where pyarrow is installed."""
        chunks = raw.find(raw.instance_dict(values), "_pa_array")
        return chunks if type(chunks) is self._known("pyarrow.lib", "ChunkedArray") else None

    def _listed(self, values: object, limit: int) -> list[object]:
        """The first values of an index's data as objects."""
        part = slice(0, limit)
        array = self._plain_array(values)
        if array is not None:
            listed = c_call(type(array), "tolist", c_call(type(array), "__getitem__", array, part))
            return listed if type(listed) is list else []
        chunks = self._arrow(values)
        method: Any = None if chunks is None else raw.class_attribute(type(chunks), "to_pylist")[0]
        if raw.name_of(type(method)) != "cython_function_or_method":  # compiled code, on a type that cannot be changed
            return []
        listed = method(c_call(type(chunks), "__getitem__", chunks, part))
        return listed if type(listed) is list else []

    def columns(self, frame: object, limit: int) -> list[tuple[str, str]]:
        """The string column names of a DataFrame, with dtypes where the frame has worked out which block holds which."""
        blocks, axes = self.blocks(frame)
        if len(axes) != 2:
            return []
        listed = self._listed(raw.find(raw.instance_dict(axes[0]), "_data"), limit)
        dtypes = self._column_dtypes(frame, blocks, len(listed))
        return [(name, dtype) for name, dtype in zip(listed, dtypes, strict=False) if type(name) is str]

    def _column_dtypes(self, frame: object, blocks: list[object], count: int) -> list[str]:
        """The dtype of each of the first columns, by the places that its block names."""
        if len(blocks) == 1:
            return [self._values_dtype(blocks[0])] * count
        store = raw.find(raw.instance_dict(frame), "_mgr")
        found = [""] * count
        for block, values in zip(c_field(type(store), "blocks", store), blocks, strict=False):
            places = c_field(type(block), "_mgr_locs", block)
            where = c_field(type(places), "indexer", places)
            listed = c_call(type(where), "tolist", where) if self.is_array(where) else ABSENT
            numbers = range(count)[where] if type(where) is slice else listed if type(listed) is list else ()
            for number in numbers:
                if 0 <= number < count:
                    found[number] = self._values_dtype(values)
        return found


def shape(extent: Any) -> str:
    """`32 x 10`; nothing for a scalar would read as missing."""
    return " x ".join(str(n) for n in tuple(extent)) or "scalar"
