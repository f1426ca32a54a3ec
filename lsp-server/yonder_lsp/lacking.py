"""What a file imports and executors with a Python of their own lack, as diagnostics before anything runs.

Pure but for the project's package folders, which are listed. What is not installed here either is another server's word
("unresolved import") and not said again. What this file must not know: how diagnostics are published, who asks the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yonder import installed, wire
from yonder.core import environment
from yonder.importing import Import, imports
from yonder.leftout import LeftOut
from yonder.tree import Rules
from yonder_lsp import columns, uris

Json = dict[str, Any]
WARNING, INFORMATION = 2, 3
SESSION = "session"


class Lacking:
    """The diagnostics of open files. Methods return the documents whose diagnostics have changed."""

    def __init__(self) -> None:
        self._known: dict[str, wire.Environment] = {}
        self._site: tuple[str, ...] = ()
        self._here = wire.Environment("", "", "")
        self._marks: dict[str, list[Json]] = {}

    def told(self, known: Mapping[str, wire.Environment], here: wire.Environment | None, site: tuple[str, ...]) -> bool:
        """What executors have, by pool ("session": sessions), and the project's own Python with its package folders. Is any
        of it new?"""
        before = (self._known, self._here, self._site)
        self._known, self._site = dict(known), site
        self._here = here or wire.Environment("", "", "")
        return before != (self._known, self._here, self._site)

    def keep(self, uri: str, marks: list[Json]) -> set[str]:
        """What `found` says of the file's text now."""
        if marks == self._marks.get(uri, []):
            return set()
        self._marks[uri] = marks
        return {uri}

    def closed(self, uri: str) -> set[str]:
        """It is not looked at any more."""
        return {uri} if self._marks.pop(uri, []) else set()

    def published(self, uri: str) -> list[Json]:
        """LSP's form of what holds for this document."""
        return self._marks.get(uri, [])

    def found(self, text: str) -> list[Json]:
        """The diagnostics of this text. For any thread."""
        if not self._known or not self._here.version:
            return []
        try:
            found = imports(text)
        except (SyntaxError, MemoryError):
            return []
        names = installed.distributions({one.top for one in found}, self._site)
        lines = columns.split_lines(text)
        marks = []
        for pool, there in self._known.items():
            refused = "" if pool == SESSION else environment.refusal(self._here, there, f"pool {pool!r}", "")
            if found and refused and "Pool(" in text:
                marks.append(_mark(found[0], lines, WARNING, refused.strip()))
        for one in found:
            if (name := names.get(one.top)) is not None:
                marks += [_mark(one, lines, *said) for said in self._said(one, name)]
        return marks

    def _said(self, one: Import, name: str) -> list[tuple[int, str]]:
        """What is to be said of one import, with its severity."""
        said = []
        for pool, there in self._known.items():
            for difference in environment.differences(wire.Needs(self._here, [name]), there):
                where = "where this session runs" if pool == SESSION else f"on executors of the pool {pool!r}"
                words = (
                    f"{name} is missing {where}"
                    if not difference.there
                    else (f"{name} is {difference.here} here and {difference.there} {where}")
                )
                heavy = not difference.there and not one.optional
                said.append((WARNING if heavy else INFORMATION, f"{words} (docs/dependencies.md)"))
        return said


def staying(text: str, uri: str, workspace: str, rules: Rules) -> list[Json]:
    """The imports of modules that are in the document's folder and do not travel with what runs, with the reason and the
    remedy."""
    try:
        found = imports(text)
    except (SyntaxError, MemoryError):
        return []
    lines = columns.split_lines(text)
    folder, own = uris.folder_of(uri, workspace), str(Path(uris.to_path(uri) or "/").parent)
    near = [] if own == folder or not uris.within(own, folder) else [Path(own).relative_to(folder).as_posix()]
    left = LeftOut(folder, rules)
    marks = []
    for one in found:
        said = next((words for name in one.names if (words := left.module(name, near, anywhere=False))), "")
        if said:
            marks.append(_mark(one, lines, INFORMATION if one.optional else WARNING, f"{said}."))
    return marks


def left_after_all(failure: wire.Failure, folder: str, rules: Rules) -> str:
    """A run did not find a module that is here: a sentence with the remedy, else ""."""
    if failure.type != "ModuleNotFoundError":
        return ""
    name = failure.message.removeprefix("No module named ").partition(";")[0]
    return LeftOut(folder, rules).module(name[1:-1]) if name[:1] == "'" == name[-1:] else ""


def _mark(one: Import, lines: list[str], severity: int, message: str) -> Json:
    def at(line: int, column: int) -> Json:
        text = lines[line - 1] if line <= len(lines) else ""
        return {"line": line - 1, "character": columns.to_utf16(text, column)}

    return {
        "range": {"start": at(one.line, one.column), "end": at(one.end_line, one.end_column)},
        "severity": severity,
        "source": "yonder",
        "message": message,
    }
