"""Large parts of arguments that one client has named: kept for its calls, and given once to each machine elsewhere, and to
each worker here.

Knows workers; not calls. The client says what is kept and for how long, within bounds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from weakref import WeakSet

from yonder import wire
from yonder.hub.cellar import Cellar
from yonder.hub.room import passed_on
from yonder.hub.spill import SPILL, Spilled
from yonder.hub.worker import Worker

MOST = 16_384
MOST_BYTES = 4 * 1024**3
"""What one client may have kept. Its own bounds are lower: beyond these somebody means harm."""


class _Part:
    """One of them. On machines it lies under a `name` of the hub's: what a client calls it is its own affair."""

    __slots__ = ("cellars", "given", "name", "value")

    def __init__(self, value: Spilled) -> None:
        self.value = value
        self.name = os.urandom(wire.BLOB)
        self.given: WeakSet[Worker] = WeakSet()
        self.cellars: WeakSet[Cellar] = WeakSet()


class Parts:
    """One client's. `bytes` counts what is kept here, not what lies in memory that workers open themselves."""

    def __init__(self) -> None:
        self._parts: dict[bytes, _Part] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._parts)

    def stow(self, message: wire.Stow) -> None:
        """The client will name this in its calls. Beyond the bounds it is not kept, and those calls are told."""
        passed_on(wire.loads(message))
        size = wire.weight(message.body)
        if len(message.ref) != wire.BLOB or message.ref in self._parts:
            return
        if len(self._parts) < MOST and self.bytes + size <= MOST_BYTES and not SPILL.refusal(size):
            self._parts[message.ref] = _Part(SPILL.keep(message.body))
            self.bytes += size

    def drop(self, digests: Iterable[bytes]) -> None:
        """It will not name these again."""
        workers: dict[Worker, list[bytes]] = {}
        cellars: dict[Cellar, list[bytes]] = {}
        for digest in digests:
            if (part := self._parts.pop(digest, None)) is None:
                continue
            self.bytes -= part.value.size
            for worker in part.given:
                workers.setdefault(worker, []).append(digest)
            for cellar in part.cellars:
                cellars.setdefault(cellar, []).append(part.name)
        for worker, some in workers.items():
            if worker.alive:
                worker.say(wire.Drop(some))
        for cellar, names in cellars.items():
            cellar.drop(names)

    def clear(self) -> None:
        """The client is gone."""
        self.drop(list(self._parts))

    def missing(self, digests: Iterable[bytes]) -> bool:
        """Is one of these not here?"""
        return any(digest not in self._parts for digest in digests)

    def give(self, digests: Iterable[bytes], worker: Worker) -> None:
        """The worker is about to get a call that names these."""
        for digest in digests:
            part = self._parts.get(digest)
            if part is None or worker in part.given:
                continue
            part.given.add(worker)
            if worker.cellar is None:
                worker.say(wire.Stow(digest, part.value.body()))
            else:
                _lay(part, digest, worker, worker.cellar)


def _lay(part: _Part, digest: bytes, worker: Worker, cellar: Cellar) -> None:
    """Have it lie on the worker's machine, and let the worker know as soon as it does: what is said to it then waits."""
    go_on = worker.wait()

    def told(there: bool) -> None:
        go_on(wire.Stow(digest, b"", place=part.name) if there else wire.Stow(digest, part.value.body()))

    part.cellars.add(cellar)
    cellar.put(part.name, part.value, told)
