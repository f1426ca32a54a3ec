"""Failed runs as diagnostics that move with the text and go away in time."""

from pathlib import Path

import pytest

from yonder import payload, wire
from yonder_lsp import uris
from yonder_lsp.diagnostics import ERROR, INFORMATION, Board, Edit, Ran, here_after_all, only_here
from yonder_lsp.protocol import Position, Range

URI = "file:///w/a.py"
OTHER = "file:///w/lib.py"


def frame(
    file: str, line: int, source: str = "    x = f(1)", *, column: int = -1, end: int = -1, user: bool = True
) -> wire.Frame:
    return wire.Frame(file, line, "g", source, line, column, end, user)


def failure(*frames: wire.Frame) -> wire.Failure:
    return wire.Failure("ValueError", "no such thing", "Traceback …", list(frames))


def place(line: int, start: int = 0, end: int = 0, last: int | None = None) -> Range:
    return Range(
        start=Position(line=line, character=start), end=Position(line=line if last is None else last, character=end)
    )


def lines(board: Board, uri: str = URI) -> list[int]:
    return [mark["range"]["start"]["line"] for mark in board.published(uri)]


def test_the_deepest_frame_of_the_workspace_has_the_error() -> None:
    board = Board()
    changed = board.failed(
        Ran("r1", URI, "/w"),
        failure(
            frame("/w/a.py", 3),
            frame("/w/lib.py", 10),
            frame("/usr/lib/python3/json.py", 5, user=False),
            frame("/w/.venv/lib/site-packages/x.py", 5),
        ),
    )
    assert changed == {URI, OTHER}
    (error,) = board.published(OTHER)
    (way,) = board.published(URI)
    assert (error["severity"], error["message"], error["source"]) == (ERROR, "ValueError: no such thing", "yonder")
    assert error["relatedInformation"] == [
        {"location": {"uri": URI, "range": way["range"]}, "message": "called from g"}
    ]
    assert way["relatedInformation"][0]["message"] == error["message"]
    assert way["severity"] == INFORMATION
    assert lines(board) == [2]
    assert error["range"] == {"start": {"line": 9, "character": 4}, "end": {"line": 9, "character": 12}}


def test_columns_are_characters_there_and_utf16_here() -> None:
    board = Board()
    source = "é😀 = f(1)"
    at = len("é😀 = ")
    board.failed(Ran("r1", URI, "/w"), failure(frame("/w/a.py", 1, source, column=at, end=at + 4)))
    assert board.published(URI)[0]["range"] == {
        "start": {"line": 0, "character": 6},
        "end": {"line": 0, "character": 10},
    }


def test_a_real_error_behind_wide_letters_is_marked_where_it_is(tmp_path: Path) -> None:
    """The executor's own account of an error, not what we believe it to be."""
    source = 'a = "😀😀"; b = "日本é" + {}["missing"]'
    file = tmp_path / "wide.py"
    file.write_text(source)
    with pytest.raises(KeyError) as caught:
        exec(compile(source, str(file), "exec"), {})
    board = Board()
    uri = uris.to_uri(str(file))
    board.failed(Ran("r1", uri, str(tmp_path)), payload.failure(caught.value, str(tmp_path)))
    start = len('a = "😀😀"; b = "日本é" + '.encode("utf-16-le")) // 2
    assert board.published(uri)[0]["range"] == {
        "start": {"line": 0, "character": start},
        "end": {"line": 0, "character": start + len('{}["missing"]')},
    }


def test_untitled_documents_are_found_by_what_tracebacks_call_them() -> None:
    board = Board()
    assert board.failed(Ran("r1", "untitled:Untitled-1", ""), failure(frame("untitled:Untitled-1", 1))) == {
        "untitled:Untitled-1"
    }


def test_recursion_marks_a_line_once() -> None:
    board = Board()
    board.failed(Ran("r1", URI, "/w"), failure(*[frame("/w/a.py", 3)] * 50))
    assert lines(board) == [2]


def test_running_the_block_again_clears_it_everywhere() -> None:
    board = Board()
    board.failed(Ran("r1", URI, "/w"), failure(frame("/w/a.py", 3), frame("/w/lib.py", 10)))
    assert board.ran(URI, place(10, last=12)) == set()
    assert board.ran(URI, place(0, last=5)) == {URI, OTHER}
    assert lines(board) == lines(board, OTHER) == []


def test_edits_above_move_a_mark_and_edits_of_its_line_end_it() -> None:
    board = Board()
    board.failed(Ran("r1", URI, "/w"), failure(frame("/w/a.py", 5)))
    assert board.edited(URI, [Edit(place(0), "import os\nimport sys\n")]) == {URI}
    assert lines(board) == [6]
    assert board.edited(URI, [Edit(place(1, last=3), "")]) == {URI}
    assert lines(board) == [4]
    assert board.edited(URI, [Edit(place(7, 1, 2), "x")]) == set()
    assert board.edited(URI, [Edit(place(1, 1, 2), "x")]) == set()
    assert board.edited(URI, [Edit(place(4, 1, 2), "x")]) == {URI}
    assert lines(board) == []
    assert board.edited(URI, [Edit(None, "all new")]) == set()


def test_a_rewritten_document_keeps_no_marks_and_a_closed_one_neither() -> None:
    board = Board()
    board.failed(Ran("r1", URI, "/w"), failure(frame("/w/a.py", 5)))
    assert board.edited(URI, [Edit(None, "x")]) == {URI}
    board.failed(Ran("r2", URI, "/w"), failure(frame("/w/a.py", 5)))
    assert board.closed(URI) == {URI}
    board.failed(Ran("r3", URI, "/w"), failure(frame("/w/a.py", 5)))
    assert board.clear() == {URI}
    assert board.clear() == set()


def test_mending_the_call_clears_the_error_below_it_too() -> None:
    board = Board()
    board.failed(Ran("r1", URI, "/w"), failure(frame("/w/a.py", 9), frame("/w/a.py", 3), frame("/w/lib.py", 10)))
    board.failed(Ran("r2", URI, "/w"), failure(frame("/w/lib.py", 20)))
    assert board.edited(URI, [Edit(place(8, 0, 1), "g")]) == {URI, OTHER}
    assert lines(board) == []
    assert lines(board, OTHER) == [19]


def test_what_is_on_this_machine_only_is_marked_where_it_stands(tmp_path):
    (tmp_path / "a.csv").write_text("12")
    text = 'x = "🎈"; pd.read_csv("a.csv")\n'
    (found,) = only_here(text, str(tmp_path), lambda _: False)
    start, end = found["range"]["start"], found["range"]["end"]
    units = text.encode("utf-16-le")
    assert units[2 * start["character"] : 2 * end["character"]].decode("utf-16-le") == '"a.csv"'
    assert found["severity"] == 3
    assert 'include = ["*.csv"]' in found["message"]
    assert only_here(text, str(tmp_path), lambda path: path == "a.csv") == []


def test_a_file_that_a_run_elsewhere_missed_is_said_to_be_here(tmp_path):
    (tmp_path / "a.csv").write_text("12")
    message = "[Errno 2] No such file or directory: 'a.csv'"

    def said(kind="FileNotFoundError", words=message, note="It was looked for on image x, …"):
        return here_after_all(wire.Failure(kind, words, f"{kind}: {words}\n{note}"), str(tmp_path))

    assert "'a.csv' (2 B) is on this side only" in said()
    assert said(note="") == ""  # it ran on this machine
    assert said(kind="ValueError") == ""
    assert said(words="nothing quoted") == ""
    assert said(words="[Errno 2] No such file or directory: 'b.csv'") == ""


# ── what led to it ────────────────────────────────────────────────────────────────────────────────────────────────────


def raised(code: str, file: Path) -> wire.Failure:
    """The executor's own account of what this code raises."""
    file.write_text(code)
    try:
        exec(compile(code, str(file), "exec"), {"__name__": "__main__"})
    except BaseException as error:
        return payload.failure(error, str(file.parent), user_file=str(file))
    raise AssertionError("it raised nothing")


def shown(code: str, tmp_path: Path) -> list[tuple[int, int, int, int, str]]:
    """line, start, end, severity and the message's first line of each mark"""
    file, board = tmp_path / "a.py", Board()
    uri = uris.to_uri(str(file))
    board.failed(Ran("r", uri, str(tmp_path)), raised(code, file))
    return [
        (
            mark["range"]["start"]["line"],
            mark["range"]["start"]["character"],
            mark["range"]["end"]["character"],
            mark["severity"],
            mark["message"].partition("\n")[0],
        )
        for mark in board.published(uri)
    ]


def test_a_cause_is_marked_where_it_was_raised(tmp_path: Path) -> None:
    code = "def f():\n    return {}['a']\ntry:\n    f()\nexcept KeyError as error:\n    raise ValueError('no') from error\n"
    assert shown(code, tmp_path) == [(5, 4, 37, ERROR, "ValueError: no"), (1, 11, 18, INFORMATION, "KeyError: 'a'")]


def test_what_was_being_handled_is_marked_unless_it_was_hidden(tmp_path: Path) -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    int('x'){}\n"
    assert [mark[0] for mark in shown(code.format(""), tmp_path)] == [3, 1]
    hidden = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError from None\n"
    assert [mark[0] for mark in shown(hidden, tmp_path)] == [3]


def test_the_parts_of_a_group_are_marked(tmp_path: Path) -> None:
    code = "found = []\nfor text in ('x', 'y'):\n    try:\n        int(text)\n    except ValueError as error:\n        found.append(error)\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n    found.append(error)\nraise ExceptionGroup('all', found)\n"
    assert [(mark[0], mark[4].partition(":")[0]) for mark in shown(code, tmp_path)] == [
        (10, "ExceptionGroup"),
        (3, "ValueError"),
        (7, "ZeroDivisionError"),
    ]


def test_a_chain_without_end_is_cut(tmp_path: Path) -> None:
    code = "error = None\nfor n in range(50):\n    try:\n        raise ValueError(n) from error\n    except ValueError as e:\n        error = e\nraise error\n"
    assert len(raised(code, tmp_path / "a.py").before) == payload.MAX_BEFORE


def test_one_place_names_the_others_and_they_move_with_the_text() -> None:
    board = Board()
    before = wire.Before("cause", "KeyError", "'k'", [frame("/w/a.py", 9)])
    told = wire.Failure("ValueError", "no such thing", "", [frame("/w/a.py", 3), frame("/w/lib.py", 10)], [before])
    assert board.failed(Ran("r1", URI, "/w"), told) == {URI, OTHER}
    board.edited(URI, [Edit(place(0), "import os\n")])
    (error,) = board.published(OTHER)
    assert [(one["location"]["range"]["start"]["line"], one["message"]) for one in error["relatedInformation"]] == [
        (3, "called from g"),
        (9, "KeyError: 'k'"),
    ]
    assert board.failed(Ran("r1", URI, "/w"), told) == {URI, OTHER}
    assert len(board.published(OTHER)) == 1  # told again, said once


# ── syntax errors ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "line", "marked"),
    [
        ("x = 1\nx = = 2\n", 1, "="),
        ("s = '😀'; x = = 2\n", 0, "="),
        ("if x\n    y\n", 0, "x"),
        ("print 'hello'\n", 0, "print 'hello'"),
        ("f(1\n", 0, "("),
        ("    x = 1\n", 0, "x = 1"),
        ("x = 'open\n", 0, "'"),
        ("日本 = f(a b)\n", 0, "a b"),
        ("def f():\nreturn 1\n", 1, "return"),
        ("return 1\n", 0, "return 1"),
        ("f(x for x in y, 1)\n", 0, "x for x in y"),
        ("(a, b) += 1\n", 0, "(a, b)"),
    ],
)
def test_a_syntax_error_is_marked_where_the_compiler_says(code: str, line: int, marked: str, tmp_path: Path) -> None:
    file, board = tmp_path / "a.py", Board()
    uri = uris.to_uri(str(file))
    with pytest.raises(SyntaxError) as caught:
        compile(code, str(file), "exec")
    told = payload.failure(caught.value.with_traceback(None), str(tmp_path), user_file=str(file))
    board.failed(Ran("r", uri, str(tmp_path), lambda _, n: code.split("\n")[n]), told)
    (mark,) = board.published(uri)
    where = mark["range"]
    units = code.split("\n")[line].encode("utf-16-le")
    assert (where["start"]["line"], where["end"]["line"]) == (line, line)
    assert units[2 * where["start"]["character"] : 2 * where["end"]["character"]].decode("utf-16-le") == marked


def test_a_block_that_ran_without_its_indentation_is_marked_where_it_stands() -> None:
    board = Board()
    ran = Ran("r1", URI, "/w", lambda uri, line: "    é = f(1)" if (uri, line) == (URI, 4) else "")
    board.failed(ran, failure(frame("/w/a.py", 5, "é = f(1)", column=4, end=8)))
    where = board.published(URI)[0]["range"]
    assert (where["start"]["character"], where["end"]["character"]) == (8, 12)


def test_a_hostile_account_is_bounded() -> None:
    board = Board()
    many = [frame("/w/a.py", line) for line in range(1, 100_000)]
    before = [wire.Before("cause", "E", "x" * 10_000, many)] * 100
    board.failed(Ran("r1", URI, "/w"), wire.Failure("E", "m" * 100_000, "", many, before))
    found = board.published(URI)
    assert len(found) <= 110
    assert all(len(mark["message"]) <= 2000 and len(mark["relatedInformation"]) <= 20 for mark in found)
    board.failed(Ran("r2", URI, "/w"), failure(frame("/w/a.py", -5, column=10**9, end=-7)))
    assert board.published(URI)[-1]["range"]["start"] == {"line": 0, "character": 11}
