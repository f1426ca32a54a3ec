"""The static engine in use: started by the first question, ended when it is not wanted any more.

What this file must not know: what is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable

from yonder_lsp.protocol import Settings
from yonder_lsp.static import Static


def wanted(settings: Settings) -> bool:
    """Never a second engine beside another Python language server, unless the person says so."""
    return settings.static == "jedi" or (settings.static == "auto" and not settings.other_language_server)


class EngineInUse:
    """`make` makes an engine; its process starts with the first question."""

    def __init__(self, make: Callable[[], Static]) -> None:
        self._make = make
        self._wanted = False
        self._engine: Static | None = None

    async def apply(self, settings: Settings) -> None:
        """What the person chose, or the editor found, now."""
        self._wanted = wanted(settings)
        if not self._wanted:
            await self.close()

    def now(self) -> Static | None:
        """The engine, None if none is wanted."""
        if self._engine is None and self._wanted:
            self._engine = self._make()
        return self._engine

    async def close(self) -> None:
        """End its process; open questions get empty facts."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
