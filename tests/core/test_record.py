"""What `log`, `progress` and `display` hand to whoever records, and how they behave where nobody does."""

from __future__ import annotations

import io
import sys

import pytest

from yonder import record, seat


class Kept:
    """A recorder that remembers."""

    def __init__(self):
        self.said = []

    def metrics(self, step, values):
        self.said.append((step, values))

    def progress(self, bar, label, done, total):
        self.said.append((label, done, total))

    def display(self, mime, data, alt):
        self.said.append((mime, data, alt))


@pytest.fixture
def kept():
    recorder = Kept()
    seat.take(seat.Seat("/hub", "token", "w", "", recorder))
    yield recorder.said
    seat.take(None)


def test_values_are_read_at_once(kept):
    class Scalar:
        value = 1.5

        def __float__(self):
            return self.value

    scalar = Scalar()
    record.log(step=3, loss=scalar, hits=2, yes=True)
    scalar.value = 9.0
    record.log(loss=0.5)
    assert kept == [(3.0, {"loss": 1.5, "hits": 2.0, "yes": 1.0}), (None, {"loss": 0.5})]


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1.0], object()])
def test_what_is_no_number_is_named(kept, value):
    with pytest.raises(TypeError, match="accuracy is not a number"):
        record.log(accuracy=value)
    assert kept == []


def test_arrays_are_refused_with_their_shape():
    class Array:
        ndim, shape = 2, (3, 4)

        def __float__(self):
            raise AssertionError("nobody asked for it")

    with pytest.raises(TypeError, match=r"shape \(3, 4\); log its mean"):
        record.log(loss=Array())


def test_progress_tells_the_beginning_and_the_end(kept):
    assert list(record.progress([1, 2, 3], "bar")) == [1, 2, 3]
    assert kept[0] == ("bar", 0.0, 3.0)
    assert kept[-1] == ("bar", 3.0, 3.0)


def test_progress_of_an_abandoned_loop_says_how_far_it_came(kept):
    for item in record.progress(iter(range(100)), total=100):
        if item == 4:
            break
    del item
    assert kept[-1] == ("", 4.0, 100.0)


def test_outside_a_run_nothing_happens(capsys):
    record.log(step=1, loss=1.0)
    assert list(record.progress(range(3))) == [0, 1, 2]
    record.display({"a": 1})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("{'a': 1}\n", "")


def test_at_a_terminal_progress_is_a_line(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(record.progress(range(2), "work")) == [0, 1]
    assert terminal.getvalue().endswith("\n")
    assert "work: [##############################] 2/2" in terminal.getvalue()


def test_pictures_are_shown_in_their_best_form(kept):
    class Both:
        def _repr_html_(self):
            return "<i>"

        def _repr_png_(self):
            return b"png"

    record.display(Both())
    record.display(5)
    assert kept == [("image/png", b"png", "Both"), ("text/plain", b"5", "int")]
