"""Starting the detached hub of an owner, and ending one of another version.

What this file must not know: the wire's conversation; what a hub does once it says that it is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from yonder.errors import BootFailed, CannotRun
from yonder.places import HubNote, OwnerFolder, started_at

PATIENCE = 10.0
_POLL = 0.02
_LOCK_POLL = 0.05


def hub_command(owner: str) -> list[str]:
    """The hub runs in the tool's own Python; -P keeps the current folder out of its path."""
    return [sys.executable, "-P", "-m", "yonder.hub.detached", "--owner", owner]


async def launch(
    folder: OwnerFolder, *, patience: float = PATIENCE, command: Callable[[str], list[str]] = hub_command
) -> HubNote:
    """Start a hub for this owner, or return the one that somebody else started meanwhile.

    Raises BootFailed with the last lines of its log when it does not come up."""
    async with _locked(folder.lock_file, patience):
        note = folder.note()
        if note is not None:
            return note
        folder.make_token(secrets.token_urlsafe(32))
        with contextlib.suppress(FileNotFoundError):
            folder.note_file.unlink()
        process = await asyncio.to_thread(_spawn, command(folder.owner))
        return await _wait_for_note(folder, process, patience)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """Detached from this server in every way: own session, none of its descriptors, no folder held."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        close_fds=True,
    )


async def _wait_for_note(folder: OwnerFolder, process: subprocess.Popen[bytes], patience: float) -> HubNote:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    failed_at: float | None = None
    while True:
        note = folder.note()
        if note is not None:
            process.poll()  # it forked twice and its first process has ended: reap it
            return note
        code = process.poll()
        if code not in (None, 0) and failed_at is None:
            failed_at = loop.time()
        if loop.time() > deadline or failed_at is not None:
            how = f"ended with exit code {code}" if failed_at is not None else f"was not ready after {patience:g} s"
            raise BootFailed(f"The cluster's hub {how}.{log_tail(folder.log_file)}", phase="starting the hub")
        await asyncio.sleep(_POLL)


def log_tail(file: Path, lines: int = 12) -> str:
    """The end of the hub's log, ready to follow a sentence; "" without one."""
    try:
        text = file.read_bytes()[-8000:].decode(errors="replace")
    except OSError:
        return ""
    tail = "\n".join(text.rstrip().splitlines()[-lines:])
    return f" The end of its log:\n{tail}" if tail else ""


async def end(folder: OwnerFolder, note: HubNote, *, patience: float = PATIENCE) -> None:
    """Ask a hub of another version to end (SIGTERM) and wait until its process is gone. Raises CannotRun if it stays."""
    if started_at(note.pid) == note.started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, signal.SIGTERM)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while started_at(note.pid) == note.started:
        if loop.time() > deadline:
            raise CannotRun(
                f"The older cluster (hub process {note.pid}, yonder {note.package}) did not end within {patience:g} s. "
                f"End it with: yonder reap --owner {folder.owner}"
            )
        await asyncio.sleep(_POLL)


@contextlib.asynccontextmanager
async def _locked(file: Path, patience: float) -> AsyncIterator[None]:
    """Hold the owner's lock, so that two servers do not start two hubs. The kernel frees it if this process dies."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if loop.time() > deadline:
                    raise CannotRun(
                        f"Another process has been starting this window's cluster for {patience:g} s."
                    ) from None
                await asyncio.sleep(_LOCK_POLL)
        yield
    finally:
        os.close(descriptor)
