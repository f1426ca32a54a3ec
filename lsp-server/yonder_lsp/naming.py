"""When sessions are asked for their names: after each run, and now and then while one is on and its document is open. One
question in flight for a session, never on the path of a person's typing.

What this file must not know: what is done with the names, LSP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from yonder import wire
from yonder.errors import YonderError
from yonder_lsp.names import Names
from yonder_lsp.sessions import Session, Sessions

PACE = 0.25
WHILE_BUSY = 2.0
LIFETIME = 30.0


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


def _later(seconds: float, do: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, do)


class Naming:
    """`peek` asks a session, `wanted` says whether a session's names are looked at now, `shown` whether a document of it is
    open, `changed` is told which names of a session are other than before."""

    def __init__(
        self,
        names: Names,
        sessions: Sessions,
        peek: Callable[[str, wire.Query], Awaitable[wire.Answer]],
        *,
        clock: Callable[[], float],
        wanted: Callable[[], bool],
        shown: Callable[[str], bool],
        changed: Callable[[str, set[str]], None],
        later: Later = _later,
    ) -> None:
        self._names = names
        self._sessions = sessions
        self._peek = peek
        self._clock = clock
        self._wanted = wanted
        self._shown = shown
        self._changed = changed
        self._later = later
        self._next: dict[str, float] = {}
        self._timers: dict[str, Timer] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._failed: set[str] = set()

    def poke(self) -> None:
        """The sessions may have changed."""
        there = {session.id: session for session in self._sessions.states() if session.alive}
        for name in self._names.known():
            session = there.get(name)
            if session is None or not self._wanted() or self._names.table(session.epoch) is None:
                self._emptied(name)
        for session in there.values() if self._wanted() else ():
            self._consider(session)

    def _emptied(self, name: str) -> None:
        """Another process, or none: what the one before had is gone at once."""
        self._names.forget(name)
        self._next.pop(name, None)
        self._changed(name, set())

    def _consider(self, session: Session) -> None:
        """Ask now, later, or not at all."""
        epoch = session.epoch
        if session.id in self._flights:
            return  # its end considers again
        if self._names.current(epoch) is not None or (epoch.busy and not self._shown(session.id)):
            return
        table = self._names.table(epoch)
        fresh = epoch.busy and table is not None and not table.seen.busy
        if fresh and session.id not in self._timers:  # a run has just begun: nothing is to be seen of it yet
            self._next[session.id] = self._clock() + WHILE_BUSY
        wait = self._next.get(session.id, 0.0) - self._clock()
        if not epoch.busy and session.id not in self._failed:
            wait = min(wait, PACE)
        if wait <= 0:
            self._ask(session)
            return
        if (timer := self._timers.pop(session.id, None)) is not None:
            timer.cancel()
        self._timers[session.id] = self._later(wait, lambda: self._due(session))

    def _due(self, session: Session) -> None:
        self._timers.pop(session.id, None)
        if session.alive and self._wanted() and session.id not in self._flights:
            self._ask(session)

    def _ask(self, session: Session) -> None:
        if (timer := self._timers.pop(session.id, None)) is not None:
            timer.cancel()
        flight = asyncio.get_running_loop().create_task(self._fly(session))
        self._flights[session.id] = flight

    async def _fly(self, session: Session) -> None:
        """One question. An answer that comes from another process than was asked, or out of turn, is not taken."""
        epoch, since = session.epoch, self._names.since(session.epoch)
        changed: set[str] | None = set()
        try:
            answer = await asyncio.wait_for(self._peek(session.id, wire.Query("names", since=since)), LIFETIME)
        except (TimeoutError, YonderError):
            answer = None  # cut off, or no such session any more: asked again when its time has come
        finally:
            self._flights.pop(session.id, None)
        now = session.epoch
        failed = answer is None or not answer.found
        (self._failed.add if failed else self._failed.discard)(session.id)
        self._next[session.id] = self._clock() + (WHILE_BUSY if now.busy or failed else PACE)
        if answer is not None and answer.found and now.pid == epoch.pid:
            # What was seen while a run began or ended meanwhile is true of neither epoch, and what was not all looked at not
            # of this one: it counts as seen while busy.
            seen = (
                epoch
                if now == epoch and answer.rest <= 0
                else type(epoch)(epoch.session, epoch.pid, epoch.generation, busy=True)
            )
            changed = self._names.apply(seen, since, answer, self._clock())
        if changed:
            self._changed(session.id, changed)
        if session.alive and self._wanted():
            self._consider(session)

    def stop(self) -> None:
        """No more questions."""
        for timer in self._timers.values():
            timer.cancel()
        for flight in tuple(self._flights.values()):
            flight.cancel()
        self._timers.clear()
