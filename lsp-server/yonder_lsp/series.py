"""Curves of one run in memory, and how they are thinned so that an answer costs pixels, not points.

A Series keeps its points in the order of arrival. Every drawing needs them in the order of x: nearly always that is the
same; where it is not (steps that begin anew, a clock set back) a sorted copy is made when somebody looks, stable, so
that points with one x stay in the order of arrival. A step that is no finite number counts as the point's own number.
NaN is a hole in a curve and infinity is kept.

A Pyramid holds the least and greatest of every 4, 8, 16 … points, built lazily and only for new points. A query takes
the level with about one block per pixel, so 600 columns of a million points are a few slices. Where x is uneven (a pause
on the time axis) the wide blocks are looked at column by column.

What belongs here: arrays. What this file must not know: SQLite, the editor's shapes, clocks.
"""

from __future__ import annotations

import math
import operator
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import filterfalse
from typing import Literal

X = Literal["step", "time"]

BASE = 4
WIDE = 4  # pixels a block may cover before it is looked into
FEWEST, MOST = 64, 8192


class Pyramid:
    """Least and greatest values over blocks of BASE · 2^level points. A block of NaN alone has low > high."""

    def __init__(self) -> None:
        self.levels: list[tuple[array[float], array[float]]] = [(array("d"), array("d"))]

    def grow(self, values: array[float]) -> None:
        """Take in what was appended to `values` since the last time."""
        low, high = self.levels[0]
        lows = highs = values[len(low) * BASE : len(values) // BASE * BASE]
        if math.isnan(sum(lows)):  # a NaN, or both infinities: then this costs a moment and changes nothing
            lows = array("d", (math.inf if math.isnan(value) else value for value in lows))
            highs = array("d", (-math.inf if math.isnan(value) else value for value in highs))
        low.extend(map(min, *(lows[start::BASE] for start in range(BASE))))
        high.extend(map(max, *(highs[start::BASE] for start in range(BASE))))
        level = 0
        while len(low) >= 2:
            level += 1
            if level == len(self.levels):
                self.levels.append((array("d"), array("d")))
            upper_low, upper_high = self.levels[level]
            start, stop = len(upper_low) * 2, len(low) // 2 * 2
            upper_low.extend(map(min, low[start:stop:2], low[start + 1 : stop : 2]))
            upper_high.extend(map(max, high[start:stop:2], high[start + 1 : stop : 2]))
            low, high = upper_low, upper_high

    def span(self, values: array[float], start: int, stop: int) -> tuple[float, float]:
        """Least and greatest of values[start:stop], not counting NaN; low > high when there is nothing else."""
        level = (stop - start).bit_length() - 6
        if level < 0:
            return _extent(values[start:stop])
        level = min(level, len(self.levels) - 1)
        low, high = self.levels[level]
        size = BASE << level
        first, last = -(-start // size), min(stop // size, len(low))
        if first >= last:
            return _extent(values[start:stop])
        left = _extent(values[start : first * size])
        right = _extent(values[last * size : stop])
        middle = min(low[first:last]), max(high[first:last])
        return min(left[0], middle[0], right[0]), max(left[1], middle[1], right[1])


def _extent(values: array[float]) -> tuple[float, float]:
    kept = array("d", filterfalse(math.isnan, values)) if math.isnan(sum(values)) else values
    return min(kept, default=math.inf), max(kept, default=-math.inf)


class Axis:
    """Points in the order of x, ready to be thinned."""

    def __init__(self, xs: array[float], ys: array[float], pyramid: Pyramid) -> None:
        self._xs = xs
        self._ys = ys
        self._pyramid = pyramid

    def __len__(self) -> int:
        return len(self._xs)

    def merged(self, xs: array[float], ys: array[float]) -> Axis:
        """With more points, in the order of x; equal ones stay in the order of arrival. Takes over this one's arrays."""
        start = bisect_right(self._xs, min(xs))
        pyramid = self._pyramid if start == len(self._xs) else Pyramid()
        xs, ys = self._xs[start:] + xs, self._ys[start:] + ys
        order = sorted(range(len(xs)), key=xs.__getitem__)
        del self._xs[start:], self._ys[start:]
        self._xs.extend(map(xs.__getitem__, order))
        self._ys.extend(map(ys.__getitem__, order))
        return Axis(self._xs, self._ys, pyramid)

    def thin(self, x_min: float | None, x_max: float | None, pixels: int) -> tuple[array[float], array[float]]:
        """At most two points a pixel column between x_min and x_max, and one beyond each border for the line to reach."""
        xs, ys = self._xs, self._ys
        pixels = min(max(pixels, FEWEST), MOST)
        start = 0 if x_min is None else max(0, bisect_left(xs, x_min) - 1)
        stop = len(xs) if x_max is None else min(len(xs), bisect_right(xs, x_max) + 1)
        if stop - start <= 2 * pixels:
            return xs[start:stop], ys[start:stop]
        self._pyramid.grow(ys)
        return self._blocks(start, stop, pixels)

    def _blocks(self, start: int, stop: int, pixels: int) -> tuple[array[float], array[float]]:
        """By blocks of equal numbers of points; falls back to columns of equal width where those are too many."""
        xs, levels = self._xs, self._pyramid.levels
        level = 0
        while (stop - start) > (BASE << level) * (pixels - 4) and level + 1 < len(levels):
            level += 1
        size = BASE << level
        low, high = levels[level]
        first, last = start // size, min(-(-stop // size), len(low))
        width = (xs[stop - 1] - xs[start]) / pixels
        begins, ends = xs[first * size : last * size : size], xs[first * size + size - 1 : last * size : size]
        wide = [at for at, extent in enumerate(map(operator.sub, ends, begins)) if extent > WIDE * width]
        out_x, out_y = array("d"), array("d")
        done = 0
        for at in wide:
            _pairs(
                out_x,
                out_y,
                begins[done:at],
                ends[done:at],
                low[first + done : first + at],
                high[first + done : first + at],
            )
            self._columns(out_x, out_y, (first + at) * size, (first + at + 1) * size, width)
            done = at + 1
        _pairs(out_x, out_y, begins[done:], ends[done:], low[first + done : last], high[first + done : last])
        if last * size < stop:
            self._columns(out_x, out_y, last * size, stop, width)
        if len(out_x) > 2 * pixels:
            out_x, out_y = array("d"), array("d")
            self._columns(out_x, out_y, start, stop, width * pixels / (pixels - 1))
        return out_x, out_y

    def _columns(self, out_x: array[float], out_y: array[float], start: int, stop: int, width: float) -> None:
        """By columns of equal width, empty ones left out."""
        xs, ys = self._xs, self._ys
        origin = xs[start]
        while start < stop:
            border = origin + (math.floor((xs[start] - origin) / width) + 1) * width if width > 0 else math.inf
            end = max(start + 1, bisect_left(xs, border, start, stop))
            if end == start + 1:
                out_x.append(xs[start])
                out_y.append(ys[start])
            else:
                low, high = self._pyramid.span(ys, start, end)
                _pairs(out_x, out_y, xs[start : start + 1], xs[end - 1 : end], array("d", [low]), array("d", [high]))
            start = end


def _pairs(
    out_x: array[float],
    out_y: array[float],
    begins: array[float],
    ends: array[float],
    low: array[float],
    high: array[float],
) -> None:
    """Each block as two points: its least at its begin, its greatest at its end; NaN where it is nothing but NaN."""
    if not begins:
        return
    at = len(out_x)
    both = array("d", bytes(16 * len(begins)))
    out_x.extend(both)
    out_y.extend(both)
    out_x[at::2], out_x[at + 1 :: 2] = begins, ends
    if any(map(operator.gt, low, high)):
        empty = [lowest > highest for lowest, highest in zip(low, high, strict=True)]
        low = array("d", (math.nan if hole else value for hole, value in zip(empty, low, strict=True)))
        high = array("d", (math.nan if hole else value for hole, value in zip(empty, high, strict=True)))
    out_y[at::2], out_y[at + 1 :: 2] = low, high


class Series:
    """The points of one metric of one stream."""

    def __init__(self) -> None:
        self._x: dict[X, array[float]] = {"step": array("d"), "time": array("d")}
        self._values = array("d")
        self._pyramid = Pyramid()
        self._checked: dict[X, int] = {"step": 0, "time": 0}
        self._sorted: dict[X, Axis] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def last(self) -> float:
        return self._values[-1] if self._values else math.nan

    def extend(self, steps: bytes, values: bytes, times: bytes) -> None:
        """Append a batch as it came over the wire; of columns of unequal length what they have in common."""
        size = min(len(steps), len(values), len(times)) // 8 * 8
        self._x["step"].extend(_numbered(_floats(steps[:size]), len(self)))
        self._x["time"].extend(_numbered(_floats(times[:size]), len(self)))
        self._values.extend(_floats(values[:size]))

    def axis(self, x: X) -> Axis:
        """The points in the order of this x."""
        xs = self._x[x]
        if self._in_order(x):
            return Axis(xs, self._values, self._pyramid)
        axis = self._sorted.get(x, Axis(array("d"), array("d"), Pyramid()))
        if len(axis) < len(xs):
            axis = self._sorted[x] = axis.merged(xs[len(axis) :], self._values[len(axis) :])
        return axis

    def _in_order(self, x: X) -> bool:
        """Are the xs ascending? Looks only at what is new since the last time; once broken it stays so."""
        xs, checked = self._x[x], self._checked[x]
        if checked < 0:
            return False
        start = max(0, checked - 1)
        ascending = all(map(operator.le, xs[start:-1], xs[start + 1 :]))
        self._checked[x] = len(xs) if ascending else -1
        return ascending


class Curves:
    """All series of one run, by stream ("" = its own, else a call) and name, in the order of their first point."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self.points = 0

    def add(self, call: str, name: str, steps: bytes, values: bytes, times: bytes) -> None:
        series = self._series.setdefault((call, name), Series())
        self.points -= len(series)
        series.extend(steps, values, times)
        self.points += len(series)

    def named(self, names: Iterable[str]) -> Iterator[tuple[str, str, Series]]:
        """(call, name, series) of the metrics asked for; of all when none are named."""
        wanted = frozenset(names)
        for (call, name), series in self._series.items():
            if not wanted or name in wanted:
                yield call, name, series


def packed(values: array[float], minus: float = 0.0) -> bytes:
    """Little-endian float32, as the panel draws them; too large becomes infinite."""
    single = array("f", (value - minus for value in values) if minus else values)
    if sys.byteorder == "big":
        single.byteswap()
    return single.tobytes()


def _floats(data: bytes) -> array[float]:
    values = array("d")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _numbered(xs: array[float], first: int) -> array[float]:
    """With the point's own number wherever x is not a finite number."""
    if math.isfinite(sum(xs)):
        return xs
    return array("d", (x if math.isfinite(x) else first + at for at, x in enumerate(xs)))
