"""Modules that pool workers had to import themselves are imported ahead by their agent's zygote, so that the executors to
come begin with them.

It happens in the background, and once things have been quiet for a moment: each lesson costs a fresh zygote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

QUIET = 1.0
"""Seconds without news before an agent is taught."""


class Lessons:
    """`teach` is called with an agent's id and the modules that are new to it."""

    def __init__(self, teach: Callable[[str, list[str]], None]) -> None:
        self._teach = teach
        self._known: dict[str, set[str]] = {}
        self._heard: dict[str, list[str]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def heard(self, agent: str, modules: list[str]) -> None:
        """A worker of this agent has imported these."""
        known = self._known.setdefault(agent, set())
        fresh = [name for name in modules if name not in known]
        if not fresh:
            return
        known.update(fresh)
        self._heard.setdefault(agent, []).extend(fresh)
        if (timer := self._timers.pop(agent, None)) is not None:
            timer.cancel()
        self._timers[agent] = asyncio.get_running_loop().call_later(QUIET, self._now, agent)

    def _now(self, agent: str) -> None:
        self._timers.pop(agent, None)
        self._teach(agent, self._heard.pop(agent, []))

    def lost(self, agent: str) -> None:
        """The agent is gone, and all that its zygote knew."""
        self._known.pop(agent, None)
        self._heard.pop(agent, None)
        if (timer := self._timers.pop(agent, None)) is not None:
            timer.cancel()
