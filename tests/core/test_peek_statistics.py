"""Statistics beside a run: right numbers, slab by slab, in words when there are none, and never a wait."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_peek import steps
from tests.core.test_peek_safety import SpyArray, SpyTensor, watched

from yonder.agent import peek_numbers, peek_statistics
from yonder.agent.peek_numbers import Total, of_array, of_tensor, slabs
from yonder.agent.peek_statistics import Statistics, statistics
from yonder.wire import Answer, Query


def never() -> bool:
    return False


def of(value: Any, path: str = "value") -> Answer:
    return statistics({"value": value}, steps(path), never, 3)


def table(answer: Answer) -> dict[str, str]:
    return {row.name: row.short for row in answer.rows}


# ── slabs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 7), max_size=4), st.integers(1, 20))
def test_slabs_cover_everything_once(shape: list[int], most: int) -> None:
    counted = np.zeros(shape)
    for where in slabs(tuple(shape), most):
        assert counted[where].size <= most
        counted[where] += 1
    assert (counted == 1).all()


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[1 << 20, 7])
def slab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(peek_numbers, "SLAB", request.param)
    monkeypatch.setattr(peek_numbers, "CPU_SLAB", request.param)
    return int(request.param)


NUMBERS = np.array([[0.0, 2.0, -3.5], [np.nan, np.inf, 8.25], [0.0, -np.inf, 1e-3], [5.0, 6.0, 7.0]])
FINITE = NUMBERS[np.isfinite(NUMBERS)]


def check(total: Total, ddof: int) -> None:
    assert (total.read, total.finite, total.nan, total.infinite, total.zeros) == (12, 9, 1, 2, 2)
    assert (total.low, total.high) == (-3.5, 8.25)
    assert total.mean == pytest.approx(FINITE.mean())
    assert total.std == pytest.approx(FINITE.std(ddof=ddof))


def test_a_tensor(slab: int) -> None:
    check(of_tensor(torch.tensor(NUMBERS), never), 1)
    check(of_tensor(torch.tensor(NUMBERS.T.copy()).T, never), 1)  # not contiguous
    check(of_tensor(torch.nn.Parameter(torch.tensor(NUMBERS)), never), 1)


def test_an_array(slab: int) -> None:
    check(of_array(NUMBERS, never), 0)
    check(of_array(NUMBERS[::-1].T, never), 0)


def test_huge_numbers_whose_squares_are_none() -> None:
    total = of_tensor(torch.tensor([1e300, -1e300], dtype=torch.float64), never)
    assert (total.low, total.high, total.mean, total.infinite) == (-1e300, 1e300, 0, 0)


def test_what_a_device_computes_is_what_the_cpu_does() -> None:
    numbers = torch.tensor(NUMBERS)
    total = Total()
    total.add(numbers.numel(), peek_numbers._tensor_part(numbers).tolist())
    check(total, 1)


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.float16, torch.bfloat16, torch.bool])
def test_every_kind_of_number(kind: torch.dtype) -> None:
    total = of_tensor(torch.tensor([0, 1, 1, 0]).to(kind), never)
    assert (total.low, total.high, total.mean, total.zeros) == (0, 1, 0.5, 2)


def test_a_large_mean_does_not_swallow_the_deviation() -> None:
    values = np.array([1e9, 1e9 + 1, 1e9 + 2])
    assert of_array(values, never).std == pytest.approx(values.std())
    assert of_tensor(torch.tensor(values), never).std == pytest.approx(1.0)


def test_nothing_of_the_tensor_is_changed_and_no_graph_is_made() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    before = weight._version
    of(weight)
    assert weight._version == before
    assert weight.grad_fn is None


# ── what a person reads ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_rows_of_a_tensor() -> None:
    answer = of(torch.tensor([0.0, 1.0, 2.0, float("nan")]))
    assert table(answer) == {
        "min": "0",
        "max": "2",
        "mean": "1",
        "std": "1",
        "zeros": "25.0%",
        "NaN": "1",
        "Inf": "0",
    }
    assert (answer.total, answer.generation, answer.why) == (4, 3, "")


def test_only_odd_numbers_and_too_few_of_them() -> None:
    assert set(table(of(torch.tensor([float("nan")])))) == {"zeros", "NaN", "Inf"}
    assert table(of(torch.tensor(3.0)))["std"] == "none"
    assert table(of(np.array(3.0)))["mean"] == "3"


def test_tables_and_their_columns() -> None:
    frame = pd.DataFrame({"a": [1.0, 3.0], "name": ["x", "y"], "n": [1, 4]})
    assert table(of(frame)) == {"a": "1 … 3 · mean 2", "n": "1 … 4 · mean 2.5"}
    assert table(of(frame, "value['n']"))["std"] == "2.1213"
    assert table(of(pd.Series([1.0, None])))["NaN"] == "1"
    assert of(frame, "value['name']").why == "statistics are of plain numbers; these are of another kind"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (torch.zeros(0), "it is empty"),
        (torch.zeros(2, dtype=torch.complex64), "statistics are of real numbers; these are complex64"),
        (torch.eye(2).to_sparse(), "statistics are of dense tensors; this one is sparse_coo"),
        (torch.zeros(2, device="meta"), "it has a shape but no data"),
        (np.array(["a"]), "statistics are of real numbers; these are of another kind"),
        (np.array([None]), "statistics are of real numbers; these are of another kind"),
        (pd.DataFrame({"a": ["x"]}), "none of its columns is of plain numbers"),
        (pd.Series(["x"], dtype="category"), "statistics are of plain numbers; these are of another kind"),
        ([1, 2], "statistics are of tensors, arrays and tables; this is list"),
    ],
    ids=str,
)
def test_in_words_when_there_are_none(value: object, why: str) -> None:
    answer = of(value)
    assert not answer.found
    assert answer.why == why
    assert not answer.rows


def test_what_is_not_there() -> None:
    assert of(1, "gone").why == "gone is not defined in the session"


def test_subclasses_run_code_and_are_not_read() -> None:
    spies = [torch.ones(2).as_subclass(SpyTensor), np.ones(2).view(SpyArray)]
    with watched() as record:
        answers = [of(spy) for spy in spies]
    assert list(record) == []
    assert not any(answer.found for answer in answers)


def test_what_there_was_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peek_numbers, "CPU_SLAB", 10)
    calls = iter([False, False, True])
    answer = statistics({"value": torch.arange(40)}, steps("value"), lambda: next(calls))
    assert answer.why == "of the first 50%, which is what there was time for"
    assert table(answer)["max"] == "19"
    assert statistics({"value": np.arange(9)}, steps("value"), lambda: True).why == (
        "there was no time to read any of it"
    )


# ── the thread ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Ear:
    """Who asked; `heard` is set with each answer."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self.heard = threading.Semaphore(0)

    def __call__(self, number: int, answer: Answer) -> None:
        assert number not in self.answers
        self.answers[number] = answer
        self.heard.release()


def test_it_is_answered_from_a_thread_of_its_own() -> None:
    ear = Ear()
    Statistics(ear, lambda: ({"value": torch.ones(3)}, 5)).ask(1, Query("statistics", steps("value"), seconds=5))
    assert ear.heard.acquire(timeout=20)
    assert table(ear.answers[1])["mean"] == "1"
    assert ear.answers[1].generation == 5


def test_one_at_a_time_and_a_device_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    ear, gate, begun = Ear(), threading.Event(), threading.Event()

    def stuck(*_: object) -> Answer:
        begun.set()
        gate.wait(20)
        return Answer(found=True)

    monkeypatch.setattr(peek_statistics, "statistics", stuck)
    asked = Statistics(ear, lambda: ({}, 1))
    asked.ask(1, Query("statistics", seconds=0.1))
    assert begun.wait(20)
    asked.ask(2, Query("statistics", seconds=0.1))
    assert ear.answers[2].why == peek_statistics.BUSY
    ear.heard.acquire(timeout=20)
    assert ear.heard.acquire(timeout=20)
    assert ear.answers[1].why == "still waiting for the device after 0.1 s; the run goes on"
    asked.ask(3, Query("statistics", seconds=0.1))
    assert ear.answers[3].why == peek_statistics.STUCK
    worker = next(thread for thread in threading.enumerate() if thread.name == "yonder-statistics")
    gate.set()
    worker.join(20)
    asked.ask(4, Query("statistics", seconds=0.1))
    assert ear.heard.acquire(timeout=20)
    assert ear.heard.acquire(timeout=20)
    assert ear.answers[4].found


def test_threads_that_there_are_none_of_are_wanted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ear, failed = Ear(), threading.Event()

    class NoThread(threading.Timer):
        def start(self) -> None:
            failed.set()
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(peek_statistics.threading, "Timer", NoThread)
        asked = Statistics(ear, lambda: ({"value": torch.ones(3)}, 1))
        asked.ask(1, Query("statistics", steps("value"), seconds=5))
        assert ear.heard.acquire(timeout=20)
        assert ear.answers[1].why == "the session could not start a thread for it"
    for thread in [one for one in threading.enumerate() if one.name == "yonder-statistics"]:
        thread.join(20)
    asked.ask(2, Query("statistics", steps("value"), seconds=5))
    assert ear.heard.acquire(timeout=20)
    assert table(ear.answers[2])["mean"] == "1"


def test_a_hub_that_hung_up_is_no_fault() -> None:
    told = threading.Event()

    def gone(number: int, answer: Answer) -> None:
        told.set()
        raise BrokenPipeError

    Statistics(gone, lambda: ({}, 1)).ask(1, Query("statistics", steps("x"), seconds=1))
    assert told.wait(20)


def test_the_deviation_of_nothing_is_none() -> None:
    assert math.isnan(Total().std)


# ── a device, played ──────────────────────────────────────────────────────────────────────────────────────────────────


class Cuda:
    """What is called of torch.cuda, in order; its work is done after `polls` questions."""

    def __init__(self, polls: int) -> None:
        self.calls: list[str] = []
        self.left = polls

    def __getattr__(self, name: str) -> Any:
        return lambda *_: Played(self, name)

    def default_stream(self, device: str) -> str:
        return f"default of {device}"


class Played:
    """A context, a stream or an event: whatever is done with it is written down."""

    def __init__(self, cuda: Cuda, name: str) -> None:
        self.cuda, self.name = cuda, name
        cuda.calls.append(name)

    def __enter__(self) -> None:
        self.cuda.calls.append(f"in {self.name}")

    def __exit__(self, *_: object) -> None:
        self.cuda.calls.append(f"out of {self.name}")

    def wait_stream(self, other: str) -> None:
        self.cuda.calls.append(f"wait behind {other}")

    def record(self, stream: object) -> None:
        self.cuda.calls.append("record")

    def query(self) -> bool:
        self.cuda.left -= 1
        return self.cuda.left < 0


@pytest.mark.parametrize(("polls", "late", "done"), [(3, False, True), (10**9, True, False)])
def test_the_device_is_asked_and_never_waited_for(
    monkeypatch: pytest.MonkeyPatch, polls: int, late: bool, done: bool
) -> None:
    cuda = Cuda(polls)
    monkeypatch.setattr(peek_numbers.raw, "known", lambda module, name: cuda)
    monkeypatch.setattr(peek_numbers, "_c", lambda value, name, *more: cuda.calls.append(f"{value}.{name}"))
    with peek_numbers._beside("tensor", "cuda:1", lambda: late) as ready:
        assert ready() is done
    assert cuda.calls == [
        "device",
        "in device",
        "Stream",
        "wait behind default of cuda:1",
        "tensor.record_stream",
        "stream",
        "in stream",
        "Event",
        "record",
        "out of stream",
        "out of device",
    ]
