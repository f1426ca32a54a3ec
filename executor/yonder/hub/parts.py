"""Large parts of arguments that one client has named: kept for its calls, and given to each worker once.

Knows workers; not calls. The client says what is kept and for how long, within bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakSet

from yonder import wire
from yonder.hub.room import passed_on
from yonder.hub.shelf import SHELF, Shelved
from yonder.hub.worker import Worker

MOST = 16_384
MOST_BYTES = 4 * 1024**3
"""What one client may have kept. Its own bounds are lower: beyond these somebody means harm."""


class Parts:
    """One client's. `bytes` counts what is kept here, not what lies in memory that workers open themselves."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, Shelved] = {}
        self._given: dict[bytes, WeakSet[Worker]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._bodies)

    def stow(self, message: wire.Stow) -> None:
        """The client will name this in its calls. Beyond the bounds it is not kept, and those calls are told."""
        passed_on(wire.loads(message))
        size = wire.weight(message.body)
        if len(message.ref) != wire.BLOB or message.ref in self._bodies:
            return
        if len(self._bodies) < MOST and self.bytes + size <= MOST_BYTES:
            self._bodies[message.ref] = SHELF.keep(message.body)
            self.bytes += size

    def drop(self, digests: Iterable[bytes]) -> None:
        """It will not name these again."""
        told: dict[Worker, list[bytes]] = {}
        for digest in digests:
            if (body := self._bodies.pop(digest, None)) is None:
                continue
            self.bytes -= body.size
            for worker in self._given.pop(digest, ()):
                told.setdefault(worker, []).append(digest)
        for worker, some in told.items():
            if worker.alive:
                worker.say(wire.Drop(some))

    def clear(self) -> None:
        """The client is gone."""
        self.drop(list(self._bodies))

    def missing(self, digests: Iterable[bytes]) -> bool:
        """Is one of these not here?"""
        return any(digest not in self._bodies for digest in digests)

    def give(self, digests: Iterable[bytes], worker: Worker) -> None:
        """The worker is about to get a call that names these."""
        for digest in digests:
            given = self._given.setdefault(digest, WeakSet())
            if digest in self._bodies and worker not in given:
                given.add(worker)
                worker.say(wire.Stow(digest, self._bodies[digest].body()))
