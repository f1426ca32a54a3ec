"""A failed run as diagnostics: in the frames that are in the workspace, until the block runs again or the line is edited.

Pure. What this file must not know: how diagnostics are published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from yonder import paths, wire
from yonder_lsp import columns, uris
from yonder_lsp.protocol import Position, Range

Json = dict[str, Any]
ERROR, INFORMATION = 1, 3
MESSAGE_LIMIT, RELATED_LIMIT = 2000, 200
MOST, BEFORE, RELATED = 100, 8, 20
"""Frames that are looked at, exceptions before the failure, other places named with one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One diagnostic of one run, counted from the deepest; `of` is the document that was run."""

    run: str
    number: int
    of: str
    uri: str
    range: Range
    severity: int
    message: str
    related: str
    """What is said of it beside the run's other marks."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a document: `range` None replaced everything."""

    range: Range | None
    text: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that failed: its name and document, the workspace, and the lines of open documents as they are now ("" for what
    is not there), by URI and line."""

    run: str
    uri: str
    folder: str
    line: Callable[[str, int], str] = lambda _uri, _line: ""


def marks(ran: Ran, failure: wire.Failure) -> list[Mark]:
    """The error at the deepest frame of the workspace, the way to it at the others, and where what led to it was raised."""
    found: dict[tuple[str, int], Mark] = {}
    message = _words(failure.type, failure.message)
    places = _places(ran, failure.frames[-MOST:])
    for number, (frame, where) in enumerate(places):
        if number == 0:
            _add(found, ran, frame, where, ERROR, message, message)
        else:
            text = f"{message}\nraised below this call, in {places[0][0].function}"
            _add(found, ran, frame, where, INFORMATION, text, f"called from {frame.function}")
    for one in failure.before[:BEFORE]:
        words = _words(one.type, one.message)
        way = {"cause": "the cause of", "part": "one of those in"}.get(one.link, "while this was handled came")
        for frame, where in _places(ran, one.frames[-MOST:])[:1]:
            _add(found, ran, frame, where, ERROR if not places else INFORMATION, f"{words}\n{way} {message}", words)
    return list(found.values())


def _words(kind: str, message: str) -> str:
    return f"{kind}: {message}" if message else kind


def _places(ran: Ran, frames: Sequence[wire.Frame]) -> list[tuple[wire.Frame, str]]:
    """The frames of the workspace with their documents, deepest first."""
    shown = uris.shown_path(ran.uri)
    own = [frame for frame in frames if _ours(frame, shown, ran.folder)]
    return [(frame, ran.uri if frame.file == shown else uris.to_uri(frame.file)) for frame in reversed(own)]


def _add(
    found: dict[tuple[str, int], Mark],
    ran: Ran,
    frame: wire.Frame,
    where: str,
    severity: int,
    message: str,
    related: str,
) -> None:
    """A line has one mark: the first."""
    place = _range(frame, ran.line(where, frame.line - 1))
    made = Mark(ran.run, len(found), ran.uri, where, place, severity, message[:MESSAGE_LIMIT], related[:RELATED_LIMIT])
    found.setdefault((where, frame.line), made)


def _ours(frame: wire.Frame, shown: str, folder: str) -> bool:
    if frame.file == shown:
        return True
    return frame.user and uris.within(frame.file, folder) and "site-packages" not in frame.file


def _range(frame: wire.Frame, now: str) -> Range:
    """The frame's columns (characters), else its line without the indentation. `now` is the document's line: what ran may
    have been indented less."""
    line = max(0, frame.line - 1)
    source, shift = frame.source, 0
    if now.strip() and now.strip() == source.strip():
        shift = (len(now) - len(now.lstrip())) - (len(source) - len(source.lstrip()))
        source = now
    first, last = len(source) - len(source.lstrip()), len(source.rstrip())
    start, end = first, last
    if frame.column >= 0:
        start = min(max(frame.column + shift, 0), max(last - 1, 0))
        whole = frame.end_line <= frame.line and frame.end_column > frame.column
        # A place without an end is one character; what ends on another line is marked to the end of its first.
        end = frame.end_column + shift if whole else start + 1 if frame.end_line <= frame.line else last
    if not source[start:end].strip():  # an indentation
        start, end = first, last
    to = columns.to_utf16(source, end) if source.strip() else 1000
    begin = columns.to_utf16(source, start)
    return Range(start=Position(line=line, character=begin), end=Position(line=line, character=max(to, begin + 1)))


def moved(mark: Mark, edit: Edit) -> Mark | None:
    """Where the mark stands after an edit; None when its own line was touched."""
    if edit.range is None:
        return None
    first, last = edit.range.start, edit.range.end
    line = mark.range.start.line
    inserted = edit.text.count("\n")
    if last.line < line or (last.line == line and last.character == 0 and edit.text.endswith("\n")):
        by = inserted - (last.line - first.line)
        return mark if by == 0 else replace(mark, range=_shifted(mark.range, by))
    return mark if first.line > mark.range.end.line else None


def _shifted(where: Range, by: int) -> Range:
    return Range(
        start=Position(line=max(0, where.start.line + by), character=where.start.character),
        end=Position(line=max(0, where.end.line + by), character=where.end.character),
    )


def only_here(text: str, folder: str, travels: Callable[[str], bool]) -> list[Json]:
    """What a document reads that is on this machine only, in LSP's form: for code that will run elsewhere."""
    lines = columns.split_lines(text)
    found = []
    for one in paths.missing(text, Path(folder), travels):
        line = lines[one.named.line - 1]
        start, end = (columns.to_utf16(line, column) for column in (one.named.column, one.named.end))
        place = {
            "start": {"line": one.named.line - 1, "character": start},
            "end": {"line": one.named.line - 1, "character": end},
        }
        message = f"{one.sentence}, and this may run elsewhere: {one.remedy}."
        found.append({"range": place, "severity": INFORMATION, "source": "yonder", "message": message})
    return found


def here_after_all(failure: wire.Failure, folder: str) -> str:
    """A run elsewhere did not find a file that is here: a sentence with the remedy, else ""."""
    if failure.type != "FileNotFoundError" or paths.LOOKED_FOR not in failure.text:
        return ""
    named = failure.message.rpartition(": ")[2]
    return paths.note_here(named[1:-1], folder) if named[:1] in ("'", '"') and named[-1:] == named[:1] else ""


class Board:
    """All marks by document. Methods return the documents whose diagnostics have changed."""

    def __init__(self) -> None:
        self._marks: dict[str, list[Mark]] = {}

    def failed(self, ran: Ran, failure: wire.Failure) -> set[str]:
        """Also told of a failure again that is known: it says nothing twice."""
        changed = self._keep(lambda mark: mark.run != ran.run)
        for mark in marks(ran, failure):
            self._marks.setdefault(mark.uri, []).append(mark)
            changed.add(mark.uri)
        return changed

    def ran(self, uri: str, where: Range) -> set[str]:
        """A block of `uri` runs (again): what an earlier run of these lines said is over, wherever it said it."""
        again = {
            mark.run
            for mark in self._marks.get(uri, [])
            if mark.of == uri and where.start.line <= mark.range.start.line <= where.end.line
        }
        return self._keep(lambda mark: mark.run not in again)

    def edited(self, uri: str, edits: list[Edit]) -> set[str]:
        """Marks move with the text. Whoever edits one line of an error's way is mending it: all of that run's marks go."""
        before = self._marks.get(uri, [])
        after = before
        for edit in edits:
            after = [new for new in (moved(mark, edit) for mark in after) if new is not None]
        if after == before:
            return set()
        kept = {(mark.run, mark.number) for mark in after}
        mended = {mark.run for mark in before if (mark.run, mark.number) not in kept}
        self._marks[uri] = after
        return {uri} | self._keep(lambda mark: mark.run not in mended)

    def closed(self, uri: str) -> set[str]:
        return self._keep(lambda mark: mark.of != uri)

    def clear(self) -> set[str]:
        return self._keep(lambda _: False)

    def _keep(self, wanted: Callable[[Mark], bool]) -> set[str]:
        changed = set()
        for uri, found in self._marks.items():
            kept = [mark for mark in found if wanted(mark)]
            if len(kept) != len(found):
                self._marks[uri] = kept
                changed.add(uri)
        return changed

    def published(self, uri: str) -> list[Json]:
        """LSP's form of what holds for this document now."""
        return [self._shown(mark) for mark in self._marks.get(uri, [])]

    def _shown(self, mark: Mark) -> Json:
        shown = {
            "range": msgspec.to_builtins(mark.range),
            "severity": mark.severity,
            "source": "yonder",
            "message": mark.message,
        }
        others = [one for marks in self._marks.values() for one in marks if one.run == mark.run and one != mark]
        if others:
            shown["relatedInformation"] = [
                {"location": {"uri": one.uri, "range": msgspec.to_builtins(one.range)}, "message": one.related}
                for one in sorted(others, key=lambda one: one.number)[:RELATED]
            ]
        return shown
