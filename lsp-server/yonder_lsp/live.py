"""Looking into live sessions from here: deadlines, one look in flight per document, what is remembered, and the patience
with a session that does not answer.

What this file must not know: LSP, Markdown, how a look crosses the wire (`peek` is given).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from yonder import wire
from yonder.errors import YonderError
from yonder_lsp.memory import Memory
from yonder_lsp.sessions import Epoch

COMPLETION = 0.080
COMPLETION_CACHED = 0.040
HOVER = 0.100
SIGNATURE = 0.060
RESOLVE = 0.150
STOPPED = 0.040
"""For what a debugger may have stopped at; the static engine is waited for as well."""
DEFINITION = 0.150
VARIABLES = 2.0

MISSES = 3
SLOW_PAUSE = 2.0
LIFETIME = 30.0
NEAR, FARTHEST = 0.010, 0.250
"""Seconds there and back: below it a session is on this machine, beyond it the reply tells nothing of the way."""
REPLIES = 16

Peek = Callable[[str, wire.Query], Awaitable[wire.Answer]]
Heard = Callable[[Epoch, wire.Query, wire.Answer], None]
_Question = tuple[str, int, bytes]
"""Session, its process, and the whole query: another process's answer answers nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """`late`: the session did not answer in time, `answer` (if any) is an older one."""

    answer: wire.Answer | None
    late: bool = False


NOTHING = Look(None)


class Live:
    """`slow_changed` is called when the session stops or begins again to answer in time, `heard` with every answer."""

    def __init__(
        self, peek: Peek, *, clock: Callable[[], float], slow_changed: Callable[[], None], heard: Heard | None = None
    ) -> None:
        self.slow = False
        self._peek = peek
        self._clock = clock
        self._slow_changed = slow_changed
        self._heard = heard
        self._misses = 0
        self._next_try = 0.0
        self._known: Memory[tuple[Epoch, _Question]] = Memory()
        self._last: Memory[_Question] = Memory()
        self._flights: dict[tuple[Epoch, _Question], asyncio.Task[wire.Answer | None]] = {}
        self._newest: dict[str, asyncio.Event] = {}
        self._took: dict[str, deque[float]] = {}

    def way(self, session: str) -> float:
        """Seconds there and back to a session elsewhere: the shortest of its last looks. One that is near has none, and one that
        is busy shows it in its longer looks only."""
        shortest = min(self._took.get(session, ()), default=0.0)
        return shortest if shortest > NEAR else 0.0

    async def ask(self, document: str, epoch: Epoch, query: wire.Query, within: float) -> Look:
        """One look, answered in `within` seconds whatever the session does. A newer look of the same document and kind
        of question releases this one."""
        question: _Question = (epoch.session, epoch.pid, msgspec.msgpack.encode(query))
        key = (epoch, question)
        known = self._known.get(key)
        if known is not None and not epoch.busy:
            return Look(known)
        before = known or self._last.get(question)
        if self.slow and self._clock() < self._next_try:
            return Look(before, late=True)
        if self.slow:
            self._next_try = self._clock() + SLOW_PAUSE
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key, query))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        asker = f"{document}\0{query.what}"
        released = self._newer(asker)
        waiting = asyncio.create_task(released.wait())
        try:
            await asyncio.wait({flight, waiting}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if self._newest.get(asker) is released:
                del self._newest[asker]
        if flight.done() and not flight.cancelled():
            return Look(flight.result() or before, late=flight.result() is None)
        if not released.is_set() and within > 0.0:  # who had no time left has not waited in vain
            self._missed()
        return Look(before, late=True)

    def _newer(self, document: str) -> asyncio.Event:
        previous = self._newest.get(document)
        if previous is not None:
            previous.set()
        mine = self._newest[document] = asyncio.Event()
        return mine

    async def _fly(self, key: tuple[Epoch, _Question], query: wire.Query) -> wire.Answer | None:
        """The look itself; it lives on after its asker's deadline so that a late reply is remembered."""
        began = self._clock()
        try:
            answer = await asyncio.wait_for(self._peek(key[0].session, query), LIFETIME)
        except (TimeoutError, YonderError):
            return None  # cut off, or no such session any more: nothing is known, and typing is never disturbed
        if (took := self._clock() - began) <= FARTHEST:
            self._took.setdefault(key[0].session, deque(maxlen=REPLIES)).append(took)
        self._replied()
        if answer.frame:
            return answer  # of a function that goes on any moment
        if answer.text:
            return answer  # a file's whole text is kept on disk, by who shows it
        self._known.put(key, answer)
        if answer.found:
            self._last.put(key[1], answer)
        if self._heard is not None:
            self._heard(key[0], query, answer)
        return answer

    def _missed(self) -> None:
        self._misses += 1
        if self._misses >= MISSES and not self.slow:
            self.slow = True
            self._next_try = self._clock() + SLOW_PAUSE
            self._slow_changed()

    def _replied(self) -> None:
        self._misses = 0
        if self.slow:
            self.slow = False
            self._slow_changed()

    def forget(self) -> None:
        """The sessions are gone."""
        for flight in tuple(self._flights.values()):
            flight.cancel()
        self._known.clear()
        self._last.clear()
        self._took.clear()
        self._misses = 0
        self._replied()
