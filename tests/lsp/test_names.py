"""The table of names: differences applied in order, nothing of another process, nothing without bounds."""

import pytest

from yonder import wire
from yonder_lsp.names import HINT, LONGEST, MOST, Names
from yonder_lsp.sessions import Epoch

IDLE = Epoch("main", 7, 1, busy=False)
LATER = Epoch("main", 7, 2, busy=False)
BUSY = Epoch("main", 7, 1, busy=True)
OTHER = Epoch("main", 8, 1, busy=False)


def row(name: str, short: str = "int") -> wire.Row:
    return wire.Row(name, "v", "int", short)


def told(
    *rows: wire.Row, mark: int = 1, whole: bool = False, gone: tuple[str, ...] = (), total: int = -1
) -> wire.Answer:
    count = len(rows) if total < 0 else total
    return wire.Answer(True, rows=list(rows), gone=list(gone), whole=whole, mark=mark, total=count)


@pytest.fixture
def names() -> Names:
    made = Names()
    assert made.apply(IDLE, 0, told(row("a"), row("b"), whole=True, mark=5), 10.0) == {"a", "b"}
    return made


def shown(names: Names, epoch: Epoch = IDLE) -> dict[str, str]:
    table = names.table(epoch)
    return {} if table is None else {name: one.short for name, one in table.rows.items()}


def test_a_difference_is_applied_to_what_it_continues(names: Names) -> None:
    assert names.since(IDLE) == 5
    assert names.apply(LATER, 5, told(row("b", "str"), row("c"), gone=("a",), mark=6), 11.0) == {"a", "b", "c"}
    assert shown(names, LATER) == {"b": "str", "c": "int"}
    assert names.since(LATER) == 6


def test_what_is_told_again_is_no_change(names: Names) -> None:
    assert names.apply(LATER, 5, told(row("a"), gone=("x",), mark=6), 11.0) == set()


def test_a_whole_takes_the_place_of_everything(names: Names) -> None:
    assert names.apply(IDLE, 5, told(row("a"), whole=True, mark=9), 11.0) == {"b"}
    assert shown(names) == {"a": "int"}


@pytest.mark.parametrize("since", [0, 4, 6])
def test_a_difference_that_continues_something_else_is_not_taken(names: Names, since: int) -> None:
    assert names.apply(IDLE, since, told(row("z"), mark=9), 11.0) is None
    assert (shown(names), names.since(IDLE)) == ({}, 0)


def test_a_difference_without_anything_before_it_is_not_taken() -> None:
    assert Names().apply(IDLE, 0, told(row("z")), 1.0) is None


def test_another_process_has_none_of_it(names: Names) -> None:
    assert names.table(OTHER) is None
    assert names.row(OTHER, "a") is None
    assert names.current(OTHER) is None
    assert names.since(OTHER) == 0
    assert names.apply(OTHER, 5, told(row("z"), mark=6), 11.0) is None


def test_another_session_has_none_of_it(names: Names) -> None:
    assert names.table(Epoch("a.py", 7, 1, busy=False)) is None


def test_current_is_what_was_seen_in_this_very_epoch_while_nothing_ran(names: Names) -> None:
    assert names.current(IDLE) is not None
    assert names.current(LATER) is None
    assert names.current(BUSY) is None
    names.apply(BUSY, 5, told(row("c"), mark=6), 11.0)
    assert names.current(BUSY) is None
    assert names.current(IDLE) is None


def test_forgotten_is_forgotten(names: Names) -> None:
    assert names.known() == ["main"]
    assert names.forget("main")
    assert not names.forget("main")
    assert shown(names) == {}


HOSTILE = ["", "a b", "x\nimport os", "x" * (LONGEST + 1), "a.b", "1a", "\u2028"]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_left_out(name: str) -> None:
    names = Names()
    names.apply(IDLE, 0, told(row(name), row("good"), whole=True), 1.0)
    assert set(shown(names)) == {"good"}


def test_a_hint_is_one_short_line() -> None:
    names = Names()
    names.apply(IDLE, 0, told(wire.Row("x", "vvv", "T" * 999, "a\nb\u202e" + "c" * 999, kin=3), whole=True), 1.0)
    found = names.row(IDLE, "x")
    assert found is not None
    assert len(found.short) == HINT
    assert found.short.isprintable()
    assert (found.kind, len(found.type), found.kin) == ("v", LONGEST, 3)


def test_rows_are_bounded_in_a_whole_and_over_many_differences() -> None:
    names = Names()
    names.apply(IDLE, 0, told(*(row(f"n{n}") for n in range(MOST + 50)), whole=True, mark=1), 1.0)
    assert len(shown(names)) == MOST
    for mark in range(1, 5):
        more = told(*(row(f"m{mark}_{n}") for n in range(MOST)), mark=mark + 1, total=10**9)
        names.apply(IDLE, mark, more, 1.0)
        assert len(shown(names)) == MOST
    assert "m4_0" in shown(names)


def test_all_names_are_there_or_not() -> None:
    names = Names()
    names.apply(IDLE, 0, told(row("a"), whole=True, total=2), 1.0)
    table = names.table(IDLE)
    assert table is not None
    assert not table.complete
    names.apply(IDLE, 1, told(row("b"), mark=2, total=2), 1.0)
    table = names.table(IDLE)
    assert table is not None
    assert table.complete
