"""Conversations over a connection that is cut and replaced: in memory, with the real carrier at both ends."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosedOK

from yonder import carrier as module
from yonder import wire
from yonder.carrier import Carrier


class Wire:
    """One end of a connection in memory. `lost` takes frames that are sent and never arrive."""

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.other = None
        self.open = True
        self.deaf = False
        self.transport = self

    async def send(self, message):
        await asyncio.sleep(0)
        if not self.open:
            raise ConnectionClosedOK(None, None)
        if not self.deaf:
            self.other.inbox.put_nowait(message)

    async def recv(self, decode=None):
        message = await self.inbox.get()
        if message is None:
            raise ConnectionClosedOK(None, None)
        return message

    async def close(self):
        self.abort()

    def set_write_buffer_limits(self, high):
        assert high > 0

    def abort(self):
        if self.open:
            self.open = False
            self.inbox.put_nowait(None)
            self.other.inbox.put_nowait(None)


def wires():
    a, b = Wire(), Wire()
    a.other, b.other = b, a
    return a, b


class Talk(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self):
        self.transport = None
        self.heard = b""
        self.changed = asyncio.Event()
        self.over = asyncio.Event()
        self.pressed = []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard += data
        self.changed.set()

    def connection_lost(self, exc):
        self.over.set()

    def pause_writing(self):
        self.pressed.append(True)

    def resume_writing(self):
        self.pressed.append(False)

    async def until(self, size):
        async with asyncio.timeout(20):
            while len(self.heard) < size:
                self.changed.clear()
                await self.changed.wait()


class Pair:
    """Two carriers and the connection that they have at present."""

    def __init__(self, window=64 * 1024):
        self.begun = []
        self.came = asyncio.Queue()
        self.dialler = Carrier(dialled=True, window=window)
        self.answerer = Carrier(dialled=False, window=window, accept=self._accept)
        self.tasks = []
        self.talk = Talk

    def _accept(self):
        self.begun.append(self.talk())
        self.came.put_nowait(self.begun[-1])
        return self.begun[-1]

    async def next(self):
        """The conversation that the other end begins next."""
        return await asyncio.wait_for(self.came.get(), 20)

    def connect(self, **words):
        self.ends = wires()
        self.tasks += [
            asyncio.create_task(self.dialler.carry(self.ends[0])),
            asyncio.create_task(self.answerer.carry(self.ends[1], **words)),
        ]

    async def cut(self):
        self.ends[0].abort()
        await asyncio.gather(*self.tasks)
        self.tasks.clear()


@pytest.fixture
async def pair():
    made = Pair()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def spoken(pair, words=b"hello"):
    here = Talk()
    pair.dialler.open(here)
    here.transport.write(words)
    pair.connect()
    there = await pair.next()
    await there.until(len(words))
    return here, there


async def until(true):
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - every turn of the loop counts
            await asyncio.sleep(0)


async def test_what_was_said_before_there_was_a_connection_arrives(pair):
    _, there = await spoken(pair)
    assert there.heard == b"hello"
    there.transport.write(b"welcome")


async def test_a_conversation_outlives_cuts_at_any_moment(pair):
    here, there = await spoken(pair)
    said = bytes(range(256)) * 2000
    answer = said[::-1]
    here.transport.write(said)
    there.transport.write(answer)
    for turns in range(1, 40):
        for _ in range(turns):
            await asyncio.sleep(0)
        await pair.cut()
        pair.connect()
    await there.until(5 + len(said))
    await here.until(len(answer))
    assert there.heard == b"hello" + said
    assert here.heard == answer
    assert not here.over.is_set()


async def test_a_newer_connection_replaces_one_that_was_not_known_to_be_dead(pair):
    here, there = await spoken(pair)
    old = pair.ends
    old[0].deaf = old[1].deaf = True
    here.transport.write(b" again")
    pair.connect()
    await there.until(11)
    assert there.heard == b"hello again"
    assert not old[0].open


async def test_who_is_not_read_waits_and_others_do_not(pair):
    here, there = await spoken(pair)
    there.transport.pause_reading()
    here.transport.set_write_buffer_limits(high=100_000)
    here.transport.write(bytes(500_000))
    assert here.pressed == [True]
    other = Talk()
    pair.dialler.open(other)
    other.transport.write(b"through")
    await (await pair.next()).until(7)
    assert len(there.heard) == 5
    assert pair.dialler.track.queued(1) > 400_000
    there.transport.resume_reading()
    await there.until(500_005)
    assert here.pressed == [True, False]


async def test_an_end_is_told_after_what_was_said_before_it(pair):
    here, there = await spoken(pair)
    there.transport.pause_reading()
    here.transport.write(b" and goodbye")
    here.transport.close()
    await asyncio.wait_for(here.over.wait(), 20)
    await until(lambda: not list(pair.answerer.track.channels()))
    assert not there.over.is_set()
    there.transport.resume_reading()
    await asyncio.wait_for(there.over.wait(), 20)
    assert there.heard == b"hello and goodbye"
    assert not list(pair.dialler.track.channels())
    assert not list(pair.answerer.track.channels())


class Hesitant(Talk):
    """Reads on only when it is told to."""

    def data_received(self, data):
        self.transport.pause_reading()
        super().data_received(data)


async def test_who_reads_piece_by_piece_hears_everything_before_the_end(pair):
    pair.talk = Hesitant
    here, there = await spoken(pair)
    here.transport.write(bytes(50_000))
    here.transport.write(bytes(10_000))
    here.transport.close()
    await until(lambda: not list(pair.answerer.track.channels()))
    for size in (50_005, 60_005):
        assert not there.over.is_set()
        there.transport.resume_reading()
        await there.until(size)
    there.transport.resume_reading()
    await asyncio.wait_for(there.over.wait(), 20)


async def test_who_waits_to_write_is_let_go_when_the_other_end_has_closed(pair):
    here, there = await spoken(pair)
    here.transport.pause_reading()
    here.transport.set_write_buffer_limits(high=1000)
    there.transport.pause_reading()
    here.transport.write(bytes(200_000))
    there.transport.write(b"goodbye")
    await until(lambda: here.transport._unread)
    there.transport.close()
    await until(lambda: here.pressed == [True, False])
    assert not here.over.is_set()


async def test_two_ends_that_close_at_once_with_much_unread_both_end(pair):
    here, there = await spoken(pair)
    for one in (here, there):
        one.transport.pause_reading()
        one.transport.write(bytes(500_000))
    await until(lambda: len(here.transport._unread) == len(there.transport._unread) == 1)
    here.transport.close()
    there.transport.close()
    await until(lambda: not [*pair.dialler.track.channels(), *pair.answerer.track.channels()])


async def test_a_link_that_is_lost_ends_every_conversation(pair):
    here, there = await spoken(pair)
    pair.answerer.lose()
    assert there.over.is_set()
    assert not here.over.is_set()
    await asyncio.gather(*pair.tasks)
    pair.connect()
    await asyncio.wait_for(asyncio.gather(*pair.tasks), 20)
    pair.dialler.lose()
    assert here.over.is_set()


async def test_a_link_that_is_lost_takes_no_conversation_that_was_on_its_way(pair):
    pair.answerer.lose()
    pair.answerer._take(wire.Begin(1, 1))
    assert not pair.begun
    assert pair.answerer.track.next() == wire.Finish(1, 1)


async def test_one_that_cannot_take_its_end_keeps_no_other_from_its_own(pair):
    _, there = await spoken(pair)
    other = Talk()
    pair.dialler.open(other)
    last = await pair.next()
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))
    there.connection_lost = lambda exc: {}["a hole in the hub"]
    pair.answerer.lose()
    assert last.over.is_set()
    assert [type(error) for error in said] == [KeyError]


async def test_an_end_that_takes_no_conversations_says_so(pair):
    _, there = await spoken(pair)
    unwanted = Talk()
    pair.answerer.open(unwanted)
    await asyncio.wait_for(unwanted.over.wait(), 20)
    assert not there.over.is_set()


async def test_keys_travel_with_the_first_word(pair):
    pair.connect(key="the next key", bulk="for the other")
    keys = asyncio.Queue()
    await pair.cut()
    a, b = wires()
    pair.tasks = [
        asyncio.create_task(pair.dialler.carry(a, told=keys.put_nowait)),
        asyncio.create_task(pair.answerer.carry(b, key="k", bulk="s")),
    ]
    told = await asyncio.wait_for(keys.get(), 20)
    assert (told.key, told.bulk) == ("k", "s")


@pytest.mark.parametrize("words", [wire.Got(0), wire.Begin(1, 1)], ids=["got", "begin"])
async def test_another_first_word_than_resume_breaks_the_protocol(pair, words):
    a, b = wires()
    await b.send(wire.encode(words))
    with pytest.raises(wire.WireError, match="first word"):
        await pair.dialler.carry(a)
    assert not a.open


async def test_a_connection_on_which_nothing_is_heard_is_given_up(pair, monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.01)
    here, _ = await spoken(pair)
    pair.ends[1].deaf = True
    await asyncio.wait_for(pair.tasks[0], 20)
    assert not pair.ends[0].open
    assert not here.over.is_set()
