"""What a program's pool tells its hub of the program's code, before the calls that run on it.

What this file must not know: pools, calls, how messages travel.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from yonder import wire
from yonder.errors import CannotRun
from yonder.publishing import Publishing
from yonder.reading import Changed
from yonder.snapshot import Snapshot
from yonder.terminal import show

if TYPE_CHECKING:
    from yonder.loaded import Loaded  # only plain programs import it

TRAVELS = True
"""Do programs publish their code? Else what their modules define travels by value."""
_TRIES = 5


class Telling:
    """The code of `loaded`, over `send`; in one conversation with a hub."""

    def __init__(self, loaded: Loaded, send: Callable[[wire.ClientToHub], None]) -> None:
        self._loaded = loaded
        self._send = send
        self._publishing = Publishing()
        self._told: Snapshot | None = None
        self._leaving: deque[wire.Blobs | wire.Publish] = deque()
        # Sending may run a callback of the program's here, and that may call again.
        self._lock = threading.RLock()

    def now(self) -> bytes:
        """The code as it is now, by its name; the hub has been told of it. Raises CannotRun when the hub is gone."""
        snapshot = self._loaded.snapshot()
        if snapshot is not self._told:
            with self._lock:
                self._tell()
                snapshot = self._told or snapshot
        return snapshot.digest

    def answered(self, message: wire.Published) -> None:
        """The hub has said so."""
        if message.sentence:
            self._publishing.forget()
            self._told = None
            show(2, f"yonder: the program's code did not reach its executors: {message.sentence}\n")

    def _tell(self) -> None:
        for _ in range(_TRIES):
            snapshot = self._loaded.snapshot()
            try:
                self._leaving.extend(self._publishing.tell(snapshot, self._loaded.contents))
                break
            except Changed as changed:
                self._loaded.changed(str(changed))
        else:
            raise CannotRun(f"files of {self._loaded.folder} change faster than they can be read; try again")
        while self._leaving:
            self._send(self._leaving.popleft())
        self._told = snapshot
