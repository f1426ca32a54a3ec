"""May this process live on? A hub for its owner, an agent on another machine for its hub.

A hub's two clocks: linger after the owner went, silence while it is there but unheard of::

    awaited ──connected──▶ attended ──goodbye / dropped──▶ lingering ──▶ (over)
                              ▲────────────connected────────────┘
    any ──stop──▶ stopped

An agent's three: reach until it is let in, silence since the hub was last heard of, lifetime whatever happens.

What this file must not know: what lives on the lease, how it is ended, which clock the times come from. The shell calls
`judge` at `next_wake` and after every event, once what lay in its sockets has been read. A judgement more than 5 s late
means that the machine slept: the other side gets the time to be heard of again.

Report `dropped` only for the owner's present connection; one that a newer connection replaced is no loss.
"""

from __future__ import annotations

import math
from typing import Literal

LATE = 5.0
BEAT = 2.0
"""How often an agent judges its lease, at the least."""

DESERTED = 60.0
"""Seconds after which an address where nobody listens is no hub's any more."""

FIRST_CONTACT = 60.0
"""How long a hub waits for the owner who started it."""


class OwnerLease:
    """`linger` and `silence` are seconds. Not `attended`: no window stands behind the owner (a plain program), so there is
    no silence clock while it is connected. `distant`: the owner is on another machine, where a connection that drops
    says nothing of it; work goes on for the silence. `first` are the seconds for which its first word is waited for."""

    def __init__(
        self,
        *,
        linger: float,
        silence: float,
        at: float,
        attended: bool = True,
        distant: bool = False,
        first: float = FIRST_CONTACT,
    ) -> None:
        self._linger = linger
        self._silence = silence
        self._attended = attended
        self._distant = distant
        self._first = first
        self._state: Literal["awaited", "attended", "cut", "goodbye", "dropped", "stopped"] = "awaited"
        self._since = at  # when the present clock began to run

    @property
    def closing(self) -> bool:
        """The owner went (perhaps only to reload) or asked for the end: boot nothing new."""
        return self._state in ("goodbye", "dropped", "stopped")

    @property
    def stopped(self) -> bool:
        """Was the end asked for?"""
        return self._state == "stopped"

    def connected(self, at: float) -> None:
        if self._state != "stopped":
            self._state, self._since = "attended", at

    def goodbye(self, at: float) -> None:
        """The owner said that it goes. Its connection will drop next; the clock runs from here."""
        if self._state in ("awaited", "attended", "cut"):
            self._state, self._since = "goodbye", at

    def dropped(self, at: float) -> None:
        """The connection ended without a goodbye."""
        if self._state == "attended":
            self._state, self._since = "cut" if self._distant else "dropped", at

    def window_alive(self, at: float) -> None:
        """The window itself answered. After a goodbye it is a straggler and says nothing."""
        if self._state == "attended":
            self._since = at

    def configured(self, linger: float, silence: float) -> None:
        self._linger = linger
        self._silence = silence

    def stop(self, at: float) -> None:
        """The person asked for the end; nothing takes that back."""
        self._state, self._since = "stopped", at

    def judge(self, at: float) -> str | None:
        """Why to end now, None to live on."""
        if self._state == "stopped":
            return "stopped by the person"
        end = self._since + self._patience
        if at < end:
            return None
        if at > end + LATE:
            self._since = at
            return None
        return self._reason()

    def next_wake(self, at: float) -> float:
        """When to judge next; infinity when only an event can end the lease."""
        return at if self._state == "stopped" else max(at, self._since + self._patience)

    @property
    def _patience(self) -> float:
        match self._state:
            case "awaited":
                return self._first
            case "attended":
                return self._silence if self._attended else math.inf
            case "cut":
                return self._silence
            case "goodbye" | "dropped":
                return self._linger
            case "stopped":
                return 0.0

    def _reason(self) -> str:
        match self._state:
            case "awaited":
                return f"nobody connected within {spell(self._first)}"
            case "attended":
                return f"the editor was not heard of for {spell(self._silence)}"
            case "cut":
                return f"the owner's connection was cut and did not come back within {spell(self._silence)}"
            case "goodbye":
                return "the window was closed"
            case "dropped":
                return f"the editor went away and did not come back within {spell(self._linger)}"
            case "stopped":
                return "stopped by the person"


class AgentLease:
    """An agent's on another machine. Seconds: `reach` from `at` until the hub has let it in, `silence` since it was last
    heard of, `lifetime` from `at` in all (0: any age).

    It is to be judged every BEAT at least. A gap of LATE more was a pause of this machine, in which nobody could have
    been heard of: the hub then has LATE to be heard of, the time of a heartbeat or of a new dial.
    """

    def __init__(self, *, reach: float, silence: float, lifetime: float, at: float) -> None:
        self._patience = reach
        self._silence = silence
        self._lifetime = lifetime
        self._born = self._since = self._judged = at
        self._granted = at  # until then it lives on, whatever the clock says
        self._heard = False
        self._deserted: float | None = None

    def heard(self, at: float) -> None:
        """Something came from the hub; its welcome is the first."""
        self._heard = True
        self._deserted = None
        self._patience = self._silence
        self._since = at

    def dialled(self, at: float, *, refused: bool) -> None:
        """An attempt to reach the hub failed. `refused`: its machine answered, and said that nobody listens there. A hub's
        door is its process's, so it has ended; a network that is cut says nothing at all."""
        if not refused:
            self._deserted = None
        elif self._deserted is None and self._heard:
            self._deserted = at

    def judge(self, at: float) -> str | None:
        """Why to end now, None to live on."""
        if at - self._judged > BEAT + LATE:
            self._granted = at + LATE
            self._deserted = None
        self._judged = at
        if self._lifetime and at >= self._born + self._lifetime:
            return f"its lifetime of {spell(self._lifetime)} is over"
        if self._deserted is not None and at >= self._deserted + DESERTED:
            return f"nobody has listened at the hub's address for {spell(DESERTED)}: the hub has ended"
        if at < self._patient_until:
            return None
        if self._heard:
            return f"nothing was heard of the hub for {spell(self._silence)}"
        return f"the hub did not let it in within {spell(self._patience)}"

    def next_wake(self, at: float) -> float:
        """When to judge next."""
        ends = [self._patient_until, self._judged + BEAT]
        if self._lifetime:
            ends.append(self._born + self._lifetime)
        if self._deserted is not None:
            ends.append(self._deserted + DESERTED)
        return max(at, min(ends))

    @property
    def _patient_until(self) -> float:
        return max(self._since + self._patience, self._granted)


def spell(seconds: float) -> str:
    """A span as a person says it: 20 s, 10 min, 2 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
