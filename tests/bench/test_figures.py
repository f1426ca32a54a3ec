"""The bench's own arithmetic and its lines; the measurements themselves are not tests."""

from __future__ import annotations

import json

import pytest
from tests.bench import report, run
from tests.bench.figures import BenchError, Figure, median, quantile, rounded


def test_a_quantile_is_a_value_that_occurred():
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [quantile(values, share) for share in (0.01, 0.2, 0.5, 0.95, 1.0)] == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert median([2.0, 1.0]) == 1.0


def test_no_samples_are_no_figure():
    with pytest.raises(BenchError, match="nothing was measured"):
        median([])


def test_a_figure_is_one_line_of_json():
    line = Figure("call_p50_ms", 0.123456, "ms", {"peer": 1234.56}).line()
    assert "\n" not in line
    assert json.loads(line) == {"name": "call_p50_ms", "value": 0.1235, "unit": "ms", "peers": {"peer": 1235.0}}


def test_rounding_keeps_four_digits_of_any_size():
    assert (rounded(123456.0), rounded(0.000123456), rounded(0.0)) == (123500.0, 0.0001235, 0.0)


def test_a_failing_group_does_not_hide_the_others(monkeypatch, capsys):
    def broken(quick):
        yield Figure("half", 1.0, "ms")
        raise BenchError("it lost a point")

    monkeypatch.setattr(run, "GROUPS", {"broken": broken, "fine": lambda quick: iter([Figure("whole", 2.0, "ms")])})
    assert run.main([]) == 1
    said = capsys.readouterr()
    assert [json.loads(line)["name"] for line in said.out.splitlines()] == ["half", "whole"]
    assert "it lost a point" in said.err
    assert "could not measure: broken" in said.err


def test_a_group_that_does_not_exist_is_named(capsys):
    with pytest.raises(SystemExit):
        run.main(["speed"])
    assert "'speed'" in capsys.readouterr().err


def test_the_readme_keeps_the_rows_that_were_not_measured_again():
    text = f"before\n{report.BEGIN}{report.END}\nafter\n"
    first = report.updated(
        text, [Figure("boot64_s", 2.15, "s", {"bare forks": 0.93}), Figure("call_p50_ms", 0.5, "ms")]
    )
    second = report.updated(first, [Figure("call_p50_ms", 0.1557, "ms", {"ProcessPoolExecutor": 0.0735})])
    table = second.partition(report.BEGIN)[2].partition(report.END)[0].splitlines()[2:]
    assert [row.split(" | ")[1:] for row in table] == [
        ["0.156 ms", "ProcessPoolExecutor 0.0735 ms |"],
        ["2.15 s", "bare forks 0.93 s |"],
    ]
    assert (second.startswith("before\n"), second.endswith("\nafter\n")) == (True, True)


def test_a_document_without_marks_is_refused():
    with pytest.raises(BenchError, match="no marks"):
        report.updated("# Nothing here\n", [])
