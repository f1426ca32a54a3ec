"""Workers' conversations between a Unix socket and a link: real sockets, and the real carrier over a connection in memory."""

import asyncio
import contextlib
import os
import socket

import pytest
from tests.integration.test_carrier import Pair

from yonder import wire
from yonder.agent import relay as module
from yonder.agent.home import Home
from yonder.agent.relay import Relay


def hello(role, worker="w"):
    return wire.frames(wire.Hello(version=wire.VERSION, package="0", role=role, token="t", id=worker))


class House:
    """A relay between a socket and the two connections of a link."""

    def __init__(self, folder):
        self.small, self.bulk = Pair(), Pair()
        self.path = str(folder / "hub.sock")
        self.relay = Relay(self.small.dialler, self.bulk.dialler)
        self._stack = contextlib.ExitStack()
        self._writers = []

    async def dial(self):
        reader, writer = await asyncio.open_unix_connection(self.path)
        self._writers.append(writer)  # one that is dropped open complains
        self._stack.callback(writer.transport.abort)
        return reader, writer

    async def worker(self, role="call", worker="w", more=b""):
        """A worker's two ends and the hub's."""
        reader, writer = await self.dial()
        said = hello(role, worker) + more
        writer.write(said)
        there = await (self.small if role == "control" else self.bulk).next()
        await there.until(len(said))
        assert there.heard == said
        there.heard = b""
        return reader, writer, there

    async def close(self):
        self._stack.close()
        self.server.close()
        await self.small.cut()
        await self.bulk.cut()


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path)
    made.server = await made.relay.listen(made.path)
    made.small.connect()
    made.bulk.connect()
    yield made
    await made.close()


async def over(reader):
    """What comes up to the end."""
    return await asyncio.wait_for(reader.read(), 20)


@pytest.mark.parametrize("role", ["call", "control", "client"])
async def test_bytes_go_both_ways_from_the_hello_on(house, role):
    reader, writer, there = await house.worker(role, more=b"and more in the same breath")
    writer.write(b"there")
    await there.until(5)
    there.transport.write(b"and back")
    assert await asyncio.wait_for(reader.readexactly(8), 20) == b"and back"


async def test_a_hello_may_come_byte_by_byte(house):
    _, writer = await house.dial()
    for byte in hello("call"):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    there = await house.bulk.next()
    await there.until(len(hello("call")))
    assert there.heard == hello("call")


@pytest.mark.parametrize(
    "said",
    [
        hello("agent"),
        hello("owner"),
        hello("bulk"),
        wire.frames(wire.Leave()),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
        wire.frames(wire.Hello(version=1, package="0", role="call", token="t" * 5000, id="w")),
    ],
    ids=["agent", "owner", "bulk", "no hello", "http", "nonsense", "long"],
)
async def test_who_is_no_worker_is_hung_up_on(house, said):
    reader, writer = await house.dial()
    writer.write(said)
    assert await over(reader) == b""
    assert not house.small.begun + house.bulk.begun


async def test_who_says_nothing_is_hung_up_on(house, monkeypatch):
    monkeypatch.setattr(module, "HELLO_WITHIN", 0.01)
    reader, _ = await house.dial()
    assert await over(reader) == b""


async def test_another_user_is_hung_up_on(house, monkeypatch):
    monkeypatch.setattr(module, "foreigner", lambda endpoint: 12345 if endpoint.family == socket.AF_UNIX else None)
    reader, writer = await house.dial()
    with contextlib.suppress(ConnectionError):
        writer.write(hello("call"))
        assert await over(reader) == b""
    assert not house.bulk.begun


async def test_the_end_of_either_side_is_the_end_of_both(house):
    _, writer, there = await house.worker()
    writer.write(b"last words")
    writer.close()
    await asyncio.wait_for(there.over.wait(), 20)
    assert there.heard == b"last words"
    reader, _, there = await house.worker()
    there.transport.write(b"goodbye")
    there.transport.close()
    assert await over(reader) == b"goodbye"


async def test_a_worker_that_is_not_heard_waits(house):
    """Its socket is full as soon as the link's credit is spent, and what it says goes on when there is more."""
    _, writer, there = await house.worker()
    there.transport.pause_reading()
    writer.transport.set_write_buffer_limits(0)
    writer.write(bytes(4_000_000))
    other = await house.worker(worker="x")
    other[1].write(b"through")
    await other[2].until(7)
    assert not there.heard
    assert house.bulk.dialler.track.queued(1) < 2_000_000
    assert writer.transport.get_write_buffer_size() > 1_000_000
    there.transport.resume_reading()
    await there.until(4_000_000)


async def test_a_worker_that_does_not_read_is_not_sent_more(house):
    reader, _, there = await house.worker()
    there.transport.set_write_buffer_limits(100_000)
    there.transport.write(bytes(4_000_000))
    other = await house.worker(worker="x")
    other[2].transport.write(b"through")
    assert await asyncio.wait_for(other[0].readexactly(7), 20) == b"through"
    assert there.pressed == [True]
    assert house.bulk.answerer.track.queued(1) > 1_000_000
    assert len(await asyncio.wait_for(reader.readexactly(4_000_000), 20)) == 4_000_000
    assert there.pressed == [True, False]


async def test_lanes_of_the_dead_are_read_to_the_end_and_closed(house, monkeypatch):
    """A child may keep a lane open for ever; a lane that waits for the link is waited for."""
    monkeypatch.setattr(module, "LAST_WORDS", 0.01)
    _, writer, there = await house.worker()
    alive = await house.worker(worker="x")
    there.transport.pause_reading()
    writer.write(bytes(500_000))
    await writer.drain()
    house.relay.bury("w")
    alive[1].write(b"I am here")
    await alive[2].until(9)
    assert not there.over.is_set()
    there.transport.resume_reading()
    await asyncio.wait_for(there.over.wait(), 20)
    assert len(there.heard) == 500_000
    assert not alive[2].over.is_set()


def test_a_home_is_private_and_short(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    home = Home(run=tmp_path / "no such folder")
    assert home.folder.parent == tmp_path
    assert home.folder.stat().st_mode & 0o777 == 0o700
    home.beat()
    assert (home.folder / "beat").exists()
    home.leave()
    assert not home.folder.exists()
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    home = Home(run=tmp_path / "no such folder")
    assert len(home.socket) < 104
    assert not list(deep.iterdir())
    home.leave()


def test_in_a_container_the_platform_sees_the_beat(tmp_path):
    home = Home(run=tmp_path)
    assert home.folder.parent != tmp_path  # there is next to no room
    home.beat()
    os.utime(tmp_path / "beat", (0, 0))
    home.beat()
    assert (tmp_path / "beat").stat().st_mtime > 0
    home.leave()
    assert [one.name for one in tmp_path.iterdir()] == ["beat"]
