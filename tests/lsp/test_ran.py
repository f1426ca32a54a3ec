"""Which text gave a name its value: by what ran, in the order in which it ran."""

import pytest

from yonder import wire
from yonder_lsp import ran
from yonder_lsp.ran import Ran
from yonder_lsp.targets import Targets, of_block

PATH = "/w/a.py"


@pytest.fixture
def runs() -> Ran:
    return Ran()


def start(runs: Ran, name: str, code: str, line: int = 0, session: str = "main") -> None:
    runs.started(name, session, PATH, line)
    runs.read(name, of_block(code))


def run(runs: Ran, code: str, name: str = "r", *, session: str = "main") -> None:
    start(runs, name, code, session=session)
    runs.ended(name, "ok", None)


def text(runs: Ran, name: str, session: str = "main") -> str:
    found = runs.last(session).get(name)
    return "" if found is None else found.text


def failed(line: int, function: str = "<module>", file: str = PATH) -> wire.Failure:
    return wire.Failure("E", "m", "t", [wire.Frame(file, line, function, "")])


def test_what_ran_last_counts_not_what_stands_last(runs: Ran) -> None:
    run(runs, "x = 1")
    run(runs, "x = 2")
    assert text(runs, "x") == "x = 2"
    run(runs, "x = 1")
    assert text(runs, "x") == "x = 1"


def test_the_last_of_one_run_counts(runs: Ran) -> None:
    run(runs, "x = load()\nx = clean(x)\ny = 1")
    assert (text(runs, "x"), text(runs, "y")) == ("x = clean(x)", "y = 1")


def test_sessions_are_apart(runs: Ran) -> None:
    run(runs, "x = 1", session="main")
    assert text(runs, "x", "other") == ""


def test_while_a_run_is_on_only_what_has_changed_is_its(runs: Ran) -> None:
    run(runs, "x = 1\ny = 1")
    start(runs, "s", "x = 2\ny = 2", 0)
    assert text(runs, "x") == "x = 1"
    runs.moved("main", {"x", "z"})
    assert (text(runs, "x"), text(runs, "y"), text(runs, "z")) == ("x = 2", "y = 1", "")
    runs.ended("s", "ok", None)
    assert (text(runs, "x"), text(runs, "y")) == ("x = 2", "y = 2")


def test_of_two_that_wait_the_first_one_runs(runs: Ran) -> None:
    start(runs, "a", "x = 1", 0)
    start(runs, "b", "x = 2", 0)
    runs.moved("main", {"x"})
    assert text(runs, "x") == "x = 1"


def test_a_run_that_failed_gave_what_stands_above_the_line(runs: Ran) -> None:
    run(runs, "a = 0\nb = 0\nc = 0")
    start(runs, "s", "a = 1\nb = f()\nc = 2", 10)
    runs.ended("s", "error", failed(12))
    assert [text(runs, name) for name in "abc"] == ["a = 1", "b = 0", "c = 0"]


@pytest.mark.parametrize("failure", [None, failed(12, function="f"), failed(12, file="/w/other.py"), failed(3)])
def test_a_run_that_failed_nobody_knows_where_gave_nothing(runs: Ran, failure: wire.Failure | None) -> None:
    start(runs, "s", "a = 1\nb = 2", 10)
    runs.ended("s", "error", failure)
    assert text(runs, "a") == ""


def test_what_was_seen_to_change_in_a_run_that_was_stopped_stays(runs: Ran) -> None:
    start(runs, "s", "a = 1\nb = 2", 0)
    runs.moved("main", {"b"})
    runs.ended("s", "cancelled", None)
    assert (text(runs, "a"), text(runs, "b")) == ("", "b = 2")


def test_a_run_may_be_over_before_its_text_was_read(runs: Ran) -> None:
    run(runs, "x = 0")
    runs.started("s", "main", PATH, 0)
    runs.moved("main", {"x"})
    runs.ended("s", "ok", None)
    runs.moved("main", {"y"})  # of no run
    assert text(runs, "x") == "x = 0"
    runs.read("s", of_block("x = 1\ny = 1"))
    assert (text(runs, "x"), text(runs, "y")) == ("x = 1", "y = 1")
    runs.read("s", of_block("x = 2"))  # it is over
    assert text(runs, "x") == "x = 1"


def test_a_process_that_is_gone_took_its_names_and_not_the_next_run(runs: Ran) -> None:
    run(runs, "x = 1")
    start(runs, "s", "y = 1", 0)
    runs.forget("main")
    assert text(runs, "x") == ""
    runs.ended("s", "ok", None)
    assert text(runs, "y") == "y = 1"
    runs.lost()
    assert text(runs, "y") == ""


def assume(runs: Ran, code: str, uri: str = "a") -> None:
    lines = code.split("\n")
    runs.assume("main", uri, Targets().within(lines, 0, len(lines)))


def test_a_session_that_was_taken_over_is_assumed_to_have_run_what_stands_there(runs: Ran) -> None:
    assert runs.guessing("main", "a")
    assume(runs, "x = 1\nx = 2")
    assert text(runs, "x") == "x = 2"
    assert not runs.guessing("main", "a")
    assume(runs, "x = 3")  # it was edited since
    assert text(runs, "x") == "x = 2"


def test_where_two_documents_bind_a_name_nothing_is_assumed_of_it(runs: Ran) -> None:
    assume(runs, "x = 1\ny = 1", "a")
    assume(runs, "x = 2\nz = 2", "b")
    assume(runs, "x = 3", "c")
    assert [text(runs, name) for name in "xyz"] == ["", "y = 1", "z = 2"]
    run(runs, "x = 2")
    assert text(runs, "x") == "x = 2"


def test_nothing_is_assumed_of_a_session_that_ran_something(runs: Ran) -> None:
    start(runs, "s", "y = 1", 0)
    assert not runs.guessing("main", "a")
    assume(runs, "x = 1")
    assert text(runs, "x") == ""
    runs.ended("s", "ok", None)
    runs.forget("main")
    assert not runs.guessing("main", "a")  # also not of the next process, which runs what this server sends
    runs.lost()
    assert runs.guessing("main", "a")


def test_what_is_remembered_is_bounded(runs: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ran, "NAMES", 10)
    monkeypatch.setattr(ran, "RUNS", 10)
    run(runs, "\n".join(f"x{n} = 1" for n in range(50)))
    assert [text(runs, f"x{n}") != "" for n in (0, 39, 40, 49)] == [False, False, True, True]
    for n in range(50):
        start(runs, f"r{n}", "a = 1", 0)
    assert len(runs._going) == 10
    runs.ended("r0", "ok", None)
    assert text(runs, "a") == ""
