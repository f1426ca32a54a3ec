"""The names of a namespace with hints: what a hint says, and that what has changed is told once to whoever has not heard it."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from yonder.agent import peek_names
from yonder.agent.peek import look
from yonder.agent.peek_names import MOST, SECONDS, Names
from yonder.wire import Answer, Query, Row, Step


class Net(nn.Module):
    pass


class Settings(dict[str, Any]):
    pass


HINTS = {
    "Tensor[32, 10] float32": torch.zeros(32, 10),
    "Tensor[] int64": torch.tensor(1),
    "Tensor[2] float32 meta": torch.zeros(2, device="meta"),
    "Parameter[3] float32": nn.Parameter(torch.zeros(3)),
    "ndarray[100, 3] float64": np.zeros((100, 3)),
    "ndarray[] bool": np.array(True),
    "DataFrame[150 x 5]": pd.DataFrame(np.zeros((150, 5))),
    "DataFrame[2 x 3]": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5]}),
    "DataFrame[0 x 1]": pd.DataFrame({"a": []}),
    "Series[4]": pd.Series([1.0, 2, 3, 4]),
    "Linear(64 → 10)": nn.Linear(64, 10),
    "Conv2d(3 → 8)": nn.Conv2d(3, 8, 3),
    "Embedding(100 → 16)": nn.Embedding(100, 16),
    "Sequential": nn.Sequential(nn.Linear(1, 1)),
    "Net": Net(),
    "list[12]": [0] * 12,
    "tuple[2]": (1, 2),
    "set[1]": {1},
    "deque[3]": collections.deque("abc"),
    "dict[3]": {1: 1, 2: 2, 3: 3},
    "Settings[1]": Settings(a=1),
    "bytes[4]": b"abcd",
    "str": "a secret text",
    "int": 12345,
    "bool": True,
    "None": None,
}


def ask(space: dict[Any, Any], names: Names, since: int = 0, generation: int = 1) -> Answer:
    answer = look(space, Query("names", since=since), generation, names)
    assert answer.found, answer.why
    return answer


def rows(answer: Answer) -> dict[str, Row]:
    return {row.name: row for row in answer.rows}


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_says_type_and_shape_and_no_value(hint: str) -> None:
    row = rows(ask({"x": HINTS[hint]}, Names()))["x"]
    assert (row.short, row.kind) == (hint, "v")
    assert row.kin


@pytest.mark.parametrize(("value", "kind"), [(len, "m"), (ask, "m"), (Net, "c"), (np, "M")])
def test_functions_classes_and_modules_have_no_hint(value: object, kind: str) -> None:
    row = rows(ask({"x": value}, Names()))["x"]
    assert (row.kind, row.short, row.kin) == (kind, "", 0)


def test_what_has_changed_is_told_and_nothing_else() -> None:
    names, space = Names(), {"a": 1, "b": [1], "c": torch.zeros(2)}
    first = ask(space, names)
    assert (first.whole, set(rows(first)), first.total) == (True, {"a", "b", "c"}, 3)
    space |= {"a": 2, "b": [1, 2], "d": "new"}
    del space["c"]
    second = ask(space, names, first.mark)
    assert (second.whole, set(rows(second)), second.gone, second.total) == (False, {"b", "d"}, ["c"], 3)
    third = ask(space, names, second.mark)
    assert (third.rows, third.gone, third.whole, third.mark) == ([], [], False, second.mark)


def test_an_answer_that_was_lost_is_told_again() -> None:
    names, space = Names(), dict[str, Any](a=1)
    base = ask(space, names)
    space |= {"b": 1}
    ask(space, names, base.mark)  # nobody hears it
    space |= {"c": 1}
    del space["a"]
    ask(space, names, base.mark)  # nor this
    assert set(rows(ask(space, names, base.mark))) == {"b", "c"}
    assert ask(space, names, base.mark).gone == ["a"]


def test_a_name_that_comes_back_is_not_gone() -> None:
    names, space = Names(), dict[str, Any](a=1)
    base = ask(space, names)
    del space["a"]
    ask(space, names, base.mark)
    space["a"] = 1
    again = ask(space, names, base.mark)
    assert (set(rows(again)), again.gone) == ({"a"}, [])


def test_the_mark_of_another_process_gets_everything() -> None:
    space = {"a": 1}
    mine = ask(space, Names())
    other = ask(space, Names(), mine.mark)
    assert (other.whole, set(rows(other))) == (True, {"a"})


def test_an_object_in_the_place_of_one_that_died_is_told_by_its_hint() -> None:
    names, space = Names(), dict[str, Any](x=[1])
    base = ask(space, names)
    where = id(space["x"])
    space["x"].append(2)  # the same object, and the same id, with another hint
    assert id(space["x"]) == where
    assert rows(ask(space, names, base.mark))["x"].short == "list[2]"


def test_a_class_that_was_written_anew_is_another_kin() -> None:
    names, space = Names(), dict[str, Any]()
    exec("class T:\n    def a(self): ...\nt = T()", space)
    base = ask(space, names)
    exec("class T:\n    def a(self): ...\nt = T()", space)
    assert ask(space, names, base.mark).rows == []
    exec("class T:\n    def b(self): ...\nt = T()", space)
    assert {"t"} == set(rows(ask(space, names, base.mark)))


def test_the_kin_of_members_is_the_kin_of_the_row() -> None:
    space = {"x": torch.zeros(2), "y": torch.zeros(3)}
    row = rows(ask(space, Names()))["x"]
    members = look(space, Query("members", [Step("name", "y")]), 1)
    assert (members.type, members.kin) == (row.type, row.kin)


def test_names_beyond_the_limit_are_left_out_and_counted() -> None:
    space: dict[str, Any] = {f"n{n}": n for n in range(MOST + 5)}
    answer = ask(space, Names(clock=lambda: 0.0))
    assert (answer.total, len(answer.rows)) == (MOST + 5, MOST)
    assert f"n{MOST + 4}" in rows(answer)
    assert "n0" not in rows(answer)


class Slow:
    now = 0.0

    def __call__(self) -> float:
        self.now += SECONDS / 2
        return self.now


def test_what_a_run_changed_is_not_all_told_while_a_rest_is_left() -> None:
    names, space = Names(clock=Slow()), dict[str, Any]((f"n{n}", n) for n in range(100))
    rests, told = list[int](), set[str]()
    answer = ask(space, names)
    assert answer.rest > 0
    space.update(dict.fromkeys(space, "text"))
    while not rests or rests[-1]:
        answer = ask(space, names, answer.mark, generation=2)
        rests.append(answer.rest)
        told |= {row.name for row in answer.rows if row.type == "str"}
    assert rests == sorted(rests, reverse=True)
    assert told == set(space)
    assert ask(space, names, answer.mark, generation=3).rest > 0


def test_what_is_no_name_in_a_program_is_not_told() -> None:
    answer = ask({"a b": 1, "": 2, "c": 3}, Names())
    assert (set(rows(answer)), answer.total, answer.rest) == ({"c"}, 1, 0)


def test_a_pass_ends_with_its_time_and_the_next_goes_on() -> None:
    names, space = Names(clock=Slow()), {f"n{n}": n for n in range(200)}
    first = ask(space, names)
    assert 0 < len(first.rows) < 200
    seen, mark = set(rows(first)), first.mark
    for _ in range(20):
        answer = ask(space, names, mark)
        seen, mark = seen | set(rows(answer)), answer.mark
        assert answer.gone == []
    assert seen == set(space)


def test_who_has_not_asked_for_long_is_told_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peek_names, "_BURIED", 3)
    names, space = Names(), dict[str, Any](a=1)
    base = ask(space, names)
    for n in range(5):
        space[f"t{n}"] = 1
        ask(space, names, base.mark)
        del space[f"t{n}"]
        ask(space, names, base.mark)
    answer = ask(space, names, base.mark)
    assert (answer.whole, set(rows(answer))) == (True, {"a"})


def test_what_is_the_interpreters_own_is_left_out() -> None:
    space: dict[Any, Any] = {"__name__": "m", "_private": 1, 7: 1, "x" * 300: 1}
    assert set(rows(ask(space, Names()))) == {"_private"}
