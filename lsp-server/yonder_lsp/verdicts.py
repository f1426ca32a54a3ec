"""What runs have left behind in documents: the marks of what failed, and which runs the text has moved away from.

What belongs here: when either is looked at again. What this file must not know: how a failure is worded
(diagnostics.py), when a text is stale (stale.py), sessions, the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from yonder import wire
from yonder_lsp import cells, stale
from yonder_lsp.diagnostics import Board, Edit, Json, Ran
from yonder_lsp.documents import Document
from yonder_lsp.pace import Paced
from yonder_lsp.stale import Watch
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread

PACE = 0.3


class Verdicts:
    """`text` gives a document as it is now, `folder_of` the workspace folder of one, `begun` is set when the runs of before
    are known; `publish` is told of documents whose marks have changed, `changed` of runs that have."""

    def __init__(
        self,
        storing: StoreThread,
        *,
        text: Callable[[str], Document],
        folder_of: Callable[[str], str],
        begun: asyncio.Event,
        publish: Callable[[set[str]], None],
        background: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[], None],
    ) -> None:
        self._storing = storing
        self._text = text
        self._folder_of = folder_of
        self._begun = begun
        self._publish = publish
        self._background = background
        self._changed = changed
        self._board = Board()
        self._watch = Watch()
        self._open: set[str] = set()
        self._edited: set[str] = set()
        self._news = Paced(PACE, lambda: background(self._look()))

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def resumed(self, run: str, uri: str) -> None:
        """A run of before that is still on; its text is not known."""
        self._watch.started(run, uri, "")

    def started(self, run: str, document: Document, block: cells.Block) -> None:
        self._watch.started(run, document.uri, document.slice(block.range))
        self._publish(self._board.ran(document.uri, block.range))

    def ended(self, event: wire.RunEnded) -> None:
        """An interrupt was asked for: where it struck is no fault of that line."""
        uri = self._watch.uri(event.run)
        if event.outcome == "error" and event.failure is not None and uri:
            self._publish(self._board.failed(self._ran(event.run, uri), event.failure))

    def uri(self, run: str) -> str:
        """The document of a run, "" when it is not watched (any more)."""
        return self._watch.uri(run)

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def edited(self, uri: str, edits: list[Edit]) -> None:
        """No edits: it was opened."""
        self._publish(self._board.edited(uri, edits))
        if not edits:
            self._background(self._restore(uri))
        self._open.add(uri)
        self._edited.add(uri)
        self._news.poke()

    def closed(self, uri: str) -> set[str]:
        self._open.discard(uri)
        self._edited.discard(uri)
        return self._board.closed(uri)

    def clear(self) -> set[str]:
        return self._board.clear()

    def published(self, uri: str) -> list[Json]:
        return self._board.published(uri)

    def stop(self) -> None:
        self._news.stop()

    async def _look(self) -> None:
        """Tell the store which runs the text has moved away from, or come back to."""
        edited, self._edited = self._edited, set()
        for uri in edited:
            codes, now = self._watch.of(uri), self._text(uri).text
            changes = self._watch.looked(await asyncio.to_thread(stale.missing, codes, now)) if codes else []
            for run, gone in changes:
                await self._storing.do(Store.mark_stale, run, gone)
            if changes:
                self._changed()

    async def _restore(self, uri: str) -> None:
        """Say again what failed in a document before the window was loaded again, where its text still stands."""
        await self._begun.wait()
        for run in await self._storing.do(Store.failed, uri):
            document = self._text(uri)
            if run.failure is not None and cells.text_hash(document.slice(run.range)) == run.hash:
                self._publish(self._board.failed(self._ran(run.run, uri), run.failure))

    def _ran(self, run: str, uri: str) -> Ran:
        def line(uri: str, number: int) -> str:
            # Which file it is says a worker: what is not open is not read.
            lines = self._text(uri).lines if uri in self._open else []
            return lines[number] if 0 <= number < len(lines) else ""

        return Ran(run, uri, self._folder_of(uri), line)
