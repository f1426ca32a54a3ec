"""Every message survives the wire, and nothing but messages does."""

from __future__ import annotations

import itertools
import struct
import types
import typing
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder import wire
from yonder.wire import framing

KINDS: tuple[Any, ...] = typing.get_args(wire.Message)
EVENTS: tuple[Any, ...] = typing.get_args(wire.Event)
DIRECTIONS = {
    "OwnerToHub": wire.OwnerToHub,
    "HubToOwner": wire.HubToOwner,
    "ClientToHub": wire.ClientToHub,
    "HubToClient": wire.HubToClient,
    "AgentToHub": wire.AgentToHub,
    "HubToAgent": wire.HubToAgent,
    "CallToHub": wire.CallToHub,
    "HubToCall": wire.HubToCall,
    "ControlToHub": wire.ControlToHub,
    "HubToControl": wire.HubToControl,
    "LinkFrame": wire.LinkFrame,
}
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=40),
    bool: st.booleans(),
    type(None): st.none(),
    wire.Body: st.binary(max_size=40),  # those in pieces are test_loads'
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a wire type."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(one) for one in arguments])
    if origin is typing.Annotated and arguments[0] not in (int, float):
        return values(arguments[0])  # short enough always
    if origin is typing.Annotated:
        numbers = st.floats if arguments[0] is float else st.integers
        return numbers(arguments[1].ge, arguments[1].le)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    assert issubclass(kind, msgspec.Struct), kind
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def received(data: bytes, kind: Any = wire.Message, **limits: int) -> list[Any]:
    return list(wire.Parser(kind, **limits).feed(data))


HELLO = wire.Hello(version=1, package="0.1.0", role="agent", token="t", id="a")


# ── there and back ──


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_comes_back_as_it_went(kind: Any) -> None:
    @settings(max_examples=15, deadline=None, database=None)
    @given(values(kind))
    def there_and_back(message: Any) -> None:
        assert received(wire.frames(message)) == [message]
        assert wire.Parser[Any](wire.Message).message(wire.encode(message)) == message

    there_and_back()


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_comes_back_inside_its_number(kind: Any) -> None:
    @settings(max_examples=15, deadline=None, database=None)
    @given(st.integers(1, 2**40), values(kind))
    def there_and_back(n: int, event: Any) -> None:
        assert received(wire.frames(wire.Numbered(n, event)), wire.HubToOwner) == [wire.Numbered(n, event)]

    there_and_back()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_direction_takes_its_own_messages_and_refuses_all_others(direction: str) -> None:
    own = set(typing.get_args(DIRECTIONS[direction]))
    assert own <= set(KINDS)
    for kind in KINDS:
        example = wire.frames(_plain(kind))
        if kind in own:
            assert type(received(example, DIRECTIONS[direction])[0]) is kind
        else:
            with pytest.raises(wire.WireError):
                received(example, DIRECTIONS[direction])


def test_every_message_has_a_direction() -> None:
    assert set(itertools.chain.from_iterable(typing.get_args(union) for union in DIRECTIONS.values())) == set(KINDS)


def test_the_handshake_keeps_its_bytes_for_ever() -> None:
    """Two versions that know nothing else of each other must be able to read these."""
    assert wire.encode(HELLO) == bytes.fromhex("98a568656c6c6f01a5302e312e30a56167656e74a174a1610000")
    welcome = wire.Welcome(version=1, package="0.1.0", hub="h", fresh=True)
    assert wire.encode(welcome) == bytes.fromhex("95a777656c636f6d6501a5302e312e30a168c3")
    refused = wire.Refused(code="token", sentence="no", version=1, package="0.1.0")
    assert wire.encode(refused) == bytes.fromhex("95a772656675736564a5746f6b656ea26e6f01a5302e312e30")


def test_a_hello_of_a_later_version_with_more_in_it_is_still_read() -> None:
    longer = msgspec.msgpack.encode(["hello", 9, "9.0", "agent", "t", "a", 0, 5, "something new"])
    found = wire.Parser[Any](wire.AgentToHub).message(longer)
    assert (found.version, found.package, found.token) == (9, "9.0", "t")


def test_any_other_message_with_more_in_it_is_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.Parser[Any](wire.OwnerToHub).message(msgspec.msgpack.encode(["Ack", 1, "something new"]))


# ── pieces ──


def test_messages_come_whole_wherever_the_stream_is_cut() -> None:
    sent = [HELLO, wire.Leave(), wire.Problem("x" * 200), wire.Ack(3)]
    data = b"".join(wire.frames(message) for message in sent)
    for cut in range(len(data) + 1):
        parser = wire.Parser[Any](wire.Message)
        assert [*parser.feed(data[:cut]), *parser.feed(data[cut:])] == sent
        assert parser.pending == b""


def test_byte_by_byte_is_enough() -> None:
    sent = [HELLO, wire.Problem("y" * 70_000), wire.Leave()]
    data = b"".join(wire.frames(message) for message in sent)
    parser = wire.Parser[Any](wire.Message)
    found = []
    for at in range(len(data)):
        found += parser.feed(data[at : at + 1])
    assert found == sent


@pytest.mark.parametrize("extra", [-1, 0, 1, wire.MAX_FRAME, wire.MAX_FRAME + 1])
def test_a_large_message_travels_in_frames_of_the_limit(extra: int) -> None:
    bare = len(wire.encode(wire.Problem("")))
    text = "x" * (wire.MAX_FRAME + extra - bare - (2 if extra <= 2 else 4))  # so many more bytes say the length
    message = wire.Problem(text)
    data = wire.frames(message)
    sizes = []
    at = 0
    while at < len(data):
        (word,) = struct.unpack_from("<I", data, at)
        sizes.append(word & 0x7FFF_FFFF)
        at += 4 + sizes[-1]
        assert bool(word >> 31) == (at < len(data))
    assert max(sizes) <= wire.MAX_FRAME
    assert len(sizes) == -(-len(wire.encode(message)) // wire.MAX_FRAME)
    assert received(data) == [message]


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_MESSAGE", 100_000)
    with pytest.raises(wire.WireError, match="over the limit of 100000"):
        wire.frames(wire.Done(1, True, bytes(100_001), 0, 0))
    with pytest.raises(wire.WireError, match="over the limit of 100000"):
        wire.frames(wire.Problem("x" * 100_000))


# ── what is no message ──


def test_a_frame_over_the_limit_is_refused_from_its_header_alone() -> None:
    with pytest.raises(wire.WireError, match="over the limit"):
        received(struct.pack("<I", wire.MAX_FRAME + 1))


def test_a_message_over_the_parsers_limit_is_refused_before_it_is_whole() -> None:
    data = wire.frames(wire.Done(1, True, bytes(10 * wire.MAX_FRAME), 0, 0))
    with pytest.raises(wire.WireError, match="not accepted here"):
        received(data[: 2 * (wire.MAX_FRAME + 4)], limit=wire.MAX_FRAME)


def test_before_hello_the_limit_is_small() -> None:
    assert received(wire.frames(HELLO), wire.AgentToHub, limit=wire.MAX_HELLO) == [HELLO]
    long = msgspec.structs.replace(HELLO, token="t" * wire.MAX_HELLO)
    with pytest.raises(wire.WireError):
        received(wire.frames(long), wire.AgentToHub, limit=wire.MAX_HELLO)


def test_what_is_kept_is_bounded_by_the_limit() -> None:
    parser = wire.Parser[Any](wire.Message, limit=4 * wire.MAX_FRAME)
    piece = struct.pack("<I", wire.MAX_FRAME | 0x8000_0000) + bytes(wire.MAX_FRAME)
    for _ in range(4):
        list(parser.feed(piece))
        assert sum(map(len, parser._parts)) + len(parser.pending) <= 4 * wire.MAX_FRAME
    with pytest.raises(wire.WireError):
        list(parser.feed(piece))


@pytest.mark.parametrize("size", [0, 1])
def test_a_flood_of_tiny_pieces_of_one_message_is_refused(size: int) -> None:
    """Only full frames can have more after them; else bookkeeping, not content, would fill the memory."""
    tiny = struct.pack("<I", size | 0x8000_0000) + bytes(size)
    with pytest.raises(wire.WireError):
        received(tiny * 1000)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /run HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b'Content-Length: 52\r\n\r\n{"jsonrpc": "2.0"}',
        struct.pack("<I", 0),
        struct.pack("<I", 1) + b"\xc1",
        struct.pack("<I", 5) + b"\xdf\xff\xff\xff\xff",  # a map of four billion
        struct.pack("<I", 60_000) + b"\x91" * 60_000,  # a list in a list in a list
        struct.pack("<I", 3) + b"\x91\xa1\xff",  # text that is no UTF-8
    ],
)
def test_other_protocols_and_nonsense_are_refused(garbage: bytes) -> None:
    with pytest.raises(wire.WireError):
        received(garbage)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_garbage_raises_nothing_but_a_wire_error(pieces: list[bytes]) -> None:
    parser = wire.Parser[Any](wire.Message)
    try:
        for piece in pieces:
            list(parser.feed(struct.pack("<I", len(piece)) + piece))
    except wire.WireError:
        pass
    else:
        assert not any(pieces)  # hypothesis does not find a message by chance


@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_a_damaged_message_raises_nothing_but_a_wire_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    body = bytearray(wire.encode(data.draw(values(kind))))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    parser = wire.Parser[Any](wire.Message)
    try:
        parser.message(body)
    except wire.WireError:
        return
    assert body  # what is left happens to be a message again, of whatever kind


# ── words ──


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (wire.ExitReport(code=3), "ended with exit code 3"),
        (wire.ExitReport(signal=9), "was killed by signal 9 (SIGKILL)"),
        (wire.ExitReport(signal=11), "was killed by signal 11 (SIGSEGV)"),
        (wire.ExitReport(signal=40), "was killed by signal 40 (SIG40)"),
        (wire.ExitReport(signal=9, out_of_memory=True), "was killed because it ran out of memory"),
        (wire.ExitReport(), "ended; how is not known"),
    ],
)
def test_an_end_is_told_in_words(report: wire.ExitReport, words: str) -> None:
    assert report.sentence() == words


def _plain(kind: Any) -> Any:
    """The smallest message of a kind."""
    return kind(**{field.name: _smallest(field.type) for field in msgspec.structs.fields(kind)})


def _smallest(kind: Any) -> Any:
    if kind == wire.Body:
        return b""
    if kind in SIMPLE:
        return None if kind is type(None) else kind()
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in arguments else _smallest(arguments[0])
    if origin is typing.Annotated:
        return _smallest(arguments[0]) if arguments[1].ge is None else arguments[1].ge
    if origin in (list, dict):
        return origin()
    return _plain(kind)


def test_words_that_are_no_utf8_travel_as_what_they_look_like() -> None:
    name = b"/data/caf\xe9.txt".decode("utf-8", "surrogateescape")
    failure = wire.Failure("FileNotFoundError", name, name, [wire.Frame(name, 1, "f", "open(name)")])
    done = wire.Done(1, False, b"\xff\x00", 0, 0, name, failure)
    (back,) = wire.Parser[Any](wire.CallToHub).feed(wire.frames(done))
    assert back.failure.message == "/data/caf\\udce9.txt"
    assert (back.body, back.summary, back.failure.frames[0].file) == (b"\xff\x00", *["/data/caf\\udce9.txt"] * 2)
    assert wire.encode(done) == wire.encode(back)
