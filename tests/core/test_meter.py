"""Executor-seconds add up, and the moment at which a limit is reached is known beforehand."""

from hypothesis import given
from hypothesis import strategies as st

from yonder.core.meter import Meter


def test_two_executors_cost_twice():
    meter = Meter()
    meter.runs(10.0, 1)
    meter.runs(20.0, 2)
    assert meter.spent(25.0) == 20.0
    meter.runs(30.0, 0)
    assert meter.spent(1000.0) == 30.0


def test_the_end_is_known_beforehand():
    meter = Meter()
    assert meter.ends(0.0) is None
    meter.limit = 60.0
    assert meter.ends(0.0) is None
    meter.runs(0.0, 3)
    assert meter.ends(0.0) == 20.0
    meter.runs(10.0, 1)
    assert meter.ends(10.0) == 40.0
    assert not meter.over(39.0)
    assert meter.over(40.0)
    assert meter.ends(50.0) == 50.0


def test_without_a_limit_nothing_is_ever_over():
    meter = Meter()
    meter.runs(0.0, 1000)
    assert not meter.over(1e9)
    assert meter.ends(0.0) is None


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(0, 50)), min_size=1, max_size=20))
def test_it_is_the_area_under_the_number_of_executors(steps):
    meter, at, area, running = Meter(), 0.0, 0.0, 0
    for wait, executors in steps:
        area += wait * running
        at += wait
        meter.runs(at, executors)
        running = executors
    assert abs(meter.spent(at) - area) <= 1e-6 * max(1.0, area)
