"""What of Yonder runs on this machine, and how what is left of it is ended: asked of the process table and the sockets.

What belongs here: whole owners and their hubs. What this file must not know: terminals, calls, sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from yonder.agent import store
from yonder.backends.local import Process, kill, processes
from yonder.places import HubNote, OwnerFolder, answers, runtime_root, started_at

END_SECONDS = 20.0
FRESH_SECONDS = 60.0
_NAMED = re.compile(r"[0-9a-f]{16}")
"""An owner's folder, also when nothing is in it any more."""
_OURS = re.compile(r"token|lock|journal|hub\.(sock|json|new|log|old)|owner\.sock|agent-[0-9a-f]+\.log")
_HUB_MARK = b"YONDER_HUB="
_REMOTE_MARK = b"yonder.agent.remote"


@dataclass(frozen=True, slots=True)
class Reaped:
    """What a reaping did: hubs that were asked to end, owners that were dead, their processes by fate."""

    hubs: int
    owners: int
    ended: int
    survivors: tuple[Process, ...]


def hubs() -> list[HubNote]:
    """The detached hubs of this user that live, by the notes they leave."""
    found = []
    for file in sorted(runtime_root().glob("*/hub.json")):
        with contextlib.suppress(
            OSError, UnicodeDecodeError, msgspec.MsgspecError
        ):  # it ended while we looked, or is no note of ours
            note = msgspec.json.decode(file.read_bytes(), type=HubNote)
            if started_at(note.pid) == note.started:
                found.append(note)
    return found


def serves(owner: str, found: Iterable[Process] = ()) -> bool:
    """Whether somebody serves this owner: a detached hub, or the thread of a plain program.

    Asked of its sockets: the one that the owner's processes in `found` were started with, and the one that would be
    theirs here. The two differ when XDG_RUNTIME_DIR was another one then. An agent that lives here for a hub elsewhere
    answers for it: its own lease ends it.
    """
    if any(_has_agent(one) for one in found if one.owner == owner):
        return True
    folder = OwnerFolder(owner)
    try:
        if folder.note() is not None:
            return True
        sockets = {str(folder.hub_socket), *(_hub_of(one) for one in found if one.owner == owner)}
        return any(answers(path) for path in sockets if path)
    finally:
        with contextlib.suppress(OSError):  # the look itself may have made the folder; one that is in use is not empty
            folder.path.rmdir()


def _hub_of(one: Process) -> str:
    """The hub's socket as the process was told at its start, "" when it does not say."""
    try:
        environment = Path(f"/proc/{one.pid}/environ").read_bytes()
    except OSError:
        return ""
    marks = [part for part in environment.split(b"\0") if part.startswith(_HUB_MARK)]
    return os.fsdecode(marks[0][len(_HUB_MARK) :]) if marks else ""


def _has_agent(one: Process) -> bool:
    """Is its parent an agent with a hub elsewhere?"""
    with contextlib.suppress(OSError):
        parent = Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[1]
        return _REMOTE_MARK in Path(f"/proc/{parent}/cmdline").read_bytes()
    return False


def left_over(owner: str = "") -> list[Process]:
    """The processes whose hub is dead, of one owner or of all."""
    found = [one for one in processes(owner) if one.pid != os.getpid()]
    dead = {name for name in {one.owner for one in found} if not serves(name, found)}
    return [one for one in found if one.owner in dead]


def reap(owner: str = "", *, stop_hubs: bool = False) -> Reaped:
    """End what is left of dead owners; with `stop_hubs` ask the living hubs to end in order first."""
    asked = _stop_hubs(owner) if stop_hubs else 0
    doomed = left_over(owner)
    asyncio.run(_end(doomed))
    after = {(one.pid, one.started) for one in processes(owner)}
    survivors = tuple(one for one in doomed if (one.pid, one.started) in after)
    return Reaped(asked, len({one.owner for one in doomed}), len(doomed) - len(survivors), survivors)


async def _end(doomed: list[Process]) -> None:
    """Agents first: an agent that dies takes its workers along, and none forks anew meanwhile."""
    for role in ("agent", "zygote"):
        await asyncio.gather(*(kill(one) for one in doomed if one.role == role))
    await asyncio.gather(*(kill(one) for one in doomed))


def sweep_folders(now: float) -> int:
    """Remove what dead owners left in the runtime folder (sockets, tokens, logs), by the names we give and no others.
    Returns how many folders went. A fresh one is spared: its hub may be on its way up."""
    swept = 0
    for folder in sorted(path for path in runtime_root().iterdir() if path.is_dir()):
        ours = [file for file in folder.iterdir() if _OURS.fullmatch(file.name)]
        fresh = any(now - path.lstat().st_mtime < FRESH_SECONDS for path in ours or [folder])
        if fresh or not (ours or _NAMED.fullmatch(folder.name)) or _lives(folder):
            continue
        store.sweep(folder)
        for file in ours:
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something that is not ours is in it
            folder.rmdir()
            swept += 1
    return swept


def _lives(folder: Path) -> bool:
    """Whether a hub serves from this folder."""
    return any(answers(str(folder / name)) for name in ("hub.sock", "owner.sock"))


def _stop_hubs(owner: str) -> int:
    """Ask living hubs to end, and wait until they have. Returns how many there were."""
    asked = [note for note in hubs() if owner in ("", note.owner)]
    for note in asked:
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, signal.SIGTERM)
    end = time.monotonic() + END_SECONDS
    for note in asked:
        # The kernel tells a process nothing about the end of one that is not its child, so it is asked again.
        while started_at(note.pid) == note.started and time.monotonic() < end:
            time.sleep(0.02)
    return len(asked)
