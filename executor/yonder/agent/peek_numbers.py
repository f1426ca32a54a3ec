"""Minimum, maximum, mean, deviation and the odd ones out of a tensor or array, slab by slab.

This reads the data, so it runs on a thread of its own and stops when told. Only methods that are written in C are called,
on exact types (see peek_raw); what the person's code changes meanwhile is in or not.

What belongs here: slabs, totals, torch's and numpy's arithmetic. What this file must not know: paths, threads, words.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from yonder.agent import peek_raw as raw

SLAB = 1 << 18
"""Numbers of an array taken at a time: their copy is 2 MB."""
CPU_SLAB = 1 << 15
"""Of a tensor on the CPU: torch computes so many on one thread, and takes none from the run."""
DEVICE_SLAB = 1 << 20
_POLL = 0.001

Late = Callable[[], bool]


class Unreadable(Exception):  # noqa: N818 - a plain sentence for the person
    """There are no statistics of this; says why."""


@dataclass(slots=True)
class Total:
    """What is known of the numbers so far. `ddof` as the library's own `std` has it."""

    ddof: int = 1
    read: int = 0
    finite: int = 0
    nan: int = 0
    infinite: int = 0
    zeros: int = 0
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0

    def add(self, read: int, part: list[float]) -> None:
        """One slab's [finite, NaN, infinite, zeros, low, high, mean, squared distances from it], the mean of the finite."""
        finite = int(part[0])
        self.read += read
        self.nan += int(part[1])
        self.infinite += int(part[2])
        self.zeros += int(part[3])
        if not finite:
            return
        self.low, self.high = min(self.low, part[4]), max(self.high, part[5])
        both = self.finite + finite
        apart = part[6] - self.mean
        self.squares += part[7] + apart * apart * self.finite * finite / both
        self.mean += apart * finite / both
        self.finite = both

    @property
    def std(self) -> float:
        """NaN for too few numbers."""
        left = self.finite - self.ddof
        return math.sqrt(self.squares / left) if left > 0 else math.nan


def slabs(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cover `shape` once, each of at most `most` numbers and with as few cuts as that allows."""
    inner, dimension = 1, len(shape)
    while dimension and inner * shape[dimension - 1] <= most:
        dimension -= 1
        inner *= shape[dimension]
    whole = tuple(slice(None) for _ in shape[dimension:])
    if not dimension:
        yield whole
        return
    cut, step = dimension - 1, max(1, most // inner)
    for outer in product(*(range(extent) for extent in shape[:cut])):
        for start in range(0, shape[cut], step):
            yield (*(slice(at, at + 1) for at in outer), slice(start, min(start + step, shape[cut])), *whole)


def _c(value: Any, name: str, *arguments: object) -> Any:
    """A method of the value's type that is C code. Raises Unreadable when there is none or it fails."""
    found = raw.c_call(type(value), name, value, *arguments)
    if found is raw.ABSENT:
        raise Unreadable(f"{raw.type_name(type(value))}.{name} could not be computed for it")
    return found


# ── torch ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def of_tensor(value: Any, late: Late) -> Total:
    """Of an exact Tensor or Parameter, for as long as `late` allows; the rest is missing in `read`."""
    kind = type(value)
    device = raw.c_field(kind, "device", value)
    place = str(getattr(device, "type", ""))
    _refuse(value, place)
    plain, total = _c(value, "detach"), Total()
    shape = tuple(raw.c_field(kind, "shape", value))
    if 0 in shape:
        return total
    wide = raw.known("torch", "float32" if place == "mps" else "float64")
    with _beside(plain, device, late) if place == "cuda" else contextlib.nullcontext(lambda: True) as ready:
        for where in slabs(shape, CPU_SLAB if place == "cpu" else DEVICE_SLAB):
            if late():
                return total
            part = plain
            for dimension, one in enumerate(where):
                if one.start is not None:
                    part = _c(part, "narrow", dimension, one.start, one.stop - one.start)
            count, values = int(_c(part, "numel")), _c(part, "to", wide)
            told = _finite_part(values, count) if place == "cpu" else None
            if told is None:
                parts = _tensor_part(values)
                if not ready():
                    return total
                told = _c(parts, "tolist")
            total.add(count, told)
    return total


def _refuse(value: Any, place: str) -> None:
    """Raise Unreadable for what has no plain real numbers in memory."""
    kind = type(value)
    dtype, layout = raw.c_field(kind, "dtype", value), raw.c_field(kind, "layout", value)
    if str(layout) != "torch.strided":
        raise Unreadable(f"statistics are of dense tensors; this one is {str(layout).removeprefix('torch.')}")
    if raw.c_field(type(dtype), "is_complex", dtype) is True:
        raise Unreadable(f"statistics are of real numbers; these are {str(dtype).removeprefix('torch.')}")
    held, used = raw.c_call(kind, "untyped_storage", value), raw.c_field(kind, "nbytes", value)
    size = raw.ABSENT if held is raw.ABSENT else raw.c_call(type(held), "nbytes", held)
    if place == "meta" or (type(size) is int and type(used) is int and size == 0 < used):
        raise Unreadable("it has a shape but no data")


def _finite_part(wide: Any, count: int) -> list[float] | None:
    """What Total.add wants of numbers that are all finite, None for others. Few steps: each may wait for its turn."""
    var_mean = raw.known("torch", "var_mean")
    low, high = (float(_c(one, "item")) for one in _c(wide, "aminmax"))
    variance, mean = (float(_c(one, "item")) for one in var_mean(wide, correction=0))
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(variance)):
        return None
    zeros = count - int(_c(_c(wide, "count_nonzero"), "item"))
    return [count, 0, 0, zeros, low, high, mean, variance * count]


def _tensor_part(wide: Any) -> Any:
    """One small tensor with what Total.add wants; nothing here waits for a device."""
    finite = _c(wide, "isfinite")
    odd = _c(finite, "logical_not")
    count = _c(_c(finite, "sum"), "to", raw.c_field(type(wide), "dtype", wide))
    mean = _c(_c(_c(wide, "masked_fill", odd, 0.0), "sum"), "div", _c(count, "clamp_min", 1))
    apart = _c(_c(_c(wide, "sub", mean), "masked_fill", odd, 0.0), "square")
    parts = [
        count,
        _c(_c(wide, "isnan"), "sum"),
        _c(_c(wide, "isinf"), "sum"),
        _c(_c(wide, "eq", 0), "sum"),
        _c(_c(wide, "masked_fill", odd, math.inf), "amin"),
        _c(_c(wide, "masked_fill", odd, -math.inf), "amax"),
        mean,
        _c(apart, "sum"),
    ]
    stack = raw.known("torch", "stack")
    return stack([_c(part, "to", raw.c_field(type(wide), "dtype", wide)) for part in parts])


@contextlib.contextmanager
def _beside(tensor: Any, device: Any, late: Late) -> Iterator[Callable[[], bool]]:
    """A CUDA stream of our own behind what the default one has been given so far; `ready` waits for it, but never longer
    than allowed. The host waits for no other stream, and the tensor's memory is not given away before ours is done."""
    cuda: Any = raw.known("torch", "cuda")
    with cuda.device(device):
        own = cuda.Stream(device)
        own.wait_stream(cuda.default_stream(device))
        _c(tensor, "record_stream", own)

        def ready() -> bool:
            done = cuda.Event()
            done.record(own)
            while not done.query():
                if late():
                    return False
                time.sleep(_POLL)
            return True

        with cuda.stream(own):
            yield ready


# ── numpy ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def of_array(value: Any, late: Late, ddof: int = 0) -> Total:
    """Of an exact ndarray; see of_tensor."""
    kind = type(value)
    dtype = raw.c_field(kind, "dtype", value)
    letter = raw.c_field(type(dtype), "kind", dtype)
    if letter not in ("b", "i", "u", "f"):
        raise Unreadable("statistics are of real numbers; these are of another kind")
    shape, total = tuple(raw.c_field(kind, "shape", value)), Total(ddof)
    for where in slabs(shape, SLAB) if 0 not in shape else ():
        if late():
            return total
        part = _c(_c(_c(value, "__getitem__", where), "astype", "float64"), "reshape", -1)
        finite = _c(part, "__getitem__", _ufunc("isfinite")(part))
        count, read = finite.shape[0], part.shape[0]
        mean = float(_c(finite, "sum")) / max(count, 1)
        apart = _c(finite, "__sub__", mean)
        extremes = [float(_c(finite, "min")), float(_c(finite, "max"))] if count else [math.inf, -math.inf]
        nan = int(_c(_ufunc("isnan")(part), "sum"))
        zeros = int(_c(_c(part, "__eq__", 0), "sum"))
        squares = float(_c(_c(apart, "__mul__", apart), "sum"))
        total.add(read, [count, nan, read - count - nan, zeros, *extremes, mean, squares])
    return total


def _ufunc(name: str) -> Any:
    found = raw.known("numpy", name)
    if raw.name_of(type(found)) != "ufunc":
        raise Unreadable(f"numpy's {name} was replaced")
    return found
