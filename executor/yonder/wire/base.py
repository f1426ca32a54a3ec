"""What every part of the wire is made of: version, limits, the handshake, the bases of messages.

The handshake keeps its shape for ever: with it any two versions can tell each other who they are.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

VERSION = 1
MAX_FRAME = 64 * 1024
MAX_PIECE = MAX_FRAME + 4
"""Bytes of one Carry: a whole frame with its header."""
MAX_MESSAGE = 2 * 1024 * 1024 * 1024
MAX_HELLO = 4 * 1024
LARGE = 64 * 1024

Body = bytes | list[bytes]
"""A pickle that only its two ends open: in one piece, or in the pieces in which it came."""


class WireError(Exception):
    """The bytes are not what the protocol says; the connection must be closed."""


# ── the handshake: shape frozen for ever ──

Role = Literal["owner", "client", "agent", "call", "control", "bulk"]
"""agent and bulk are also the two websockets of a machine's link: what must not wait, and everything else."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello", kw_only=True):
    """First message of every conversation, sent by the one who dialled.

    `id` is the owner's, agent's or worker's id; `resume` the highest event number the owner has stored (owners only).
    """

    version: int
    package: str
    role: Role
    token: str
    id: str
    resume: int = 0
    pid: int = 0

    def __repr__(self) -> str:
        return f"Hello({self.role} {self.id!r}, wire {self.version})"  # a token has no business in a log


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome", kw_only=True):
    """The hub's yes. `fresh` is false when the hub already knew this owner (a reload)."""

    version: int
    package: str
    hub: str
    fresh: bool = True


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused", kw_only=True):
    """The hub's no, in words; the connection closes after it. `code` is one of token, version, role, busy, closing, spent
    (a join secret or resume key that was used before)."""

    code: str
    sentence: str
    version: int
    package: str


# ── what everything else is made of ──


class Msg(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all other messages: compact arrays, the class name as the tag."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Base of what travels inside messages."""


Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1.7e308)]
"""A span of time: a number, and finite. What is none would upset every clock that it is compared with."""
