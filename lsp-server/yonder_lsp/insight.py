"""What is known of the names in the sessions: asked for after each run, offered when a session is late, shown as inlay
hints. Composes the parts.

    session ⇄ Naming ─▶ Names ─┬─▶ Hindsight ─▶ completion
              runs ───▶ Ran  ──┴─▶ Hints ─────▶ inlay hints

What this file must not know: LSP, deadlines, how anything is shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from yonder import wire
from yonder_lsp import cells, targets, uris
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.hints import Hints
from yonder_lsp.looking import Scene
from yonder_lsp.names import Names
from yonder_lsp.naming import Naming
from yonder_lsp.pace import Paced
from yonder_lsp.ran import Ran
from yonder_lsp.sessions import Epoch, Sessions

REFRESH_PACE = 0.5


class Insight:
    """`peek` asks a session. Whoever shows hints sets `refresh`."""

    def __init__(
        self, peek: Callable[[str, wire.Query], Awaitable[wire.Answer]], sessions: Sessions, scene: Scene
    ) -> None:
        self._scene = scene
        self._open: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._names = Names()
        self._ran = Ran()
        self.hindsight = Hindsight(self._names)
        self.hints = Hints(scene, sessions, self._names, self._ran, time.time)
        self.refresh: Callable[[], None] = _nobody
        self._news = Paced(REFRESH_PACE, self._tell)
        self._naming = Naming(
            self._names,
            sessions,
            peek,
            clock=time.time,
            wanted=lambda: scene.looking,
            shown=self._shown,
            changed=self._changed,
        )

    def pool(self, epoch: Epoch) -> str | None:
        """The name of a pool that this session's process has, as far as its names are known."""
        return self._names.of_type(epoch, "yonder.pool.Pool")

    def opened(self, uri: str) -> None:
        self._open.add(uri)

    def closed(self, uri: str) -> None:
        self._open.discard(uri)
        self.hints.closed(uri)

    def started(self, run: str, uri: str, block: cells.Block) -> None:
        """A block was sent to run; a whole file's names are nobody's afterwards."""
        if block.kind == "block":
            self._ran.started(run, self._session(uri), uris.shown_path(uri), block.first_line)
            task = asyncio.get_running_loop().create_task(self._read(run, block.code))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read(self, run: str, code: str) -> None:
        self._ran.read(run, await asyncio.to_thread(targets.of_block, code))
        self._news.poke()

    def ended(self, event: wire.RunEnded) -> None:
        self._ran.ended(event.run, event.outcome, event.failure)
        self._news.poke()

    def moved(self) -> None:
        """The sessions or the settings may have changed."""
        self._naming.poke()

    def shown_otherwise(self) -> None:
        """The settings say something else about hints now."""
        self._naming.poke()
        self._news.poke()

    def gone(self) -> None:
        """The hub is dead, and with it every session."""
        self._naming.poke()
        self._ran.lost()
        self.hindsight.forget()
        self._news.poke()

    def stop(self) -> None:
        self._naming.stop()
        self._news.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def _tell(self) -> None:
        self.refresh()

    def _session(self, uri: str) -> str:
        return self._scene.session_of(uri)

    def _shown(self, session: str) -> bool:
        """Is a document of this session open?"""
        return any(self._session(uri) == session for uri in self._open)

    def _changed(self, session: str, names: set[str]) -> None:
        """Other names, or other hints of them; none of all for a process that is gone."""
        if names:
            self._ran.moved(session, names)
        else:
            self._ran.forget(session)
        self._news.poke()


def _nobody() -> None:
    """No editor wants to know."""
