"""A failed run as diagnostics: in the frames that are in the workspace, until the block runs again or the line is edited.

Pure. What this file must not know: how diagnostics are published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yonder import paths, wire
from yonder_lsp import columns, uris
from yonder_lsp.protocol import Position, Range

Json = dict[str, Any]
ERROR, INFORMATION = 1, 3
MESSAGE_LIMIT = 2000


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


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a document: `range` None replaced everything."""

    range: Range | None
    text: str


def marks(run: str, uri: str, failure: wire.Failure, folder: str) -> list[Mark]:
    """The error at the deepest frame of the workspace, the way to it at the others."""
    shown = uris.shown_path(uri)
    places = [
        (frame, uri if frame.file == shown else uris.to_uri(frame.file))
        for frame in failure.frames
        if _ours(frame, shown, folder)
    ]
    message = f"{failure.type}: {failure.message}" if failure.message else failure.type
    found: dict[tuple[str, int], Mark] = {}
    for number, (frame, where) in enumerate(reversed(places)):
        deepest = number == 0
        text = message if deepest else f"{message}\nraised below this call, in {places[-1][0].function}"
        severity = ERROR if deepest else INFORMATION
        found.setdefault(
            (where, frame.line), Mark(run, number, uri, where, _range(frame), severity, text[:MESSAGE_LIMIT])
        )
    return list(found.values())


def _ours(frame: wire.Frame, shown: str, folder: str) -> bool:
    if frame.file == shown:
        return True
    return frame.user and uris.within(frame.file, folder) and "site-packages" not in frame.file


def _range(frame: wire.Frame) -> Range:
    """The frame's columns (characters), else its line without the indentation."""
    line = max(0, frame.line - 1)
    last = max(line, frame.end_line - 1)
    if frame.column >= 0 and frame.end_column >= 0 and last == line:
        start = columns.to_utf16(frame.source, frame.column)
        end = columns.to_utf16(frame.source, frame.end_column)
        if end > start:
            return Range(start=Position(line=line, character=start), end=Position(line=line, character=end))
    indent = len(frame.source) - len(frame.source.lstrip())
    end = columns.to_utf16(frame.source, len(frame.source.rstrip())) or 1000
    return Range(start=Position(line=line, character=indent), end=Position(line=line, character=max(end, indent + 1)))


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

    def failed(self, run: str, uri: str, failure: wire.Failure, folder: str) -> set[str]:
        changed = set()
        for mark in marks(run, uri, failure, folder):
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
        return [
            {
                "range": {
                    "start": {"line": mark.range.start.line, "character": mark.range.start.character},
                    "end": {"line": mark.range.end.line, "character": mark.range.end.character},
                },
                "severity": mark.severity,
                "source": "yonder",
                "message": mark.message,
            }
            for mark in self._marks.get(uri, [])
        ]
