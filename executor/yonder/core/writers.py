"""Whose file is it? Runs and calls that were on an executor, and when, against the moment at which a file was written.

What belongs here: the judgement, with all moments on one clock. What this file must not know: whose clock that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.05
"""Seconds by which moments may be wrong: two machines' clocks that were compared over a network, and the tick of a file
system."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that ran: `run` and `call` name it (either may be ""), `number` is what `asker` calls the call."""

    run: str
    call: str
    began: float
    ended: float
    number: int = 0
    asker: object = None


def writer(at: float, spans: Sequence[Span]) -> Span | None:
    """Who wrote a file at that moment: the only one that was there then, or the only one that was there for some time. An
    older file (it was copied with its time) is of the only one that there is. None when that is not known."""
    near = [span for span in spans if span.began - MARGIN <= at <= span.ended + MARGIN]
    if len(near) > 1:
        near = [span for span in near if span.began + MARGIN <= at <= span.ended - MARGIN]
        return near[0] if len(near) == 1 else None
    if near:
        return near[0]
    return spans[0] if len(spans) == 1 else None
