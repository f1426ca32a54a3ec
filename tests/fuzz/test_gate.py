"""The TCP door in front of an attacker: what has no certificate hears nothing, what has one and no business is refused, and
a crowd keeps nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.test_gate import Agent, House, dial
from websockets.exceptions import InvalidHandshake

from yonder import wire
from yonder.credentials import client_context
from yonder.hub import gate as gate_module
from yonder.hub.gate import split
from yonder.hub.porch import Porch


@pytest.fixture
async def house():
    made = House()
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    yield made
    await made.gate.close()
    assert faults == []


async def heard(invitation, *said, context=None):
    """What the door answers to these bytes before it hangs up."""
    host, port = split(invitation.hub)
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=invitation.name if context else None
    )
    answer = b""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        for piece in said:
            writer.write(piece)
            await writer.drain()
        writer.write_eof() if writer.can_write_eof() else None
        async with asyncio.timeout(20):
            answer = await reader.read(1 << 16)
    writer.transport.abort()
    return answer


REQUEST = (
    "GET /link HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n{more}\r\n"
)


def client_hello(invitation):
    """The first flight of a real client's TLS."""
    out = ssl.MemoryBIO()
    context = client_context(invitation.authority, invitation.certificate, invitation.key)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=invitation.name).do_handshake()
    return out.read()


# ── without a certificate ──


async def test_plain_words_are_answered_with_nothing_but_an_alert(house):
    invitation = await house.invite()
    for said in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        REQUEST.format(host=invitation.name, more="").encode(),
        wire.frames(wire.Hello(version=1, package="", role="agent", token=invitation.secret, id="agent-1")),
        b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,
    ):
        answer = await heard(invitation, said)
        assert len(answer) <= 7  # a TLS alert
        assert b"HTTP" not in answer
    assert house.trouble == []


@settings(max_examples=40, derandomize=True, deadline=None)
@given(said=st.lists(st.binary(max_size=200), max_size=4), cut=st.integers(0, 600), change=st.integers(0, 600))
def test_no_bytes_upset_the_door(said, cut, change):
    async def try_it():
        house = House()
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        try:
            invitation = await house.invite()
            first = bytearray(client_hello(invitation))
            first[change % len(first)] ^= 0xFF
            await heard(invitation, bytes(first[:cut]), *said)
            await heard(invitation, *said)
            agent = Agent(invitation)
            assert isinstance(await agent.dial(), wire.Welcome)
            await agent.cut()
        finally:
            await house.gate.close()
        assert faults == []

    asyncio.run(asyncio.wait_for(try_it(), 60))


async def test_who_says_nothing_is_cut_off(house, monkeypatch):
    monkeypatch.setattr(gate_module, "HELLO_WITHIN", 0.05)
    invitation = await house.invite()
    host, port = split(invitation.hub)
    for first in (b"", client_hello(invitation)[:100], client_hello(invitation)):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(first)
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while await reader.read(1 << 16):
                    pass
        writer.transport.abort()
    assert len(house.gate._porch) == 0


# ── a crowd ──


async def test_a_crowd_of_silent_strangers_is_bounded_and_keeps_nobody_out(house):
    house.gate._porch = Porch(most=5)
    invitation = await house.invite()
    host, port = split(invitation.hub)
    before = Agent(invitation)
    await before.dial()
    await before.begin()
    crowd = [await asyncio.open_connection(host, port) for _ in range(20)]
    async with asyncio.timeout(20):
        for reader, _ in crowd[:15]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""  # the first to come were sent away
    assert len(house.gate._porch) == 5
    after = Agent(await house.invite("agent-2"))
    assert isinstance(await after.dial(), wire.Welcome)
    before.say(wire.Beat([]))
    assert await before.next() == wire.Preload(["heard 0"])
    for _, writer in crowd:
        writer.transport.abort()
    await after.cut()


async def test_who_was_let_in_is_no_stranger_and_who_leaves_frees_its_place(house):
    agent = Agent(await house.invite())
    host, port = split(agent.invitation.hub)
    _, writer = await asyncio.open_connection(host, port)
    await agent.dial()
    await agent.begin()
    assert len(house.gate._porch) == 1
    writer.transport.abort()
    async with asyncio.timeout(20):
        while len(house.gate._porch):  # noqa: ASYNC110 - the end of a connection has no event
            await asyncio.sleep(0.001)
    await agent.cut()


async def test_a_machine_with_a_certificate_counts_as_a_stranger_until_its_hello_is_good(house):
    house.gate._porch = Porch(most=3)
    invitation = await house.invite()
    crowd = [await dial(invitation) for _ in range(6)]
    assert len(house.gate._porch) <= 3
    for connection in crowd:
        connection.transport.abort()


# ── with a certificate ──


@pytest.mark.parametrize(
    ("host", "more", "status"),
    [
        ("{name}", "Origin: https://evil.example\r\n", b"403"),
        ("{name}", "Origin: null\r\n", b"403"),
        ("{name}", "Origin: a\r\nOrigin: b\r\n", b"403"),
        ("evil.example", "", b"403"),
        ("{name}:0", "", b"403"),
        ("{name}:x", "", b"403"),
        ("127.0.0.1", "", b"403"),
        ("{name}\r\nHost: {name}", "", b"403"),
        ("", "", b"403"),
        ("{name}", "", b"101"),
    ],
)
async def test_host_and_origin_are_judged_before_any_websocket(house, host, more, status):
    invitation = await house.invite()
    context = client_context(invitation.authority, invitation.certificate, invitation.key)
    request = REQUEST.format(host=host.format(name=invitation.name), more=more)
    answer = await heard(invitation, request.encode(), context=context)
    assert answer.split(b" ")[1] == status
    assert b"Server:" not in answer
    assert invitation.secret.encode() not in answer


async def test_what_is_no_hello_ends_the_connection(house):
    invitation = await house.invite()
    for said in (b"", b"\x00" * 5000, "text", wire.encode(wire.Beat([])), b"\x91" * 4000):
        connection = await dial(invitation)
        await connection.send(said)
        async with asyncio.timeout(20):
            await connection.wait_closed()
        assert connection.close_code is not None
    assert house.lost == {}


async def test_compressed_frames_are_not_understood(house):
    """What is not unpacked cannot be a bomb."""
    invitation = await house.invite()
    context = client_context(invitation.authority, invitation.certificate, invitation.key)
    request = REQUEST.format(host=invitation.name, more="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    answer = await heard(invitation, request.encode(), context=context)
    assert b"101" in answer
    assert b"deflate" not in answer.lower()


async def test_a_message_that_is_too_long_ends_the_connection(house):
    connection = await dial(await house.invite())
    with contextlib.suppress(Exception):
        await connection.send(b"x" * 1_000_000)
    async with asyncio.timeout(20):
        await connection.wait_closed()
    assert connection.close_code in (1009, 1006)


async def test_the_owners_path_is_not_for_agents(house):
    invitation = await house.invite()
    house.gate.serve("/owner", gate_module.Path(lambda _: pytest.fail("an agent came in as an owner"), "owner"))
    with pytest.raises(InvalidHandshake):
        await dial(invitation, path="/owner")
