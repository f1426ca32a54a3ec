"""Rows of what is inside an object: pages, filters, steps that lead back to it, and what is never shown."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import threading
import types
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from tests.core.test_peek import steps
from torch import nn

from yonder.agent import peek, peek_children
from yonder.agent.peek import look
from yonder.wire import Answer, Query, Row, Step


def ask(space: dict[str, Any], path: str = "", **more: Any) -> Answer:
    return look(space, Query("children", steps(path) if path else [], **more), 7)


def inside(value: object, **more: Any) -> list[Row]:
    return ask({"value": value}, "value", **more).rows


def shown(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.name, row.short) for row in rows]


@pytest.mark.parametrize(("spent", "short"), [(0.0, "1"), (1.0, "…")])
def test_what_a_page_takes_itself_is_counted_and_no_other_time(
    monkeypatch: pytest.MonkeyPatch, spent: float, short: str
) -> None:
    own = itertools.count(0.0, spent)
    monkeypatch.setattr(peek, "thread_time", lambda: next(own))
    assert shown(ask({"a": 1}).rows) == [("a", short)]


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


@dataclasses.dataclass(slots=True)
class Slim:
    near: int
    far: str = "away"


class Pair(NamedTuple):
    left: int
    right: int


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.scale = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))
        self.rate = 0.5


def test_the_namespace_shows_values_first_and_no_private_names() -> None:
    space = {"os": os, "Point": Point, "steps": steps, "x": 1, "_hidden": 2, "y": "a"}
    answer = ask(space)
    assert [(row.name, row.kind) for row in answer.rows] == [
        ("x", "v"),
        ("y", "v"),
        ("steps", "m"),
        ("Point", "c"),
        ("os", "M"),
    ]
    assert answer.total == 5
    assert answer.generation == 7
    assert answer.rows[0] == Row("x", "v", "int", "1", Step("name", "x"))


def test_pages_follow_each_other() -> None:
    space = {f"n{at}": at for at in range(10)}
    pages = [ask(space, offset=at, limit=4) for at in (0, 4, 8, 12)]
    assert [row.name for page in pages for row in page.rows] == list(space)
    assert {page.total for page in pages} == {10}


def test_a_page_is_never_longer_than_allowed() -> None:
    assert len(inside(list(range(1000)), limit=100_000)) == peek_children.MOST
    assert len(inside([1, 2], limit=-5)) == 1
    assert shown(inside([1, 2], offset=-5)) == [("0", "1"), ("1", "2")]


def test_a_filter_reads_names_and_types_and_counts_what_it_found() -> None:
    space = {"learning_rate": 0.1, "net": nn.Linear(1, 1), "Rate": 2, "x": 3}
    assert [row.name for row in ask(space, prefix="RATE").rows] == ["learning_rate", "Rate"]
    assert [row.name for row in ask(space, prefix="linear").rows] == ["net"]
    answer = ask({"value": {f"k{at}": at for at in range(100)}}, "value", prefix="9", offset=3, limit=2)
    assert [row.name for row in answer.rows] == ["'k39'", "'k49'"]
    assert answer.total == 19


def test_a_filter_that_has_no_time_left_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yonder.agent.peek_text.Budget.late", lambda self: True)
    answer = ask({"value": {f"k{at}": at for at in range(1000)}}, "value", prefix="k")
    assert answer.why == "the filter has looked at the first 256 of 1,000"
    assert answer.found


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"lr": 0.1, 3: "c"}, [("'lr'", "0.1"), ("3", "'c'")]),
        ([5, [6]], [("0", "5"), ("1", "[6]")]),
        ((5,), [("0", "5")]),
        ({7}, [("0", "7")]),
        (collections.deque([8]), [("0", "8")]),
        (collections.OrderedDict(a=1), [("'a'", "1")]),
        (Point(1, [2]), [("x", "1"), ("y", "[2]")]),
        (Slim(1), [("near", "1"), ("far", "'away'")]),
        (types.SimpleNamespace(_b=1, a=2, __c=3), [("a", "2"), ("_b", "1")]),
        (Pair(1, 2), [("left", "1"), ("right", "2")]),
        (
            pd.DataFrame({"a": [1.5], "b": [True], "c": [1], "d": [2.5]}),
            [("a", "float64"), ("b", "bool"), ("c", "int64"), ("d", "float64")],
        ),
        ("text", []),
        (len, []),
        (3, []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_inside(value: object, rows: list[tuple[str, str]]) -> None:
    assert shown(inside(value)) == rows


@pytest.mark.parametrize(
    "value",
    [{"lr": [1], 3: [2]}, {1: [1], 2: [2]}, [[5], [6]], Point([1]), Slim(1), Net(), types.SimpleNamespace(a=[1])],
    ids=lambda value: type(value).__name__,
)
def test_each_step_leads_to_what_its_row_shows(value: object) -> None:
    space = {"value": value}
    for row in inside(value):
        assert row.step is not None
        found = look(space, Query("describe", [Step("name", "value"), row.step]), 1)
        assert (found.type, found.short) == (row.type, row.short)


def test_no_step_leads_where_looking_would_run_code() -> None:
    class Loud(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            raise AssertionError("user code")

    assert inside(Loud(a=1))[0].step is None
    assert inside({7})[0].step is None
    assert inside({(1, 2): 3})[0] == Row("(1, 2)", "v", "int", "3")


def test_a_network_shows_its_parts() -> None:
    rows = {row.name: row for row in inside(Net())}
    assert set(rows) == {"layer", "scale", "seen", "training", "rate"}
    assert rows["layer"].children == 2
    assert rows["scale"].short == "Parameter(2, float32, cpu)"
    assert rows["scale"].size == 8


def test_a_tensor_shows_its_metadata_and_never_its_elements() -> None:
    rows = inside(torch.full((2, 3), 42.0))
    assert ("shape", "2 x 3") in shown(rows)
    assert not any("42" in row.short for row in rows)
    assert all(row.step is None for row in rows)
    assert ("dtype", "int64") in shown(inside(np.array([42])))


def test_sizes_come_from_metadata() -> None:
    space = {"t": torch.zeros(10), "a": np.zeros(10), "f": pd.DataFrame({"a": [1, 2]}), "s": "text"}
    assert [row.size for row in ask(space).rows] == [40, 80, 16, -1]


def test_how_many_parts_a_row_has() -> None:
    rows = ask({"d": {1: 2}, "l": [1, 2], "n": 3, "t": torch.zeros(1), "e": [], "p": Point(1), "f": len}).rows
    assert {row.name: row.children for row in rows} == {"d": 1, "l": 2, "n": 0, "t": 1, "e": 0, "p": 2, "f": 0}


def test_what_is_secret_stays_hidden_however_deep() -> None:
    space = {"api_keys": {"alice": "s3cret", "deep": {"s4cret": ["s5cret"]}}, "config": {"password": "s6cret"}}
    said = [ask(space), ask(space, "api_keys"), ask(space, "config"), ask(space, "api_keys['deep']['s4cret']")]
    assert "cret" not in repr([answer.rows for answer in said[:3]])
    assert [row.short for row in said[3].rows] == ["<redacted>"]
    assert said[2].rows[0].name == "'password'"


def test_environment_variables_are_named_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YONDER_PROBE", "quiet-value")
    rows = inside(os.environ, prefix="YONDER_PROBE")
    assert shown(rows) == [("YONDER_PROBE", "<redacted>")]


def test_something_that_contains_itself_is_one_more_row() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    answer = look({"loop": loop}, Query("children", [Step("name", "loop"), *[Step("key", "self")] * 50]), 1)
    assert answer.rows[0].step == Step("key", "self")
    assert answer.rows[0].children == 1


def test_a_million_entries_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    monkeypatch.setattr(peek_children.Children, "_key", lambda self, key: written.append(key) or str(key))
    huge = dict.fromkeys(range(1_000_000))
    answer = ask({"value": huge}, "value", offset=999_990, limit=5)
    assert [row.name for row in answer.rows] == ["999990", "999991", "999992", "999993", "999994"]
    assert answer.total == 1_000_000
    assert len(written) == 5
    assert ask({"value": [0] * 1_000_000}, "value", offset=999_999).rows[0].name == "999999"


def test_what_is_not_there_is_said() -> None:
    assert ask({}, "gone").why == "gone is not defined in the session"
    assert ask({"f": pd.DataFrame({"a": [1]})}, "f['a']").why == "a column; it was not read"


def test_a_dict_that_changes_meanwhile_is_looked_at_again() -> None:
    changing = {at: at for at in range(100)}
    stop = threading.Event()

    def churn() -> None:
        at = 1000
        while not stop.is_set():
            changing[at] = at
            del changing[at]
            at += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        answers = [ask({"value": changing}, "value", limit=50) for _ in range(50)]
    finally:
        stop.set()
        thread.join()
    assert all(len(answer.rows) == 50 for answer in answers if answer.found)
    assert any(answer.found for answer in answers)


def test_a_pages_time_is_what_it_takes_not_how_long_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    space = {"a": 1, "b": 2}
    assert [row.short for row in ask(space).rows] == ["1", "2"]
    monkeypatch.setattr("yonder.agent.peek.thread_time", itertools.count().__next__)
    assert [row.short for row in ask(space).rows] == ["…", "…"]
