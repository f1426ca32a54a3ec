"""Ways to a hub: the one of this machine, found by its note and started when there is none, or one elsewhere that a key
file tells of. How each is found, dialled, and known to be dead.

What this file must not know: what is said on a connection, when to dial again, how things look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from yonder import __version__, keyfile, launch, wire
from yonder.core.lease import spell
from yonder.keyfile import HubKey
from yonder.places import HubNote, OwnerFolder
from yonder_lsp import dialling

MARGIN = 60.0
"""A hub elsewhere that has not been reached for its silence and so much longer has ended."""

Warn = Callable[[str], None]
Start = Callable[[OwnerFolder], Awaitable[HubNote]]


class Way(Protocol):
    """`note` is who serves this window, `since` the moment from which a hub could not be reached."""

    async def find(self) -> HubNote | None:
        """The hub that is there, as far as that can be known without dialling."""

    async def come(self, warn: Warn, log: Warn) -> HubNote:
        """The same; where there is none, one is started if that is possible. Raises CannotRun in words."""

    async def dial(self, note: HubNote, resume: int) -> dialling.Hub:
        """See `dialling`."""

    async def lives(self, note: HubNote, since: float) -> bool:
        """May it still be there?"""

    def unanswered(self, note: HubNote, error: BaseException) -> str:
        """What to tell a person when it is there and does not answer."""

    def last_words(self, note: HubNote) -> str:
        """What is known of the end of a hub."""


class Near:
    """The hub of this machine."""

    def __init__(self, folder: OwnerFolder, start: Start) -> None:
        self._folder = folder
        self._start = start

    async def find(self) -> HubNote | None:
        note = await asyncio.to_thread(self._folder.note)
        return note if note is not None and note.version == wire.VERSION else None

    async def come(self, warn: Warn, log: Warn) -> HubNote:
        note = await asyncio.to_thread(self._folder.note)
        if note is not None and note.version != wire.VERSION:
            warn(
                f"A cluster of another version of Yonder ({note.package}) was ended and one of {__version__} started; "
                "its variables are gone."
            )
            await asyncio.to_thread(launch.end, self._folder, note)
            note = None
        if note is None:
            log("starting the cluster's hub")
            note = await self._start(self._folder)
            log(f"the hub is up (process {note.pid})")
        return note

    async def dial(self, note: HubNote, resume: int) -> dialling.Hub:
        return await dialling.near(self._folder, note, resume)

    async def lives(self, note: HubNote, since: float) -> bool:
        del since
        living = await asyncio.to_thread(self._folder.note)
        return living is not None and living.pid == note.pid

    def unanswered(self, note: HubNote, error: BaseException) -> str:
        return (
            f"The cluster's hub (process {note.pid}) does not answer: {error or type(error).__name__}. "
            f"End it with: yonder reap --owner {self._folder.owner}"
        )

    def last_words(self, note: HubNote) -> str:
        return f"the hub (process {note.pid}) is gone.{launch.log_tail(self._folder.log_file)}"


class Far:
    """A hub on another machine. `silence` says for how many seconds it goes on without a word of this window."""

    def __init__(
        self, owner: str, file: Path, silence: Callable[[], float], clock: Callable[[], float] = time.time
    ) -> None:
        self.file = file
        self.address = ""
        self._owner = owner
        self._silence = silence
        self._clock = clock

    async def _key(self) -> HubKey:
        key = await asyncio.to_thread(keyfile.read, self.file)
        self.address = key.hub
        return key

    def _note(self, key: HubKey) -> HubNote:
        return HubNote(owner=self._owner, pid=0, started="", version=key.version, package=key.package, hub=key.name)

    async def find(self) -> HubNote:
        return self._note(await self._key())

    async def come(self, warn: Warn, log: Warn) -> HubNote:
        del warn
        key = await self._key()
        log(f"the hub is at {key.hub}, says {self.file}")
        return self._note(key)

    async def dial(self, note: HubNote, resume: int) -> dialling.Hub:
        key = await self._key()
        if key.name != note.hub:
            raise dialling.Gone(f"{self.file} tells of another hub now")
        return await dialling.far(key, self._owner, note, resume)

    async def lives(self, note: HubNote, since: float) -> bool:
        del note
        return self._clock() < self.until(since) + MARGIN

    def until(self, since: float) -> float:
        """Until when it goes on, at the latest, if it hears nothing."""
        return since + self._silence()

    def away(self, since: float) -> str:
        """What to tell a person while it cannot be reached."""
        return (
            f"The hub at {self.address} cannot be reached since {_spoken(since)}. What runs there goes on until "
            f"{_spoken(self.until(since))}, then it ends by itself."
        )

    def unanswered(self, note: HubNote, error: BaseException) -> str:
        del note
        return (
            f"The hub at {self.address} ({self.file}) does not answer: {error or type(error).__name__}. Is `yonder hub` "
            f"running there, and is that address reached from here? It waits {spell(self._silence())} for its window."
        )

    def last_words(self, note: HubNote) -> str:
        del note
        return f"the hub at {self.address} is gone"


def _spoken(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
