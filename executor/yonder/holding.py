"""Holds: what a process remembers of objects that live elsewhere, so that the hub knows when nobody wants them any more.

    message with refs ─▶ delivered ─▶ a Grip for each ◀── every handle, and whoever has not unpacked the message yet
                                        └─ collected ─▶ Release, with the number of messages that brought it

What this file must not know: sockets, pickles, what a handle can do.
"""

from __future__ import annotations

import importlib
import queue
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from yonder.wire import Facts

_Gone = tuple[bytes, int]


class Grip:
    """One object elsewhere, in one process. `times` counts the messages that brought it, `lost` says why it is no more."""

    __slots__ = ("__weakref__", "_gone", "holdings", "lost", "ref", "times")

    def __init__(self, ref: bytes, holdings: Holdings) -> None:
        self.ref = ref
        self.holdings = holdings
        self.times = 0
        self.lost = ""
        self._gone = holdings.gone

    def __del__(self) -> None:
        self._gone.put((self.ref, self.times))  # a collector's moment: it may take no lock that this very thread holds


class Holdings:
    """The holds of one conversation with a hub. `line` is set by whoever can call through that conversation."""

    def __init__(self) -> None:
        self.gone: queue.SimpleQueue[_Gone | None] = queue.SimpleQueue()
        self.line: Any = None
        self._holds: weakref.WeakValueDictionary[bytes, Grip] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._holds)

    def delivered(self, refs: Iterable[bytes]) -> list[Grip]:
        """A message came that carries these."""
        with self._lock:
            return [self._deliver(ref) for ref in refs]

    def _deliver(self, ref: bytes) -> Grip:
        hold = self._holds.get(ref)
        if hold is None:
            hold = self._holds[ref] = _known[ref] = Grip(ref, self)
            _Ever.yes = True
        hold.times += 1
        return hold

    def held(self, refs: Iterable[bytes]) -> list[Grip]:
        """Those of them that something in this process holds."""
        return [hold for ref in refs if (hold := self._holds.get(ref)) is not None]

    def lost(self, refs: Iterable[bytes], sentence: str) -> None:
        """These objects are no more."""
        for hold in self.held(refs):
            hold.lost = sentence

    def collected(self) -> dict[bytes, int]:
        """What has gone since it was asked last, to be said to the hub; does not wait."""
        found: dict[bytes, int] = {}
        while True:
            try:
                _add(found, self.gone.get_nowait())
            except queue.Empty:
                return found

    def attend(self, release: Callable[[dict[bytes, int]], None]) -> None:
        """Have a thread of its own say what has gone, in a process where nobody else finds the time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._attend, args=(release,), name="yonder-holds", daemon=True)
            self._thread.start()

    def _attend(self, release: Callable[[dict[bytes, int]], None]) -> None:
        while (first := self.gone.get()) is not None:
            found = self.collected_after(first)
            if found:
                release(found)

    def collected_after(self, first: _Gone) -> dict[bytes, int]:
        """`collected`, and what came before it."""
        found: dict[bytes, int] = {}
        _add(found, first)
        for ref, times in self.collected().items():
            _add(found, (ref, times))
        return found

    def end(self) -> None:
        """The conversation is over."""
        self.gone.put(None)


def _add(found: dict[bytes, int], gone: _Gone | None) -> None:
    if gone is not None and gone[1]:
        found[gone[0]] = found.get(gone[0], 0) + gone[1]


_known: weakref.WeakValueDictionary[bytes, Grip] = weakref.WeakValueDictionary()
"""Every hold of this process: a handle that is unpickled finds its own here."""


class _Ever:
    """Has there been any handle in this process? Asked at each call: to count them would cost more than what it saves."""

    yes = False


def in_use() -> bool:
    """May there be handles in this process?"""
    return _Ever.yes


def find(ref: bytes) -> Grip | None:
    """The hold that a message brought, None when none did."""
    return _known.get(ref)


class Handle:
    """What all handles have: facts, and the hold that keeps the object where it is. `hold` None: no message brought it."""

    __slots__ = ("__weakref__", "_facts", "_hold")

    def __init__(self, facts: Facts, hold: Grip | None) -> None:
        self._facts = facts
        self._hold = hold

    @property
    def ref(self) -> bytes:
        """The object's name between processes."""
        return self._facts.ref

    def __reduce__(self) -> tuple[Any, ...]:
        if self._hold is not None:
            note(self._hold)
        return handle_of, (self._facts,)


def handle_of(facts: Facts) -> Handle:
    """A handle as it comes out of a message."""
    remotes = importlib.import_module("yonder.remotes")  # what a handle can do is known far above
    found: Handle = remotes.Remote(facts, find(facts.ref))
    return found


class Taken:
    """Stands in a call's arguments for the object itself."""

    __slots__ = ("handle",)

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def __reduce__(self) -> tuple[Any, ...]:
        return Taken, (self.handle,)


class Carried:
    """The handles in one message: all of them, and those whose objects are arguments of the call."""

    __slots__ = ("holds", "needs", "pin")

    def __init__(self, holds: dict[bytes, Grip]) -> None:
        self.holds = holds
        self.needs: list[bytes] = []
        self.pin = b""

    @property
    def refs(self) -> list[bytes]:
        return list(self.holds)


class _Noting(threading.local):
    """What this thread has pickled since it was asked last."""

    holds: dict[bytes, Grip] | None = None


_noting = _Noting()


def note(hold: Grip) -> None:
    """A handle of this was pickled."""
    if _noting.holds is None:
        _noting.holds = {}
    _noting.holds[hold.ref] = hold


def noted() -> Carried | None:
    """The handles pickled by this thread since it was asked last; None, at next to no cost, when there are none."""
    holds = _noting.holds
    if holds is None:
        return None
    _noting.holds = None
    return Carried(holds)
