"""Executors on machines that came by themselves and stay: the hub invited them, a person started them there.

    boot:  one that is here and free, else wait ─▶ taken         nothing is started, so a boot takes no time
    end:   its agent ends what the executor left ─▶ free again, for the next one

What belongs here: which machine is whose. What this file must not know: how machines are invited, what is said on a link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from yonder.backends.base import HELD, BootSpec, Finding, Handle, PhaseSink
from yonder.errors import BootFailed, CannotRun
from yonder.wire import Resources

INVITE = "start the hub with: yonder hub --invite N --invitations FOLDER"


class Machines(Protocol):
    """The machines that the hub knows, by their agents' names."""

    @property
    def invited(self) -> int:
        """How many are expected in all, those included that are here."""

    def here(self) -> Sequence[str]:
        """Those that have come and not gone, first come first."""

    def listen(self, told: Callable[[], None]) -> None:
        """Call this whenever one comes or goes."""

    async def sweep(self, machine: str, executor: str) -> int:
        """Have an executor's processes on a machine ended; how many are left. One that has gone took them along."""


class StandingBackend:
    """For the owner's pools. There is one executor per machine at a time, and it has all of it."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._taken: dict[str, Handle] = {}
        self._changed = asyncio.Event()
        machines.listen(self._changed.set)

    async def boot(self, spec: BootSpec, phase: PhaseSink) -> Handle:
        phase("creating", "")
        found = next((one for one in self._taken.values() if one.executor == spec.executor), None)
        if found is not None:
            return found
        if spec.pool.resources != Resources():
            raise BootFailed("a standing machine is taken as it is; leave out gpu, cpus and memory", phase="creating")
        machine = await self._free(phase)
        handle = self._taken[machine] = Handle(executor=spec.executor, owner=spec.owner, native=machine, agent=machine)
        return handle

    async def _free(self, phase: PhaseSink) -> str:
        """A machine that is here and nobody's, as soon as there is one. Raises BootFailed where none is to come."""
        waiting = False
        while True:
            await asyncio.sleep(0)  # here a boot may be cancelled; from here on it has the machine, or waits
            found = next((one for one in self._machines.here() if one not in self._taken), None)
            if found is not None and not waiting:
                return found
            if found is not None:
                waiting = False
                phase("creating", "")
                continue
            count = self._machines.invited
            if not count:
                raise BootFailed(f"no standing machine is expected here; {INVITE}", phase="creating")
            waiting = True
            phase(HELD, f"waits for one of {count} standing machine{'s' if count > 1 else ''}")
            self._changed.clear()
            await self._changed.wait()

    async def terminate(self, handle: Handle) -> None:
        """Raises CannotRun when something of it does not end there."""
        taken = self._taken.get(handle.native)
        if taken is None or taken.executor != handle.executor:
            return
        left = await self._machines.sweep(handle.native, handle.executor)
        if left:
            raise CannotRun(f"{left} processes of it do not end on the standing machine {handle.native}")
        if self._taken.get(handle.native) is taken:
            del self._taken[handle.native]
            self._changed.set()

    async def owned(self, owner: str) -> list[Handle]:
        here = self._machines.here()
        return [one for machine, one in self._taken.items() if owner in ("", one.owner) and machine in here]

    async def preflight(self) -> list[Finding]:
        count, here = self._machines.invited, len(self._machines.here())
        sentence = f"{here} of {count} are here, {len(self._taken)} in use" if count else "none is invited"
        return [
            Finding(name="standing machines", ok=here > 0, sentence=sentence, remedy=INVITE if not count else REMEDY)
        ]

    async def close(self) -> None:
        """The machines end with the hub, which tells them so."""


REMEDY = "start an executor on a machine with one of the invitations: yonder executor FILE"
