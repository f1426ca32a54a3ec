"""An open document as it was when a request came in: text and version are taken before the first `await`.

What this file must not know: pygls' workspace, sessions.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from yonder_lsp import columns
from yonder_lsp.protocol import Position, Range


@dataclass(frozen=True)
class Document:
    """A snapshot; offsets are code points into `text`."""

    uri: str
    text: str
    version: int = 0

    @cached_property
    def lines(self) -> list[str]:
        return columns.split_lines(self.text)

    @cached_property
    def _starts(self) -> list[int]:
        ends = [len(line) for line in self.lines]
        # The length of each line's end is what stands between it and the next line: one character, or two for \r\n.
        starts, at = [0], 0
        for length in ends[:-1]:
            at += length
            at += 2 if self.text.startswith("\r\n", at) else 1
            starts.append(at)
        return starts

    def offset(self, at: Position) -> int:
        """Where an editor's position is in the text; outside of it, the nearest place."""
        if at.line < 0:
            return 0
        if at.line >= len(self.lines):
            return len(self.text)
        return self._starts[at.line] + columns.to_codepoint(self.lines[at.line], at.character)

    def position(self, offset: int) -> Position:
        """The editor's position of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line=line, character=columns.to_utf16(self.lines[line], offset - self._starts[line]))

    def range(self, start: int, end: int) -> Range:
        return Range(start=self.position(start), end=self.position(end))

    def slice(self, where: Range) -> str:
        """The text of a range."""
        return self.text[self.offset(where.start) : self.offset(where.end)]
