"""What the operating system itself says is running for an owner.

Deliberately not the product's own bookkeeping, nor its reading of the process table: this is the witness that checks it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple


class Marked(NamedTuple):
    """A process that belongs to an owner. `hub` tells the owner's hub from executors and what keeps them."""

    pid: int
    command: str
    hub: bool


def marked(owner: str) -> list[Marked]:
    """Every living process of this user that carries the owner's mark in its environment, or is the owner's hub."""
    found = _from_proc(owner) if Path("/proc/self/environ").exists() else _from_ps(owner)
    return [one for one in found if one.pid != os.getpid()]


def _from_proc(owner: str) -> list[Marked]:
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if folder.stat().st_uid != os.getuid() or _is_dead(folder):
                continue
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it ended while we looked
        marks = {part.strip() for part in environment.split(b"\0") if part.startswith(b"YONDER_OWNER=")}
        hub = _is_hub(command, owner)
        if hub or f"YONDER_OWNER={owner}".encode() in marks:
            found.append(Marked(int(folder.name), command, hub))
    return found


def _is_dead(folder: Path) -> bool:
    """A zombie holds nothing but its line in the table until its parent looks."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"


def _is_hub(command: str, owner: str) -> bool:
    return "yonder.hub.detached" in command and owner in command.split()


def _from_ps(owner: str) -> list[Marked]:
    """Where there is no /proc (macOS)."""
    ask = ["ps", "-E", "-ww", "-U", str(os.getuid()), "-o", "pid=,command="]
    listing = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    found = []
    for line in listing.splitlines():
        number, _, command = line.strip().partition(" ")
        hub = _is_hub(command, owner)
        if number.isdigit() and (hub or f"YONDER_OWNER={owner}" in command.split()):
            found.append(Marked(int(number), command, hub))
    return found
