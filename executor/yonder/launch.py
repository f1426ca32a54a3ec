"""Starting the detached hub of an owner, waiting for its end, and ending one of another version.

Everything here blocks: a program calls it from the thread that opens a pool, the language server from a thread of its
own. What this file must not know: the wire's conversation; what a hub does once it says that it is up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from yonder.errors import BootFailed, CannotRun
from yonder.places import HubNote, OwnerFolder, started_at

PATIENCE = 10.0
_POLL = 0.02
_END_POLL = 0.005
_LOCK_POLL = 0.05
_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from yonder.hub.detached import main; main()"


def hub_command(owner: str) -> list[str]:
    """The hub runs in the tool's own Python; -P keeps the current folder out of its path."""
    return [sys.executable, "-P", "-m", "yonder.hub.detached", "--owner", owner]


def program_command(owner: str) -> list[str]:
    """The hub of a plain program runs in the program's Python, which may have found Yonder in a folder of its own."""
    core = str(Path(__file__).parent.parent)
    return [sys.executable, "-P", "-c", _PROGRAM, core, "--owner", owner, "--program"]


def launch(
    folder: OwnerFolder, *, patience: float = PATIENCE, command: Callable[[str], list[str]] = hub_command
) -> HubNote:
    """Start a hub for this owner, or return the one that somebody else started meanwhile.

    Raises BootFailed with the last lines of its log when it does not come up."""
    with locked(folder.lock_file, patience):
        note = folder.note()
        if note is not None:
            return note
        folder.make_token(secrets.token_urlsafe(32))
        with contextlib.suppress(FileNotFoundError):
            folder.note_file.unlink()
        return _wait_for_note(folder, _spawn(command(folder.owner)), patience)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """Detached from this process in every way: own session, none of its descriptors, no folder held."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        close_fds=True,
    )


def _wait_for_note(folder: OwnerFolder, process: subprocess.Popen[bytes], patience: float) -> HubNote:
    deadline = time.monotonic() + patience
    while True:
        note = folder.note()
        if note is not None:
            process.poll()  # it forked twice and its first process has ended: reap it
            return note
        failed = process.poll() not in (None, 0)
        if failed or time.monotonic() > deadline:
            how = f"ended with exit code {process.poll()}" if failed else f"was not ready after {patience:g} s"
            raise BootFailed(f"The cluster's hub {how}.{log_tail(folder.log_file)}", phase="starting the hub")
        time.sleep(_POLL)


def log_tail(file: Path, lines: int = 12) -> str:
    """The end of the hub's log, ready to follow a sentence; "" without one."""
    try:
        text = file.read_bytes()[-8000:].decode(errors="replace")
    except OSError:
        return ""
    tail = "\n".join(text.rstrip().splitlines()[-lines:])
    return f" The end of its log:\n{tail}" if tail else ""


def gone(note: HubNote, patience: float) -> bool:
    """Wait until a hub's process is gone; False when it is still there after `patience` seconds."""
    # The kernel tells a process nothing about the end of one that is not its child, so it is asked again.
    deadline = time.monotonic() + patience
    while started_at(note.pid) == note.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(_END_POLL)
    return True


def end(folder: OwnerFolder, note: HubNote, *, patience: float = PATIENCE) -> None:
    """Ask a hub of another version to end (SIGTERM) and wait until its process is gone. Raises CannotRun if it stays."""
    if started_at(note.pid) == note.started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, signal.SIGTERM)
    if not gone(note, patience):
        raise CannotRun(
            f"The older cluster (hub process {note.pid}, yonder {note.package}) did not end within {patience:g} s. "
            f"End it with: yonder reap --owner {folder.owner}"
        )


@contextlib.contextmanager
def locked(file: Path, patience: float) -> Iterator[None]:
    """Hold the owner's lock, so that two servers do not start two hubs. The kernel frees it if this process dies."""
    deadline = time.monotonic() + patience
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CannotRun(
                        f"Another process has been starting this window's cluster for {patience:g} s."
                    ) from None
                time.sleep(_LOCK_POLL)
        yield
    finally:
        os.close(descriptor)
