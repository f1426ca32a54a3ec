"""What an executor on another machine is started with: one line on stdin, and the refusal of what is no such line.

What belongs here: reading it, and who it is for. What this file must not know: the wire (which takes long to import), what
the rest of the invitation is good for.
"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import NoReturn, TypeVar

import msgspec

READ_WITHIN = 60.0
LONGEST = 64 * 1024
BAD_INVITATION, OTHER_VERSION = 2, 3
"""Exit codes of an agent that never began."""

T = TypeVar("T")


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """What an invitation of any version says of itself, and whom it invites."""

    version: int
    package: str
    owner: str = ""
    agent: str = ""


def read_line(fd: int, seconds: float = READ_WITHIN) -> bytes:
    """What the descriptor gives up to the first newline or its end. Raises ValueError when that is too long or late."""
    deadline = time.monotonic() + seconds
    data = b""
    while b"\n" not in data:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ValueError(
                f"what came on stdin within {seconds:g} s is no invitation; executors are started by a hub"
            )
        more = os.read(fd, 65536)
        if not more:
            break
        data += more
        if len(data) > LONGEST:
            raise ValueError(f"what came on stdin is over {LONGEST} bytes long, and so is no invitation")
    return data.partition(b"\n")[0]


def read(line: bytes, kind: type[T]) -> T:
    """The invitation, or a part of it. Raises ValueError for what is none; its words are not told, they may be secret."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("what came on stdin is no invitation; executors are started by a hub") from None


def refuse(sentence: str, code: int) -> NoReturn:
    """Say why nothing begins, and end."""
    print(f"yonder agent: {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(code)
