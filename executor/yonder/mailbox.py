"""`Mailbox`: what one thread puts in and another takes out, by waiting or by awaiting.

What this file must not know: what is in it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue with an end. `most` bounds it: then the oldest goes."""

    def __init__(self, most: int | None = None) -> None:
        self._letters: deque[T] = deque(maxlen=most)
        self._changed = threading.Condition()
        self._bells: list[concurrent.futures.Future[None]] = []
        self._ended = False

    def put(self, letter: T) -> None:
        """Add one; nothing after the end."""
        with self._changed:
            if not self._ended:
                self._letters.append(letter)
            bells = self._wake()
        _ring(bells)

    def end(self) -> None:
        """Nothing comes any more: who takes gets what is left, then EOFError."""
        with self._changed:
            self._ended = True
            bells = self._wake()
        _ring(bells)

    def empty(self) -> bool:
        """Would `take` have to wait?"""
        return not self._letters and not self._ended

    def take(self, timeout: float | None = None) -> T:
        """The oldest letter. Raises EOFError at the end, TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._letters or self._ended, timeout):
                raise TimeoutError
            return self._pop()

    async def atake(self) -> T:
        """`take` for asyncio."""
        while True:
            with self._changed:
                if self._letters or self._ended:
                    return self._pop()
                bell: concurrent.futures.Future[None] = concurrent.futures.Future()
                self._bells.append(bell)
            await asyncio.wrap_future(bell)

    def _pop(self) -> T:
        if self._letters:
            return self._letters.popleft()
        raise EOFError

    def _wake(self) -> list[concurrent.futures.Future[None]]:
        self._changed.notify_all()
        bells, self._bells = self._bells, []
        return bells


def _ring(bells: list[concurrent.futures.Future[None]]) -> None:
    for bell in bells:
        if bell.set_running_or_notify_cancel():
            bell.set_result(None)
