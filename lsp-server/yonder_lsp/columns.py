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
_ASTRAL = 0xFFFF


def split_lines(text: str) -> list[str]:
    """The lines of a document as both the editor and Python's parser see them (not as `str.splitlines` does, which also
    ends lines at form feeds and other separators). Never empty; a final line end is followed by an empty line."""
    return _LINE_END.split(text)


def to_codepoint(line_text: str, utf16: int) -> int:
    """Index into `line_text` for an editor's column."""
    if line_text.isascii():
        return min(max(utf16, 0), len(line_text))
    units = 0
    for index, character in enumerate(line_text):
        units += 2 if ord(character) > _ASTRAL else 1
        if units > utf16:
            return index
    return len(line_text)


def to_utf16(line_text: str, codepoint: int) -> int:
    """The editor's column for an index into `line_text`."""
    codepoint = min(max(codepoint, 0), len(line_text))
    if line_text.isascii():
        return codepoint
    return codepoint + sum(ord(character) > _ASTRAL for character in line_text[:codepoint])


def end_of_line(line_text: str, line: int) -> Position:
    """The editor's position behind the last character of a line."""
    return Position(line=line, character=to_utf16(line_text, len(line_text)))
