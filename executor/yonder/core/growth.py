"""Which executors a pool boots, and which ones are too many: sizes made true, executor by executor.

What this file must not know: calls one by one, how an executor is ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from yonder.core.placing import Kind, Placing
from yonder.core.roster import Executor, Roster, Stand
from yonder.core.sizes import Sizes
from yonder.wire import Resources

_NEVER = float("inf")
_TOO_LATE = "nobody waits for it any more"
_ROOM = "its room is needed for calls with other resources"


class Growth:
    """Asked whenever something has changed on which sizes depend."""

    __slots__ = ("_count", "_placing", "_prefix", "_roster", "_short", "_sizes", "_starving")

    def __init__(self, prefix: str, sizes: Sizes, roster: Roster, placing: Placing) -> None:
        self._prefix = prefix
        self._count = 0
        self._sizes = sizes
        self._roster = roster
        self._placing = placing
        self._short: list[tuple[Kind, int]] = []  # kinds with calls that wait, and how many executors found no room
        self._starving: Kind | None = None  # its calls wait, and it has no executor at all

    # ── growing ──

    def boots(self, now: float, running: int) -> Iterator[tuple[str, Resources]]:
        """The executors to boot now; each is on the roster when it is named."""
        self._short, self._starving = [], None
        wants = [
            (kind, lacking)
            for kind in self._placing
            if not kind.backoff.blocks(now)
            and not self._holding(kind)
            and (lacking := self._sizes.lacking(kind, running)) > 0
        ]
        if not wants:
            return
        wants.sort(key=lambda want: self._rank(want[0]))
        room = self._sizes.room
        while wants and room > 0:  # each kind in its turn
            for kind, _ in wants[:room]:
                yield self._boot(kind, now)
            left = [(kind, lacking - 1) for kind, lacking in wants[:room]] + wants[room:]
            room -= min(room, len(wants))
            wants = [want for want in left if want[1] > 0]
        self._short = [want for want in wants if len(want[0].queue)]

    def in_the_way(self) -> list[tuple[Executor, str]]:
        """Idle executors that nobody waits for and that keep nothing, as many as others have not found room for."""
        if self._placing.uniform:
            return []
        short = sum(lacking for _, lacking in self._short) - self._roster.ending
        stands = [self._roster.stand(kind.name) for kind in self._placing]
        idle = [one for stand in stands for one in stand.without_calls() if not one.kept]
        found = [(one, _ROOM) for one in idle[: max(short, 0)]]  # a kind with calls that wait has no idle ones
        if short > len(found) + self._roster.draining:
            self._starving = next((kind for kind, _ in self._short if not self._roster.stand(kind.name).serving), None)
        return found

    def gives_way(self, one: Executor) -> str:
        """Why `one`, which has just done with a call, should take no other; "" if it should go on."""
        if self._roster.serving > max(self._sizes.most, 0):
            return self._too_many()
        starving = self._starving
        if starving is None or one.kind == starving.name or one.kept:
            return ""
        head, other = self._placing.kind(one.kind).queue.head(), starving.queue.head()
        if other is None or (head is not None and head.number < other.number):
            return ""
        self._starving = None  # one goes; whether that is enough is judged when sizes are
        return _ROOM

    @property
    def pressed(self) -> bool:
        """Somebody should go as soon as its calls are over."""
        return self._starving is not None or self._roster.serving > max(self._sizes.most, 0)

    def next_moment(self, now: float, running: int) -> float:
        """When an idle time ends, or the pause after a failed boot that somebody waits for."""
        wake = self._moment_of(self._placing.plain, self._roster.plain, now, running)
        if not self._placing.uniform:
            for kind in self._placing:
                wake = min(wake, self._moment_of(kind, self._roster.stand(kind.name), now, running))
        return wake

    def _moment_of(self, kind: Kind, stand: Stand, now: float, running: int) -> float:
        wake = _NEVER
        if stand.idle:
            wake = next(iter(stand.idle.values())).since + self._sizes.spec.idle_timeout
        pause = kind.backoff.not_before
        if pause is not None and now < pause < wake:
            wanted = self._sizes.room > 0 and not self._holding(kind) and self._sizes.lacking(kind, running) > 0
            if wanted:
                wake = pause
        return wake

    def _boot(self, kind: Kind, now: float) -> tuple[str, Resources]:
        self._count += 1
        one = self._roster.add(f"{self._prefix}-{self._count}", kind.name, now)
        return one.id, kind.resources

    def _holding(self, kind: Kind) -> bool:
        """Enough boots failed in a row: no more until those under way have ended, then those who wait are told."""
        return kind.backoff.spent and bool(self._roster.stand(kind.name).booting)

    @staticmethod
    def _rank(kind: Kind) -> tuple[bool, int]:
        """Kinds with calls that wait first, the longest waiting of them before the others."""
        head = kind.queue.head()
        return (head is None, head.number if head is not None else 0)

    # ── shrinking ──

    def expire(self, now: float) -> None:
        """Idle times that are over."""
        for kind in self._placing:
            stand = self._roster.stand(kind.name)
            while stand.idle:
                one = next(iter(stand.idle.values()))
                if one.since + self._sizes.spec.idle_timeout > now:
                    break
                self._roster.expire(one, stand)

    def surplus(self, *, closing: bool, running: int) -> list[tuple[Executor, str]]:
        """Who has to go: all at the end, those beyond a smaller max, idle ones beyond a smaller budget, and those that
        were idle for long enough and are not needed. Newest boots first, then idle ones, then (not for a budget) busy."""
        serving = self._roster.serving
        if closing:
            return [(one, "the pool is closed") for one in self._leavable(busy=True)] if serving else []
        over = serving - self._sizes.spec.max
        if over > 0:
            return [(one, self._too_many()) for one in self._leavable(busy=True)[:over]]
        over = serving - max(self._sizes.most, 0)
        if over > 0 and (self._roster.booting or self._roster.idle):
            return [(one, self._too_many()) for one in self._leavable(busy=False)[:over]]
        return self._idle_for_long(running) if over <= 0 else []

    def _idle_for_long(self, running: int) -> list[tuple[Executor, str]]:
        reason = f"idle for {self._sizes.spec.idle_timeout:g} s"
        found: list[tuple[Executor, str]] = []
        for kind in self._placing:
            stand = self._roster.stand(kind.name)
            if stand.stale:
                spare = stand.ready - self._sizes.needed(kind, running)
                free = [one for one in stand.stale.values() if not one.kept]
                found += [(one, reason) for one in free[: max(spare, 0)]]
            if stand.held:
                spare = stand.serving - self._sizes.needed(kind, running)
                found += [(one, _TOO_LATE) for one in list(reversed(stand.held.values()))[: max(spare, 0)]]
        return found

    def _leavable(self, *, busy: bool) -> list[Executor]:
        booting = [one for one in self._roster if one.state == "booting"]
        ready = [one for one in self._roster if one.state == "ready"]
        ready.sort(key=lambda one: (bool(one.kept), bool(one.calls), one.since))
        return [*reversed(booting), *(one for one in ready if busy or not one.calls)]

    def _too_many(self) -> str:
        if self._sizes.allowed is not None and self._sizes.allowed < self._sizes.spec.max:
            return f"the owner's budget allows this pool {self._sizes.allowed} at present"
        return f"the pool's max is now {self._sizes.spec.max}"

    def forget_kinds(self, now: float) -> None:
        """Kinds of which nothing is left, neither calls nor executors nor a pause after failures."""
        if self._placing.uniform:
            return
        for kind in self._placing:
            stand = self._roster.stand(kind.name)
            if kind.name and not stand.exist and not len(kind.queue) and not kind.backoff.blocks(now):
                self._placing.unlearn(kind.name)
                self._roster.close_stand(kind.name)
