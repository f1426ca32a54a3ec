"""Answers that one agent owes, and how long it may say nothing before who waits for one is told so.

    ask ──▶ answered        or        nothing moves for QUIET seconds, the link being up ──▶ give_up(why)

Knows moments and whether anything moves; not what was asked. That a link is cut, and when an agent is lost for good, is found
elsewhere (`distant`): while it is cut nobody's time runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

QUIET = 60.0
"""Seconds in which an agent that can be reached has to answer, or read more of what it is sent."""

PULSE = 5.0

GiveUp = Callable[[str], None]
"""Called once with why no answer is waited for any more."""


Later = Callable[[float, Callable[[], None]], object]


def _later(seconds: float, then: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, then)


class _Asked:
    __slots__ = ("give_up", "quiet")

    def __init__(self, give_up: GiveUp) -> None:
        self.give_up = give_up
        self.quiet = 0.0


class Owed:
    """One agent's. `moved` gives something else whenever it has read more of what it is sent; `later` has something called
    after so many seconds."""

    def __init__(self, moved: Callable[[], Hashable], later: Later = _later) -> None:
        self.away = False
        """Its link is cut."""
        self._moved = moved
        self._later = later
        self._last: Hashable = None
        self._asked: dict[Hashable, _Asked] = {}
        self._ticking = False

    def __len__(self) -> int:
        return len(self._asked)

    def ask(self, key: Hashable, give_up: GiveUp) -> None:
        """It was asked this; `give_up` is told when no answer comes."""
        self._asked[key] = _Asked(give_up)
        if not self._ticking:
            self._ticking = True
            self._last = self._moved()
            self._later(PULSE, self.tick)

    def answered(self, key: Hashable) -> None:
        """It has, and so it is at work: what else it owes may take longer."""
        if self._asked.pop(key, None) is not None:
            self._go_on()

    def forget(self, key: Hashable) -> None:
        """Nobody waits for this any more."""
        self._asked.pop(key, None)

    def end(self) -> None:
        """The agent is gone: nobody waits for it any more, cut off or not, and nothing ticks."""
        self._asked.clear()
        self.away = False

    def _go_on(self) -> None:
        for asked in self._asked.values():
            asked.quiet = 0.0

    def tick(self) -> None:
        """Another PULSE seconds have passed."""
        self._ticking = bool(self._asked)
        if self._ticking:
            self._later(PULSE, self.tick)
        moved = self._moved()
        if moved != self._last or self.away:
            self._last = moved
            self._go_on()
            return
        for key, asked in list(self._asked.items()):
            asked.quiet += PULSE
            if asked.quiet >= QUIET and self._asked.pop(key, None) is not None:
                asked.give_up(f"its machine can be reached, but has not answered for {QUIET:g} s")
