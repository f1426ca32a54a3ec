"""What may be offered when a session does not answer in time: its names as they were told after the last run, and the
members that objects have from their class. What comes from here is never called complete.

What this file must not know: deadlines, documents, connections.
"""

from __future__ import annotations

import msgspec

from yonder import wire
from yonder_lsp.live import Look
from yonder_lsp.memory import Memory
from yonder_lsp.names import Names
from yonder_lsp.sessions import Epoch

_CLASS = 1
"""The first rank of members that come from the class."""

_Kind = tuple[str, int, str, int]
"""Session, its process, a type's name and its kin: a class that was written anew has another."""


class Hindsight:
    """Member lists by type, and what the names say of it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._kinds: Memory[_Kind] = Memory()

    def heard(self, epoch: Epoch, query: wire.Query, answer: wire.Answer) -> None:
        """A session has answered, in time or not."""
        if query.what != "members" or not query.path or query.prefix or not answer.found or not answer.kin:
            return
        own = [member for member in answer.members if member.rank >= _CLASS]
        kind = (epoch.session, epoch.pid, answer.type, answer.kin)
        self._kinds.put(kind, wire.Answer(found=True, type=answer.type, members=own, kin=answer.kin))

    def ready(self, epoch: Epoch, query: wire.Query) -> bool:
        """Is there something to offer that makes waiting less worth while?"""
        if query.what != "members":
            return False
        if not query.path:
            return self._names.current(epoch) is not None
        return self._of_kind(epoch, query) is not None

    def instead(self, epoch: Epoch, query: wire.Query, look: Look) -> Look:
        """A look that came late, with what is known now rather than what was seen longer ago."""
        if not look.late or query.what != "members" or len(query.path) > 1:
            return look
        if not query.path:
            return self._all_names(epoch, look)
        current = self._names.current(epoch)
        row = self._names.row(epoch, str(query.path[0].value))
        if row is None:
            gone = current is not None and current.complete
            return Look(None, late=True) if gone else look
        seen = look.answer
        if seen is not None and (seen.type, seen.kin) == (row.type, row.kin):
            return look  # it has what the object has of its own, too
        known = self._of_kind(epoch, query)
        if known is None and current is None:
            return look
        return Look(known, late=True)

    def _of_kind(self, epoch: Epoch, query: wire.Query) -> wire.Answer | None:
        if len(query.path) != 1 or (row := self._names.row(epoch, str(query.path[0].value))) is None or not row.kin:
            return None
        return self._kinds.get((epoch.session, epoch.pid, row.type, row.kin))

    def _all_names(self, epoch: Epoch, look: Look) -> Look:
        table = self._names.current(epoch) or (self._names.table(epoch) if look.answer is None else None)
        if table is None:
            return look
        members = [wire.Member(row.name, row.kind, 0, row.type.rpartition(".")[2]) for row in table.rows.values()]
        builtins = [member for member in look.answer.members if member.rank > _CLASS] if look.answer is not None else []
        taken = {member.name for member in members}
        members += [member for member in builtins if member.name not in taken]
        return Look(msgspec.structs.replace(look.answer or wire.Answer(found=True), members=members), late=True)

    def forget(self) -> None:
        """The sessions are gone."""
        self._kinds.clear()
