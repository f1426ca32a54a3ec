"""What user code says while it runs: `log`, `progress`, `display`.

What belongs here: turning what the person passes into plain numbers and pictures, and the behaviour outside a run. What
this file must not know: lanes, batching, numbering (the worker's recorder does that).
"""

from __future__ import annotations

import io
import operator
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from yonder import seat

T = TypeVar("T")
_EVERY = 0.1
_WIDTH = 30


def log(step: float | None = None, **metrics: Any) -> None:
    """Record metrics of this run: `yonder.log(step=i, loss=loss, accuracy=0.97)`.

    Values may be numbers, numpy scalars and tensors of one element without dimensions; they are read here and now.
    Without `step` each metric counts its own points. Outside a run it does nothing. Raises TypeError that names the
    metric whose value is not a number.
    """
    found = seat.current()
    values = {name: _number(name, value) for name, value in metrics.items()}
    at = None if step is None else _number("step", step)
    if found is not None:
        found.recorder.metrics(at, values)


def _number(name: str, value: Any) -> float:
    if type(value) is float:
        return value
    if value is None or isinstance(value, (str, bytes, bytearray)) or getattr(value, "ndim", None):
        raise TypeError(f"{name} is not a number: {_told(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} is not a number: {_told(value)} ({error})") from error


def _told(value: Any) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{name} of shape {tuple(shape)}; log its mean or its items one by one"
    return f"a value of type {name}"


class progress(Generic[T]):  # noqa: N801 - reads as a function where it is used
    """Show how far a loop is: `for batch in yonder.progress(batches, "training"): …`

    In a run the editor draws the bar; in a program at a terminal one line on stderr does; elsewhere it is silent.
    """

    def __init__(self, iterable: Iterable[T], label: str = "", total: float | None = None) -> None:
        self._iterable = iterable
        self._label = label
        self._total = float(total) if total is not None else float(operator.length_hint(iterable, 0))
        self._id = uuid.uuid4().hex[:12]

    def __len__(self) -> int:
        return int(self._total)

    def __iter__(self) -> Iterator[T]:
        done, told, clock = 0, 0.0, time.monotonic
        begun = clock()
        self._tell(0, begun)
        try:
            for item in self._iterable:
                yield item
                done += 1
                now = clock()
                if now - told >= _EVERY:
                    told = now
                    self._tell(done, begun)
        finally:
            self._tell(done, begun, last=True)

    def _tell(self, done: int, begun: float, *, last: bool = False) -> None:
        found = seat.current()
        if found is not None:
            found.recorder.progress(self._id, self._label, float(done), self._total)
        elif sys.stderr is not None and sys.stderr.isatty():
            print(
                "\r" + self._line(done, time.monotonic() - begun), end="\n" if last else "", file=sys.stderr, flush=True
            )

    def _line(self, done: int, seconds: float) -> str:
        speed = f"{done / seconds:.1f}/s" if seconds > 0 else ""
        name = f"{self._label}: " if self._label else ""
        if not self._total:
            return f"{name}{done} {speed}"
        filled = min(_WIDTH, int(_WIDTH * done / self._total))
        return f"{name}[{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{self._total:g} {speed}"


def display(value: Any) -> None:
    """Show a value in the run's panel: a matplotlib figure, an image, anything with a rich form, else its repr.

    Outside a run it is printed.
    """
    found = seat.current()
    if found is None:
        print(repr(value))
        return
    mime, data = _picture(value)
    found.recorder.display(mime, data, type(value).__name__)


def _picture(value: Any) -> tuple[str, bytes]:
    if "matplotlib" in sys.modules and hasattr(value, "savefig") and hasattr(value, "axes"):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=144, bbox_inches="tight")
        return "image/png", picture.getvalue()
    for mime, method in (("image/png", "_repr_png_"), ("image/svg+xml", "_repr_svg_"), ("text/html", "_repr_html_")):
        make = getattr(type(value), method, None)
        made = make(value) if make is not None else None
        if isinstance(made, bytes):
            return mime, made
        if isinstance(made, str):
            return mime, made.encode()
    return "text/plain", repr(value).encode()
