"""Large bodies travel in front of their message, in pieces that nobody on the way puts together."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder import wire
from yonder.hub.room import Room
from yonder.wire import framing

LARGE = bytes(range(256)) * 1024  # 256 kB


def sent(message, **how):
    return list(
        wire.Parser(wire.CallToHub | wire.ClientToHub | wire.HubToClient, **how).feed(b"".join(wire.parts(message)))
    )


def test_a_small_body_stays_in_its_message():
    done = wire.Done(1, True, b"small", 0, 0)
    assert not wire.heavy(done)
    assert sent(done) == [done]


def test_a_large_body_comes_in_pieces_and_leaves_in_pieces():
    (passed,) = sent(wire.Done(1, True, LARGE, 0, 0))
    assert isinstance(passed.body, list)
    assert len(passed.body) == len(LARGE) // wire.MAX_FRAME
    (arrived,) = sent(wire.CallDone(7, "ok", passed.body), gather=True)
    assert wire.whole(arrived.body) == LARGE
    assert len(arrived.body) == 1


def test_two_large_bodies_find_their_places():
    submit = wire.Submit(1, "p", b"digest", LARGE, LARGE[::-1], "label")
    (arrived,) = sent(submit, gather=True)
    assert wire.whole(arrived.function_body) == LARGE
    assert wire.whole(arrived.arguments) == LARGE[::-1]
    (one,) = sent(msgspec.structs.replace(submit, function_body=b""), gather=True)
    assert one.function_body == b""
    assert wire.whole(one.arguments) == LARGE[::-1]


def test_a_body_of_no_pieces_is_nothing():
    (arrived,) = sent(wire.Done(1, True, [], 0, 0))
    assert wire.whole(arrived.body) == b""


def test_a_body_that_holds_its_place_in_the_room_travels_like_any_list():
    load = Room().enter(len(LARGE), lambda: lambda: None)
    load.extend([LARGE[:1000], LARGE[1000:]])
    (arrived,) = sent(wire.CallDone(1, "ok", load), gather=True)
    assert wire.whole(arrived.body) == LARGE
    (told,) = sent(wire.BroadcastDone(1, [wire.CallDone(1, "ok", load)]))
    assert wire.whole(told.ends[0].body) == LARGE


def test_whoever_reads_is_told_the_size_before_the_first_piece():
    told = []

    def announced(size):
        told.append(size)
        return []

    parts = list(wire.parts(wire.Done(1, True, LARGE, 0, 0)))
    parser = wire.Parser(wire.CallToHub, announced=announced)
    assert list(parser.feed(parts[0])) == []
    assert told == [len(LARGE)]


@settings(max_examples=50, deadline=None, database=None)
@given(st.integers(-3, 2 * wire.LARGE), st.booleans(), st.lists(st.floats(0, 1), max_size=8))
def test_any_size_cut_anywhere_arrives_whole(more, gather, cuts):
    body = LARGE[: wire.LARGE + more]
    stream = b"".join(wire.parts(wire.Done(1, True, body, 0, 0))) + wire.frames(wire.Done(2, True, b"next", 0, 0))
    parser = wire.Parser(wire.CallToHub, gather=gather)
    places = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    found = []
    for start, end in itertools.pairwise(places):
        found += parser.feed(stream[start:end])
    assert [wire.whole(one.body) for one in found] == [body, b"next"]


def _load(size, *pieces):
    head = framing._HEADER.pack(8 | framing._LOAD | framing._MORE) + framing._SIZE.pack(size)
    frames = [framing._HEADER.pack(len(piece) | framing._LOAD | framing._MORE) + piece for piece in pieces]
    return head + b"".join(frames)


def _last(piece):
    return framing._HEADER.pack(len(piece) | framing._LOAD) + piece


DONE = wire.frames(wire.Done(1, True, [], 0, 0))


@pytest.mark.parametrize(
    "stream",
    [
        _load(10, b"x" * 11),
        _load(10, b"x" * 5) + _last(b"x" * 4),
        _load(10, b"x" * 5) + DONE,
        _load(10, b""),
        _load(1000, *[b"x"] * 66),
        _last(b"short"),
        _load(5) + _last(b"x" * 5) + wire.frames(wire.Done(1, True, b"", 0, 0)),
        _load(5) + _last(b"x" * 5) + wire.frames(wire.Yielded(1, 1, b"")),
        (_load(1) + _last(b"x")) * 3 + DONE,
        _load(wire.MAX_MESSAGE + 1),
        framing._HEADER.pack(wire.MAX_FRAME | framing._MORE) + bytes(wire.MAX_FRAME) + _load(1),
    ],
    ids=[
        "long",
        "short",
        "unfinished",
        "empty",
        "crumbs",
        "no size",
        "no place",
        "other place",
        "three",
        "huge",
        "in a message",
    ],
)
def test_a_load_that_is_not_what_it_says_is_refused(stream):
    with pytest.raises(wire.WireError):
        list(wire.Parser(wire.CallToHub).feed(stream))


def test_a_body_over_the_limit_is_not_sent():

    with pytest.raises(wire.WireError, match="over the limit"):
        list(wire.parts(wire.Done(1, True, [b"x", _Long()], 0, 0)))


class _Long(bytes):
    def __len__(self):
        return wire.MAX_MESSAGE
