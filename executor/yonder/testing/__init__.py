"""For tests of Yonder and of backends: a clock that is told the time, a platform without machines, a wire that can be
cut, and a pool on paper that checks its own promises.

Public, and free of pytest. What this file must not know: processes, sockets, the hub.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from yonder.backends.base import BootSpec, Finding, Handle, PhaseSink
from yonder.core.link import Inbox, Outbox
from yonder.errors import BootFailed
from yonder.testing.clock import FakeClock
from yonder.testing.paper import PaperPool, PromiseError

__all__ = ["FakeBackend", "FakeClock", "LinkedPair", "PaperPool", "PlannedBoot", "PromiseError"]

T = TypeVar("T")


# ── a platform without machines ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PlannedBoot:
    """What becomes of one boot: it waits for `until` if given, then fails with `broken` if that says something."""

    until: asyncio.Event | None = None
    broken: str = ""
    phase: str = "booting"


@dataclass(slots=True)
class FakeBackend:
    """A `Backend` whose platform is a table in memory. `plans` are used up boot by boot; without one a boot just works.

    `owned` asks the table, as a real backend asks its platform. `gone` is called with a handle whenever one leaves it.
    """

    plans: deque[PlannedBoot] = field(default_factory=deque)
    findings: list[Finding] = field(default_factory=list)
    gone: Callable[[Handle], None] | None = None
    booted: list[BootSpec] = field(default_factory=list)
    terminated: list[Handle] = field(default_factory=list)
    _platform: dict[str, Handle] = field(default_factory=dict)

    async def boot(self, spec: BootSpec, phase: PhaseSink) -> Handle:
        if (there := self._platform.get(spec.executor)) is not None:
            return there
        plan = self.plans.popleft() if self.plans else PlannedBoot()
        self.booted.append(spec)
        phase("creating", "")
        if plan.until is not None:
            await plan.until.wait()
        phase(plan.phase, plan.broken)
        if plan.broken:
            raise BootFailed(plan.broken, phase=plan.phase)
        await asyncio.sleep(0)  # no platform answers at once: here a boot may be cancelled
        handle = Handle(executor=spec.executor, owner=spec.owner, native=f"fake:{len(self.booted)}")
        self._platform[spec.executor] = handle
        return handle

    async def terminate(self, handle: Handle) -> None:
        self.terminated.append(handle)
        self._leave(handle)

    async def owned(self, owner: str) -> list[Handle]:
        return [handle for handle in self._platform.values() if owner in ("", handle.owner)]

    async def preflight(self) -> list[Finding]:
        return list(self.findings)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def crash(self, executor: str) -> None:
        """The machine dies by itself."""
        self._leave(self._platform[executor])

    def _leave(self, handle: Handle) -> None:
        if self._platform.get(handle.executor) == handle:
            del self._platform[handle.executor]
            if self.gone is not None:
                self.gone(handle)


# ── a wire that can be cut ────────────────────────────────────────────────────────────────────────────────────────────


class LinkedPair(Generic[T]):
    """An Outbox and an Inbox with a pipe between them that keeps the order and can be cut at any moment.

    `kept` is what the sender still holds, `stored` what the receiver has taken. What is under way at a cut is lost, in
    both directions.
    """

    def __init__(self, window: int = 1024, ack_every: int = 1) -> None:
        self.outbox = Outbox(window=window)
        self.inbox = Inbox()
        self.connected = True
        self.kept: dict[int, T] = {}
        self.stored: list[T] = []
        self._ack_every = ack_every
        self._down: deque[tuple[int, T]] = deque()
        self._up: deque[int] = deque()

    @property
    def under_way(self) -> int:
        return len(self._down)

    def push(self, event: T) -> int:
        n = self.outbox.push()
        self.kept[n] = event
        return n

    def send(self, at_most: int | None = None) -> int:
        """The sender writes what it may; the answer says how many."""
        numbers = list(self.outbox.sendable())[:at_most] if self.connected else []
        for n in numbers:
            self.outbox.sent(n)
            self._down.append((n, self.kept[n]))
        return len(numbers)

    def deliver(self, at_most: int | None = None) -> None:
        """The receiver reads, stores, and writes acknowledgements that are due."""
        for _ in range(len(self._down) if at_most is None else min(at_most, len(self._down))):
            n, event = self._down.popleft()
            if self.inbox.take(n):
                self.stored.append(event)
        if (due := self.inbox.ack_due(self._ack_every)) is not None:
            self._up.append(due)

    def acknowledge(self) -> None:
        """The sender reads the acknowledgements and forgets what is stored."""
        while self._up:
            self.outbox.ack(self._up.popleft())
        self._forget()

    def cut(self) -> None:
        self.connected = False
        self._down.clear()
        self._up.clear()

    def reconnect(self) -> None:
        """A new connection; the receiver says what it has."""
        self.cut()
        self.connected = True
        self.outbox.resume(self.inbox.received)
        self._forget()

    def settle(self) -> None:
        """Run until nothing is under way and nothing more may be sent."""
        while self.connected and (self.send() or self._down or self._up):
            self.deliver()
            self.acknowledge()

    def _forget(self) -> None:
        for n in [n for n in self.kept if n <= self.outbox.acked]:
            del self.kept[n]
