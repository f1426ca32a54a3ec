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
from yonder_lsp.columns import split_lines
from yonder_lsp.targets import Target, Targets

LONGEST = 400_000
"""Characters of a run whose targets are known; nobody writes longer cells by hand."""
NAMES = 5000
RUNS = 100


@dataclass(slots=True)
class _Run:
    session: str
    first_line: int
    path: str
    targets: tuple[Target, ...]
    moved: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Guess:
    """What was assumed of a session: from which documents, and the names that more than one of them binds."""

    uris: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)


class Ran:
    """All sessions of this owner."""

    def __init__(self) -> None:
        self._targets = Targets()
        self._bound: dict[str, OrderedDict[str, Target]] = {}
        self._going: OrderedDict[str, _Run] = OrderedDict()
        self._own: set[str] = set()  # sessions that ran something of this server's life
        self._guesses: dict[str, _Guess] = {}

    def started(self, run: str, session: str, path: str, code: str, first_line: int) -> None:
        """This text was sent to run, or waits for its turn."""
        lines = split_lines(code)
        found = tuple(self._targets.within(lines, 0, len(lines), whole=True)) if len(code) <= LONGEST else ()
        self._own.add(session)
        self._guesses.pop(session, None)
        self._going[run] = _Run(session, first_line, path, found)
        while len(self._going) > RUNS:
            self._going.popitem(last=False)

    def moved(self, session: str, names: Iterable[str]) -> None:
        """These names of the session are other than before, while something runs."""
        run = next((one for one in self._going.values() if one.session == session), None)
        if run is not None:
            run.moved |= set(names) & {target.name for target in run.targets}

    def ended(self, run: str, outcome: str, failure: wire.Failure | None) -> None:
        """The run is over."""
        going = self._going.pop(run, None)
        if going is None:
            return
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

    def last(self, session: str, name: str) -> Target | None:
        """Where the name got the value that it has."""
        for run in self._going.values():
            if run.session == session and name in run.moved:
                return next((one for one in reversed(run.targets) if one.name == name), None)
        bound = self._bound.get(session)
        return bound.get(name) if bound is not None else None

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
