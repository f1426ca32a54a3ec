"""Inlay hints as they are asked for: the targets of a range are found on a thread, the newest question of a document wins.

What this file must not know: LSP's registration, how sessions are asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from yonder_lsp import hover, inlay, uris
from yonder_lsp.documents import Document
from yonder_lsp.looking import Scene
from yonder_lsp.names import Names
from yonder_lsp.ran import Ran
from yonder_lsp.sessions import Sessions
from yonder_lsp.targets import Target, Targets

Json = dict[str, Any]


class Hints:
    """`clock` is the time of day."""

    def __init__(self, scene: Scene, sessions: Sessions, names: Names, ran: Ran, clock: Callable[[], float]) -> None:
        self._scene = scene
        self._sessions = sessions
        self._names = names
        self._ran = ran
        self._clock = clock
        self._targets = Targets()
        self._reading = threading.Lock()
        self._newest: dict[str, object] = {}

    async def within(self, document: Document, first: int, last: int) -> list[Json]:
        """The hints on the lines first to last."""
        session = self._sessions.get(self._scene.session_of(document.uri))
        wanted = self._scene.hints != "off" and self._scene.looking and not uris.is_remote(document.uri)
        table = self._names.table(session.epoch) if wanted and session.alive else None
        if table is None or not table.rows:
            return []
        asked = self._newest[document.uri] = object()
        await self._assumed(document, session.id)
        shapes = self._scene.others and self._scene.hints == "auto"
        rows, bound = table.rows, self._ran.last(session.id)

        def made() -> list[Json]:
            read = [one for one in self._read(document, first, last, asked) if first <= one.line <= last]
            return inlay.hints(document, read, rows, bound, session.id, shapes=shapes)

        return await asyncio.to_thread(made)

    async def _assumed(self, document: Document, session: str) -> None:
        """Of a session that was taken over, the document as it stands is taken for what ran."""
        if self._ran.guessing(session, document.uri):
            found = await asyncio.to_thread(self._read, document, 0, len(document.lines), None)
            self._ran.assume(session, document.uri, found)

    def _read(self, document: Document, first: int, last: int, asked: object | None) -> list[Target]:
        """On a thread: it ends early when the document was asked about anew."""
        found: list[Target] = []
        with self._reading:
            for target in self._targets.within(document.lines, first, last):
                found.append(target)
                if asked is not None and self._newest.get(document.uri) is not asked:
                    break
        return found

    def resolve(self, hint: Json) -> Json:
        """A hint with where its words come from and how old they are."""
        data = hint.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("session"), str):
            return hint
        session = self._sessions.get(data["session"])
        table = self._names.table(session.epoch)
        if table is None:
            return hint
        current = self._names.current(session.epoch) is not None
        where = hover.Where(
            run=table.seen.generation,
            age=max(0.0, self._clock() - (session.since if current else table.at)),
            stale=bool(data.get("stale")),
            busy=session.state == "busy",
        )
        return hint | {"tooltip": hover.source_line(where)}

    def closed(self, uri: str) -> None:
        self._newest.pop(uri, None)
