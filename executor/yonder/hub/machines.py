"""Standing machines: invitations written into a folder for whoever starts an executor by hand, and who of them has come.

An invitation lets one machine in, once. When that machine is lost, another invitation takes its place in the folder, so
that the same machine, started again, finds one. What this file must not know: what runs on the machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from yonder.errors import UsageError
from yonder.hub.agents import Agents

SUFFIX = ".invitation"


class Door(Protocol):
    """What is needed of the gate."""

    async def invite(self, agent: str, *, listen: str, reach: str = "", lifetime: float = 0.0) -> bytes: ...

    def withdraw(self, agent: str) -> None: ...


class Machines:
    """`count` machines that may come; a `backends.standing.Machines`. `agents` knows who is here, `trouble` takes a line
    for the log."""

    def __init__(
        self, door: Door, folder: Path, count: int, *, listen: str, reach: str, trouble: Callable[[str], None]
    ) -> None:
        self._door = door
        self._folder = folder
        self._count = count
        self._listen = listen
        self._reach = reach
        self._trouble = trouble
        self._agents: Agents | None = None
        self._files: dict[str, Path] = {}
        self._told: list[Callable[[], None]] = []
        self._inviting: set[asyncio.Task[None]] = set()
        self._over = False

    # ── invitations ──

    async def open(self, agents: Agents) -> None:
        """Write all invitations. Raises UsageError when the folder does not allow that, BootFailed as the gate does."""
        self._agents = agents
        agents.watch(self._moved)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--invitations {self._folder} cannot be made: {error.strerror or error}") from error
        for old in self._folder.glob(f"*{SUFFIX}"):  # of an earlier hub: they open nothing any more
            old.unlink(missing_ok=True)
        for number in range(1, self._count + 1):
            await self._invite(self._folder / f"{number}{SUFFIX}")

    async def _invite(self, file: Path) -> None:
        machine = f"standing-{secrets.token_hex(8)}"
        self._files[machine] = file
        invitation = await self._door.invite(machine, listen=self._listen, reach=self._reach)
        await asyncio.to_thread(_write, file, invitation)

    def _moved(self, machine: str, here: bool) -> None:
        file = self._files.get(machine)
        if file is None:
            return
        if not here and not self._over:
            del self._files[machine]
            self._door.withdraw(machine)
            task = asyncio.get_running_loop().create_task(self._invite_again(file))
            self._inviting.add(task)
            task.add_done_callback(self._inviting.discard)
        for told in self._told:
            told()

    async def _invite_again(self, file: Path) -> None:
        try:
            await self._invite(file)
        except UsageError as error:
            self._trouble(f"a machine that has gone cannot be invited again: {error}")

    async def close(self) -> None:
        """Nobody is invited any more; who is here stays."""
        self._over = True
        for task in list(self._inviting):
            task.cancel()
        await asyncio.gather(*self._inviting, return_exceptions=True)
        here = self.here()
        for machine, file in self._files.items():
            if machine not in here:
                self._door.withdraw(machine)
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it was not ours, or there is more in it
            self._folder.rmdir()

    # ── what the backend asks ──

    @property
    def invited(self) -> int:
        return self._count

    def here(self) -> list[str]:
        return [one for one in self._agents.here() if one in self._files] if self._agents is not None else []

    def listen(self, told: Callable[[], None]) -> None:
        self._told.append(told)

    async def sweep(self, machine: str, executor: str) -> int:
        found = self._agents.find(machine) if self._agents is not None else None
        return await found.sweep(executor) if found is not None else 0


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all, for this user alone."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"the invitation {file} cannot be written: {error.strerror or error}") from error
