"""The key file of a hub on another machine: all that a window or a program of its owner needs to reach it.

`yonder hub` writes it, the person copies it (scp, kubectl exec cat) and names it. Whoever has it can run code on that
machine, so it is refused while others can read it. What this file must not know: who dials, what is said there.
"""

from __future__ import annotations

import os
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any

import msgspec

from yonder import wire
from yonder.credentials import client_context
from yonder.errors import CannotRun, UsageError
from yonder.settings import HUB_VARIABLE
from yonder.version import __version__

LONGEST = 64 * 1024


class HubKey(msgspec.Struct, frozen=True, kw_only=True):
    """`hub` is host:port to dial, `name` what the hub's certificate says it is called, and what its events are numbered
    under. `authority`, `certificate` and `key` are PEM, `token` is the owner's, `python` the version of the hub's Python
    ("3.12"; "": not said)."""

    version: int
    package: str
    hub: str
    name: str
    authority: str
    certificate: str
    key: str
    token: str
    python: str = ""

    def __repr__(self) -> str:
        return f"HubKey({self.hub})"  # the rest is nobody's business

    def hello(self, role: wire.Role, ident: str, *, resume: int = 0) -> wire.Hello:
        """The first word of a window or a program of the owner."""
        return wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role=role,
            token=self.token,
            id=ident,
            resume=resume,
            pid=os.getpid(),
        )

    def way(self) -> dict[str, Any]:
        """How a websocket to `wss://<name>/…` is opened. Raises CannotRun when the certificates are none."""
        host, _, port = self.hub.rpartition(":")
        try:
            context = client_context(self.authority, self.certificate, self.key)
        except (ssl.SSLError, ValueError) as error:
            raise CannotRun(f"the key file of the hub at {self.hub} is damaged; copy it again") from error
        return {
            "host": host.strip("[]"),
            "port": int(port),
            "ssl": context,
            "server_hostname": self.name,
            "compression": None,
            "user_agent_header": None,
            "proxy": None,
        }


def python_version() -> str:
    """This Python's, as far as byte code depends on it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class _Who(msgspec.Struct, frozen=True, kw_only=True):
    """What a key file of any version says."""

    version: int
    package: str
    hub: str


def read(file: Path) -> HubKey:
    """The key in this file. Raises CannotRun in words that never quote it."""
    try:
        mode = file.stat().st_mode
        data = file.read_bytes()[:LONGEST]
    except OSError as error:
        raise CannotRun(
            f"The key file {file} of the hub cannot be read: {error.strerror or error}. `yonder hub --listen …` on the "
            f"hub's machine says where it lies; copy it here, or name the right one ([tool.yonder] hub, or {HUB_VARIABLE})."
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise CannotRun(f"The key file {file} can be read by others, and it opens the hub. Run: chmod 600 {file}")
    try:
        who = msgspec.json.decode(data, type=_Who)
        if who.version == wire.VERSION:
            return msgspec.json.decode(data, type=HubKey)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CannotRun(
            f"{file} is no key file of a hub. Copy the one whose path `yonder hub` printed, whole and as it is."
        ) from None
    raise CannotRun(
        f"version mismatch: this side is yonder {__version__} (wire {wire.VERSION}), the hub at {who.hub} is yonder "
        f"{who.package} (wire {who.version}). Install the same version on both sides and start the hub again."
    )


def write(file: Path, key: HubKey) -> None:
    """Put the key where only this user can read it, all at once. The key of an earlier hub gives way, anything else does
    not. Raises UsageError."""
    if file.exists() and not _is_key(file):
        raise UsageError(f"{file} exists and is no key file of a hub; it stays. Name another path with --key.")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.encode(key))
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"the key file {file} cannot be written: {error.strerror or error}") from error


def remove(file: Path, name: str) -> None:
    """The hub of this name has ended: its key opens nothing any more. Another hub's stays."""
    try:
        ours = msgspec.json.decode(file.read_bytes(), type=HubKey).name == name
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return
    if ours:
        file.unlink(missing_ok=True)


def _is_key(file: Path) -> bool:
    try:
        msgspec.json.decode(file.read_bytes(), type=_Who)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
