"""What one agent's machine has of the code: each content is sent there once, each snapshot as its difference to one that is
there.

Knows the wire and the library; not executors, calls or who wants a snapshot there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from yonder import wire
from yonder.hub.code import Library
from yonder.hub.owed import Owed
from yonder.snapshot import Snapshot

BATCH = 1 << 20
"""Bytes of contents in one message, unless a single one is larger: others get a word in between."""

LONGEST_SENTENCE = 500
"""Characters of an agent's reason that are told on."""

Then = Callable[[str], None]
"""Called with "" when the snapshot is there, or with why it will not be."""


class Shelf:
    """One agent's. `say` speaks to it; `owed` watches that it answers."""

    def __init__(
        self, say: Callable[[wire.Blobs | wire.Publish | wire.Unpublish], None], library: Library, owed: Owed
    ) -> None:
        self._say = say
        self._owed = owed
        self._library = library
        self._there: dict[bytes, Snapshot] = {}  # the agent has confirmed them, the latest last
        self._coming: dict[bytes, tuple[Snapshot, list[Then]]] = {}
        self._contents: Counter[bytes] = Counter()  # how many snapshots, there or coming, have each

    def has(self, digest: bytes) -> bool:
        """May something that runs on it begin there?"""
        return digest in self._there

    def want(self, digest: bytes, then: Then) -> None:
        """Have the snapshot there; `then` is called at once when it is, or was never heard of."""
        if digest in self._there:
            then("")
        elif (coming := self._coming.get(digest)) is not None:
            coming[1].append(then)
        elif (snapshot := self._library.get(digest)) is None:
            then("the code that this was to run on is not at the hub any more; run it again")
        else:
            self._coming[digest] = (snapshot, [then])
            self._send(snapshot)

    def _send(self, snapshot: Snapshot) -> None:
        names = dict.fromkeys(snapshot.files.values())
        self._stock([name for name in names if not self._contents[name]])
        self._contents.update(names.keys())
        base = next((one for one in reversed(self._there.values()) if one.folder == snapshot.folder), None)
        self._owed.ask(snapshot.digest, lambda why: self._settle(snapshot.digest, f"the code did not get there: {why}"))
        self._say(snapshot.publish(base))

    def _stock(self, missing: list[bytes]) -> None:
        batch: dict[bytes, bytes] = {}
        size = 0
        for name in missing:
            data = self._library.content(name)
            if batch and size + len(data) > BATCH:
                self._say(wire.Blobs(batch))
                batch, size = {}, 0
            batch[name] = data
            size += len(data)
        if batch:
            self._say(wire.Blobs(batch))

    def published(self, message: wire.Published) -> None:
        """The agent's answer. One about what it was not sent changes nothing."""
        self._owed.answered(message.snapshot)
        self._settle(message.snapshot, message.sentence[:LONGEST_SENTENCE])

    def _settle(self, digest: bytes, sentence: str) -> None:
        found = self._coming.pop(digest, None)
        if found is None:
            return
        snapshot, waiting = found
        if sentence:
            self._release(snapshot)
        else:
            self._there[snapshot.digest] = snapshot
            if self._library.get(snapshot.digest) is None:  # nobody wants it any more
                self.forget([snapshot.digest])
        for then in waiting:
            then(sentence)

    def forget(self, digests: list[bytes]) -> None:
        """Nobody uses these any more: the agent may delete them."""
        here = [digest for digest in digests if digest in self._there]
        for digest in here:
            self._release(self._there.pop(digest))
        if here:
            self._say(wire.Unpublish(here))

    def _release(self, snapshot: Snapshot) -> None:
        for name in set(snapshot.files.values()):
            self._contents[name] -= 1
            if not self._contents[name]:
                del self._contents[name]
