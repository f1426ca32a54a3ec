"""Where Yonder keeps things on this machine, and who may look at them.

Sockets and tokens live in a short private runtime folder (socket paths are bounded at 104 bytes), runs and caches in
the state folder. Folders are 0700 and must belong to this user; anything else is refused, not repaired.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import stat
import struct
from pathlib import Path

import msgspec

from yonder.errors import UsageError


def runtime_root() -> Path:
    """`$XDG_RUNTIME_DIR/yonder`, else `/tmp/yonder-<uid>`; made private. Raises UsageError when it is not ours."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return private(Path(base) / "yonder" if base and Path(base).is_dir() else Path(f"/tmp/yonder-{os.getuid()}"))  # noqa: S108


def state_root() -> Path:
    """`$XDG_STATE_HOME/yonder` (default `~/.local/state/yonder`), made private."""
    base = os.environ.get("XDG_STATE_HOME")
    return private((Path(base) if base else Path.home() / ".local" / "state") / "yonder")


def private(folder: Path) -> Path:
    """Make `folder` with mode 0700 and check that it is a real folder of ours that nobody else can enter."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UsageError(f"{folder} is not a folder of this user; remove it and try again")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def foreigner(endpoint: socket.socket | None) -> int | None:
    """The user at the other end of a Unix socket, if it is neither us nor root; None where the platform does not tell."""
    uid = peer_uid(endpoint) if endpoint is not None else None
    return None if uid in (None, os.getuid(), 0) else uid


def peer_pid(endpoint: socket.socket | None) -> int | None:
    """The process at the other end of a Unix socket, by the number that it has here; None where the platform does not tell,
    or it has none here."""
    if endpoint is None or (option := getattr(socket, "SO_PEERCRED", None)) is None:
        return None
    pid, _, _ = struct.unpack("3i", endpoint.getsockopt(socket.SOL_SOCKET, option, 12))
    return int(pid) or None


def peer_uid(endpoint: socket.socket) -> int | None:
    """The user at the other end of a Unix socket, None where the platform does not tell."""
    if (option := getattr(socket, "SO_PEERCRED", None)) is not None:
        _, uid, _ = struct.unpack("3i", endpoint.getsockopt(socket.SOL_SOCKET, option, 12))
        return int(uid)
    if (option := getattr(socket, "LOCAL_PEERCRED", None)) is not None:  # macOS: struct xucred of level 0 (not tried)
        _, uid = struct.unpack_from("=II", endpoint.getsockopt(0, option, 76))
        return int(uid)
    return None


def installation() -> str:
    """Who we are to platforms that others use, too: drawn at random for this user's state folder, and different on each
    machine that shares it."""
    machine = _read(Path("/etc/machine-id")) or socket.gethostname()
    file = state_root() / "installation"
    if not (drawn := _read(file)):
        partial = file.with_name(f"installation.{os.getpid()}.new")
        partial.write_text(secrets.token_hex(8))
        with contextlib.suppress(FileExistsError):  # another process of ours was first
            os.link(partial, file)
        partial.unlink()
        drawn = _read(file)
    return f"{drawn}-{hashlib.sha256(machine.encode()).hexdigest()[:8]}"


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def answers(path: str) -> bool:
    """Whether a process listens at this Unix socket."""
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(2.0)
        try:
            knock.connect(path)
        except TimeoutError:
            return True  # it listens, and is busy
        except OSError:
            return False
        return True


class OwnerFolder:
    """One owner's runtime folder: sockets, token, lock, and the note of which hub serves it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.path = private(runtime_root() / hashlib.sha256(owner.encode()).hexdigest()[:16])
        self.hub_socket = self.path / "hub.sock"  # agents, workers and clients: framed wire
        self.owner_socket = self.path / "owner.sock"  # the language server: websocket
        self.token_file = self.path / "token"
        self.lock_file = self.path / "lock"
        self.note_file = self.path / "hub.json"
        self.log_file = self.path / "hub.log"
        self.journal_file = self.path / "journal"

    def note(self) -> HubNote | None:
        """Which hub says it serves this owner, if its process is still that one."""
        try:
            found = msgspec.json.decode(self.note_file.read_bytes(), type=HubNote)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
            return None
        return found if started_at(found.pid) == found.started else None

    def write_note(self, note: HubNote) -> None:
        partial = self.note_file.with_suffix(".new")
        partial.write_bytes(msgspec.json.encode(note))
        partial.replace(self.note_file)

    def token(self) -> str:
        """The owner's secret. Raises OSError when there is none yet."""
        return self.token_file.read_text().strip()

    def leave(self) -> None:
        """The owner's hub has ended: the secret and the sockets go, the log stays for whoever asks what happened. The note
        goes last: whoever sees none may begin anew here."""
        for file in (self.token_file, self.hub_socket, self.owner_socket, self.note_file):
            file.unlink(missing_ok=True)

    def make_token(self, secret: str) -> None:
        """Store a new secret, readable by this user only."""
        with contextlib.suppress(FileNotFoundError):
            self.token_file.unlink()
        descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)


class HubNote(msgspec.Struct, frozen=True, kw_only=True):
    """Written by a hub when both of its sockets listen. `started` guards against a recycled pid."""

    owner: str
    pid: int
    started: str
    version: int
    package: str
    hub: str = ""


def started_at(pid: int) -> str:
    """A process's start time as the kernel counts it, "" when there is no such process (or it is a zombie)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _started_without_proc(pid)
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _started_without_proc(pid: int) -> str:
    """Elsewhere than Linux: the kernel's words through ps."""
    if Path("/proc/self/stat").exists():
        return ""
    import subprocess

    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()
