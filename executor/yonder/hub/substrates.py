"""The backends of one hub: each is made at its first use, by its name, and remembered.

What this file must not know: which backends there are, how one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from yonder.backends.base import Backend
from yonder.errors import BootFailed

Make = Callable[[str], Backend]
"""A backend by its name; raises BootFailed in words where there is none."""


class Substrates:
    """What the hub has booted on, and may yet boot on."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: dict[str, Backend] = {}

    @classmethod
    def only(cls, **backends: Backend) -> Substrates:
        """These and no others."""

        def make(name: str) -> Backend:
            if name not in backends:
                known = ", ".join(sorted(backends))
                raise BootFailed(f"there is no backend {name!r} here; known: {known}", phase="creating")
            return backends[name]

        return cls(make)

    def of(self, name: str) -> Backend:
        """The one of that name. Raises BootFailed."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    def made(self) -> Iterable[Backend]:
        """Those that were used: nothing of this hub runs anywhere else."""
        return list(self._made.values())

    async def close(self) -> None:
        """Let go of all of them, once what they ran is gone."""
        for backend in self.made():
            await backend.close()
