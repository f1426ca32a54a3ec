"""What is known about the objects of torch (here), numpy and pandas (`peek_frames`): their C fields and instance dicts.

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
from yonder.agent.peek_frames import Frames, shape
from yonder.agent.peek_raw import c_call, c_field
from yonder.agent.peek_text import first, size

ABSENT = raw.ABSENT
_MODULES_AT_MOST = 20_000
_AT_ONCE = 64  # parameters between two looks at the clock: while a run holds the interpreter, time passes without them
_LIBRARIES = frozenset({"torch", "numpy", "pandas"})
_TENSOR_FIELDS = frozenset({"shape", "dtype", "device", "layout", "grad"})
_TENSOR_VIEWS = frozenset({"T", "mT", "H", "mH", "data", "real", "imag", "grad"})


class Stores(Frames):
    """The libraries' types as they are loaded now."""

    def __init__(self) -> None:
        super().__init__()
        self._tensors_readable: bool | None = None

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

    def tensor_type(self) -> Any:
        return self._known("torch._tensor", "Tensor")

    def is_view_of_tensor(self, value: object, name: str) -> bool:
        """Whether this C property of a tensor is known to give a tensor again, so that it need not be read."""
        return name in _TENSOR_VIEWS and self.is_tensor(value)

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
            return f"array({shape(self._array_shape(value))}, {self.dtype(value)})"
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
        held = "" if count == 0 else "1 child" if count == 1 else f"{count} children"
        return f"{raw.name_of(type(value))}({held})"

    # ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def facts(self, value: object, late: Callable[[], bool]) -> list[tuple[str, str]]:
        """The lines of a hover for what these libraries made; [] for anything else."""
        if self.is_tensor(value):
            return self.tensor(value)
        if self.is_array(value):
            total = c_field(type(value), "nbytes", value)
            memory = [("memory", size(total))] if type(total) is int else []
            return [("shape", shape(self._array_shape(value))), ("dtype", self.dtype(value)), *memory]
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
        for number, tensor in enumerate(self.parameters(value), 1):
            if number % _AT_ONCE == 0 and late():
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

    def parameters(self, value: object) -> Iterator[object]:
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


def _bare(value: object) -> str:
    """A torch dtype, device or layout in words; all three are C types whose text is theirs."""
    return "?" if value is ABSENT else str(value).removeprefix("torch.")
