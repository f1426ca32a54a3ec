"""UTF-16 and code points agree on where a character is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder_lsp.columns import end_of_line, split_lines, to_codepoint, to_utf16

LINE = "é = '🙂x'"  # é: 1 unit; 🙂: 2 units


def test_the_units_of_one_line():
    assert to_codepoint(LINE, 5) == 5
    assert to_codepoint(LINE, 7) == 6  # behind the smiley
    assert to_codepoint(LINE, 6) == 5  # in the middle of it: its start
    assert to_utf16(LINE, 6) == 7
    assert end_of_line(LINE, 3).character == 9


@pytest.mark.parametrize("line", ["abc", "äb🙂"])
def test_outside_is_clamped(line):
    assert to_codepoint(line, 99) == 3
    assert to_codepoint(line, -1) == 0
    assert to_utf16(line, 99) == to_utf16(line, 3)
    assert to_utf16(line, -5) == 0


def test_a_lone_surrogate_does_not_raise():
    assert to_utf16("a\ud83d b", 3) == 3


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), st.data())
def test_there_and_back(line, data):
    at = data.draw(st.integers(0, len(line)))
    utf16 = to_utf16(line, at)
    assert utf16 == len(line[:at].encode("utf-16-le")) // 2
    assert to_codepoint(line, utf16) == at


def test_lines_end_where_the_parser_ends_them():
    assert split_lines("a\r\nb\rc\nd\fe\u2028f") == ["a", "b", "c", "d\fe\u2028f"]
    assert split_lines("") == [""]
    assert split_lines("a\n") == ["a", ""]
