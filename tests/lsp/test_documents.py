"""Documents as the editor changes them: exact in UTF-16, the same as read afresh, and not read again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder_lsp import columns
from yonder_lsp.documents import Document, Documents
from yonder_lsp.protocol import Position, Range

PIECES = ["a", "é", "😀", "e\u0301", "日本", "\t", " ", "\n", "\r\n", "\r", "\f", "\u2028", "\x85", "\ufeff", "x = 1"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
PLACE = st.builds(Position, line=st.integers(-1, 9), character=st.integers(-1, 12))


def place(*numbers: int) -> Range:
    first, start, last, end = numbers
    return Range(start=Position(line=first, character=start), end=Position(line=last, character=end))


def model(text: str, at: Position) -> int:
    """Where an editor's position is, counted in UTF-16 from the beginning, one unit after the other."""
    if at.line < 0:
        return 0
    lines = columns.split_lines(text)
    if at.line >= len(lines):
        return len(text)
    begin, ends = 0, columns._LINE_END.finditer(text)
    for _ in range(at.line):
        begin = next(ends).end()
    units = 0
    for index, character in enumerate(lines[at.line]):
        units += len(character.encode("utf-16-le")) // 2
        if units > at.character:
            return begin + index
    return begin + len(lines[at.line])


@settings(deadline=None, max_examples=300)
@given(TEXT, st.lists(st.tuples(PLACE, PLACE, TEXT), max_size=8))
def test_any_edits_give_what_a_model_gives(text: str, edits: list[tuple[Position, Position, str]]) -> None:
    document = Document("u", text)
    for start, end, new in edits:
        first, last = sorted((model(text, start), model(text, end)))
        text = text[:first] + new + text[last:]
        document = document.changed(Range(start=start, end=end), new, 1)
        fresh = Document("u", text)
        assert document.text == text
        assert document.lines == fresh.lines
        assert [document._starts.of(line) for line in range(len(fresh.lines))] == fresh._starts.base
        for offset in range(len(text) + 1):
            assert document.position(offset) == fresh.position(offset)


@settings(deadline=None, max_examples=200)
@given(TEXT)
def test_offsets_and_positions_are_each_others_way_back(text: str) -> None:
    document = Document("u", text)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":  # between the two there is no position
            assert document.offset(document.position(offset)) == offset == model(text, document.position(offset))


def test_a_snapshot_stays_what_it_was() -> None:
    before = Document("u", "one\ntwo\nthree")
    assert before.position(9) == Position(line=2, character=1)
    after = before.changed(place(0, 0, 1, 1), "new\nlines\n", 2)
    assert (before.text, before.lines, before.position(9).line) == ("one\ntwo\nthree", ["one", "two", "three"], 2)
    assert after.lines == ["new", "lines", "wo", "three"]
    assert after.version == 2


@pytest.mark.parametrize(
    ("text", "where", "new", "wanted"),
    [
        ("😀.x", place(0, 2, 0, 3), "!", "😀!x"),
        ("😀.x", place(0, 1, 0, 3), "!", "!x"),  # a place inside a character is its start
        ("a\r", place(1, 0, 1, 0), "\nb", "a\r\nb"),
        ("a\nb", place(0, 99, 1, 0), "", "ab"),
        ("a\nb", place(7, 0, 9, 0), "c", "a\nbc"),
        ("\fx\ny", place(1, 0, 1, 1), "z", "\fx\nz"),  # a form feed ends no line
        ("a\u2028b\nc", place(1, 0, 1, 1), "z", "a\u2028b\nz"),
    ],
)
def test_edits(text: str, where: Range, new: str, wanted: str) -> None:
    changed = Document("u", text).changed(where, new, 1)
    assert changed.text == wanted
    assert changed.lines == columns.split_lines(wanted)


def test_halves_of_characters_keep_their_width() -> None:
    documents = Documents()
    documents.opened("u", "a\ud83d.x", 1)
    assert documents.get("u").text == "a\ufffd.x"
    documents.changed("u", place(0, 3, 0, 4), "\ude00y", 2)
    assert documents.get("u").text == "a\ufffd.\ufffdy"


def test_what_is_not_open_is_as_on_the_disk(tmp_path: Path) -> None:
    documents = Documents()
    file = tmp_path / "ä.py"
    file.write_text("x = 1\n")
    assert documents.get(file.as_uri()).text == "x = 1\n"
    assert documents.get((tmp_path / "none.py").as_uri()).text == ""
    assert documents.get("untitled:Untitled-1").text == ""
    documents.opened(file.as_uri(), "x = 2\n", 1)
    assert documents.get(file.as_uri()).text == "x = 2\n"
    documents.closed(file.as_uri())
    assert documents.get(file.as_uri()).text == "x = 1\n"


def test_typing_reads_no_line_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document("u", "x = 1\n" * 50_000)
    assert document.offset(Position(line=40_000, character=0)) == 240_000
    read: list[int] = []
    split = columns.split_lines
    monkeypatch.setattr(columns, "split_lines", lambda text: read.append(len(text)) or split(text))
    for number in range(20):
        document = document.changed(place(40_000, 5 + number, 40_000, 5 + number), "1", number)
    assert max(read) < 40
    assert document.position(240_000 + 26) == Position(line=40_001, character=0)
