"""The contest's own rules: who cannot is named and skipped, who fails ends nobody else, and nothing is left behind."""

from __future__ import annotations

import pytest
from tests.bench import calls
from tests.bench.contestant import Contestant, Unable
from tests.bench.figures import BenchError


def test_a_contestant_measures_and_leaves_nothing():
    with Contestant("ProcessPoolExecutor") as contestant:
        assert len(contestant.ask("latency", 5)) == 5
        assert contestant._left()
    assert contestant._left() == []


def test_what_a_contestant_cannot_is_a_sentence_and_it_goes_on():
    with Contestant("ProcessPoolExecutor") as contestant:
        with pytest.raises(Unable, match="ProcessPoolExecutor: no generators"):
            contestant.ask("stream", 1)
        assert contestant.ask("rate", 10)[0] > 0


def test_a_contestant_that_dies_is_a_sentence():
    with Contestant("ProcessPoolExecutor") as contestant:
        contestant._program.kill()
        with pytest.raises(Unable, match="ended or was silent"):
            contestant.ask("latency", 1)
    assert contestant._left() == []


def test_a_peer_that_is_not_installed_is_said_once_and_missing_in_the_figures(capsys, monkeypatch):
    def missing(name, workers):
        raise Unable(f"{name}: is not installed")

    monkeypatch.setattr(calls, "Contestant", missing)
    board = calls.Board({"latency": {"yonder": [1.0, 2.0, 3.0]}})
    calls._alone("Ray", calls.QUICK, board)
    calls._alone("Ray", calls.QUICK, board)
    assert capsys.readouterr().err == "  not measured: Ray: is not installed\n"
    figure = board.figure("call_p50_ms", "latency", "ms")
    assert (figure.value, figure.peers) == (2.0, {})


def test_figures_without_us_are_no_figures():
    with pytest.raises(BenchError, match="Yonder itself"):
        calls.Board({"latency": {"Ray": [1.0]}}).figure("call_p50_ms", "latency", "ms")
