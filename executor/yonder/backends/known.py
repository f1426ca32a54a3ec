"""The backends whose executors come from other machines, by name: each is imported at its first use.

What this file must not know: what any of them needs beyond `make`'s arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from yonder.backends.base import Backend, Boarding
from yonder.backends.gpus import Gpus
from yonder.backends.standing import INVITE
from yonder.choices import BACKENDS
from yonder.errors import BootFailed
from yonder.places import OwnerFolder


def make(name: str, folder: OwnerFolder, boarding: Boarding, gpus: Gpus, log: Callable[[str], None]) -> Backend:
    """The backend `name` of the hub that serves `folder`. `gpus` is this machine's one book of devices, `log` takes what
    belongs to nobody's boot. Raises BootFailed where there is no such backend, or what it needs is not installed."""
    if name == "docker":
        from yonder.backends.docker import DockerBackend
        from yonder.backends.engine import check_installed

        check_installed()
        return DockerBackend(folder, boarding, gpus, log)
    if name == "standing":
        raise BootFailed(f"this hub has no standing machines; {INVITE}", phase="creating")
    raise BootFailed(f"there is no backend {name!r} here; known: {', '.join(BACKENDS)}", phase="creating")
