"""One conversation, the same machine at both ends: hello, numbers in flight, replay, acknowledgement, heartbeat.

    Outbox (hub)   push ─▶ n ─▶ sendable ─▶ sent ┄┄ the wire ┄┄▶ take ─▶ stored ─▶ ack_due   (owner) Inbox
                   ack  ◀─────────────────────── the wire ◀───────────────────────────┘

What this file must not know: what is numbered, where it is kept, sockets, clocks (time comes as an argument).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from yonder import wire

LATE = 5.0
"""A tick that comes later than this says that the machine paused (sleep, SIGSTOP), not that the peer is silent."""


class Lost(Exception):  # noqa: N818 - said of events, not of the program
    """The owner asks for events that it had acknowledged: they are kept no longer. The first kept is `first_kept`."""

    def __init__(self, first_kept: int) -> None:
        super().__init__(f"events before number {first_kept} were acknowledged and are kept no longer")
        self.first_kept = first_kept


class Gap(Exception):  # noqa: N818 - said of events, not of the program
    """A number came before the ones in front of it; the connection must be closed and taken up again."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"event {got} came where {expected} was expected")
        self.expected = expected
        self.got = got


class Outbox:
    """The sending end: gives numbers, remembers what the other end has stored, says what to send next.

    `window` bounds how many may be under way unacknowledged, so that a slow owner is not flooded.
    """

    def __init__(self, first: int = 1, window: int = 1024) -> None:
        self.last = first - 1
        self.acked = first - 1
        self._sent = first - 1
        self._window = window

    @property
    def unacked(self) -> int:
        """How many must still be kept."""
        return self.last - self.acked

    def push(self) -> int:
        """The next event's number."""
        self.last += 1
        return self.last

    def sendable(self) -> range:
        """Numbers not sent yet on this connection and inside the window, in order."""
        return range(self._sent + 1, min(self.last, self.acked + self._window) + 1)

    def sent(self, n: int) -> None:
        """`n` went out. Raises ValueError when it is out of turn; one acknowledged meanwhile is fine."""
        if n <= self.acked:
            return
        if n not in self.sendable()[:1]:
            raise ValueError(f"event {n} was sent out of turn, the next is {self._sent + 1} of {self.last}")
        self._sent = n

    def ack(self, n: int) -> None:
        """Everything up to `n` is stored at the other end. Raises ValueError for a number that was never given."""
        if n > self.last:
            raise ValueError(f"event {n} was acknowledged, the last one given is {self.last}")
        self.acked = max(self.acked, n)
        self._sent = max(self._sent, self.acked)

    def resume(self, received: int) -> None:
        """A new connection: the owner has stored everything up to `received`; what follows is unsent again.

        Raises Lost when it asks for what it acknowledged earlier, ValueError for a number that was never given.
        """
        if received < self.acked:
            raise Lost(self.acked + 1)
        self.ack(received)
        self._sent = received


class Inbox:
    """The receiving end. `received` is the highest number stored; on every connection numbers must follow it."""

    def __init__(self, received: int = 0) -> None:
        self.received = received
        self._acked = received

    def take(self, n: int) -> bool:
        """True: new, store it. False: a repetition. Raises Gap when numbers in front of it are missing."""
        if n > self.received + 1:
            raise Gap(self.received + 1, n)
        if n <= self.received:
            return False
        self.received = n
        return True

    def ack_due(self, every: int = 64) -> int | None:
        """The number to acknowledge now, told once; None while fewer than `every` came since the last one told."""
        if self.received - self._acked < every:
            return None
        self._acked = self.received
        return self.received


class Heartbeat:
    """Is the other end still there? Judged at ticks, one per `interval`."""

    def __init__(self, interval: float, misses: int) -> None:
        self._interval = interval
        self._patience = interval * misses
        self._heard: float | None = None
        self._ticked: float | None = None

    def heard(self, at: float) -> None:
        """Anything came; every message is a sign of life."""
        self._heard = at if self._heard is None else max(self._heard, at)

    def tick(self, at: float) -> bool:
        """True: the other end is silent. A late tick counts as a heartbeat: we were away, not they."""
        paused = self._ticked is not None and at - self._ticked > self._interval + LATE
        self._ticked = at
        if paused or self._heard is None:
            self.heard(at)
        return self._heard is not None and at - self._heard > self._patience


def check_hello(hello: wire.Hello, *, token: str, roles: Collection[wire.Role], package: str) -> wire.Refused | None:
    """Why this hello is not welcome, None when it is. The token comes first: strangers learn nothing else."""

    def refused(code: str, sentence: str) -> wire.Refused:
        return wire.Refused(code=code, sentence=sentence, version=wire.VERSION, package=package)

    if not token or not hmac.compare_digest(hello.token.encode(), token.encode()):
        return refused("token", "the token is missing or wrong; only this user's own programs are let in")
    if hello.version != wire.VERSION:
        return refused(
            "version",
            f"version mismatch: this side is yonder {package} (wire {wire.VERSION}), the other side is yonder "
            f"{hello.package} (wire {hello.version}); install the same version on both sides",
        )
    if hello.role not in roles:
        return refused(
            "role", f"the role {hello.role} has no business at this door; it serves {', '.join(sorted(roles))}"
        )
    return None
