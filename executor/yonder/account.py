"""A receipt as a person reads it: a row for each executor, and the totals.

What belongs here: words and sums. What this file must not know: files, terminals, the present moment (it comes as an
argument).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from yonder.receipts import Sheet
from yonder.wire import Life

COLUMNS = ("executor", "pool", "where", "from", "to", "lasted", "why it ended")


class Account(NamedTuple):
    """`head` says whose receipt it is, `rows` stand under COLUMNS, `totals` are sentences."""

    head: str
    rows: list[tuple[str, ...]]
    totals: list[str]


def account(sheet: Sheet, *, alive: bool, now: float) -> Account:
    """`alive`: its hub still runs."""
    if sheet.finished:
        state = f"ended {_moment(sheet.ended)}: {sheet.reason}"
    else:
        state = "still running" if alive else "killed; what it ran then is ended by the next one, or by: yonder reap"
    head = f"{sheet.owner}, hub {sheet.pid} of yonder {sheet.package}, began {_moment(sheet.began)}, {state}"
    return Account(head, [_row(life, alive) for life in sheet.lives], _totals(sheet, alive, now))


def _row(life: Life, alive: bool) -> tuple[str, ...]:
    where = f"{life.backend} {life.native[:12]}".rstrip()
    end = _moment(life.ended) if life.ended else "still there" if alive else "not known"
    lasted = span(life.ended - life.started) if life.ended else ""
    return (life.executor, life.pool, where, _moment(life.started), end, lasted, life.reason.partition("\n")[0])


def _totals(sheet: Sheet, alive: bool, now: float) -> list[str]:
    count = len(sheet.lives) + sheet.unlisted
    seconds = sum(life.ended - life.started for life in sheet.lives if life.ended) + sheet.unlisted_seconds
    if alive:
        seconds += sum(now - life.started for life in sheet.lives if not life.ended)
    said = [
        f"{count} executor{'' if count == 1 else 's'}, at most {at_once(sheet.lives)} at a time, {span(seconds)} in all."
    ]
    if sheet.unlisted:
        said.append(f"The first {sheet.unlisted} are not listed.")
    unknown = sum(1 for life in sheet.lives if not life.ended)
    if unknown and not alive:
        said.append(f"When {unknown} of them ended is not known; they are not in that sum.")
    if sheet.left:
        said.append(f"{sheet.left} were left when the hub ended, said the platform; yonder ps shows what still is.")
    return said


def at_once(lives: Iterable[Life]) -> int:
    """How many there were at the busiest moment; one without an end counts to the last."""
    moves = [(life.started, 1) for life in lives]
    moves += [(life.ended, -1) for life in lives if life.ended]
    there = most = 0
    for _, change in sorted(moves):  # who goes at a moment goes before who comes
        there += change
        most = max(most, there)
    return most


def span(seconds: float) -> str:
    """0.4 s, 12 s, 3:05 min, 2:03:04 h."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
