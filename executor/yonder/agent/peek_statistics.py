"""Statistics of what a path leads to, computed beside the run: on a thread of their own, one at a time, for a given time.

What belongs here: that thread, who answers when it is late, and the numbers as rows. What this file must not know: sockets,
arithmetic (peek_numbers).
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from yonder.agent import peek_path
from yonder.agent import peek_raw as raw
from yonder.agent.peek_numbers import Late, Total, Unreadable, of_array, of_tensor
from yonder.agent.peek_path import Lost
from yonder.agent.peek_stores import Stores
from yonder.wire import Answer, Query, Row, Step

LONGEST = 30.0
COLUMNS = 20
BUSY = "statistics of something else are being computed; ask again in a moment"
THREADLESS = "the session could not start a thread for it"
STUCK = "the statistics asked for before still wait for the device; the run goes on"

Tell = Callable[[int, Answer], None]
Namespace = Callable[[], tuple[dict[str, Any], int]]


class Statistics:
    """`tell` is given the answer of each question once, from some thread."""

    def __init__(self, tell: Tell, namespace: Namespace) -> None:
        self._tell = tell
        self._namespace = namespace
        self._going = threading.Lock()
        self._late = False

    def ask(self, number: int, query: Query) -> None:
        """Begin. Never waits: not for the data, not for a computation that is on."""
        if not self._going.acquire(blocking=False):
            self._tell(number, Answer(found=False, why=STUCK if self._late else BUSY))
            return
        self._late = False
        work = threading.Thread(
            target=self._compute, args=(_Once(number, self._tell), query), name="yonder-statistics", daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # the process has no thread left to give, or is ending
            self._going.release()
            self._tell(number, Answer(found=False, why=THREADLESS))

    def _compute(self, once: _Once, query: Query) -> None:
        seconds = min(max(query.seconds, 0.1), LONGEST)
        end = time.monotonic() + seconds
        watch = threading.Timer(seconds + 0.1, self._overdue, (once, seconds))
        watch.name, watch.daemon = "yonder-statistics-late", True
        try:
            watch.start()
            namespace, generation = self._namespace()
            once.answer(statistics(namespace, query.path, lambda: time.monotonic() > end, generation))
        except RuntimeError:  # no thread is left to watch this one
            once.answer(Answer(found=False, why=THREADLESS))
        finally:
            watch.cancel()
            self._going.release()

    def _overdue(self, once: _Once, seconds: float) -> None:
        self._late = True
        once.answer(Answer(found=False, why=f"still waiting for the device after {seconds:g} s; the run goes on"))


class _Once:
    """The answer of one question: the first one counts."""

    def __init__(self, number: int, tell: Tell) -> None:
        self._number = number
        self._tell = tell
        self._open = threading.Lock()

    def answer(self, answer: Answer) -> None:
        if self._open.acquire(blocking=False):
            with contextlib.suppress(OSError):  # the hub hung up, and nobody is there to be told
                self._tell(self._number, answer)


def statistics(namespace: dict[str, Any], path: Sequence[Step], late: Late, generation: int = 0) -> Answer:
    """The statistics at `path`, or in words why there are none. Never raises."""
    began = time.perf_counter()
    try:
        rows, numbers, why = _found(namespace, path, late)
        answer = Answer(found=True, why=why, rows=rows, total=numbers)
    except Unreadable as error:
        answer = Answer(found=False, why=str(error))
    except Exception as error:  # noqa: BLE001 - a library may raise anything; the reason goes to the asker
        answer = Answer(found=False, why=f"it could not be computed ({raw.name_of(type(error))})")
    micros = int((time.perf_counter() - began) * 1e6)
    return Answer(
        found=answer.found,
        why=answer.why,
        rows=answer.rows,
        total=answer.total,
        generation=generation,
        micros=micros,
    )


def _found(namespace: dict[str, Any], path: Sequence[Step], late: Late) -> tuple[list[Row], int, str]:
    stores = Stores()
    frame = peek_path.follow(namespace, path[:-1], stores) if len(path) > 1 else Lost("")
    if not isinstance(frame, Lost) and stores.is_frame(frame.value):
        names = [name for name, _ in stores.columns(frame.value, 10_000)]
        if path[-1].value in names:
            return _told(_column(stores, frame.value, names.index(str(path[-1].value)), late), 0)
    sight = peek_path.follow(namespace, path, stores)
    if isinstance(sight, Lost):
        raise Unreadable(sight.why)
    value = sight.value
    if stores.is_tensor(value):
        return _told(of_tensor(value, late), math.prod(raw.c_field(type(value), "shape", value)))
    if stores.is_array(value):
        return _told(of_array(value, late), math.prod(raw.c_field(type(value), "shape", value)))
    if stores.is_series(value):
        return _told(of_array(_plain(stores, stores.blocks(value)[0]), late, ddof=1), 0)
    if stores.is_frame(value):
        return _columns(stores, value, late)
    kind = "a value that was not read" if value is raw.ABSENT else raw.type_name(type(value))
    raise Unreadable(f"statistics are of tensors, arrays and tables; this is {kind}")


def _column(stores: Stores, frame: Any, at: int, late: Late) -> Total:
    store = raw.find(raw.instance_dict(frame), "_mgr")
    reader, _ = raw.class_attribute(type(store), "iget_values")  # pandas' own code, on a type that is exactly pandas'
    if reader is raw.ABSENT or not stores.is_manager(store):
        raise Unreadable("this pandas keeps its columns where they cannot be read")
    return of_array(_plain(stores, [reader(store, at)]), late, ddof=1)


def _plain(stores: Stores, blocks: Sequence[object]) -> object:
    if not blocks or not stores.is_array(blocks[0]):
        raise Unreadable("statistics are of plain numbers; these are of another kind")
    return blocks[0]


def _columns(stores: Stores, frame: Any, late: Late) -> tuple[list[Row], int, str]:
    """A row for each column of numbers, as long as there is time."""
    rows: list[Row] = []
    listed = stores.columns(frame, 10_000)
    for at, (name, _) in enumerate(listed):
        if late() or len(rows) == COLUMNS:
            return rows, len(listed), f"of the first {at} of {len(listed)} columns"
        try:
            total = _column(stores, frame, at, late)
        except Unreadable:
            continue  # text, dates and the like
        odd = f" · {total.nan:,} NaN" if total.nan else ""
        rows.append(Row(name, "k", "", f"{_said(total.low)} … {_said(total.high)} · mean {_said(total.mean)}{odd}"))
    if not rows:
        raise Unreadable("none of its columns is of plain numbers")
    return rows, len(listed), ""


def _told(total: Total, numbers: int) -> tuple[list[Row], int, str]:
    """The rows of one total. `numbers`: how many there are; 0 when all were read."""
    numbers = numbers or total.read
    if not total.read:
        raise Unreadable("there was no time to read any of it" if numbers else "it is empty")
    share = total.zeros / total.read
    told = {
        "min": _said(total.low),
        "max": _said(total.high),
        "mean": _said(total.mean),
        "std": _said(total.std),
        "zeros": f"{share:.1%}" if 0.001 <= share <= 0.999 else f"{total.zeros:,}",
        "NaN": f"{total.nan:,}",
        "Inf": f"{total.infinite:,}",
    }
    if not total.finite:
        told = {name: text for name, text in told.items() if name in ("zeros", "NaN", "Inf")}
    why = f"of the first {total.read / numbers:.0%}, which is what there was time for" if total.read < numbers else ""
    return [Row(name, "k", "", text) for name, text in told.items()], numbers, why


def _said(number: float) -> str:
    return "none" if math.isnan(number) else f"{number:.5g}"
