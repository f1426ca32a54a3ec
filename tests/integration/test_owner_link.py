"""The owner's door: who may come in, and that nothing is lost or doubled when the connection breaks."""

import asyncio
import contextlib

import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from yonder import wire
from yonder.hub.journal import Journal
from yonder.hub.owner import OwnerLink
from yonder.version import __version__

TOKEN = "the token of this test"


class Desk:
    def __init__(self):
        self.said = []
        self.dropped = asyncio.Event()
        self.connected = 0

    def owner_connected(self):
        self.connected += 1
        self.there = True

    def owner_said(self, message):
        self.said.append(message)

    def owner_dropped(self):
        self.dropped.set()
        self.there = False


@pytest.fixture
async def door(tmp_path):
    desk, complaints = Desk(), []
    link = OwnerLink(
        hub="h1",
        package=__version__,
        token=TOKEN,
        journal=Journal(tmp_path / "journal"),
        requests=desk,
        trouble=complaints.append,
    )
    path = tmp_path / "o.sock"
    await link.listen(path)
    yield link, desk, path, complaints
    await link.close()


def knock(path, *, token=TOKEN, uri="ws://localhost/owner", **headers):
    return unix_connect(
        str(path),
        uri=uri,
        additional_headers={"Authorization": f"Bearer {token}", **headers},
        compression=None,
        close_timeout=1,
    )


async def hello(connection, resume=0, version=wire.VERSION, token=TOKEN):
    message = wire.Hello(version=version, package=__version__, role="owner", token=token, id="o", resume=resume)
    await connection.send(wire.encode(message))
    return wire.Parser(wire.HubToOwner).message(await connection.recv())


async def take(connection, count):
    parser = wire.Parser(wire.HubToOwner)
    found = []
    async with asyncio.timeout(10):
        while len(found) < count:
            message = parser.message(await connection.recv())
            if isinstance(message, wire.Numbered):
                found.append(message)
    return found


async def ended(connection):
    """Read until the other side hangs up."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.recv()


def line(n):
    return wire.Output("r", "", 1, f"line {n}\n", 0.0)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"token": "wrong"}, 401),
        ({"token": ""}, 401),
        ({"Origin": "http://localhost"}, 403),
        ({"uri": "ws://evil.example/owner"}, 403),
    ],
)
async def test_strangers_are_turned_away_before_any_websocket(door, how, status):
    _, desk, path, complaints = door
    with pytest.raises(InvalidStatus) as refused:
        async with knock(path, **how):
            pass
    assert refused.value.response.status_code == status
    assert desk.connected == 0
    assert complaints
    assert not any(TOKEN in words for words in complaints)


async def test_the_socket_is_private(door):
    _, _, path, _ = door
    assert path.stat().st_mode & 0o077 == 0


async def test_another_version_is_refused_with_both_versions_named(door):
    _, _, path, _ = door
    async with knock(path) as connection:
        answer = await hello(connection, version=wire.VERSION + 1)
    assert isinstance(answer, wire.Refused)
    assert answer.code == "version"
    assert str(wire.VERSION) in answer.sentence
    assert str(wire.VERSION + 1) in answer.sentence


async def test_a_hub_that_is_ending_welcomes_nobody(door):
    link, desk, path, _ = door
    link.ending = "the window was closed"
    async with knock(path) as connection:
        answer = await hello(connection)
    assert (answer.code, desk.connected) == ("closing", 0)
    assert "the window was closed" in answer.sentence


async def test_events_arrive_in_order_and_are_kept_until_acknowledged(door):
    link, _, path, _ = door
    for n in range(1, 6):
        link.tell(line(n))
    async with knock(path) as connection:
        welcome = await hello(connection)
        assert welcome == wire.Welcome(version=wire.VERSION, package=__version__, hub="h1", fresh=True)
        assert [one.n for one in await take(connection, 5)] == [1, 2, 3, 4, 5]
        await connection.send(wire.encode(wire.Ack(3)))
    async with knock(path) as connection:
        assert (await hello(connection, resume=3)).fresh is False
        again = await take(connection, 2)
        assert [one.event for one in again] == [line(4), line(5)]


async def test_many_reconnects_in_the_middle_of_a_flood_lose_and_double_nothing(door):
    link, _, path, _ = door
    total, stored = 3000, []
    for n in range(1, total + 1):
        link.tell(line(n))
    cut = 1
    while len(stored) < total:
        async with knock(path) as connection:
            await hello(connection, resume=len(stored))
            wanted = min(cut, total - len(stored), 900)  # the window is 1024 unacknowledged events
            for one in await take(connection, wanted):
                assert one.n == len(stored) + 1
                stored.append(one.event)
                if one.n % 7 == 0:
                    await connection.send(wire.encode(wire.Ack(one.n)))
            connection.transport.abort()  # the network is cut, nobody says goodbye
        cut = cut * 3 + 1
    assert stored == [line(n) for n in range(1, total + 1)]


async def test_a_newer_window_takes_over(door):
    link, desk, path, _ = door
    async with knock(path) as first:
        await hello(first)
        async with knock(path) as second:
            await hello(second)
            await ended(first)
            link.tell(line(1))
            assert (await take(second, 1))[0].event == line(1)
            assert not desk.dropped.is_set()
        async with asyncio.timeout(10):
            await desk.dropped.wait()


async def test_over_the_bound_text_leaves_a_numbered_gap_and_results_are_kept(door):
    link, _, path, _ = door
    link.bound = 200
    for n in range(1, 101):
        link.tell(line(n))
    link.tell(wire.RunEnded("r", "ok", 0.0, 0.0))
    async with knock(path) as connection:
        await hello(connection)
        found = await take(connection, link.last)
    kept = [one.event for one in found if isinstance(one.event, wire.Output) and not one.event.missing]
    gaps = [one.event.missing for one in found if isinstance(one.event, wire.Output) and one.event.missing]
    assert len(kept) < 100
    assert sum(gaps) == sum(len(f"line {n}\n") for n in range(1, 101)) - sum(len(one.text) for one in kept)
    assert isinstance(found[-1].event, wire.RunEnded)


async def test_garbage_ends_the_connection_and_nothing_else(door):
    link, _, path, complaints = door
    async with knock(path) as connection:
        await hello(connection)
        await connection.send(b"\xc1 not msgpack")
        await ended(connection)
    assert any("broke the protocol" in words for words in complaints)
    async with knock(path) as connection:
        await hello(connection)
        link.tell(line(1))
        assert (await take(connection, 1))[0].event == line(1)


async def test_an_owner_that_fails_in_its_welcome_has_taken_over_and_is_missed(door):
    """Else nobody is there and no clock runs: the hub would live for ever."""
    _, desk, path, _ = door
    async with knock(path) as first:
        await hello(first)
        async with knock(path) as second:
            with contextlib.suppress(ConnectionClosed):
                await hello(second, resume=999)
            async with asyncio.timeout(10):
                await desk.dropped.wait()


class Knock:
    """An owner's websocket on paper: says hello, and takes what it is sent only when the test lets it."""

    def __init__(self, resume=0):
        message = wire.Hello(
            version=wire.VERSION, package=__version__, role="owner", token=TOKEN, id="o", resume=resume
        )
        self._hello = wire.encode(message)
        self.sent = []
        self.takes = asyncio.Event()
        self.closed = asyncio.Event()

    async def recv(self):
        return self._hello

    async def send(self, body):
        await self.takes.wait()
        if not self.closed.is_set():
            self.sent.append(wire.Parser(wire.HubToOwner).message(body))

    async def close(self, code, reason):
        self.closed.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.closed.wait()
        raise StopAsyncIteration

    @property
    def numbers(self):
        return [one.n for one in self.sent if isinstance(one, wire.Numbered)]


@pytest.mark.parametrize("order", ["older first", "newer first"])
@pytest.mark.parametrize("pumping", [False, True])
async def test_of_two_owners_that_dial_at_the_same_moment_the_newer_stays_and_misses_nothing(door, order, pumping):
    link, desk, *_ = door
    serving = []

    async def comes(knock):
        serving.append(asyncio.create_task(link.serve(knock)))
        for _ in range(5):
            await asyncio.sleep(0)

    before, older, newer = Knock(), Knock(), Knock()
    link.tell(line(1))
    if pumping:  # somebody is there, and is just being sent something
        await comes(before)
        before.takes.set()
        for _ in range(5):
            await asyncio.sleep(0)
        before.takes.clear()
        link.tell(line(2))
    await comes(older)
    await comes(newer)
    link.tell(line(3))
    for knock in (older, newer) if order == "older first" else (newer, older):
        knock.takes.set()
        for _ in range(10):
            await asyncio.sleep(0)
    assert newer.numbers == list(range(1, link.last + 1))
    assert older.closed.is_set()
    assert older.numbers == []
    assert desk.connected == (2 if pumping else 1)
    assert not desk.dropped.is_set()
    newer.closed.set()
    before.closed.set()
    await asyncio.gather(*serving)
    assert desk.dropped.is_set()


@pytest.mark.parametrize("turns", range(8))
async def test_who_comes_in_the_moment_in_which_another_goes_is_there(door, turns):
    """The end of the one must not be told after the beginning of the other: nobody would be there, for the hub."""
    link, desk, *_ = door
    before, newer = Knock(), Knock()
    before.takes.set()
    newer.takes.set()
    first = asyncio.create_task(link.serve(before))
    for _ in range(10):
        await asyncio.sleep(0)
    before.takes.clear()
    link.tell(line(1))  # its pump is in the middle of a word
    before.closed.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    second = asyncio.create_task(link.serve(newer))
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.there
    assert newer.numbers == [1]
    newer.closed.set()
    await asyncio.gather(first, second)
    assert not desk.there
