"""Agents on other machines, as the hub sees them: two connections each, the conversations on them, and when one is lost.

    agent ══ small, bulk ══▶ Gate ──▶ Distant ── channel ──▶ Conversation ──▶ Hub, as on this machine

Knows carriers and conversations; not who is let in (`gate`), not backends, not what workers do. A connection that ends says
nothing of the agent: it dials again, and its conversations go on. It is lost when the platform says that its machine has
ended, or when nothing was heard of it for so long that it has ended by itself.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from yonder import wire
from yonder.carrier import BEAT, BULK_WINDOW, SMALL_WINDOW, Carrier
from yonder.core.lease import spell
from yonder.core.link import Heartbeat
from yonder.hub.connection import Conversation, Receiver, Trouble
from yonder.hub.room import Room

MARGIN = 10.0
"""Seconds that an agent may take to end after its lease told it to."""

LAST_FRAMES = 1.0
"""Seconds in which the last words of a machine that has ended may still arrive."""

AWAY = 5.0
"""Seconds without a connection after which people are told."""

READ_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Manners:
    """What all distant agents of a hub have in common. `accept` judges a conversation's hello, `away` is told when an agent
    cannot be reached and ("") when it is back, `lost` its verdict when it is gone for good."""

    accept: Callable[[Distant, Conversation, wire.Hello], Receiver | wire.Refused]
    away: Callable[[str, str], None]
    lost: Callable[[str, wire.ExitReport], None]
    trouble: Trouble
    room: Room = field(default_factory=Room)


class Distant:
    """One agent elsewhere. `lane` is what its workers show, `silence` the seconds after which it ends by itself when it does
    not hear of the hub."""

    def __init__(self, agent: str, lane: str, silence: float, manners: Manners) -> None:
        self.agent = agent
        self.lane = lane
        self.silence = silence
        self._manners = manners
        space = bytearray(READ_AT_ONCE)
        accept = functools.partial(manners.accept, self)
        self._carriers = {
            role: Carrier(
                dialled=False, window=window, accept=lambda: Conversation(accept, manners.trouble, space, manners.room)
            )
            for role, window in (("agent", SMALL_WINDOW), ("bulk", BULK_WINDOW))
        }
        for carrier in self._carriers.values():
            carrier.heard = self.heard
        self._ear = Heartbeat(BEAT, int((silence + MARGIN) / BEAT))
        self._away = Heartbeat(BEAT, int(AWAY / BEAT))
        self._missed = False
        self._report: wire.ExitReport | None = None
        self._over = False
        self._watch: asyncio.TimerHandle | None = None

    def carrier(self, role: str) -> Carrier:
        """The one of this role: agent or bulk."""
        return self._carriers[role]

    @property
    def over(self) -> bool:
        """Is it gone for good?"""
        return self._over

    def arrived(self) -> None:
        """It has come in for the first time: from now on it is watched."""
        if self._watch is None and not self._over:
            self.heard()
            self._tick()

    def heard(self) -> None:
        """Any sign of life."""
        now = asyncio.get_running_loop().time()
        self._ear.heard(now)
        self._away.heard(now)
        if self._missed:
            self._missed = False
            self._manners.away(self.agent, "")

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(BEAT, self._tick)
        if self._ear.tick(loop.time()):
            words = f"was not heard of for {spell(self.silence + MARGIN)}"
            self.lose(wire.ExitReport(words=words))
        elif self._away.tick(loop.time()) and not self._missed:
            self._missed = True
            self._manners.away(self.agent, f"cannot be reached; it goes on by itself for {spell(self.silence)}")

    def ended(self, report: wire.ExitReport) -> None:
        """The platform says that its machine has ended. What it had said before may still lie in the connections."""
        if self._report is None and not self._over:
            self._report = report
            connected = any(carrier.connected for carrier in self._carriers.values())
            asyncio.get_running_loop().call_later(LAST_FRAMES if connected else 0.0, self.lose, report)

    def lose(self, report: wire.ExitReport) -> None:
        """It is gone for good, and so is everything on it."""
        if self._over:
            return
        self._over = True
        if self._watch is not None:
            self._watch.cancel()
        self._manners.lost(self.agent, self._report or report)
        for carrier in self._carriers.values():
            carrier.lose()
