"""Where a debugger has stopped: the names of that function, as the debugger has them, and nothing that was before."""

import builtins
import pdb  # noqa: T100 - a debugger is what this is about
import sys
import threading
import types
from typing import Any

import pytest

from yonder.agent import peek_stop
from yonder.agent.peek_stop import Stop, first


def beside(prompts: list[Any], answers: list[str]) -> Any:
    """Stands in for input(): at each prompt another thread looks where the main one stands."""

    def ask(prompt: str = "") -> str:
        found: list[Stop | None] = []
        looking = threading.Thread(target=lambda: found.append(peek_stop.stop()))
        looking.start()
        looking.join(10)
        prompts.append(found[0] and (dict(found[0].names), found[0].function))
        return answers.pop(0)

    return ask


@pytest.fixture
def debugger(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a function that stops, with these answers; gives what was seen at each prompt."""

    def run(function: Any, *answers: str) -> list[Any]:
        prompts: list[Any] = []
        monkeypatch.setattr(builtins, "input", beside(prompts, list(answers)))
        monkeypatch.setattr("sys.breakpointhook", lambda: pdb.Pdb(nosigint=True, readrc=False).set_trace(_caller()))
        function()
        return prompts

    return run


def _caller() -> Any:
    import sys

    return sys._getframe(2)


def work(size: int) -> int:
    doubled = size * 2
    breakpoint()  # noqa: T100 - as above
    tripled = size * 3
    return doubled + tripled


def test_the_functions_names_are_seen_while_it_stands(debugger: Any) -> None:
    (seen,) = debugger(lambda: work(4), "c")
    assert seen == ({"size": 4, "doubled": 8}, "work")
    assert peek_stop.stop() is None


def test_they_move_with_the_debugger(debugger: Any) -> None:
    seen = debugger(lambda: work(4), "n", "c")
    assert seen[0][0].get("tripled") is None
    assert seen[1] == ({"size": 4, "doubled": 8, "tripled": 12}, "work")


def test_what_a_person_assigned_stays(debugger: Any) -> None:
    kept: list[int] = []
    seen = debugger(lambda: kept.append(work(4)), "doubled = 100", "p doubled", "c")
    assert seen[1][0]["doubled"] == 100
    assert kept == [112]


def test_another_frame_may_be_chosen(debugger: Any) -> None:
    def outer() -> None:
        own = "outer's"
        work(len(own))

    seen = debugger(outer, "up", "c")
    assert seen[1][1] == "outer"
    assert seen[1][0]["own"] == "outer's"


def test_a_question_of_the_programs_own_is_no_stop(debugger: Any) -> None:
    assert debugger(lambda: input("name? "), "me") == [None]


@pytest.mark.parametrize("put", [None, object(), types.ModuleType("pdb")])
def test_whatever_stands_in_the_debuggers_place(monkeypatch: pytest.MonkeyPatch, put: object) -> None:
    monkeypatch.setitem(sys.modules, "pdb", put)
    assert peek_stop.stop() is None


def test_the_name_of_its_file_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(str):
        __slots__ = ()

        def __hash__(self) -> int:
            raise AssertionError("nobody asks me")

    monkeypatch.setattr(pdb, "__file__", Odd(pdb.__file__))
    assert peek_stop.stop() is None


def test_local_names_come_first_and_only_names_count() -> None:
    class Odd(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            raise AssertionError("nobody compares me")

        def __hash__(self) -> int:
            return hash("odd")

    assert first({"x": 1}, {"x": 2, "y": 3, Odd("odd"): 4}) == {"x": 1, "y": 3}
