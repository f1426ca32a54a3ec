"""The proxy does to a line what a test says, and nothing else."""

import asyncio
import contextlib
import socket

import pytest
from tests.links.proxy import Aside, Pace, Proxy, a_proxy
from tests.links.virtual import virtual

TEXT = bytes(range(256)) * 40


class Echo:
    """The other end: keeps what it hears, says it back."""

    def __init__(self):
        self.heard = b""
        self.connections = 0
        self.resets = 0
        self.news = asyncio.Condition()

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                self.heard += data
                writer.write(data)
                await writer.drain()
                async with self.news:
                    self.news.notify_all()
        writer.close()

    async def until(self, count):
        async with self.news:
            await self.news.wait_for(lambda: len(self.heard) >= count)


@contextlib.asynccontextmanager
async def a_line(tmp_path, kind="tcp"):
    """An echo, the proxy before it, and a function that dials it."""
    echo = Echo()
    if kind == "tcp":
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
        target, where = server.sockets[0].getsockname()[:2], ("127.0.0.1", 0)
    else:
        target, where = tmp_path / "e", tmp_path / "p"
        server = await asyncio.start_unix_server(echo.serve, str(target))
    async with a_proxy(target, where) as proxy:

        async def dial():
            if kind == "tcp":
                return await asyncio.open_connection(*proxy.address)
            return await asyncio.open_unix_connection(str(proxy.address))

        yield echo, proxy, dial
    server.close()


@pytest.fixture(params=["tcp", "unix"])
def line(request, tmp_path):
    return lambda: a_line(tmp_path, request.param)


async def to_the_end(reader):
    """What comes until the end, and how it ended."""
    found = b""
    try:
        while data := await reader.read(1 << 16):
            found += data
    except ConnectionResetError:
        return found, "reset"
    return found, "end"


@virtual
async def test_bytes_go_through_both_ways_unchanged(line):
    async with line() as (echo, proxy, dial):
        reader, writer = await dial()
        writer.write(TEXT)
        assert await reader.readexactly(len(TEXT)) == TEXT
        writer.write_eof()
        assert await reader.read() == b""
        assert (echo.heard, proxy.up.passed, proxy.down.passed) == (TEXT, len(TEXT), len(TEXT))
        writer.close()


def test_bytes_arrive_after_the_delay_and_no_faster_than_the_rate():
    pace = Pace(delay=0.5, rate=100.0)
    assert pace.arrival(10.0, 100) == 11.5
    assert pace.arrival(10.0, 50) == 12.0  # behind the first
    assert pace.arrival(20.0, 100) == 21.5  # the way was free meanwhile
    assert Pace().arrival(3.0, 10**9) == 3.0


@virtual
async def test_a_slow_line_is_slow(line):
    async with line() as (_, proxy, dial):
        proxy.slow(delay=25.0, rate=1024.0)
        clock = asyncio.get_running_loop().time
        began = clock()
        reader, writer = await dial()
        writer.write(TEXT)
        assert await reader.readexactly(len(TEXT)) == TEXT
        # There and back with 25 s each, and 10 s for the bytes at the narrowest place.
        assert 60.0 <= clock() - began < 62.0
        writer.close()


@virtual
async def test_a_slow_line_lets_its_sender_wait(line):
    async with line() as (_, proxy, dial):
        proxy.up.hold()
        _, writer = await dial()
        writer.transport.set_write_buffer_limits(0)
        writer.write(bytes(64 << 20))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await writer.drain()
        writer.transport.abort()


@virtual
@pytest.mark.parametrize("way", ["up", "down"])
async def test_one_way_can_be_silent(line, way):
    async with line() as (echo, proxy, dial):
        held = getattr(proxy, way)
        reader, writer = await dial()
        held.hold()
        writer.write(b"hello")
        if way == "down":
            await echo.until(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await reader.read(1)
        assert echo.heard == (b"" if way == "up" else b"hello")
        held.go()
        assert await reader.readexactly(5) == b"hello"
        writer.close()


@virtual
@pytest.mark.parametrize("byte", [1, 2, 777, len(TEXT) - 1, len(TEXT)])
async def test_a_cut_comes_exactly_behind_its_byte(line, byte):
    async with line() as (_, proxy, dial):
        proxy.down.cut_at(byte)
        reader, writer = await dial()
        writer.write(TEXT)
        found, _ = await to_the_end(reader)
        assert found == TEXT[:byte]
        assert (proxy.down.passed, proxy.broken) == (byte, 1)
        writer.close()
        reader, writer = await dial()
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()


@virtual
async def test_cuts_count_over_all_connections(line):
    async with line() as (_, proxy, dial):
        proxy.down.cut_at(3, 10, 11)
        found = []
        for _ in range(3):
            reader, writer = await dial()
            writer.write(TEXT)
            found.append((await to_the_end(reader))[0])
            writer.close()
        assert found == [TEXT[:3], TEXT[:7], TEXT[:1]]


@virtual
async def test_a_cut_ends_both_ends_and_a_tcp_one_is_a_reset(line):
    async with line() as (echo, proxy, dial):
        reader, writer = await dial()
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.cut()
        assert (await to_the_end(reader))[0] == b""
        tcp = writer.get_extra_info("socket").family == socket.AF_INET
        assert (reader.exception() is not None) == tcp
        writer.close()
        again, writer = await dial()
        writer.write(b"y")
        assert await again.readexactly(1) == b"y"
        assert echo.heard == b"xy"
        writer.close()


@virtual
async def test_what_vanishes_is_told_to_nobody_and_never_comes_back(line):
    async with line() as (echo, proxy, dial):
        reader, writer = await dial()
        writer.write(b"before")
        await reader.readexactly(6)
        proxy.vanish()
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await reader.read(1)
        await proxy.heal()
        other, talker = await dial()
        talker.write(b"after")
        assert await other.readexactly(5) == b"after"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await reader.read(1)
        assert echo.heard == b"beforeafter"
        writer.close()
        talker.close()


@virtual
async def test_a_deaf_line_accepts_and_says_nothing_until_it_is_healed(line):
    async with line() as (echo, proxy, dial):
        proxy.deaf()
        reader, writer = await dial()
        writer.write(b"anyone?")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await reader.read(1)
        assert echo.connections == 0
        await proxy.heal()
        again, talker = await dial()
        talker.write(b"yes")
        assert await again.readexactly(3) == b"yes"
        writer.close()
        talker.close()


@virtual
async def test_nobody_is_let_in_after_a_refusal_until_it_is_healed(line):
    async with line() as (_, proxy, dial):
        reader, writer = await dial()
        await proxy.met(1)
        await proxy.refuse()
        with pytest.raises(OSError):
            await dial()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        await proxy.heal()
        again, talker = await dial()
        talker.write(b"new")
        assert await again.readexactly(3) == b"new"
        writer.close()
        talker.close()


@virtual
async def test_nobody_behind_the_proxy_is_nobody_at_all(tmp_path):
    async with a_proxy(tmp_path / "nobody", tmp_path / "p") as proxy:
        reader, writer = await asyncio.open_unix_connection(str(proxy.address))
        assert await reader.read() == b""
        writer.close()


def test_a_proxy_stands_beside_a_program_that_blocks(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    with Aside() as aside, contextlib.closing(listener):
        proxy = aside.do(Proxy, listener.getsockname())
        with socket.create_connection(aside.do(proxy.listen)) as near, listener.accept()[0] as far:
            near.sendall(b"through")
            assert far.recv(100) == b"through"
            aside.do(proxy.cut)
            with pytest.raises(ConnectionResetError):
                near.recv(1)
        aside.do(proxy.close)
