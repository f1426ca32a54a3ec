"""Objects that stay where they are made, and handles that name them.

    worker ── Kept ──▶ hub            it keeps an object under this name from now on
    any process ── Release ──▶ hub    its last handle has gone
    hub ── Drop ──▶ worker            nobody holds it any more
    hub ── Lost ──▶ every holder      it is no more, and why
    hub ── Stow ──▶ worker            a copy of one that lives elsewhere, for the calls that follow
    hub ── Stow ──▶ agent ── Stowed ──▶ hub    a large part of arguments, for all workers of that machine
    client ── Get, Spill, Put ──▶ hub

A message that carries handles in a body names them in `refs`: the hub gives their receiver a hold on each before it says the
message. A process says how many of these it has had when it lets go, so that one on the way is never lost count of.
"""

from __future__ import annotations

from yonder.wire.base import Body, Msg, Part

REF = 16
"""Bytes of a name. They are random: who was not given one cannot name the object."""

BLOB = 32
"""Bytes of the name of a part of arguments: of its content, and of who named it."""

MOST_REFS = 100_000
"""Handles in one message, and objects that one worker keeps."""


class Facts(Part, frozen=True):
    """What is known of an object without its transfer. `size` is in bytes, as far as it is seen without running its code;
    `shape` None where it has none."""

    ref: bytes
    type: str
    size: int
    shape: list[int] | None = None
    dtype: str = ""
    device: str = ""
    preview: str = ""


class Kept(Msg, frozen=True, tag=True):
    """The worker keeps an object, its `number`th, and holds it itself until it says Release. Said on the call lane, and
    ahead of what a client inside the worker says of it."""

    number: int
    facts: Facts


class Release(Msg, frozen=True, tag=True):
    """The last handles of these have gone in this process, after so many messages that carried each."""

    refs: dict[bytes, int]


class Drop(Msg, frozen=True, tag=True):
    """Nobody holds these any more: objects that the worker keeps, and what it was given by Stow. From client to hub: no call
    will name these parts again."""

    refs: list[bytes]


class Lost(Msg, frozen=True, tag=True):
    """These objects are no more; `sentence` says why."""

    refs: list[bytes]
    sentence: str


class Stow(Msg, frozen=True, tag=True):
    """Until Drop: the pickled value of an object that lives elsewhere, with these handles inside; or, also from client to
    hub, a large part of arguments, by the name of its content. From hub to agent: such a part, for any of its workers;
    answered by Stowed. `place`: it lies in the worker's machine's store under this name, and the body is empty."""

    ref: bytes
    body: Body
    refs: list[bytes] = []
    place: bytes = b""


class Stowed(Msg, frozen=True, tag=True):
    """The part lies in the agent's store; `sentence` says why not, where it does not."""

    ref: bytes
    sentence: str = ""


class Fetch(Msg, frozen=True, tag=True):
    """The value of a kept object is wanted; answered by Done."""

    task: int
    ref: bytes


class Get(Msg, frozen=True, tag=True):
    """A copy of the object, please; answered by CallDone."""

    call: int
    ref: bytes


class Spill(Msg, frozen=True, tag=True):
    """Have the hub keep the object's value, and its worker let go of it; answered by CallDone without a value."""

    call: int
    ref: bytes


class Put(Msg, frozen=True, tag=True):
    """The hub keeps this value from now on, for calls of this pool. `refs` are handles inside it. Answered by CallDone
    without a value."""

    call: int
    pool: str
    facts: Facts
    body: Body
    refs: list[bytes] = []
