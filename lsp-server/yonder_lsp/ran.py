"""Which text gave each name of a session its value last: what a live hint may stand behind. Pure; fed with the runs.

A run that is on has given a value to what has changed since it began; one that ended well to all it binds; one that failed
to what stands above the line where it failed.

What this file must not know: documents, live objects, LSP.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from yonder import wire
from yonder_lsp.targets import Target

NAMES = 5000
RUNS = 100


@dataclass(slots=True)
class _Run:
    """`targets` are None until its text was read, `end` until it ended: in whichever order that comes."""

    session: str
    first_line: int
    path: str
    targets: tuple[Target, ...] | None = None
    end: tuple[str, wire.Failure | None] | None = None
    moved: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Guess:
    """What was assumed of a session: from which documents, and the names that more than one of them binds."""

    uris: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)


class Ran:
    """All sessions of this owner."""

    def __init__(self) -> None:
        self._bound: dict[str, OrderedDict[str, Target]] = {}
        self._going: OrderedDict[str, _Run] = OrderedDict()
        self._own: set[str] = set()  # sessions that ran something of this server's life
        self._guesses: dict[str, _Guess] = {}

    def started(self, run: str, session: str, path: str, first_line: int) -> None:
        """A block was sent to run, or waits for its turn; `read` follows."""
        self._own.add(session)
        self._guesses.pop(session, None)
        self._going[run] = _Run(session, first_line, path)
        while len(self._going) > RUNS:
            self._going.popitem(last=False)

    def read(self, run: str, targets: Iterable[Target]) -> None:
        """What the block binds."""
        going = self._going.get(run)
        if going is not None:
            going.targets = tuple(targets)
            self._finish(run, going)

    def moved(self, session: str, names: Iterable[str]) -> None:
        """These names of the session are other than before, while something runs."""
        run = next((one for one in self._going.values() if one.session == session and one.end is None), None)
        if run is not None:
            run.moved |= set(names)

    def ended(self, run: str, outcome: str, failure: wire.Failure | None) -> None:
        """The run is over."""
        going = self._going.get(run)
        if going is not None:
            going.end = (outcome, failure)
            self._finish(run, going)

    def _finish(self, run: str, going: _Run) -> None:
        if going.end is None or going.targets is None:
            return
        del self._going[run]
        outcome, failure = going.end
        upto = None if outcome == "ok" else _reached(going, failure)
        done = [one for one in going.targets if upto is None or one.line < upto or one.name in going.moved]
        self._bind(going.session, done)

    def guessing(self, session: str, uri: str) -> bool:
        """Is it unknown what of this document ran? So it is in a session that was taken over, until something is run."""
        guess = self._guesses.get(session)
        return session not in self._own and (guess is None or uri not in guess.uris)

    def assume(self, session: str, uri: str, targets: Iterable[Target]) -> None:
        """The best guess is that the document ran as it stands there now. Where two documents bind a name nobody knows which
        one did."""
        if not self.guessing(session, uri):
            return
        guess = self._guesses.setdefault(session, _Guess())
        guess.uris.add(uri)
        found = {target.name: target for target in targets}
        bound = self._bound.setdefault(session, OrderedDict())
        guess.doubtful |= {name for name in found if name in bound}
        self._bind(session, [one for one in found.values() if one.name not in guess.doubtful])
        for name in guess.doubtful & bound.keys():
            del bound[name]

    def forget(self, session: str) -> None:
        """The session's process is gone. What was sent to run since then is another's."""
        self._bound.pop(session, None)
        self._guesses.pop(session, None)

    def lost(self) -> None:
        """The hub is gone, and all it ran."""
        for kept in (self._bound, self._going, self._own, self._guesses):
            kept.clear()

    def last(self, session: str) -> dict[str, Target]:
        """Where each name got the value that it has."""
        found: dict[str, Target] = dict(self._bound.get(session, {}))
        run = next((one for one in self._going.values() if one.session == session and one.end is None), None)
        if run is not None:
            found |= {one.name: one for one in run.targets or () if one.name in run.moved}
        return found

    def _bind(self, session: str, targets: Iterable[Target]) -> None:
        bound = self._bound.setdefault(session, OrderedDict())
        for target in targets:
            bound.pop(target.name, None)
            bound[target.name] = target
        while len(bound) > NAMES:
            bound.popitem(last=False)


def _reached(run: _Run, failure: wire.Failure | None) -> int:
    """The line of the run (0-based) in which it failed: what stands above it is done. 0 when it is not known."""
    for frame in failure.frames if failure is not None else ():
        if frame.function == "<module>" and frame.file == run.path:
            return max(0, frame.line - 1 - run.first_line)
    return 0
