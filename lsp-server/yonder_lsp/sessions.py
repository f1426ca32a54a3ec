"""What this side knows of the sessions: their state, their generation, and the text that ran in them. Pure; fed by the
hub's snapshots and events.

What this file must not know: connections, documents, SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from yonder import wire
from yonder_lsp.columns import split_lines

_ALIVE = frozenset({"idle", "busy"})


@dataclass(frozen=True, slots=True)
class Epoch:
    """A session between two changes: what was seen in one epoch may be shown again in it while nothing runs."""

    session: str
    pid: int
    generation: int
    busy: bool


@dataclass(slots=True)
class Session:
    """`ran` holds the stripped lines of all code that ran; None until the first is known (a session taken over). Of such a
    session `guessed` are the documents whose text is believed to have run."""

    id: str
    state: str = "none"
    generation: int = 0
    python: str = ""
    pid: int = 0
    run: str = ""
    queued: int = 0
    since: float = 0.0
    ran: set[str] | None = field(default=None)
    guessed: set[str] | None = None

    @property
    def alive(self) -> bool:
        """Is there a namespace to look into?"""
        return self.state in _ALIVE

    def believe(self, uri: str, text: str) -> None:
        """Taken over from an earlier life of this server: what ran is not known, and the text that a document has when it is
        first seen is the best guess. Later edits differ from it."""
        if self.ran is None:
            self.ran, self.guessed = set(), set()
        if self.guessed is not None and uri not in self.guessed:
            self.guessed.add(uri)
            self.ran |= {line.strip() for line in split_lines(text)}

    @property
    def epoch(self) -> Epoch:
        return Epoch(self.id, self.pid, self.generation, self.state == "busy")


class Sessions:
    """All sessions of this owner by id."""

    def __init__(self) -> None:
        self._all: dict[str, Session] = {}

    def get(self, session: str) -> Session:
        """The session, perhaps one that is not there yet (state none)."""
        return self._all.setdefault(session, Session(session))

    def snapshot(self, states: Iterable[wire.SessionState], at: float) -> None:
        """The hub's word on every session it has."""
        seen = set()
        for state in states:
            seen.add(state.id)
            self._move(self.get(state.id), state.state, state.generation, state.pid, at)
            session = self.get(state.id)
            session.python = state.python or session.python
            session.run, session.queued = state.run, state.queued
        for session in self._all.values():
            if session.id not in seen:
                self._move(session, "none", 0, 0, at)

    def changed(self, event: wire.SessionChanged) -> None:
        session = self.get(event.session)
        self._move(session, event.state, event.generation, event.pid, event.at)
        session.python = event.python or session.python
        if event.state != "busy":
            session.run = ""

    def _move(self, session: Session, state: str, generation: int, pid: int, at: float) -> None:
        if pid and session.pid and pid != session.pid:
            session.ran, session.guessed = set(), None  # another process: nothing of the old text ran in it
        if (state, generation, pid) != (session.state, session.generation, session.pid):
            session.since = at
        session.state, session.generation = state, generation
        session.pid = pid or (session.pid if state in _ALIVE else 0)

    def running(self, session: str, code: str) -> None:
        """This text was sent to run."""
        known = self.get(session)
        known.ran = (known.ran or set()) | {line.strip() for line in split_lines(code)}

    def gone(self, at: float) -> None:
        """The hub is dead, and with it every session."""
        for session in self._all.values():
            self._move(session, "none", 0, 0, at)
            session.ran, session.guessed, session.run, session.queued = None, None, "", 0

    def states(self) -> list[Session]:
        return [session for session in self._all.values() if session.state != "none"]
