"""Lines and columns: the one place that converts between the units in which a column is counted.

The editor counts UTF-16 code units, Python's `str` counts code points, and so do the frames of a failure (the executor
converts the compiler's UTF-8 bytes where the source is at hand). All functions take the text of one line and clamp what
lies outside it; a position inside a character goes to its start.

What belongs here: these conversions and what a line is. What this file must not know: what stands on the lines.
"""

from __future__ import annotations

import re

from yonder_lsp.protocol import Position

_LINE_END = re.compile(r"\r\n|\r|\n")


def split_lines(text: str) -> list[str]:
    """The lines of a document as both the editor and Python's parser see them (not as `str.splitlines` does, which also
    ends lines at form feeds and other separators). Never empty; a final line end is followed by an empty line."""
    if "\r" not in text:
        return text.split("\n")
    return _LINE_END.split(text)


def line_lengths(text: str, lines: list[str]) -> list[int]:
    """How many characters each of a text's lines has with its end; the last has none."""
    if "\r" not in text:
        lengths = [len(line) + 1 for line in lines]
        lengths[-1] -= 1
        return lengths
    ends = [len(end) for end in _LINE_END.findall(text)]
    return [len(line) + end for line, end in zip(lines, [*ends, 0], strict=True)]


def to_codepoint(line_text: str, utf16: int) -> int:
    """Index into `line_text` for an editor's column."""
    head = line_text[: max(utf16, 0)]
    if head.isascii():
        return len(head)
    units = head.encode("utf-16-le", "surrogatepass")
    if len(units) == 2 * len(head):
        return len(head)
    border = units[2 * utf16 - 1 : 2 * utf16 + 2 : 2]
    inside = len(border) == 2 and 0xD8 <= border[0] < 0xDC <= border[1] < 0xE0  # the halves of one character
    return len(units[: 2 * utf16].decode("utf-16-le", "replace")) - inside


def to_utf16(line_text: str, codepoint: int) -> int:
    """The editor's column for an index into `line_text`."""
    head = line_text[: max(codepoint, 0)]
    return len(head) if head.isascii() else len(head.encode("utf-16-le", "surrogatepass")) // 2


def end_of_line(line_text: str, line: int) -> Position:
    """The editor's position behind the last character of a line."""
    return Position(line=line, character=to_utf16(line_text, len(line_text)))
