"""Bytes of an attacker at every parser: a message, or WireError; bounded memory, bounded work."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages
from tests.fuzz.targets import DIRECTIONS, TARGETS

from yonder import wire
from yonder.agent import birth
from yonder.core.joining import Admission, Admitted
from yonder.hub.gate import split
from yonder.hub.tls import Credentials
from yonder.keyfile import HubKey

HUGE = struct.pack(">I", 0xFFFFFFFF)


def framed(body: bytes, more: bool = False) -> bytes:
    return struct.pack("<I", len(body) | (0x8000_0000 if more else 0)) + body


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """Real messages, framed or not, with a few bytes changed, left out or put in."""
    kind = draw(st.sampled_from(DIRECTIONS))
    said = draw(st.lists(messages(kind), min_size=1, max_size=3))
    whole = bytearray(b"".join(wire.encode(one) if draw(st.booleans()) else wire.frames(one) for one in said))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(whole)))
        whole[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes([DIRECTIONS.index(kind)]) + bytes(whole)


ATTACKS = st.binary(max_size=300) | nearly()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=80, derandomize=True, deadline=None)
@given(data=ATTACKS)
@example(b"")
@example(b"\x05" + framed(b"\xdd" + HUGE))
@example(b"\x05" + framed(b"\x92\xa4Beat\xdd" + HUGE))
@example(b"\x05" + framed(b"\x91" * 1000))
@example(b"\x05" + framed(b"\x81" * 1000))
@example(b"\x05" + b"\xff" * 8)
@example(b"\x05" + b"\x00" * 64)
def test_any_bytes_are_a_message_or_refused(target, data):
    target(data)


# ── the worst that one can say ──

BOMBS = {
    "a list of four billion": b"\x92\xa4Beat\xdd" + HUGE,
    "a text of four billion": b"\x93\xaaForkFailed\xdb" + HUGE,
    "bytes of four billion": b"\x97\xa4Done\x01\xc3\xc6" + HUGE,
    "a map of four billion": b"\x94\xa9Preloaded\x90\xcb" + b"\x00" * 8 + b"\xdf" + HUGE,
    "an array of four billion": b"\xdd" + HUGE + b"\xa4Beat",
    "a hundred thousand lists in each other": b"\x91" * 100_000,
    "a hundred thousand maps in each other": b"\x81" * 100_000,
    "lists in each other where a list is expected": b"\x92\xa4Beat" + b"\x91" * 100_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_claim_of_billions_takes_no_memory(bomb):
    for kind in DIRECTIONS:
        tracemalloc.start()
        with pytest.raises(wire.WireError):
            wire.Parser(kind).message(bomb)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200_000


def test_a_hello_never_takes_more_memory_than_a_frame():
    parser = wire.Parser(wire.Hello, limit=wire.MAX_HELLO)
    flood = framed(b"x" * wire.MAX_FRAME, more=True)
    for at in range(0, wire.MAX_FRAME, 5000):
        assert list(parser.feed(flood[at : min(at + 5000, wire.MAX_FRAME)])) == []
        assert len(parser._buffer) <= 4 + wire.MAX_FRAME
    with pytest.raises(wire.WireError, match="over 4096 bytes"):
        list(parser.feed(flood[wire.MAX_FRAME :]))
    assert parser._parts == []


@pytest.mark.parametrize(
    "header",
    [struct.pack("<I", wire.MAX_FRAME + 1), struct.pack("<I", 0x7FFF_FFFF), struct.pack("<I", 0x8000_0000 | 10)],
)
def test_a_frame_that_cannot_be_is_refused_by_its_first_four_bytes(header):
    with pytest.raises(wire.WireError):
        list(wire.Parser(wire.AgentToHub).feed(header))


def test_a_message_of_endless_frames_ends_at_the_limit():
    parser = wire.Parser(wire.AgentToHub, limit=3 * wire.MAX_FRAME)
    part = framed(b"x" * wire.MAX_FRAME, more=True)
    for _ in range(3):
        assert list(parser.feed(part)) == []
    with pytest.raises(wire.WireError, match="not accepted"):
        list(parser.feed(part))


def test_what_is_kept_between_two_pieces_does_not_grow_with_the_message():
    """So the work of one piece is bounded, and that of a message in proportion to its size."""
    body = wire.frames(wire.WorkerOutput("w", 1, 1, 1, "x" * 1_000_000, 1.0))
    parser = wire.Parser(wire.AgentToHub)
    found = []
    for at in range(0, len(body), 1000):
        found += parser.feed(body[at : at + 1000])
        assert len(parser._buffer) < 4 + wire.MAX_FRAME
    assert len(found) == 1


@given(messages(wire.Message))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_whatever_may_be_said_travels(message):
    kind = next(kind for kind in DIRECTIONS if isinstance(message, kind))
    (found,) = wire.Parser(kind).feed(wire.frames(message))
    assert wire.encode(found) == wire.encode(message)


# ── the others who listen ──


@given(st.text(max_size=20) | st.from_regex(r"\[?[0-9a-f:.]{0,12}\]?(:[0-9]{0,6})?"))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_an_address_is_read_or_refused(address):
    try:
        _, port = split(address)
    except ValueError:
        return
    assert isinstance(port, int)


def test_a_zygote_that_talks_nonsense_is_one_that_is_dead():
    replies = birth.Replies()
    with pytest.raises(wire.WireError, match="at once"):
        replies.feed(struct.pack("<I", birth.MAX_REPLY + 1))
    with pytest.raises(wire.WireError, match="no message"):
        birth.Replies().feed(framed(b"\x91\xa4Evil"))
    with pytest.raises(wire.WireError, match="no message"):
        birth.Replies().feed(framed(b"\x92\xa9Importing\xa1\xff"))


def test_an_admission_remembers_no_strangers():
    door = Admission(b"s" * 32, package="1")
    for n in range(1000):
        door.judge(wire.Hello(version=1, package="", role="agent", token=f"1.{n}.x", id=f"a{n}"), f"a{n}")
    assert door._guests == {}


def test_nothing_secret_is_in_the_words_for_a_thing():
    """What is logged, or stands in a traceback, is made from these."""
    words = {"version": 1, "package": "1", "owner": "o", "agent": "a", "hub": "h:1", "name": "n", "authority": "A"}
    secrets = {"certificate": "s3cret", "key": "s3cret", "secret": "s3cret", "lane": "s3cret"}
    things = [
        wire.Invitation(**words, **secrets, reach=1.0, silence=1.0),
        wire.Hello(version=1, package="1", role="agent", token="s3cret", id="a"),
        wire.Resume(1, "s3cret", "s3cret"),
        Admitted(agent="a", row="agent", invitation=1, number=0, key="s3cret", bulk="s3cret"),
        Credentials("s3cret", "s3cret"),
        HubKey(
            version=1,
            package="1",
            hub="h:1",
            name="n",
            authority="A",
            certificate="s3cret",
            key="s3cret",
            token="s3cret",
        ),
    ]
    assert "s3cret" not in f"{things!r} {things!s}"
