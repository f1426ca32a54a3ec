"""What is known of the names in the sessions: asked for after each run, offered when a session is late. Composes the parts.

    session ⇄ Naming ─▶ Names ─▶ Hindsight ─▶ completion

What this file must not know: LSP, deadlines, how anything is shown.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from yonder import wire
from yonder_lsp import uris
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.names import Names
from yonder_lsp.naming import Naming
from yonder_lsp.sessions import Sessions


class Insight:
    """`wanted` says whether live objects are looked at, `folder` where relative sessions are named from."""

    def __init__(
        self,
        peek: Callable[[str, wire.Query], Awaitable[wire.Answer]],
        sessions: Sessions,
        *,
        wanted: Callable[[], bool],
        folder: Callable[[], str],
    ) -> None:
        self._folder = folder
        self._open: set[str] = set()
        self._names = Names()
        self.hindsight = Hindsight(self._names)
        self._naming = Naming(
            self._names,
            sessions,
            peek,
            clock=time.time,
            wanted=wanted,
            shown=self._shown,
            changed=self._changed,
        )

    def opened(self, uri: str) -> None:
        self._open.add(uri)

    def closed(self, uri: str) -> None:
        self._open.discard(uri)

    def moved(self) -> None:
        """The sessions may have changed."""
        self._naming.poke()

    def gone(self) -> None:
        """The hub is dead, and with it every session."""
        self._naming.poke()
        self.hindsight.forget()

    def stop(self) -> None:
        self._naming.stop()

    def _shown(self, session: str) -> bool:
        """Is a document of this session open?"""
        return any(uris.session_of(uri, self._folder()) == session for uri in self._open)

    def _changed(self, session: str, names: set[str]) -> None:
        """Other names, or other hints of them."""
