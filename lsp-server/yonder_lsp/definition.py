"""Where something is defined: the live object's own place first, the static engine's opinion else.

What the owner's machine has with the same text is opened there; what only the session has, or has differently, is a
`yonder-remote:` document. What this file must not know: pygls, how a text is kept, how objects are looked at.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from yonder import wire
from yonder_lsp import cards, columns, cursor, live, protocol, scope, uris
from yonder_lsp.documents import Document
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.protocol import Position, Range
from yonder_lsp.remote_source import RemoteSources, lost
from yonder_lsp.static import Place

Json = dict[str, Any]
STATIC = 1.0
"""Somebody who jumps has pressed a key and waits for the jump: jedi gets longer than while typing."""
ASKED = 2.0
_LARGEST = 2 << 20
_LAST_LINE = 2**31 - 1  # LSP's
_CODINGS = re.compile(
    r"cp-?\d+|windows-?\d+|iso-?8859-?\d+|latin-?\d+|koi8-?[rtu]|mac-?\w+|s(hift)?-?jis|euc-?\w+|gbk?\d*|big5"
)
_NOWHERE = Range(start=Position(line=0, character=0), end=Position(line=0, character=0))


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression in a document: its path, its first name's line, and where its last piece stands."""

    document: Document
    path: tuple[wire.Step, ...]
    line: int
    offset: int


class Definition:
    """`looking` asks sessions and the static engine, `kept` are the texts that are shown."""

    def __init__(self, scene: Scene, looking: Looking, kept: RemoteSources) -> None:
        self._scene = scene
        self._looking = looking
        self._kept = kept

    async def find(self, document: Document, offset: int) -> list[Json] | None:
        """LSP's definition. Beside another server only what that one cannot know: texts that are not on this machine."""
        asked = expression(document, offset)
        if asked is None:
            return None
        name, remote = str(asked.path[0].value), uris.is_remote(document.uri)
        if scope.is_local(document, name, asked.offset):
            return self._alone(await self._static(asked), remote=remote)
        answer = await self._live(asked, live.DEFINITION)
        rebound = self._looking.rebound(document, self._looking.session(document), name, asked.line)
        if answer is None or rebound or _is_variable(asked, answer):
            here = await self._static(asked) or _binding(asked)
            if here or answer is None:
                return self._alone(here, remote=remote)
        return self._alone([await self._place(asked, answer)], remote=remote)

    def _alone(self, found: list[Json], *, remote: bool) -> list[Json] | None:
        if self._scene.others and not remote:
            found = [one for one in found if uris.is_remote(one["uri"])]
        return found or None

    async def show(self, params: protocol.SourceAtParams, document: Document) -> protocol.SourceAt:
        """The source as the session has it, whatever this machine has."""
        named = Asked(document, tuple(cards.steps(params.path)), 0, 0) if params.path else None
        asked = named or expression(document, document.offset(params.selection.start))
        if asked is None:
            return _none("Put the cursor on a name: Yonder shows the source of what it stands for on the cluster.")
        session = self._looking.session(document)
        written = "".join(_written(step) for step in asked.path)
        if not session.alive or not self._scene.looking:
            return _none(f"There is no session to look for {written} in: run something first.")
        look = await self._looking.look(document, session, wire.Query("source", list(asked.path)), ASKED)
        if look.answer is None or look.late:
            return _none(f"The session did not say in time where {written} is written: it is busy. Try again.")
        if not _is_source(look.answer):
            return _none(f"{written} has no source to show: {look.answer.why or 'the session told of none'}.")
        text = _decoded(look.answer)
        try:
            place = await self._remote(asked, look.answer.file, text)
        except OSError as error:
            return _none(f"The source of {written} cannot be kept in {self._kept.folder}: {error.strerror or error}.")
        return protocol.SourceAt(uri=place, range=_statement(text, look.answer.line, look.answer.short))

    async def text(self, uri: str) -> protocol.SourceResult:
        """What a `yonder-remote:` document shows."""
        place = uris.remote_place(uri)
        found = await asyncio.to_thread(self._kept.get, place.digest) if place is not None else None
        if found is not None:
            return protocol.SourceResult(text=found, kept=True)
        return protocol.SourceResult(text=lost(place.file if place is not None else uri), kept=False)

    # ── where ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self, asked: Asked, within: float) -> wire.Answer | None:
        session = self._looking.session(asked.document)
        query = wire.Query("source", list(asked.path))
        look = await self._looking.look(asked.document, session, query, within)
        return look.answer if look.answer is not None and _is_source(look.answer) else None

    async def _place(self, asked: Asked, answer: wire.Answer) -> Json:
        """A live object's place as a location."""
        home = next((fact.value for fact in answer.facts if fact.label == "home"), "")
        text = _decoded(answer)
        if home == "block":
            return await self._in_document(asked.document, answer)
        path = answer.file
        if home != "generated" and await asyncio.to_thread(_same, path, text):
            return _location(uris.to_uri(path), _statement(text, answer.line, answer.short))
        return _location(await self._remote(asked, path, text), _statement(text, answer.line, answer.short))

    async def _in_document(self, document: Document, answer: wire.Answer) -> Json:
        """What a block defined: in its document as that is now, near the line where it was as it ran."""
        uri, lines = uris.shown(answer.file), None
        if answer.file == uris.shown_path(document.uri):
            uri, lines = document.uri, document.lines
        elif path := uris.to_path(uri):
            found = await asyncio.to_thread(_read, path)
            lines = columns.split_lines(found) if found is not None else None
        return _location(uri, near(lines, answer) if lines is not None else _line(answer.line))

    async def _remote(self, asked: Asked, file: str, text: str) -> str:
        digest = await asyncio.to_thread(self._kept.put, text)
        return uris.remote(uris.RemotePlace(digest, file, self._looking.session(asked.document).id))

    async def _static(self, asked: Asked) -> list[Json]:
        facts = await self._looking.static("definition", asked.document, asked.offset, STATIC)
        above = asked.document.above.count("\n")
        return [
            _known(place, asked.document.uri, 0 if place.path else above)
            for place in facts.places
            if place.path or place.line >= above  # in another cell, whose document is not known here
        ]


# ── pure ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def expression(document: Document, offset: int) -> Asked | None:
    """What stands at an offset; in an import statement the module, or what is imported from it."""
    found = cursor.target(document.text, offset)
    if found is None:
        return None
    path = found.path
    imported = cursor.question(document.text, found.end)
    if isinstance(imported, cursor.Import):
        names = [*filter(None, imported.module.split(".")), str(path[-1].value)]
        path = tuple(wire.Step("attr" if n else "name", name) for n, name in enumerate(names))
    return Asked(document, path, document.position(found.start).line, found.start)


def _written(step: wire.Step) -> str:
    """A step as it stands in a program."""
    match step.kind:
        case "name":
            return str(step.value)
        case "attr":
            return f".{step.value}"
        case _:
            return f"[{step.value!r}]"


def _is_source(answer: wire.Answer) -> bool:
    """Does it say where something is written, and is it of a size that a session sends?"""
    return answer.found and bool(answer.file) and len(answer.text) <= _LARGEST


def _is_variable(asked: Asked, answer: wire.Answer) -> bool:
    """Is it a plain name of a value, whose class the answer is about? Its definition is where it was given the value."""
    return len(asked.path) == 1 and bool(answer.short) and answer.type.rpartition(".")[2] == answer.short


def _binding(asked: Asked) -> list[Json]:
    """The last statement above (or this one) that gives the module's name a value, as it looks."""
    document, name = replace(asked.document, above=""), str(asked.path[0].value)
    found = scope.last_binding(document, name, asked.line + 1) if len(asked.path) == 1 else None
    if found is None:
        return []
    at = document.text.rfind(found.text, 0, document.start(asked.line + 1))
    inside = next((word.start - found.words[0].start for word in found.words if word.text == name), -1)
    if inside < 0 and (head := re.match(rf"[^\n]*?(?<!\w){re.escape(name)}(?!\w)", found.text)):
        inside = head.end() - len(name)
    start = at + inside
    return [_location(document.uri, document.range(start, start + len(name)))] if min(at, inside) >= 0 else []


def near(lines: Sequence[str], answer: wire.Answer) -> Range:
    """The statement that makes `answer.short`, nearest to the answer's line in a text that may have moved on."""
    if not answer.short:
        return _line(answer.line)
    pattern = re.compile(rf"\s*(?:async\s+)?(?:def|class)\s+{re.escape(answer.short)}\b")
    found = [line for line, text in enumerate(lines) if answer.short in text and pattern.match(text)]
    line = min(found, key=lambda line: abs(line + 1 - answer.line), default=answer.line - 1)
    return _named(lines[line], line, answer.short) if 0 <= line < len(lines) else _line(answer.line)


def _statement(text: str, line: int, name: str) -> Range:
    """Where a name stands on a line (from 1) of a text whose line ends are plain."""
    line = min(max(line, 1), len(text) + 1)
    lines = text.split("\n", line)
    return _named(lines[line - 1], line - 1, name) if line <= len(lines) else _line(1)


def _named(text: str, line: int, name: str) -> Range:
    """Where the name stands on its line; the line's beginning where it does not."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) if name else None
    start, end = (0, 0) if found is None else found.span()
    return Range(
        start=Position(line=line, character=columns.to_utf16(text, start)),
        end=Position(line=line, character=columns.to_utf16(text, end)),
    )


def _line(line: int) -> Range:
    at = Position(line=min(max(line - 1, 0), _LAST_LINE), character=0)
    return Range(start=at, end=at)


def _known(place: Place, uri: str, above: int = 0) -> Json:
    """A place of the static engine's, which read so many lines above the document."""
    line = place.line - above
    where = Range(start=Position(line=line, character=place.start), end=Position(line=line, character=place.end))
    return _location(uris.to_uri(place.path) if place.path else uri, where)


def _location(uri: str, where: Range) -> Json:
    return {"uri": uri, "range": where}


def _none(sentence: str) -> protocol.SourceAt:
    return protocol.SourceAt(uri="", range=_NOWHERE, sentence=sentence)


def _decoded(answer: wire.Answer) -> str:
    """The file's text; a coding that its machine did not look up is looked up here."""
    coding = next((fact.value for fact in answer.facts if fact.label == "coding"), "")
    if not _CODINGS.fullmatch(coding):
        return answer.text
    try:
        return answer.text.encode("latin-1").decode(coding, "replace")
    except (LookupError, ValueError):
        return answer.text


# ── this machine's files ──────────────────────────────────────────────────────────────────────────────────────────────


def _read(path: str) -> str | None:
    """A regular file's text by its own coding, line ends made plain; None where there is none."""
    try:
        state = os.stat(path)  # noqa: PTH116 - a path of another system is no Path of this one
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
            return None
        with open(path, "rb") as opened:  # noqa: PTH123
            data = opened.read(_LARGEST)
        coding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        return data.decode(coding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError, SyntaxError, LookupError):
        return None


def _same(path: str, text: str) -> bool:
    """Has this machine the same file? (A last line end may be the reader's.)"""
    found = _read(path) if os.path.isabs(path) else None  # noqa: PTH117
    return found is not None and found.rstrip("\n") == text.rstrip("\n")
