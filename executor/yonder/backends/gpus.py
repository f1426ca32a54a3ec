"""The graphics processors of this machine, and which executor has which.

What belongs here: reading what NVIDIA's tool lists, matching a pool's wishes to it, the book of what is taken. What this
file must not know: processes, agents, pools. Whoever takes devices gives them back by name; the book is only as good as
that, so it is kept by the one backend that boots here.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from yonder.errors import BootFailed

_LINE = re.compile(r"^GPU (?P<index>\d+): (?P<name>.+?) \(UUID: (?P<uuid>[^)]+)\)")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device as `nvidia-smi -L` names it."""

    index: int
    name: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Wish:
    """So many devices of a kind; the kind is "any" or part of a device's name."""

    kind: str
    count: int

    @classmethod
    def read(cls, text: str) -> Wish:
        """Read `l40s` (one), `l40s:2` (two) or `any:1` (one of whatever is there)."""
        kind, _, count = text.partition(":")
        return cls(_plain(kind), int(count) if count.isdigit() else 1)

    def fits(self, gpu: Gpu) -> bool:
        """Is it one of this kind?"""
        return self.kind == "any" or self.kind in _plain(gpu.name)


class Gpus:
    """The book. `installed` says what there is, when it is first asked for."""

    def __init__(self, installed: Callable[[], list[Gpu]] | None = None) -> None:
        self._list: Callable[[], list[Gpu]] | None = installed
        self._found: list[Gpu] | None = None
        self._taken: dict[str, list[Gpu]] = {}
        self._changed = asyncio.Condition()

    async def take(self, executor: str, wishes: list[str], waiting: Callable[[str], None]) -> list[Gpu]:
        """Devices for this executor: the first alternative that is free. Waits, and says so by `waiting`, while all that
        fit are taken. Raises BootFailed when this machine does not have what is wished for."""
        found = await self._installed()
        alternatives = [Wish.read(text) for text in wishes]
        possible = [wish for wish in alternatives if sum(map(wish.fits, found)) >= wish.count]
        if not possible:
            raise BootFailed(_missing(wishes, found), phase="creating")
        async with self._changed:
            while (devices := self._free(possible, found)) is None:
                waiting(f"waiting for {' or '.join(wishes)}: all GPUs of this machine that fit are in use")
                await self._changed.wait()
            self._taken[executor] = devices
            return devices

    async def give_back(self, executor: str) -> None:
        """The executor is gone: what it had is free. Nothing happens when it had nothing."""
        if self._taken.pop(executor, None) is not None:
            async with self._changed:
                self._changed.notify_all()

    async def _installed(self) -> list[Gpu]:
        if self._found is None:
            self._found = await list_gpus() if self._list is None else self._list()
        return self._found

    def _free(self, possible: list[Wish], found: list[Gpu]) -> list[Gpu] | None:
        taken = {gpu.index for devices in self._taken.values() for gpu in devices}
        for wish in possible:
            free = [gpu for gpu in found if gpu.index not in taken and wish.fits(gpu)]
            if len(free) >= wish.count:
                return free[: wish.count]
        return None


def environment(devices: list[Gpu]) -> dict[str, str]:
    """What makes CUDA see these devices and no others."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(str(gpu.index) for gpu in devices)}


async def list_gpus() -> list[Gpu]:
    """What `nvidia-smi -L` lists, less what CUDA_VISIBLE_DEVICES hides from this process; nothing where there is no such
    tool, or where it fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    process = await asyncio.create_subprocess_exec(
        tool, "-L", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    text, _ = await process.communicate()
    return visible(read_list(text.decode(errors="replace")), os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_list(text: str) -> list[Gpu]:
    """The lines of `nvidia-smi -L`; lines of other shapes (the slices of a divided device) are left out."""
    matches = (_LINE.match(line) for line in text.splitlines())
    return [Gpu(int(match["index"]), match["name"], match["uuid"]) for match in matches if match]


def visible(found: list[Gpu], allowed: str | None) -> list[Gpu]:
    """Those that the variable CUDA_VISIBLE_DEVICES leaves; None: all. It names indices or beginnings of UUIDs."""
    if allowed is None:
        return found
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return [gpu for gpu in found if any(name == str(gpu.index) or _begins(gpu, name) for name in names)]


def _begins(gpu: Gpu, name: str) -> bool:
    return not name.isdigit() and gpu.uuid.startswith(name)


def _missing(wishes: list[str], found: list[Gpu]) -> str:
    wanted = " or ".join(
        f"{wish.removeprefix('any:')} of any kind" if wish.startswith("any:") else wish for wish in wishes
    )
    if not found:
        return (
            f"this machine has no GPU that nvidia-smi lists, and the pool asks for {wanted}; "
            "leave gpu out, or choose a backend whose machines have one"
        )
    names = ", ".join(f"{gpu.index} {gpu.name}" for gpu in found)
    return (
        f"this machine's GPUs ({names}) are not what the pool asks for: {wanted}; change gpu, or choose another backend"
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
