"""Open documents: snapshots with their lines, and what an editor's change makes of them.

A snapshot never changes, so that text and version taken before the first `await` stay what they were. A change makes the
next one from it without reading the whole text again: it costs what copying the text costs, whatever its length.
What this file must not know: pygls, sessions.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from yonder_lsp import columns, uris
from yonder_lsp.protocol import Position, Range

_HALF = re.compile("[\ud800-\udfff]")


class Starts(NamedTuple):
    """Where lines begin: those behind line `after` begin `by` characters later than `base` says. Typing on one line moves
    all lines behind it and changes none of these numbers but `by`."""

    base: list[int]
    after: int
    by: int

    def of(self, line: int) -> int:
        return self.base[line] + (self.by if line > self.after else 0)

    def replaced(self, first: int, last: int, begins: list[int], by: int) -> Starts:
        """The lines first to last begin there now, what follows `by` characters later."""
        base = self.base.copy()
        for line in range(self.after + 1, last + 1):
            base[line] += self.by
        for line in range(last + 1, self.after + 1):
            base[line] -= self.by
        base[first : last + 1] = begins
        return Starts(base, first + len(begins) - 1, self.by + by)


@dataclass(frozen=True)
class Document:
    """A snapshot; offsets are code points into `text`. `above` is the text of the cells before it, of a notebook's cell."""

    uri: str
    text: str
    version: int = 0
    above: str = ""

    @cached_property
    def lines(self) -> list[str]:
        """Nobody changes this list."""
        return columns.split_lines(self.text)

    @cached_property
    def _starts(self) -> Starts:
        lengths = columns.line_lengths(self.text, self.lines)
        return Starts(list(accumulate(lengths[:-1], initial=0)), 0, 0)

    def offset(self, at: Position) -> int:
        """Where an editor's position is in the text; outside of it, the nearest place."""
        if at.line < 0:
            return 0
        if at.line >= len(self.lines):
            return len(self.text)
        return self._starts.of(at.line) + columns.to_codepoint(self.lines[at.line], at.character)

    def position(self, offset: int) -> Position:
        """The editor's position of an offset."""
        line = max(0, bisect_right(range(len(self.lines)), offset, key=self._starts.of) - 1)
        return Position(line=line, character=columns.to_utf16(self.lines[line], offset - self._starts.of(line)))

    def start(self, line: int) -> int:
        """The offset of a line's first character; lines outside of the text begin at its ends."""
        return self._starts.of(line) if 0 <= line < len(self.lines) else 0 if line < 0 else len(self.text)

    def range(self, start: int, end: int) -> Range:
        return Range(start=self.position(start), end=self.position(end))

    def slice(self, where: Range) -> str:
        """The text of a range."""
        return self.text[self.offset(where.start) : self.offset(where.end)]

    def changed(self, where: Range | None, text: str, version: int) -> Document:
        """The document after an editor's change; `where` None: all of it."""
        text = whole_characters(text)
        if where is None:
            return Document(self.uri, text, version)
        start, end = sorted((self.offset(where.start), self.offset(where.end)))
        first, last = sorted(min(max(at.line, 0), len(self.lines) - 1) for at in (where.start, where.end))
        if first and self.text[self._starts.of(first) - 1] == "\r":
            first -= 1  # a line feed that comes first now belongs to its end
        begin = self._starts.of(first)
        until = self._starts.of(last + 1) if last + 1 < len(self.lines) else len(self.text)
        changed = Document(self.uri, self.text[:start] + text + self.text[end:], version)
        piece = self.text[begin:start] + text + self.text[end:until]
        rows = columns.split_lines(piece)
        begins = list(accumulate(columns.line_lengths(piece, rows)[:-1], initial=begin))
        if last + 1 < len(self.lines):  # the piece ends with a line's end, and what follows that is the next line
            rows, begins = rows[:-1], begins[:-1]
        lines = self.lines.copy()
        lines[first : last + 1] = rows
        starts = self._starts.replaced(first, last, begins, len(text) - (end - start))
        changed.__dict__.update(lines=lines, _starts=starts)
        return changed


def whole_characters(text: str) -> str:
    """The text without halves of characters, which JSON can carry and UTF-8 cannot; columns stay what they are."""
    return text if text.isascii() else _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


class Documents:
    """The documents that are open in the editor."""

    def __init__(self) -> None:
        self._open: dict[str, Document] = {}

    def opened(self, uri: str, text: str, version: int) -> None:
        self._open[uri] = Document(uri, whole_characters(text), version)

    def changed(self, uri: str, where: Range | None, text: str, version: int) -> None:
        before = self._open.get(uri, Document(uri, ""))
        self._open[uri] = before.changed(where, text, version)

    def closed(self, uri: str) -> None:
        self._open.pop(uri, None)

    def get(self, uri: str) -> Document:
        """The document as it is now; what is not open, as it is on the disk (without text where it cannot be read)."""
        found = self._open.get(uri)
        if found is not None:
            return found
        path = uris.to_path(uri)
        try:
            text = Path(path).read_text("utf-8", "replace") if path else ""
        except OSError:
            text = ""
        return Document(uri, text)
