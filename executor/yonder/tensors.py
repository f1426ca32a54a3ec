"""How torch's memory becomes buffers: whole storages, out of the pickle's stream, each once.

torch itself writes every storage into a pickle of its own, with a copy or two. What belongs here: storages; tensors of all
kinds are made of them, and of what torch says about them. Nothing is imported: who has no torch loaded sends no tensors.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


class Storages:
    """The storages of one parcel. Two tensors on one storage are so again where they arrive."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._typed = torch.storage.TypedStorage
        self._plain = torch.UntypedStorage
        self._first: dict[int, Any] = {}

    def reduction(self, obj: Any) -> Reduced | None:
        """How a storage is pickled, or a tensor, where torch's own way asks for more; None for anything else."""
        if type(obj) is self._torch.Tensor:
            return self._tensor(obj)
        if type(obj) is self._typed:
            storage = obj._untyped_storage  # noqa: SLF001 - the public way warns
            return _typed, (self._first.setdefault(storage._cdata, storage), obj.dtype)  # noqa: SLF001 - its identity
        return self._bytes(obj) if type(obj) is self._plain else None

    def _tensor(self, tensor: Any) -> Reduced:
        """For dtypes that have no storage class torch gives the plain storage, and wants a typed one back."""
        reduced: Reduced = tensor.__reduce_ex__(5)
        if reduced[0] is not self._torch._utils._rebuild_tensor_v3:  # noqa: SLF001 - it has no public name
            return reduced
        storage, *rest = reduced[1]
        if type(storage) is self._plain:
            storage = self._typed(wrap_storage=storage, dtype=self._torch.uint8, _internal=True)
        return reduced[0], (storage, *rest)

    def _bytes(self, storage: Any) -> Reduced:
        device, size = storage.device, storage.nbytes()
        if device.type == "meta":
            return _empty, (size, "meta")
        if not size:
            return _empty, (0, str(device))
        import ctypes  # most programs send no tensors

        near = storage if device.type == "cpu" else storage.cpu()
        view = (ctypes.c_ubyte * size).from_address(near.data_ptr())
        view.storage = near  # an object's `__getstate__` may have made it for us, and forget it before the view is read
        return _filled, (pickle.PickleBuffer(view), str(device))


def storages() -> Storages | None:
    """None where torch was not imported (or not to its end)."""
    torch = sys.modules.get("torch")
    return Storages(torch) if hasattr(torch, "UntypedStorage") and hasattr(torch, "storage") else None


def _torch() -> Any:
    import torch  # what has come was made with it

    return torch


def _typed(storage: Any, dtype: Any) -> Any:
    return _torch().storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def _empty(size: int, device: str) -> Any:
    torch = _torch()
    return torch.UntypedStorage(size, device=place(torch, device))


def _filled(buffer: Any, device: str) -> Any:
    torch = _torch()
    view = memoryview(buffer)
    flat = torch.frombuffer(bytearray(view) if view.readonly else view, dtype=torch.uint8)
    where = place(torch, device)
    return (flat if where == "cpu" else flat.to(where)).untyped_storage()


def place(torch: Any, device: str) -> str:
    """Where what was on `device` goes on this machine: the same one if it is here, else the current one of its kind, else
    the CPU."""
    kind, _, index = device.partition(":")
    if kind in ("cpu", "meta"):
        return kind
    module = getattr(torch, kind, None)
    if module is None or not module.is_available():
        return "cpu"
    if int(index or 0) < module.device_count():
        return device
    return f"{kind}:{module.current_device()}"
