"""What only platforms can say: that an executor is gone, what is left of an owner, what an earlier hub has left behind.

Knows backends and handles; not workers, pools, or why anything ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from yonder.backends.base import Backend
from yonder.hub.executor import Executor
from yonder.hub.substrates import Substrates
from yonder.hub.worker import clock
from yonder.receipts import Sheet
from yonder.wire import Life

RETRY_FIRST, RETRY_LAST = 1.0, 30.0
"""Seconds between two attempts to have a platform confirm an end."""


class Endings:
    """Of one owner's executors. `trouble` is told what a platform does not do."""

    def __init__(self, owner: str, substrates: Substrates, trouble: Callable[[str], None]) -> None:
        self._owner = owner
        self._substrates = substrates
        self._trouble = trouble
        self._swept = asyncio.Event()
        self._swept.set()

    async def confirm(self, executor: Executor, told: Callable[[str], None]) -> str:
        """Returns when nothing of it is left: "" when the platform has said so, else why it could not be asked; then its
        own agent is gone, and took everything along. `told` hears what keeps it."""
        pause = RETRY_FIRST
        while executor.handle is not None:
            try:
                await self._substrates.of(executor.backend).terminate(executor.handle)
            except Exception as error:  # noqa: BLE001 - whatever a platform says instead of yes
                sentence = f"the backend {executor.backend!r} did not confirm its end: {_words(error)}"
                self._trouble(f"{executor.id}: {sentence}")
                if executor.severed or not executor.workers:
                    return sentence
                told(sentence)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_LAST)
            else:
                break
        return ""

    async def left(self) -> tuple[int, str]:
        """How many things of this owner the platforms still run, and which of them could not be asked, in words."""
        count, silent = 0, []
        for backend in self._substrates.made():
            try:
                count += len(await backend.owned(self._owner))
            except Exception as error:  # noqa: BLE001 - see confirm
                silent.append(_words(error))
        return count, "; ".join(silent)

    # ── an earlier hub's ──

    async def swept(self) -> None:
        """Returns when what an earlier hub has left is gone: nothing is started beside it."""
        await self._swept.wait()

    def sweep(self, sheets: Sequence[Sheet]) -> Coroutine[Any, Any, list[Sheet]]:
        """End what the killed hubs of these receipts have left. Gives the receipts, finished; none where a platform could
        not be asked. Boots wait for it from the call on."""
        self._swept.clear()
        return self._sweep(sheets)

    async def _sweep(self, sheets: Sequence[Sheet]) -> list[Sheet]:
        try:
            found: set[str] = set()
            for name in sorted({life.backend for sheet in sheets for life in sheet.lives if not life.ended}):
                found |= await self._end_all(self._substrates.of(name))
        except Exception as error:  # noqa: BLE001 - see confirm
            self._trouble(f"what an earlier hub has left could not be looked for: {_words(error)}")
            return []
        finally:
            self._swept.set()
        self._trouble(f"an earlier hub was killed; {len(found)} of its executors were found and ended")
        return [_completed(sheet, found) for sheet in sheets]

    async def _end_all(self, backend: Backend) -> set[str]:
        handles = await backend.owned(self._owner)
        await asyncio.gather(*(backend.terminate(handle) for handle in handles))
        return {handle.executor for handle in handles}


def _completed(sheet: Sheet, found: set[str]) -> Sheet:
    at = clock()
    lives = [life if life.ended else _ended(life, at, there=life.executor in found) for life in sheet.lives]
    return msgspec.structs.replace(sheet, ended=at, reason="the hub was killed", lives=lives)


def _ended(life: Life, at: float, *, there: bool) -> Life:
    if there:
        return msgspec.structs.replace(life, ended=at, reason="its hub was killed; the next one found it and ended it")
    return msgspec.structs.replace(life, reason="its hub was killed; it was gone when the next one looked")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
