"""The event loop of a worker, once something has used `await`: driving one awaitable to its end, interruptibly.

What belongs here: the loop, the task that is being waited for, its cancellation by an interrupt. What this file must not
know: lanes, who awaits what. Tasks that are left behind live on whenever the loop runs: during the next awaitable, and
while the worker waits for its next message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from yonder.agent.guard import Guard


class Looping:
    """`loop` is None until the first `complete`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._task: asyncio.Task[Any] | None = None
        self.inner: asyncio.Task[Any] | None = None
        """Another task of the same user code, which the completed one waits for (a stream's producer)."""
        self.cancelled = False
        """An interrupt has ended the last awaitable by cancelling it."""
        self.loop: asyncio.AbstractEventLoop | None = None

    def complete(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Drive it to its end; its value, or what it raises. Runs user code: within `Guard.run` only. An interrupt cancels
        it where it awaits and is raised in it where it computes; either way KeyboardInterrupt comes out."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)  # each time: `asyncio.run` in user code takes it away
        self.cancelled = False
        self._guard.deflect = self._deflect
        task = self._task = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if self.cancelled:
                raise KeyboardInterrupt from None
            raise
        finally:
            self._guard.deflect = None
            self._task = None
            if not task.done():  # an interrupt was raised in another task and came out through the loop
                task.cancel()
                loop.run_until_complete(asyncio.wait({task}))

    def _deflect(self) -> bool:
        """From the signal handler: end what awaits by cancelling its task. Code that is itself computing, or was cancelled
        already and goes on, is interrupted directly."""
        task, loop = self._task, self.loop
        if task is None or loop is None or task.done() or self.cancelled:
            return False
        current = asyncio.current_task(loop)
        if current is not None and (current is task or current is self.inner):
            return False
        self.cancelled = True
        task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # wakes the loop's wait
        return True
