"""Failed runs as diagnostics that move with the text and go away in time."""

from pathlib import Path

import pytest

from yonder import payload, wire
from yonder_lsp import uris
from yonder_lsp.diagnostics import ERROR, INFORMATION, Board, Edit, here_after_all, only_here
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
        "r1",
        URI,
        failure(
            frame("/w/a.py", 3),
            frame("/w/lib.py", 10),
            frame("/usr/lib/python3/json.py", 5, user=False),
            frame("/w/.venv/lib/site-packages/x.py", 5),
        ),
        "/w",
    )
    assert changed == {URI, OTHER}
    (error,) = board.published(OTHER)
    (way,) = board.published(URI)
    assert (error["severity"], error["message"], error["source"]) == (ERROR, "ValueError: no such thing", "yonder")
    assert way["severity"] == INFORMATION
    assert lines(board) == [2]
    assert error["range"] == {"start": {"line": 9, "character": 4}, "end": {"line": 9, "character": 12}}


def test_columns_are_characters_there_and_utf16_here() -> None:
    board = Board()
    source = "é😀 = f(1)"
    at = len("é😀 = ")
    board.failed("r1", URI, failure(frame("/w/a.py", 1, source, column=at, end=at + 4)), "/w")
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
    board.failed("r1", uri, payload.failure(caught.value, str(tmp_path)), str(tmp_path))
    start = len('a = "😀😀"; b = "日本é" + '.encode("utf-16-le")) // 2
    assert board.published(uri)[0]["range"] == {
        "start": {"line": 0, "character": start},
        "end": {"line": 0, "character": start + len('{}["missing"]')},
    }


def test_untitled_documents_are_found_by_what_tracebacks_call_them() -> None:
    board = Board()
    assert board.failed("r1", "untitled:Untitled-1", failure(frame("untitled:Untitled-1", 1)), "") == {
        "untitled:Untitled-1"
    }


def test_recursion_marks_a_line_once() -> None:
    board = Board()
    board.failed("r1", URI, failure(*[frame("/w/a.py", 3)] * 50), "/w")
    assert lines(board) == [2]


def test_running_the_block_again_clears_it_everywhere() -> None:
    board = Board()
    board.failed("r1", URI, failure(frame("/w/a.py", 3), frame("/w/lib.py", 10)), "/w")
    assert board.ran(URI, place(10, last=12)) == set()
    assert board.ran(URI, place(0, last=5)) == {URI, OTHER}
    assert lines(board) == lines(board, OTHER) == []


def test_edits_above_move_a_mark_and_edits_of_its_line_end_it() -> None:
    board = Board()
    board.failed("r1", URI, failure(frame("/w/a.py", 5)), "/w")
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
    board.failed("r1", URI, failure(frame("/w/a.py", 5)), "/w")
    assert board.edited(URI, [Edit(None, "x")]) == {URI}
    board.failed("r2", URI, failure(frame("/w/a.py", 5)), "/w")
    assert board.closed(URI) == {URI}
    board.failed("r3", URI, failure(frame("/w/a.py", 5)), "/w")
    assert board.clear() == {URI}
    assert board.clear() == set()


def test_mending_the_call_clears_the_error_below_it_too() -> None:
    board = Board()
    board.failed("r1", URI, failure(frame("/w/a.py", 9), frame("/w/a.py", 3), frame("/w/lib.py", 10)), "/w")
    board.failed("r2", URI, failure(frame("/w/lib.py", 20)), "/w")
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
