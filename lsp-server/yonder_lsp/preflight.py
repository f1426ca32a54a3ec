"""What is said of open documents before anything of them runs: packages that executors lack, files and modules that stay
on this machine, what functions for pools take along.

Texts are read in threads, large ones only when their typing pauses: Python's parser lets nobody else run meanwhile. The
largest are not read at all. What this file must not know: failed runs, how diagnostics are published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yonder import wire
from yonder.tree import Rules
from yonder_lsp import captures
from yonder_lsp.diagnostics import only_here
from yonder_lsp.documents import Document
from yonder_lsp.lacking import Lacking, staying
from yonder_lsp.pace import Paced
from yonder_lsp.trees import Moment

Json = dict[str, Any]
PACE = 0.3
CALM = 0.7
"""Seconds without typing after which a text beyond `SMALL` is read."""
SMALL = 20_000
LARGEST = 150_000
"""Characters; its parser takes a tenth of a second, in which no question is answered."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a window gives: documents, what is live under names, and the code around them. `whole` is the workspace's code
    where something of it runs elsewhere, else None."""

    text: Callable[[str], Document]
    describe: Callable[[Document, Iterable[str]], Awaitable[dict[str, wire.Answer]]]
    whole: Callable[[], Moment | None]
    rules: Callable[[], Rules]
    folder: Callable[[str], str]


class Preflight:
    """`ready` is set once the settings are known; `publish` is told of documents whose diagnostics have changed; `background`
    runs what nobody waits for."""

    def __init__(
        self,
        ground: Ground,
        ready: asyncio.Event,
        publish: Callable[[set[str]], None],
        background: Callable[[Coroutine[Any, Any, None]], None],
        log: Callable[[str], None],
    ) -> None:
        self._ground = ground
        self._ready = ready
        self._publish = publish
        self._background = background
        self._log = log
        self._lacking = Lacking()
        self._heavy: dict[str, list[Json]] = {}
        self._stays: dict[str, list[Json]] = {}
        self._edited: dict[str, float] = {}  # when, of those not read since
        self._open: set[str] = set()
        self._large: set[str] = set()
        self._news = Paced(PACE, lambda: background(self._read()))
        self._calm: asyncio.TimerHandle | None = None

    def edited(self, uri: str) -> None:
        """It was opened, or its text changed."""
        self._open.add(uri)
        self._edited[uri] = asyncio.get_running_loop().time()
        self._news.poke()

    def closed(self, uri: str) -> set[str]:
        """Nothing is said of it any more. Returns it if something was."""
        self._open.discard(uri)
        self._large.discard(uri)
        self._edited.pop(uri, None)
        marked = [self._stays.pop(uri, []), self._heavy.pop(uri, [])]
        return self._lacking.closed(uri) | ({uri} if any(marked) else set())

    def stop(self) -> None:
        """No more."""
        self._news.stop()
        if self._calm is not None:
            self._calm.cancel()

    def published(self, uri: str) -> list[Json]:
        """LSP's form of what holds for the document."""
        return [*self._lacking.published(uri), *self._stays.get(uri, []), *self._heavy.get(uri, [])]

    def told(self, known: Mapping[str, wire.Environment], here: wire.Environment | None, site: Sequence[str]) -> None:
        """What executors have, see Lacking."""
        if self._lacking.told(known, here, tuple(site)):
            for uri in self._open:
                self._background(self._look(uri))

    def ended(self, uri: str) -> None:
        """A run of the document is over: names may stand for other objects now."""
        if uri in self._open:
            self._background(self._weigh(uri))

    # ── reading ──

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = [uri for uri, at in self._edited.items() if now - at >= CALM or len(self._ground.text(uri).text) <= SMALL]
        if len(due) < len(self._edited) and self._calm is None:
            self._calm = loop.call_later(CALM, self._calmer)
        for uri in due:
            del self._edited[uri]
            self._background(self._weigh(uri))
            await self._look(uri)
        await self._look_for_paths(due)

    def _calmer(self) -> None:
        self._calm = None
        self._news.poke()

    def _of(self, uri: str) -> Document:
        """The document; without its text if that is too large to be read."""
        document = self._ground.text(uri)
        if len(document.text) <= LARGEST:
            return document
        if uri not in self._large:
            self._large.add(uri)
            self._log(
                f"{uri} has {len(document.text):,} characters: beyond {LARGEST:,} imports and functions for pools are "
                "not looked at before they run"
            )
        return Document(uri, "")

    async def _look(self, uri: str) -> None:
        """At what it imports that executors lack."""
        found = await asyncio.to_thread(self._lacking.found, self._of(uri).text)
        if uri in self._open:
            self._publish(self._lacking.keep(uri, found))

    async def _look_for_paths(self, edited: Sequence[str]) -> None:
        """At what these documents import and does not travel, and what they read that is on this machine only, where
        something of the workspace runs elsewhere."""
        await self._ready.wait()
        moment = self._ground.whole()
        files = (await moment.snapshot()).files if moment is not None and edited else {}
        for uri in edited:
            text, folder = self._of(uri).text, self._ground.folder(uri)
            read = text if moment is not None else ""
            found = await asyncio.to_thread(only_here, read, folder, files.__contains__)
            found += await asyncio.to_thread(staying, text, uri, folder, self._ground.rules())
            if uri in self._open and found != self._stays.get(uri, []):
                self._stays[uri] = found
                self._publish({uri})

    async def _weigh(self, uri: str) -> None:
        """At what functions that it gives to pools take along."""
        document = self._of(uri)
        found: list[captures.Capture] = []
        if any(f".{verb}" in document.text for verb in captures.VERBS):  # else it need not be parsed
            found = await asyncio.to_thread(captures.captures, document.text)
        seen = await self._ground.describe(document, dict.fromkeys(one.name for one in found)) if found else {}
        made = captures.marks(found, seen, document.text, wire.PoolSpec().capture_warning)
        if uri in self._open and made != self._heavy.get(uri, []):
            self._heavy[uri] = made
            self._publish({uri})
