"""The door to a substrate: start an executor, end it, say which ones of an owner exist, say what is missing.

A backend knows one platform and nothing of pools, calls or sessions. It never keeps books that the platform keeps
better: `owned` asks the platform.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

from yonder.wire import ExitReport, Needs, Place, PoolSpec


class BootSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `kind` pool, session or file; `workers` names the executor's workers, `threads`
    the CPU share of each (0: unlimited). `needs` is what its Python has to be like, where it may be another one."""

    executor: str
    owner: str
    kind: Literal["pool", "session", "file"]
    workers: tuple[str, ...]
    place: Place
    pool: PoolSpec
    preload: list[str]
    threads: int = 0
    needs: Needs | None = None


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the platform runs for us. `native` is the platform's own name for it (pid:start time, container id),
    `agent` the id under which its agent says hello to the hub, `env` what its workers' environment must say besides."""

    executor: str
    owner: str
    native: str
    agent: str = ""
    env: dict[str, str] = {}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `yonder doctor`: ok, or what is missing and what to do."""

    name: str
    ok: bool
    sentence: str
    remedy: str = ""


HELD = "held"

PhaseSink = Callable[[str, str], None]
"""Called with (phase, detail) while an executor comes up: creating, booting …; HELD while it has to wait for what others
have at present (a device), until the next phase is said: that time counts neither as its boot's nor as a failure."""


class Backend(Protocol):
    """Four methods and a last word. All are safe to call twice."""

    async def boot(self, spec: BootSpec, phase: PhaseSink) -> Handle:
        """Start one executor and return once the platform has it. Raises BootFailed. May be cancelled; what was begun is
        then taken back."""
        ...

    def terminate(self, handle: Handle) -> Awaitable[None]:
        """End it and everything it started; returns when the platform says that it is gone."""
        ...

    async def owned(self, owner: str) -> list[Handle]:
        """What the platform still runs for this owner ("" = for any owner of this user)."""
        ...

    async def preflight(self) -> list[Finding]:
        """What would keep `boot` from working."""
        ...

    async def close(self) -> None:
        """Let go of the platform, and of what served several executors; after the last of them is gone."""
        ...


class Boarding(Protocol):
    """What a backend needs of the hub to bring executors of other machines to it."""

    async def invite(self, agent: str, *, listen: str, reach: str = "", lifetime: float = 0.0) -> bytes:
        """A `wire.Invitation` for one agent, as JSON: to be handed over where nobody else can read it, never in argv, an
        environment or a label. The hub listens on this machine's address `listen` ("host" or "host:port"); the executor
        dials `reach` (the same form; "": the same). Raises BootFailed where it cannot listen."""
        ...

    def withdraw(self, agent: str) -> None:
        """The invitation is not needed any more: nobody comes in with it."""
        ...

    def ended(self, agent: str, sentence: str, report: ExitReport | None = None) -> None:
        """The platform says that the machine of this agent has ended, with its verdict where it has one."""
        ...
