"""What is fed with bytes of an attacker. Each target takes any bytes and returns; whatever else it does is a defect.

Shared by the tests beside this file (Hypothesis, a few seconds) and by `fuzz_wire.py` (atheris, as long as one likes).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from yonder import wire
from yonder.agent import birth
from yonder.core.channels import MOST_CHANNELS, Bytes, Track
from yonder.core.joining import Admission, Admitted
from yonder.hub.code import Library

LIMIT = 4096
ROOM = 4 + wire.MAX_FRAME
"""Bytes of one whole frame: what a parser has to keep until the rest comes."""

DIRECTIONS = (
    wire.Hello,
    wire.OwnerToHub,
    wire.HubToOwner,
    wire.ClientToHub,
    wire.HubToClient,
    wire.AgentToHub,
    wire.HubToAgent,
    wire.CallToHub,
    wire.HubToCall,
    wire.ControlToHub,
    wire.HubToControl,
    wire.LinkFrame,
)


def pieces(data: bytes) -> Iterator[bytes]:
    """The bytes cut where their own first bytes say."""
    cuts, at = data[:4], 0
    for cut in itertools.cycle(cuts or b"\x01"):
        if at >= len(data):
            return
        yield data[at : at + 1 + cut]
        at += 1 + cut


def parser(data: bytes) -> None:
    """Frames of every direction, cut anywhere: messages or WireError, and never more memory than a frame and the limit."""
    found = wire.Parser(DIRECTIONS[data[0] % len(DIRECTIONS)] if data else wire.Hello, limit=LIMIT)
    for piece in pieces(data[1:]):
        try:
            for _ in found.feed(piece):
                continue
        except wire.WireError:
            return
        assert len(found._buffer) <= ROOM + len(piece)
        assert sum(map(len, found._parts)) <= LIMIT
        loads = [*found._loads, found._load._pieces if found._load else []]
        assert sum(len(piece) for load in loads for piece in load) <= LIMIT
        assert sum(map(len, loads)) <= 2 * (64 + LIMIT // 1024)


def message(data: bytes) -> None:
    """One message without a frame, as websockets bring them."""
    for kind in DIRECTIONS:
        try:
            found = wire.Parser(kind).message(data)
        except wire.WireError:
            continue
        again = wire.encode(found)
        assert wire.encode(wire.Parser(kind).message(again)) == again


def track(data: bytes) -> None:
    """The frames of a link: what must not be said is a WireError, and what is kept stays bounded."""
    frames = wire.Parser(wire.LinkFrame)
    ours = Track(dialled=bool(data[:1] > b"\x7f"), window=1000)
    for channel in (ours.open(), ours.open()):
        ours.write(channel, b"x" * 3000)
    try:
        for frame in frames.feed(data[1:]):
            if isinstance(frame, wire.Resume):
                ours.resume(frame.received)  # as after a break
                continue
            arrival = ours.received(frame)
            if isinstance(arrival, Bytes):
                ours.consumed(arrival.channel, len(arrival.body))
            sent = sum(1 for _ in itertools.islice(iter(ours.next, None), 10_000))
            assert sent < 10_000
    except wire.WireError:
        pass
    assert len(list(ours.channels())) <= MOST_CHANNELS
    assert ours.kept <= 6000


def zygote(data: bytes) -> None:
    """What a zygote says to its agent."""
    replies = birth.Replies()
    for piece in pieces(data):
        try:
            replies.feed(piece)
        except wire.WireError:
            return
        assert len(replies._buffer) <= birth.MAX_REPLY + 4 + len(piece)


def admission(data: bytes) -> None:
    """Hellos at the door for other machines: nobody gets in by guessing."""
    door = Admission(b"a seed of thirty-two bytes, fixed", package="1")
    door.invite("a")
    try:
        hello = wire.Parser(wire.Hello).message(data)
    except wire.WireError:
        return
    assert not isinstance(door.judge(hello, hello.id), Admitted)


def code(data: bytes) -> None:
    """What a program, or an owner, says of its code: the hub's library answers each, and nothing stays when it has left."""
    library = Library()
    words = wire.Parser(wire.Blobs | wire.Publish, limit=LIMIT)
    try:
        for word in words.feed(data):
            if isinstance(word, wire.Blobs):
                library.blobs("liar", word)
            else:
                told = library.publish("liar", word)
                assert told.snapshot == word.snapshot
                assert bool(told.sentence) == (library.get(word.snapshot) is None)
            assert 0 <= library.size <= len(data)
    except wire.WireError:
        pass
    library.left("liar")
    assert (len(library), library.size) == (0, 0)


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one for one in (parser, message, track, zygote, admission, code)
}
