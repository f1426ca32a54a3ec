"""May the hub live on? The owner's two clocks: linger after it went, silence while it is there but unheard of.

    awaited ──connected──▶ attended ──goodbye / dropped──▶ lingering ──▶ (over)
                              ▲────────────connected────────────┘
    any ──stop──▶ stopped

What this file must not know: what lives on the lease, how it is ended, which clock the times come from. The shell calls
`judge` at `next_wake` and after every event. A judgement more than 5 s late means that the machine slept: the running
clock starts again, as if the owner had been heard of now.

Report `dropped` only for the owner's present connection; one that a newer connection replaced is no loss.
"""

from __future__ import annotations

import math
from typing import Literal

LATE = 5.0
FIRST_CONTACT = 60.0
"""How long a hub waits for the owner who started it."""


class OwnerLease:
    """`linger` and `silence` are seconds. Not `attended`: no window stands behind the owner (a plain program), so there is
    no silence clock."""

    def __init__(self, *, linger: float, silence: float, at: float, attended: bool = True) -> None:
        self._linger = linger
        self._silence = silence
        self._attended = attended
        self._state: Literal["awaited", "attended", "goodbye", "dropped", "stopped"] = "awaited"
        self._since = at  # when the present clock began to run

    @property
    def closing(self) -> bool:
        """The owner went (perhaps only to reload) or asked for the end: boot nothing new."""
        return self._state in ("goodbye", "dropped", "stopped")

    def connected(self, at: float) -> None:
        if self._state != "stopped":
            self._state, self._since = "attended", at

    def goodbye(self, at: float) -> None:
        """The owner said that it goes. Its connection will drop next; the clock runs from here."""
        if self._state in ("awaited", "attended"):
            self._state, self._since = "goodbye", at

    def dropped(self, at: float) -> None:
        """The connection ended without a goodbye."""
        if self._state == "attended":
            self._state, self._since = "dropped", at

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
                return FIRST_CONTACT
            case "attended":
                return self._silence if self._attended else math.inf
            case "goodbye" | "dropped":
                return self._linger
            case "stopped":
                return 0.0

    def _reason(self) -> str:
        match self._state:
            case "awaited":
                return f"nobody connected within {spell(FIRST_CONTACT)}"
            case "attended":
                return f"the editor was not heard of for {spell(self._silence)}"
            case "goodbye":
                return "the window was closed"
            case "dropped":
                return f"the editor went away and did not come back within {spell(self._linger)}"
            case "stopped":
                return "stopped by the person"


def spell(seconds: float) -> str:
    """A span as a person says it: 20 s, 10 min, 2 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
