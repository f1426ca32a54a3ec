"""The names of each session as its worker told them last: kind, type and a hint (`Tensor[32, 10] float32`). Pure.

    since ─▶ names asked ─▶ rows and gone since then, or all ─▶ apply ─▶ changed or not

What this file must not know: connections, documents, when to ask (`naming.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from yonder import wire
from yonder_lsp.sessions import Epoch

MOST = 2000
LONGEST = 200
HINT = 100


@dataclass(slots=True)
class Table:
    """`seen` is the epoch in which `rows` was true, `at` the time of it, `mark` what to ask with next."""

    seen: Epoch
    mark: int = 0
    at: float = 0.0
    total: int = 0
    rows: dict[str, wire.Row] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Are all of the namespace's names here, as far as names are told at all?"""
        return len(self.rows) >= self.total


class Names:
    """All tables by session. What a worker tells is bounded here, whatever it sends."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def table(self, epoch: Epoch) -> Table | None:
        """What is known of this session's process; another process's names are never given."""
        found = self._tables.get(epoch.session)
        return found if found is not None and found.seen.pid == epoch.pid else None

    def current(self, epoch: Epoch) -> Table | None:
        """The table if it is true in this epoch: while something runs, none is."""
        found = self.table(epoch)
        return found if found is not None and found.seen == epoch and not epoch.busy else None

    def row(self, epoch: Epoch, name: str) -> wire.Row | None:
        found = self.table(epoch)
        return found.rows.get(name) if found is not None else None

    def of_type(self, epoch: Epoch, kind: str) -> str | None:
        """The first name, in alphabetical order, whose value has this type."""
        found = self.table(epoch)
        return min((row.name for row in found.rows.values() if row.type == kind), default=None) if found else None

    def since(self, epoch: Epoch) -> int:
        """The mark to ask with, 0 for everything."""
        found = self.table(epoch)
        return found.mark if found is not None else 0

    def apply(self, epoch: Epoch, since: int, answer: wire.Answer, at: float) -> set[str] | None:
        """Take in an answer that was asked for with `since`. Returns the names that are new, changed or gone; None when
        the answer continues what is not here, and everything has to be asked for."""
        table = self.table(epoch)
        if not answer.whole and (table is None or table.mark != since):
            self._tables.pop(epoch.session, None)
            return None
        before = table.rows if table is not None else {}
        rows = dict(_checked(answer.rows))
        after = rows if answer.whole else _bounded({**before, **rows}, answer.gone)
        self._tables[epoch.session] = Table(epoch, answer.mark, at, max(0, answer.total), after)
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}

    def forget(self, session: str) -> bool:
        """The session's process is gone. True when there was something to forget."""
        return self._tables.pop(session, None) is not None

    def known(self) -> list[str]:
        return list(self._tables)


def _checked(rows: Iterable[wire.Row]) -> Iterable[tuple[str, wire.Row]]:
    """Only what can be a name in a program, and only text that fits into a line."""
    count = 0
    for row in rows:
        if len(row.name) > LONGEST or not row.name.isidentifier():
            continue
        if count >= MOST:
            return
        count += 1
        fits = len(row.short) <= HINT and row.short.isprintable() and len(row.type) <= LONGEST and len(row.kind) <= 1
        yield (
            row.name,
            row if fits else wire.Row(row.name, row.kind[:1], row.type[:LONGEST], _line(row.short), kin=row.kin),
        )


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:HINT])


def _bounded(rows: dict[str, wire.Row], gone: Iterable[str]) -> dict[str, wire.Row]:
    for name in gone:
        rows.pop(name, None)
    while len(rows) > MOST:  # whoever tells of more than it may, loses the oldest
        del rows[next(iter(rows))]
    return rows
