"""Thinning: what is drawn is true to the points and costs pixels."""

import math
import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder_lsp.series import FEWEST, Curves, Pyramid, Series, packed


def floats(values):
    return array("d", values).tobytes()


def series(values, steps=None, times=None, batch=1000):
    """A Series that was fed in batches."""
    steps = range(len(values)) if steps is None else steps
    times = steps if times is None else times
    made = Series()
    for at in range(0, len(values), batch):
        made.extend(*(floats(part[at : at + batch]) for part in (steps, values, times)))
    return made


def test_few_points_come_as_they_are():
    xs, ys = series([3.0, 1.0, 2.0]).axis("step").thin(None, None, 600)
    assert (list(xs), list(ys)) == ([0, 1, 2], [3, 1, 2])


@pytest.mark.parametrize("count", [1201, 5000, 77_777])
def test_many_points_cost_pixels_and_keep_every_extreme(count):
    rng = random.Random(count)
    values = [rng.gauss(0, 1) for _ in range(count)]
    values[count // 3], values[count // 2] = 50.0, -50.0
    xs, ys = series(values).axis("step").thin(None, None, 600)
    assert 300 < len(xs) <= 1200
    assert list(xs) == sorted(xs)
    assert (xs[0], xs[-1]) == (0, count - 1)
    assert (max(ys), min(ys)) == (50.0, -50.0)
    assert xs[list(ys).index(50.0)] == pytest.approx(count // 3, abs=count / 100)


def test_a_window_is_drawn_finer_and_reaches_its_borders():
    whole = series([math.sin(i / 50) for i in range(100_000)])
    xs, ys = whole.axis("step").thin(40_000, 40_100, 600)
    assert list(xs) == list(range(39_999, 40_102))
    assert ys[0] == math.sin(39_999 / 50)
    xs, _ = whole.axis("step").thin(10_000, 60_000, 600)
    assert xs[0] <= 10_000 <= 60_000 <= xs[-1]
    assert len(xs) <= 1200


def test_outside_of_everything_is_nothing_much():
    assert len(series([1.0] * 10).axis("step").thin(100, 200, 600)[0]) <= 1


def test_growing_curves_are_the_same_as_whole_ones():
    values = [((i * 7919) % 1000) / 10 for i in range(9_999)]
    grown = Series()
    for at in range(0, len(values), 37):
        part = values[at : at + 37]
        steps = floats(range(at, at + len(part)))
        grown.extend(steps, floats(part), steps)
        grown.axis("step").thin(None, None, 100)
    assert grown.axis("step").thin(None, None, 600) == series(values).axis("step").thin(None, None, 600)


def test_not_a_number_is_a_hole_and_infinity_stays():
    values = [1.0] * 10_000
    values[5000] = math.inf
    values[7000:9000] = [math.nan] * 2000
    values[100] = math.nan
    xs, ys = series(values).axis("step").thin(None, None, 600)
    assert math.inf in ys
    holes = [x for x, y in zip(xs, ys, strict=True) if math.isnan(y)]
    assert 7000 <= min(holes) < 7050
    assert 8950 < max(holes) < 9000
    assert all(y == 1.0 or y == math.inf for y in ys if not math.isnan(y))


def test_both_infinities_in_one_batch_are_no_holes():
    xs, ys = series([math.inf, -math.inf, 0.0, 1.0] * 1000).axis("step").thin(None, None, 100)
    assert set(ys) == {math.inf, -math.inf}
    assert len(xs) <= 200


def test_a_pause_on_the_time_axis_does_not_hide_what_is_around_it():
    """Ten thousand points in a second, nothing for a minute, then a hundred slow ones with one peak."""
    times = [i / 10_000 for i in range(10_000)] + [60 + i * 0.5 for i in range(100)]
    values = [0.0] * 10_000 + [float(i == 50) for i in range(100)]
    xs, ys = series(values, times=times).axis("time").thin(None, None, 400)
    assert len(xs) <= 800
    assert list(xs) == sorted(xs)
    assert xs[list(ys).index(1.0)] == 85.0
    slow = [x for x in xs if x >= 60]
    assert len(slow) > 90


def test_everything_at_one_x_still_ends():
    xs, ys = series([float(i % 9) for i in range(5000)], steps=[3.0] * 5000).axis("step").thin(None, None, 100)
    assert set(xs) == {3.0}
    assert (min(ys), max(ys)) == (0.0, 8.0)


def test_steps_that_begin_anew_are_sorted_and_stay_sorted_as_more_come():
    made = series([1.0, 2.0, 3.0, 10.0, 20.0], steps=[0.0, 1.0, 2.0, 0.0, 1.0])
    xs, ys = made.axis("step").thin(None, None, 100)
    assert (list(xs), list(ys)) == ([0, 0, 1, 1, 2], [1, 10, 2, 20, 3])
    made.extend(floats([2.0]), floats([30.0]), floats([9.0]))
    assert list(made.axis("step").thin(None, None, 100)[1]) == [1, 10, 2, 20, 3, 30]
    assert made.last == 30.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=40), min_size=1, max_size=8))
def test_whatever_the_order_of_steps_the_axis_is_a_stable_sort(batches):
    """Looked at after every batch, so that the sorted copy grows in all ways."""
    made, points = Series(), []
    for batch in batches:
        values = [float(len(points) + at) for at in range(len(batch))]
        made.extend(floats(batch), floats(values), floats(batch))
        points += zip(batch, values, strict=True)
        xs, ys = made.axis("step").thin(None, None, 600)
        assert list(zip(xs, ys, strict=True)) == sorted(points, key=lambda point: point[0])
        xs, ys = made.axis("step").thin(None, None, FEWEST)
        assert (min(ys), max(ys)) == (0.0, float(len(points) - 1))


def test_one_axis_out_of_order_does_not_disturb_the_other():
    made = series([1.0, 2.0, 3.0], steps=[2.0, 1.0, 0.0], times=[5.0, 6.0, 7.0])
    assert list(made.axis("time").thin(None, None, 100)[1]) == [1, 2, 3]
    assert list(made.axis("step").thin(None, None, 100)[1]) == [3, 2, 1]


def test_a_step_that_is_no_number_counts_as_the_points_own():
    made = series([1.0, 2.0, 3.0, 4.0], steps=[0.0, math.nan, math.inf, 3.0], batch=2)
    assert list(made.axis("step").thin(None, None, 100)[0]) == [0, 1, 2, 3]


def test_columns_of_unequal_length_give_what_they_have_in_common():
    made = Series()
    made.extend(floats([1, 2, 3]), floats([1, 2]) + b"odd", floats([1, 2, 3]))
    assert len(made) == 2
    assert len(made.axis("time").thin(None, None, 100)[0]) == 2
    assert math.isnan(Series().last)


def test_an_empty_series_draws_nothing():
    xs, ys = Series().axis("step").thin(0, 1, 100)
    assert (len(xs), len(ys)) == (0, 0)


def test_curves_are_counted_and_chosen_by_name():
    curves = Curves()
    for call, name in [("", "loss"), ("1", "loss"), ("1", "acc")]:
        curves.add(call, name, floats([0, 1]), floats([5, 6]), floats([0, 1]))
    assert curves.points == 6
    assert [(call, name) for call, name, _ in curves.named(["loss"])] == [("", "loss"), ("1", "loss")]
    assert len(list(curves.named([]))) == 3


def test_packed_is_little_endian_float32():
    assert packed(array("d", [1.0])) == b"\x00\x00\x80\x3f"
    assert packed(array("d", [1.7e9 + 0.5]), minus=1.7e9) == b"\x00\x00\x00\x3f"
    assert array("f", packed(array("d", [1e300, math.nan])))[0] == math.inf


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=300),
    st.integers(1, 12),
    st.data(),
)
def test_span_is_the_extent_of_the_slice(values, repeat, data):
    values = array("d", values * repeat)
    pyramid = Pyramid()
    cut = data.draw(st.integers(0, len(values)))
    pyramid.grow(values[:cut])
    pyramid.grow(values)
    start = data.draw(st.integers(0, len(values) - 1))
    stop = data.draw(st.integers(start + 1, len(values)))
    numbers = [value for value in values[start:stop] if not math.isnan(value)]
    low, high = pyramid.span(values, start, stop)
    assert (low, high) == ((min(numbers), max(numbers)) if numbers else (math.inf, -math.inf))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 1.0, 50.0]), min_size=300, max_size=2000), st.data())
def test_any_spacing_keeps_bounds_order_and_extremes(gaps, data):
    steps, at = [], 0.0
    for gap in gaps:
        at += gap
        steps.append(at)
    values = [data.draw(st.floats(-10, 10)) if i < 20 else float(i % 11) for i in range(len(gaps))]
    made = series(values, steps=steps)
    xs, ys = made.axis("step").thin(None, None, FEWEST)
    assert len(xs) <= 2 * FEWEST
    assert list(xs) == sorted(xs)
    assert (min(ys), max(ys)) == (min(values), max(values))
