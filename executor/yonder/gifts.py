"""Memory that changes hands: a large value is written once, by the process that has it, and belongs to another from then on.

    Gift.put ─▶ words ─▶ Given: opened, kept, named to whoever asks ─▶ segments.take, in any process of this machine

Nobody can write to such memory any more, neither who made it nor who opens it: a receiver that writes gets pages of its
own. It goes with the last process that has it open or mapped. What this file must not know: who asks, messages.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Sequence
from typing import cast

from yonder import segments
from yonder.segments import Gone
from yonder.wire import Body

MOST = 256
"""What one process is given at a time: each costs a descriptor."""

PIECE = 1024 * 1024


class Gift:
    """One value on its way to its new owner."""

    def __init__(self) -> None:
        self._segment: segments.Segment | None = None

    def put(self, pieces: Sequence[segments.Buffer]) -> bytes | None:
        """The words that tell where it is; None where that is not possible, or not worth a descriptor."""
        size = sum(map(len, pieces))
        if not segments.MAPPED_FROM <= size <= segments.memory() // 4 or not segments.OWN.works():
            return None
        self.close()
        try:
            self._segment = segments.Segment(size)
            self._segment.write(pieces, size)
            self._segment.seal()
        except OSError:  # no memory, or too many files are open
            self.close()
            return None
        return self._segment.reference

    def close(self) -> None:
        """It was opened, or will not be. Harmless when said twice."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()


class Givens:
    """How much this process was given, all together; beyond `most` bytes somebody else has to take it."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.bytes = 0
        self.count = 0

    def takes(self, size: int) -> bool:
        """Would one more of so many bytes not be too much?"""
        return self.count < MOST and self.bytes + size <= self.most

    @property
    def too_much(self) -> bool:
        """Is the last one too much?"""
        return self.count > MOST or self.bytes > self.most

    @property
    def most(self) -> int:
        """Bytes that are not too much."""
        if self._most is None:
            self._most = min(segments.MOST_BYTES, segments.memory() // 4)
        return self._most


class Given:
    """A value that was a gift, for as long as somebody has this. Raises Gone when it is not there, or could still change."""

    def __init__(self, reference: bytes, givens: Givens) -> None:
        self._givens = givens
        self._fd = -1
        with segments.opened(reference) as fd:
            if not segments.is_sealed(fd):
                raise Gone("what was put lies in memory that may still change")
            self._fd = os.dup(fd)
        self.size = segments.size_of(reference)
        self.reference = segments.named(reference, self._fd)
        givens.bytes += self.size
        givens.count += 1
        _all.add(self)

    def body(self, *, near: bool = False) -> Body:
        """The value; for who can open memory of this machine (`near`) where it is, else in pieces that are read as they are
        sent."""
        if near:
            return self.reference
        view = segments.content(self.reference, self._fd)
        return cast(Body, [view[at : at + PIECE] for at in range(0, self.size, PIECE)])

    def close(self) -> None:
        """Nobody is told of it any more. Harmless when said twice."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
            self._givens.bytes -= self.size
            self._givens.count -= 1

    def __del__(self) -> None:
        self.close()


_all: weakref.WeakSet[Given] = weakref.WeakSet()


def _forked() -> None:
    """In a child: these are the parent's, and are not to stay because the child does."""
    for given in list(_all):
        given.close()


os.register_at_fork(after_in_child=_forked)
