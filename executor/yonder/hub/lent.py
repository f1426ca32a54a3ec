"""Strategies that a plain program has lent its own hub: objects of the program's, which may fail, but not break the hub.

What this file must not know: pools, calls; what a strategy decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeVar

from yonder.core.scaling import Bounds, Demand, Pack, Strategy

T = TypeVar("T")


class Lent:
    """Lent strategies by the name that a pool's description gives them."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._numbers = itertools.count(1)
        self._strategies: dict[str, Strategy] = {}

    def add(self, strategy: Strategy) -> str:
        """Its name from now on."""
        name = f"own-{next(self._numbers)}"
        self._strategies[name] = Careful(strategy, self._log)
        return name

    def find(self, name: str) -> Strategy | None:
        """None for the names that everybody knows."""
        return self._strategies.get(name)


class Careful:
    """Somebody's strategy; where it raises or answers nonsense, that is said once and `Pack` answers instead."""

    def __init__(self, strategy: Strategy, log: Callable[[str], None]) -> None:
        self._own = strategy
        self._plain = Pack()
        self._log = log
        self._said = False

    @property
    def spreads(self) -> bool:
        return self._asked(lambda: bool(self._own.spreads), lambda: self._plain.spreads)

    def count(self, demand: Demand, bounds: Bounds) -> int:
        return self._asked(lambda: int(self._own.count(demand, bounds)), lambda: self._plain.count(demand, bounds))

    def why(self, demand: Demand, bounds: Bounds) -> str:
        return self._asked(lambda: str(self._own.why(demand, bounds)), lambda: self._plain.why(demand, bounds))

    def _asked(self, question: Callable[[], T], instead: Callable[[], T]) -> T:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - the program's own code, in the middle of the hub's work
            if not self._said:
                self._said = True
                self._log(f"the strategy {type(self._own).__name__} failed, and the pool goes on without it: {error!r}")
            return instead()
