"""The link of another machine: what its agent and its workers say, over connections that break."""

from __future__ import annotations

import msgspec

from yonder.wire.base import Msg


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor on another machine must know to find its hub and be let in; handed to it as JSON, in secret.

    `hub` is host:port, `name` what the hub's certificate says it is called; `authority`, `certificate` and `key` are PEM.
    `secret` lets it in once, as the agent `agent`; `lane` is what its workers show. Seconds: it ends by itself when it
    was not let in within `reach`, has not heard of the hub for `silence`, is older than `lifetime` (0: any age). `direct`:
    what it dials is the hub's own door, so that nobody there means no hub; else something stands in between.
    """

    version: int
    package: str
    owner: str
    agent: str
    hub: str
    name: str
    authority: str
    certificate: str
    key: str
    secret: str
    lane: str
    reach: float
    silence: float
    lifetime: float = 0.0
    direct: bool = False

    def __repr__(self) -> str:
        return f"Invitation({self.agent!r} to {self.hub})"  # the rest is nobody's business


class Resume(Msg, frozen=True, tag=True):
    """The first word of both sides on a link's connection, right after Welcome: every numbered frame up to `received` has
    arrived here. The hub adds the `key` that the next connection shows instead of this one's, and to the first connection
    of an agent `bulk`, the secret of its second."""

    received: int
    key: str = ""
    bulk: str = ""

    def __repr__(self) -> str:
        return f"Resume({self.received})"  # keys have no business in a log


class Begin(Msg, frozen=True, tag=True):
    """A conversation begins; whoever dialled gives odd channels, the other even ones."""

    n: int
    channel: int


class Carry(Msg, frozen=True, tag=True):
    """The next bytes of a conversation."""

    n: int
    channel: int
    body: bytes


class Finish(Msg, frozen=True, tag=True):
    """A conversation is over."""

    n: int
    channel: int


class Grant(Msg, frozen=True, tag=True):
    """So many bytes in all, from its beginning, may be sent of this conversation."""

    channel: int
    upto: int


class Got(Msg, frozen=True, tag=True):
    """Every numbered frame up to and including n has arrived. Said at least at every beat, as a sign of life."""

    n: int


LinkFrame = Resume | Begin | Carry | Finish | Grant | Got
