"""What is known about the objects of torch, numpy and pandas, read from their C fields and instance dicts.

Only exact types are read: a subclass may run `__torch_function__` or an overridden property for a mere `.shape`. Libraries
are looked up in `sys.modules`, never imported. One `Stores` serves one look and is thrown away with what it found.

What belongs here: which C fields carry metadata. What this file must not know: queries, paths, budgets of text.
"""

from __future__ import annotations

import math
import os
import types
from collections.abc import Callable, Iterator
from typing import Any

from yonder.agent import peek_raw as raw
from yonder.agent.peek_text import first, size

ABSENT = raw.ABSENT
_C_ERRORS = (AttributeError, TypeError, ValueError, RuntimeError)
_MODULES_AT_MOST = 20_000
_LIBRARIES = frozenset({"torch", "numpy", "pandas"})
_TENSOR_FIELDS = frozenset({"shape", "dtype", "device", "layout", "grad"})
_TENSOR_VIEWS = frozenset({"T", "mT", "H", "mH", "data", "real", "imag", "grad"})
_EXTENSION_DTYPES = {
    "StringArray": "str",
    "ArrowStringArray": "str",
    "ArrowStringArrayNumpySemantics": "str",
    "Categorical": "category",
    "DatetimeArray": "datetime64",
    "TimedeltaArray": "timedelta64",
}


def c_field(kind: type, name: str, value: object) -> Any:
    """A get-set or member field of an exact type, or ABSENT. A Python property of that name is not run."""
    attribute = raw.class_attribute(kind, name)[0]
    if type(attribute) is not types.GetSetDescriptorType and type(attribute) is not types.MemberDescriptorType:
        return ABSENT
    try:
        return attribute.__get__(value)
    except _C_ERRORS:
        return ABSENT


def c_call(kind: type, name: str, value: object, *arguments: object) -> Any:
    """A method of an exact type that is C code, called; else ABSENT."""
    attribute = raw.class_attribute(kind, name)[0]
    if type(attribute) is not types.MethodDescriptorType and type(attribute) is not types.WrapperDescriptorType:
        return ABSENT
    try:
        return attribute(value, *arguments)
    except _C_ERRORS:
        return ABSENT


class Stores:
    """The libraries' types as they are loaded now."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Any] = {}
        self._tensors_readable: bool | None = None

    def _known(self, module: str, name: str) -> Any:
        key = (module, name)
        if key not in self._found:
            self._found[key] = raw.known(module, name)
        return self._found[key]

    # ── what it is ────────────────────────────────────────────────────────────────────────────────────────────────

    def is_tensor(self, value: object) -> bool:
        """Exactly Tensor or Parameter, and no function mode of this thread would be asked for its fields."""
        kind = type(value)
        if kind is not self._known("torch._tensor", "Tensor") and kind is not self._known(
            "torch.nn.parameter", "Parameter"
        ):
            return False
        if self._tensors_readable is None:
            enabled = self._known("torch._C", "_is_torch_function_mode_enabled")
            self._tensors_readable = type(enabled) is not types.BuiltinFunctionType or enabled() is False
        return self._tensors_readable

    def is_network(self, value: object) -> bool:
        """An instance of torch.nn.Module or of a subclass; only its instance dict is read."""
        base = self._known("torch.nn.modules.module", "Module")
        return base is not ABSENT and not raw.is_class(value) and raw.derives(type(value), base)

    def is_array(self, value: object) -> bool:
        return type(value) is self._known("numpy", "ndarray")

    def is_frame(self, value: object) -> bool:
        return type(value) is self._known("pandas.core.frame", "DataFrame")

    def is_series(self, value: object) -> bool:
        return type(value) is self._known("pandas.core.series", "Series")

    def tensor_type(self) -> Any:
        return self._known("torch._tensor", "Tensor")

    def is_view_of_tensor(self, value: object, name: str) -> bool:
        """Whether this C property of a tensor is known to give a tensor again, so that it need not be read."""
        return name in _TENSOR_VIEWS and self.is_tensor(value)

    def series_type(self) -> Any:
        return self._known("pandas.core.series", "Series")

    # ── in one line ───────────────────────────────────────────────────────────────────────────────────────────────

    def line(self, value: object) -> str:
        """`Tensor(32 x 10, float32, cpu)` and the like, or "" for what is none of theirs."""
        kind = type(value)
        if raw.module_of(kind).partition(".")[0] not in _LIBRARIES:
            return self._network_line(value) if self.is_network(value) else ""
        if self.is_tensor(value):
            facts = dict(self.tensor(value))
            return f"{raw.name_of(kind)}({facts['shape']}, {facts['dtype']}, {facts['device']})"
        if self.is_array(value):
            return f"array({shape(self._array_shape(value))}, {self._dtype(value)})"
        if self.is_frame(value) or self.is_series(value):
            facts = dict(self.frame(value))
            return f"{raw.name_of(kind)}({facts['shape']})"
        if self.is_network(value):
            return self._network_line(value)
        return self._scalar(value)

    def _scalar(self, value: object) -> str:
        kind = type(value)
        if kind is self._known("torch", "Size"):
            return f"Size({shape(tuple.__iter__(value))})"  # type: ignore[arg-type]
        if kind is self._known("torch", "dtype") or kind is self._known("torch", "device"):
            return repr(value)
        generic = self._known("numpy", "generic")
        if raw.is_class(generic) and raw.derives(kind, generic) and kind is self._known("numpy", raw.name_of(kind)):
            plain = c_call(kind, "item", value)
            if type(plain) in (int, float, bool, complex):
                return f"{raw.name_of(kind)}({plain!r})"
        return ""

    def _network_line(self, value: object) -> str:
        children = raw.find(raw.instance_dict(value), "_modules")
        count = dict.__len__(children) if raw.is_dict(children) else 0
        return f"{raw.name_of(type(value))}({count} children)" if count else f"{raw.name_of(type(value))}()"

    # ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def facts(self, value: object, late: Callable[[], bool]) -> list[tuple[str, str]]:
        """The lines of a hover for what these libraries made; [] for anything else."""
        if self.is_tensor(value):
            return self.tensor(value)
        if self.is_array(value):
            total = c_field(type(value), "nbytes", value)
            memory = [("memory", size(total))] if type(total) is int else []
            return [("shape", shape(self._array_shape(value))), ("dtype", self._dtype(value)), *memory]
        if self.is_frame(value) or self.is_series(value):
            return self.frame(value)
        return self.network(value, late) if self.is_network(value) else []

    def tensor(self, value: object) -> list[tuple[str, str]]:
        """shape, dtype, device always; layout, grad and storage where there is something to say."""
        kind = type(value)
        extent = c_field(kind, "shape", value)
        facts = [
            ("shape", "?" if extent is ABSENT else shape(extent)),
            ("dtype", _bare(c_field(kind, "dtype", value))),
            ("device", _bare(c_field(kind, "device", value))),
        ]
        layout = _bare(c_field(kind, "layout", value))
        if layout != "strided":
            facts.append(("layout", layout))
        if c_field(kind, "requires_grad", value) is True:
            node = c_field(kind, "grad_fn", value)
            made = "" if node is None or node is ABSENT else f", from {raw.name_of(type(node))}"
            facts.append(("requires_grad", f"yes{made}"))
        return facts + self._storage(value)

    def _storage(self, value: object) -> list[tuple[str, str]]:
        storage = c_call(type(value), "untyped_storage", value)
        if storage is ABSENT or type(storage) is not self._known("torch.storage", "UntypedStorage"):
            return []
        held = c_call(type(storage), "nbytes", storage)
        used = c_field(type(value), "nbytes", value)
        if type(held) is not int:
            return []
        if type(used) is int and used < held:
            return [("storage", f"{size(held)}, of which this view uses {size(used)}")]
        return [("storage", size(held))]

    def network(self, value: object, late: Callable[[], bool]) -> list[tuple[str, str]]:
        """Parameters, dtypes, devices, mode and first children of an nn.Module, by its registries alone."""
        total = trainable = unread = 0
        dtypes: dict[str, None] = {}
        devices: dict[str, None] = {}
        complete = True
        for tensor in self._parameters(value):
            if late():
                complete = False
                break
            if not self.is_tensor(tensor):
                unread += 1
                continue
            kind = type(tensor)
            count = math.prod(c_field(kind, "shape", tensor))
            total += count
            trainable += count if c_field(kind, "requires_grad", tensor) is True else 0
            dtypes[_bare(c_field(kind, "dtype", tensor))] = None
            devices[_bare(c_field(kind, "device", tensor))] = None
        more = "" if complete else " or more"
        facts = [("parameters", f"{total:,}{more}, {trainable:,} trainable")]
        facts += [("unread parameters", f"{unread} of a special class")] if unread else []
        facts += [("dtypes", ", ".join(dtypes))] if dtypes else []
        facts += [("devices", ", ".join(devices))] if devices else []
        own = raw.instance_dict(value)
        facts.append(("mode", "train" if raw.find(own, "training") is True else "eval"))
        children = raw.find(own, "_modules")
        if raw.is_dict(children) and dict.__len__(children):
            shown = [f"{raw.exact(name)}: {raw.name_of(type(child))}" for name, child in first(children, 5)]
            facts.append(("children", ", ".join(shown) + (" …" if dict.__len__(children) > 5 else "")))
        return facts

    def _parameters(self, value: object) -> Iterator[object]:
        """Every parameter below a module once."""
        seen: set[int] = set()
        waiting = [value]
        while waiting and len(seen) < _MODULES_AT_MOST:
            module = waiting.pop()
            if id(module) in seen or not self.is_network(module):
                continue
            seen.add(id(module))
            own = raw.instance_dict(module)
            parameters, children = raw.find(own, "_parameters"), raw.find(own, "_modules")
            for _, tensor in raw.items(parameters) if raw.is_dict(parameters) else ():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor
            waiting += [child for _, child in raw.items(children)] if raw.is_dict(children) else []

    def frame(self, value: object) -> list[tuple[str, str]]:
        """A DataFrame's or Series' size, columns, dtypes and memory, from its blocks."""
        blocks, axes = self._blocks(value)
        rows, dtypes, memory = 0, dict[str, int](), 0
        for values in blocks:
            array = self._plain_array(values)
            extent = self._array_shape(array) if array is not None else ()
            rows = extent[-1] if extent else rows
            name = self._values_dtype(values)
            dtypes[name] = dtypes.get(name, 0) + (extent[0] if len(extent) == 2 else 1)
            held = c_field(type(array), "nbytes", array) if array is not None else 0
            memory += held if type(held) is int else 0
        if not rows and axes:
            rows = self._length(axes[-1])
        if self.is_series(value):
            name = raw.exact(raw.find(raw.instance_dict(value), "_name"))
            named = [("name", name)] if name else []
            return [("shape", f"{rows} rows, {', '.join(dtypes) or '?'}"), *named, ("memory", size(memory))]
        width = self._length(axes[0]) if len(axes) == 2 else sum(dtypes.values())
        columns = [f"{name}: {dtype}" if dtype else name for name, dtype in self.columns(value, 8)]
        return [
            ("shape", f"{rows} rows x {width} columns"),
            ("columns", ", ".join(columns) + (" …" if width > 8 else "")),
            ("dtypes", ", ".join(f"{name} ({count})" for name, count in dtypes.items())),
            ("memory", size(memory)),
        ]

    # ── keys and subscripts ───────────────────────────────────────────────────────────────────────────────────────

    def keys(self, value: object, limit: int) -> list[tuple[str, str]] | None:
        """String keys of the stores that are not dicts, with a type; None when this is no such store."""
        if self.is_frame(value):
            return self.columns(value, limit)
        if type(value) is os._Environ:  # noqa: SLF001 - the exact class is the point
            store = raw.find(raw.instance_dict(value), "_data")
            found = first(store, limit) if type(store) is dict else []
            return [(name.decode("utf-8", "replace"), "str") for name, _ in found if type(name) is bytes]
        if self._container(value, "ModuleDict"):
            children = raw.find(raw.instance_dict(value), "_modules")
            found = first(children, limit) if raw.is_dict(children) else []
            return [(name, raw.type_name(type(child))) for name, child in found if type(name) is str]
        if self.is_array(value):
            names = c_field(type(c_field(type(value), "dtype", value)), "names", c_field(type(value), "dtype", value))
            return [(name, "") for name in names if type(name) is str] if type(names) is tuple else []
        return None

    def child(self, value: object, key: str | int) -> Any:
        """`layers[0]` and `blocks["head"]` of torch's own module containers, or ABSENT."""
        indexed = type(key) is int and (self._container(value, "Sequential") or self._container(value, "ModuleList"))
        if not indexed and not (type(key) is str and self._container(value, "ModuleDict")):
            return ABSENT
        children = raw.find(raw.instance_dict(value), "_modules")
        if not raw.is_dict(children):
            return ABSENT
        if type(key) is int and key < 0:
            key += dict.__len__(children)
        return raw.find(children, str(key))

    def _container(self, value: object, name: str) -> bool:
        return type(value) is self._known("torch.nn.modules.container", name)

    def attribute(self, value: object, name: str) -> Any:
        """What instance attribute look-up alone does not find: registered parts of a network, a tensor's C fields."""
        if self.is_network(value):
            own = raw.instance_dict(value)
            for registry in ("_parameters", "_buffers", "_modules"):
                found = raw.find(own, registry)
                part = raw.find(found, name) if raw.is_dict(found) else ABSENT
                if part is not ABSENT:
                    return part
        kind = type(value)
        if name in _TENSOR_FIELDS and self.is_tensor(value):
            # Reading .grad of an inner node warns, and a warning can be the person's code.
            if name == "grad" and c_field(kind, "is_leaf", value) is not True:
                return ABSENT
            return c_field(kind, name, value)
        return c_field(kind, name, value) if name in ("shape", "dtype") and self.is_array(value) else ABSENT

    def registered(self, value: object) -> list[tuple[str, object]]:
        """The parts of a network that its attribute look-up would find, by name."""
        if not self.is_network(value):
            return []
        own = raw.instance_dict(value)
        registries = (raw.find(own, name) for name in ("_modules", "_parameters", "_buffers"))
        return [
            (name, part)
            for found in registries
            if raw.is_dict(found)
            for name, part in raw.items(found)
            if type(name) is str
        ]

    # ── numpy and pandas, inside ──────────────────────────────────────────────────────────────────────────────────

    def _array_shape(self, value: object) -> tuple[int, ...]:
        found = c_field(type(value), "shape", value) if self.is_array(value) else ABSENT
        return found if type(found) is tuple else ()

    def _dtype(self, value: object) -> str:
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

    def _blocks(self, value: object) -> tuple[list[object], list[object]]:
        """The arrays a frame or series is made of, and its axes (columns first, rows last)."""
        store = raw.find(raw.instance_dict(value), "_mgr")
        kind = type(store)
        managers = [self._known("pandas.core.internals.managers", n) for n in ("BlockManager", "SingleBlockManager")]
        if not any(kind is manager for manager in managers):
            return [], []
        if kind is managers[0]:
            blocks, axes = c_field(kind, "blocks", store), c_field(kind, "axes", store)
        else:
            own = raw.instance_dict(store)
            blocks, axes = raw.find(own, "blocks"), raw.find(own, "axes")
        values = [c_field(type(block), "values", block) for block in blocks] if type(blocks) is tuple else []
        return values, list(axes) if type(axes) is list else []

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
            return self._dtype(values)
        name = raw.name_of(type(values))
        return _EXTENSION_DTYPES.get(name, name)

    def _length(self, index: object) -> int:
        own = raw.instance_dict(index)
        steps = raw.find(own, "_range")
        if type(steps) is range:
            return len(steps)
        extent = self._array_shape(self._plain_array(raw.find(own, "_data")))
        return extent[0] if extent else 0

    def columns(self, frame: object, limit: int) -> list[tuple[str, str]]:
        """The string column names of a DataFrame, with dtypes where the frame has worked out which block holds which."""
        blocks, axes = self._blocks(frame)
        if len(axes) != 2:
            return []
        names = self._plain_array(raw.find(raw.instance_dict(axes[0]), "_data"))
        if names is None:
            return []
        kind = type(names)
        listed = c_call(kind, "tolist", c_call(kind, "__getitem__", names, slice(0, limit)))
        if type(listed) is not list:
            return []
        dtypes = self._column_dtypes(frame, blocks, len(listed))
        return [(name, dtype) for name, dtype in zip(listed, dtypes, strict=False) if type(name) is str]

    def _column_dtypes(self, frame: object, blocks: list[object], count: int) -> list[str]:
        if len(blocks) == 1:
            return [self._values_dtype(blocks[0])] * count
        store = raw.find(raw.instance_dict(frame), "_mgr")
        numbers = c_field(type(store), "_blknos", store)
        listed = c_call(type(numbers), "tolist", numbers) if self.is_array(numbers) else ABSENT
        if type(listed) is not list:
            return [""] * count
        return [self._values_dtype(blocks[n]) if 0 <= n < len(blocks) else "" for n in listed[:count]]


def shape(extent: Any) -> str:
    """`32 x 10`; nothing for a scalar would read as missing."""
    return " x ".join(str(n) for n in tuple(extent)) or "scalar"


def _bare(value: object) -> str:
    """A torch dtype, device or layout in words; all three are C types whose text is theirs."""
    return "?" if value is ABSENT else str(value).removeprefix("torch.")
