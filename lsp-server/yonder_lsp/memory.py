"""Answers of sessions that are remembered, bounded in number and in bytes: a worker may answer with lists of any length.

What this file must not know: what is asked, how old an answer is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from yonder import wire

ENTRIES = 256
BYTES = 8 * 1024 * 1024
_PIECE = 150
"""Bytes of a struct and its strings' heads, without their text."""

K = TypeVar("K", bound=Hashable)


class Memory(Generic[K]):
    """The answers that were wanted last. One that is too large by itself is not kept."""

    def __init__(self, entries: int = ENTRIES, most: int = BYTES) -> None:
        self.bytes = 0
        self._entries = entries
        self._most = most
        self._kept: OrderedDict[K, tuple[wire.Answer, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> wire.Answer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: K, answer: wire.Answer) -> None:
        size = weight(answer)
        before = self._kept.pop(key, None)
        self.bytes += size - (before[1] if before is not None else 0)
        self._kept[key] = (answer, size)
        while self._kept and (len(self._kept) > self._entries or self.bytes > self._most):
            _, (_, gone) = self._kept.popitem(last=False)
            self.bytes -= gone

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


def believable(answer: wire.Answer) -> wire.Answer:
    """The answer, if it is of a size that a look has: a worker that tells of more means to hurt."""
    if weight(answer) <= BYTES:
        return answer
    return wire.Answer(found=False, why="what the session told is too large for a look")


def weight(answer: wire.Answer) -> int:
    """About how many bytes an answer takes in memory."""
    texts = (
        answer.why,
        answer.type,
        answer.short,
        answer.doc,
        answer.signature,
        answer.file,
        answer.text,
        *answer.gone,
    )
    return (
        _PIECE * 2
        + sum(map(len, texts))
        + sum(_PIECE + len(member.name) + len(member.detail) for member in answer.members)
        + sum(_PIECE + len(fact.label) + len(fact.value) for fact in answer.facts)
        + sum(_PIECE + len(one.name) + len(one.label) for one in answer.parameters)
        + sum(_PIECE + len(one.text) + 2 * _PIECE * len(one.parameters) for one in answer.signatures)
        + sum(_PIECE + len(row.name) + len(row.type) + len(row.short) for row in answer.rows)
    )
