"""What can be read of a pool, at any moment between two steps. Nothing here changes anything."""

from __future__ import annotations

from typing import Literal

from yonder.core.floor import Floor
from yonder.core.scaling import executors

NEVER = float("inf")


class Facts:
    """A pool as others may see it."""

    def __init__(self, floor: Floor, wake: float) -> None:
        self._floor = floor
        self._life: Literal["open", "closing", "closed"] = "open"
        self._wake = wake

    @property
    def queued(self) -> int:
        """Calls that wait."""
        return self._floor.placing.length

    @property
    def running(self) -> int:
        """Calls that hold a worker, those included whose callers were told their end already."""
        return self._floor.calls.running

    @property
    def executors(self) -> int:
        """All that may exist: booting, ready, and on their way out."""
        return len(self._floor.roster)

    @property
    def booting(self) -> int:
        """Executors that were asked for and are not up."""
        return self._floor.roster.booting

    @property
    def busy(self) -> int:
        """Executors that hold a call."""
        return self._floor.roster.busy

    @property
    def idle(self) -> int:
        """Executors that hold none and would take one at once."""
        return self._floor.roster.idle

    @property
    def leaving(self) -> int:
        """Executors on their way out."""
        return self._floor.roster.leaving

    @property
    def done(self) -> int:
        """Calls whose end was delivered by their worker, a result or an exception."""
        return self._floor.calls.done

    @property
    def retried(self) -> int:
        """How many times a call was tried again."""
        return self._floor.calls.retried

    @property
    def lost(self) -> int:
        """Calls whose end is a loss."""
        return self._floor.calls.lost

    @property
    def needed(self) -> int:
        """Executors that hold a call or that a waiting call asks for, whatever is allowed: the pool's claim on a budget."""
        concurrency = self._floor.sizes.concurrency
        return self._floor.roster.busy + sum(
            -(-self._floor.sizes.waiting(kind) // concurrency) for kind in self._floor.placing
        )

    def times(self, call: str, now: float) -> dict[str, float]:
        """The seconds that a call has spent in each phase; {} when it is over."""
        found = self._floor.calls.get(call)
        return self._floor.calls.times(found, now) if found is not None else {}

    @property
    def closed(self) -> bool:
        """Closed has been said."""
        return self._life == "closed"

    @property
    def next_wake(self) -> float | None:
        """When the next Tick is needed at the latest; None when only events can change anything.

        A new pool that keeps executors (min > 0) wants its first Tick at once: the moment is minus infinity.
        """
        return None if self._wake == NEVER else self._wake

    @property
    def why(self) -> str:
        """Why the pool has the size it has, in one sentence."""
        if self._life != "open":
            return "the pool is closing" if self._life == "closing" else "the pool is closed"
        sentence = self._floor.sizes.why(self._floor.calls.running)
        if self._floor.aged:
            old = "1 executor leaves" if len(self._floor.aged) == 1 else f"{len(self._floor.aged)} executors leave"
            sentence += f"; {old}: max_lifetime is {self._floor.sizes.spec.max_lifetime:g} s"
        for kind in self._floor.placing:
            stand = self._floor.roster.stand(kind.name)
            if held := stand.held:
                sentence += f"; {executors(len(held))} held back: {next(iter(held.values())).held}"
            booting = next((one.progress for one in stand.booting.values() if one.progress and not one.held), "")
            if booting and self._floor.sizes.waiting(kind):  # else nobody minds how long it takes
                sentence += f"; {booting}"
            if kind.backoff.failures and self._floor.sizes.lacking(kind, self._floor.calls.running) > 0:
                sentence += f"; the last boot failed ({kind.backoff.sentence}), the next one follows after a pause"
        return sentence
