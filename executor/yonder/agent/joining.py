"""Joining a hub by hand: `yonder executor` takes an invitation and becomes the agent of this machine.

An invitation is a file, a folder in which the hub puts some (one is taken, as soon as there is one), or standard input. It
is deleted as it is read: what lies around could be stolen. What this file must not know: what an invitation says.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import NoReturn

WAIT = 60.0
_POLL = 0.2
SUFFIX = ".invitation"
LONGEST = 60 * 1024
"""Bytes of an invitation, at most; a pipe takes them at once."""


class NoInvitationError(Exception):
    """There is none; says where it was looked for."""


def take(place: Path, wait: float) -> bytes:
    """An invitation from this file or folder, which is gone then. Raises NoInvitationError."""
    deadline = time.monotonic() + wait
    while True:
        for file in sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]:
            if (found := _taken(file)) is not None:
                return found
        if time.monotonic() >= deadline:
            raise NoInvitationError(f"there is no invitation at {place}; `yonder hub --invite N` writes them")
        time.sleep(_POLL)  # it comes from another machine's hand: nothing tells of it


def _taken(file: Path) -> bytes | None:
    """Whoever renames it first has it."""
    mine = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.rename(mine)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoInvitationError(f"the invitation {file} cannot be taken: {error.strerror or error}") from error
    try:
        return mine.read_bytes()[: LONGEST + 1]
    except OSError as error:
        raise NoInvitationError(f"the invitation {file} cannot be read: {error.strerror or error}") from error
    finally:
        mine.unlink(missing_ok=True)


def main(arguments: list[str]) -> NoReturn:
    """`yonder executor FILE | FOLDER | -`: become the agent. Exit code 2 without an invitation, else the agent's."""
    parser = argparse.ArgumentParser(
        prog="yonder executor", description="Join a hub with one of its invitations, and stay until it ends."
    )
    parser.add_argument(
        "invitation", help="its file, a folder of them, or - for standard input; it is deleted once read"
    )
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds to wait until it is there (60)")
    given = parser.parse_args(arguments)
    if given.invitation != "-":
        try:
            _feed(take(Path(given.invitation), given.wait))
        except NoInvitationError as error:
            print(f"yonder executor: {error}", file=sys.stderr)
            raise SystemExit(2) from error
    core = str(Path(__file__).parent.parent.parent)
    code = "import sys; sys.path.append(sys.argv[1]); from yonder.agent.remote import main; main()"
    os.execv(sys.executable, [sys.executable, "-P", "-c", code, core])  # noqa: S606 - there is no shell


def _feed(invitation: bytes) -> None:
    """Make it what standard input says, and nothing else."""
    if len(invitation) > LONGEST:
        raise NoInvitationError(f"what was found is longer than {LONGEST} bytes and no invitation")
    read, write = os.pipe()
    os.write(write, invitation.strip() + b"\n")
    os.close(write)
    os.dup2(read, 0)
    os.close(read)
