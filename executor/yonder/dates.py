"""numpy's dates and durations in pickles: as the whole numbers that they are, whose memory can stand beside the stream.

numpy gives no buffers of them, and would copy them into the stream. What this file must not know: bodies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


def reduction(obj: Any, least: int) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """What pickle writes for an array of them of at least so many bytes in one piece, in this machine's byte order; None for everything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(obj) is not numpy.ndarray or obj.dtype.kind not in "mM" or obj.nbytes < least:
        return None
    if not obj.dtype.isnative or not (obj.flags.c_contiguous or obj.flags.f_contiguous):
        return None
    return dated, (obj.view(numpy.int64), obj.dtype)


def dated(numbers: numpy.ndarray[Any, Any], kind: numpy.dtype[Any]) -> numpy.ndarray[Any, Any]:
    """The array that these numbers stand for, in their memory."""
    return numbers.view(kind)
