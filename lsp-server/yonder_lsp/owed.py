"""Runs that the hub has to be told of, until it is known that it was: a cut may swallow what was sent.

The hub tells every run's first phase in a numbered event, which survives cuts; and it ignores a run that it knows. So a run
is sent on every new connection until its first event is here, and runs once.
"""

from __future__ import annotations

from collections.abc import Iterable

from yonder import wire


class Owed:
    """In the order in which they were asked for."""

    def __init__(self) -> None:
        self._runs: dict[str, wire.Execute] = {}
        self._sent: set[str] = set()

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, message: wire.Execute) -> None:
        """Asked for just now."""
        self._runs[message.run] = message

    def again(self) -> None:
        """A new connection: nobody knows what became of what was sent before."""
        self._sent.clear()

    def next(self) -> wire.Execute | None:
        """The first that was not sent on this connection."""
        return next((message for run, message in self._runs.items() if run not in self._sent), None)

    def sent(self, message: wire.Execute) -> None:
        """It went out on this connection."""
        self._sent.add(message.run)

    def heard(self, events: Iterable[wire.Numbered]) -> None:
        """These came from the hub: it knows their runs."""
        if self._runs:
            for numbered in events:
                self._runs.pop(getattr(numbered.event, "run", ""), None)

    def clear(self) -> None:
        """The hub is gone, and nothing is owed to it any more."""
        self._runs.clear()
