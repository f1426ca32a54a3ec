"""Large parts of arguments on one machine elsewhere: each is sent there once, whichever of its workers need it.

    Parts ── put ──▶ Cellar ── Stow ──▶ agent ── Stowed ──▶ worker: Stow that says where it lies, and what waited for it

Knows one agent; not clients, calls or workers. What does not fit, or the agent could not write down, its workers are given
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from yonder import wire
from yonder.hub.owed import Owed
from yonder.hub.spill import Spilled

MOST_BYTES = 4 * 1024**3
"""What lies on one machine at most. Clients say what goes first, and never name what a call of theirs may need."""

Told = Callable[[bool], None]
"""Called once with whether it lies there."""


class Cellar:
    """One machine's. `bytes` counts what is there or on its way."""

    def __init__(self, say: Callable[[wire.Stow | wire.Drop], None], owed: Owed) -> None:
        self._say = say
        self._owed = owed
        self._sizes: dict[bytes, int] = {}
        self._coming: dict[bytes, list[Told]] = {}
        self.bytes = 0

    def put(self, name: bytes, content: Spilled, told: Told) -> None:
        """Have this lie there under a name that was never used before for anything else."""
        if name in self._coming:
            self._coming[name].append(told)
        elif name in self._sizes:
            told(True)
        elif self.bytes + content.size > MOST_BYTES:
            told(False)
        else:
            self._sizes[name] = content.size
            self.bytes += content.size
            self._coming[name] = [told]
            self._owed.ask(name, lambda why: self._unanswered(name, why))
            self._say(wire.Stow(name, content.body()))

    def stowed(self, message: wire.Stowed) -> None:
        """The agent has written it down, or not."""
        self._owed.answered(message.ref)
        self._settle(message.ref, message.sentence)

    def _unanswered(self, name: bytes, why: str) -> None:
        self._settle(name, why)
        self._say(wire.Drop([name]))  # it may lie there all the same

    def _settle(self, name: bytes, sentence: str) -> None:
        waiting = self._coming.pop(name, [])
        if sentence and waiting:
            self._forget(name)
        for told in waiting:
            told(not sentence)

    def drop(self, names: Iterable[bytes]) -> None:
        """Nobody will be told of these any more."""
        gone = [name for name in names if self._forget(name)]
        if gone:
            self._say(wire.Drop(gone))

    def _forget(self, name: bytes) -> bool:
        size = self._sizes.pop(name, None)
        self.bytes -= size or 0
        return size is not None
