"""A plain program and its hub on another machine: the real gate, the program's line, a proxy between, in jumping time.

Pool ── channel ── Line ⇄ Proxy ⇄ Gate ── Guests ── Conversation ── Room
"""

import asyncio
import contextlib
import random

import msgspec
import pytest
from tests.links.far import TOKEN
from tests.links.proxy import Proxy
from tests.links.virtual import virtual

from yonder import keyfile, wire
from yonder.errors import CannotRun, VersionMismatch
from yonder.hub import guests
from yonder.hub.distant import Manners
from yonder.hub.gate import Gate, Path, joined, split
from yonder.hub.guests import Guests
from yonder.uplink import GIVE_UP, Line
from yonder.version import __version__

NAME = "abc.hub.yonder"


class Room:
    """The hub's end of one conversation: answers each call with its number."""

    def __init__(self, hub, conversation):
        self._hub = hub
        self._conversation = conversation
        self.heard = []
        self.over = False

    def received(self, message):
        self.heard.append(message)
        if isinstance(message, wire.Submit):
            self._conversation.send(wire.CallDone(message.call, "ok", message.arguments))
        self._hub.ring()

    def lost(self):
        self.over = True
        self._hub.ring()


class Hub:
    def __init__(self):
        self.rooms = []
        self.complaints = []
        self._changed = asyncio.Event()
        self.guests = Guests(TOKEN, self._accept, self.complaints.append)
        manners = Manners(None, lambda *_: None, lambda *_: None, self.complaints.append)
        self.gate = Gate(NAME, "hub", manners, silence=lambda: 600.0, told_ended=lambda *_: None)
        self.gate.serve("/client", Path(self.guests.serve, "owner"))
        self.proxy = None

    def _accept(self, conversation, hello):
        assert hello.token == TOKEN
        conversation.send(wire.Welcome(version=wire.VERSION, package=__version__, hub=""))
        room = Room(self, conversation)
        self.rooms.append(room)
        return room

    def ring(self):
        self._changed.set()

    async def until(self, found):
        while not (value := found()):
            self._changed.clear()
            await self._changed.wait()
        return value

    async def open(self):
        self.proxy = Proxy(split(await self.gate.open("127.0.0.1")))
        address = joined(*await self.proxy.listen())
        ours = self.gate.authority().certify("owner", "owner")
        self.key = keyfile.HubKey(
            version=wire.VERSION,
            package=__version__,
            hub=address,
            name=NAME,
            authority=self.gate.authority().pem,
            certificate=ours.certificate,
            key=ours.key,
            token=TOKEN,
        )

    async def close(self):
        await self.proxy.close()
        await self.guests.close()
        await self.gate.close()


class Pool(asyncio.Protocol):
    """The program's end of one conversation."""

    def __init__(self, line):
        self._parser = wire.Parser(wire.HubToClient)
        self._changed = asyncio.Event()
        self.heard = []
        self.over = False
        self.channel = line.carrier.open(self)
        self.say(wire.Hello(version=wire.VERSION, package=__version__, role="client", token=TOKEN, id=""))

    def say(self, message):
        self.channel.write(wire.frames(message))

    def submit(self, number, body=b""):
        self.say(wire.Submit(number, "p", b"f", b"", body, ""))

    def data_received(self, data):
        self.heard += self._parser.feed(data)
        self._changed.set()

    def connection_lost(self, exc):
        self.over = True
        self._changed.set()

    async def until(self, found):
        while not (value := found()):
            self._changed.clear()
            await self._changed.wait()
        return value

    def answers(self):
        return [one.call for one in self.heard if isinstance(one, wire.CallDone)]


class Program:
    """A program with one line. `ended` is why it gave up."""

    def __init__(self, key, ident="program-1"):
        self._up = asyncio.Event()
        self.line = Line(key, ident, self._up.set)
        self.holding = asyncio.create_task(self.line.hold())

    async def begin(self):
        await self._up.wait()
        return Pool(self.line)

    async def ended(self):
        with pytest.raises(CannotRun) as told:
            await self.holding
        self.line.carrier.lose()
        return str(told.value)

    async def vanish(self):
        """Killed: its kernel closes what it had open."""
        self.holding.cancel()
        await asyncio.gather(self.holding, return_exceptions=True)
        self.line._connection.transport.abort()


@contextlib.asynccontextmanager
async def a_hub():
    made = Hub()
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def a_program(hub, **more):
    made = Program(hub.key, **more)
    try:
        yield made
    finally:
        made.holding.cancel()
        await asyncio.gather(made.holding, return_exceptions=True)
        made.line.carrier.lose()


# ── the line ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_cuts_at_any_byte_lose_and_double_no_call(tmp_path):
    dice = random.Random(7)
    async with a_hub() as hub, a_program(hub) as program:
        pool = await program.begin()
        hub.proxy.slow(delay=0.025, rate=1e6)
        for way in (hub.proxy.up, hub.proxy.down):
            way.cut_at(*(way.passed + dice.randrange(1, 600_000) for _ in range(8)))
        for number in range(600):
            pool.submit(number, dice.randbytes(1000))
        await pool.until(lambda: len(pool.answers()) == 600)
        assert pool.answers() == list(range(600))
        (room,) = hub.rooms
        assert [one.call for one in room.heard] == list(range(600))
        assert hub.proxy.broken > 8
        assert hub.complaints == []


@virtual
@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_a_call_that_is_submitted_in_a_cut_is_sent_after_it(how):
    async with a_hub() as hub, a_program(hub) as program:
        pool = await program.begin()
        if how == "refused":
            await hub.proxy.refuse()
            hub.proxy.cut()
        else:
            hub.proxy.deaf()
        pool.submit(1)
        await asyncio.sleep(15)
        assert pool.answers() == []
        await hub.proxy.heal()
        await pool.until(pool.answers)
        assert pool.answers() == [1]
        assert len(hub.rooms) == 1


@virtual
async def test_a_connection_that_was_replaced_is_no_loss_of_its_program():
    async with a_hub() as hub, a_program(hub) as program:
        pool = await program.begin()
        pool.submit(1)
        await pool.until(pool.answers)
        hub.proxy.vanish()
        program.line._connection.transport.abort()  # the hub does not hear of it
        pool.submit(2)
        await pool.until(lambda: len(pool.answers()) == 2)
        await asyncio.sleep(60)
        pool.submit(3)
        await pool.until(lambda: len(pool.answers()) == 3)
        assert len(hub.rooms) == 1


@virtual
async def test_two_reconnects_at_once_are_one_return():
    async with a_hub() as hub, a_program(hub) as program:
        pool = await program.begin()
        hub.proxy.slow(delay=0.05, rate=1e5)
        hub.proxy.cut()
        await hub.proxy.met(2)
        await hub.proxy.up.reached(hub.proxy.up.passed + 2000)  # the second is in the middle of its hello
        hub.proxy.cut()
        await hub.proxy.met(3)
        pool.submit(1)
        await pool.until(pool.answers)
        assert len(hub.rooms) == 1


@virtual
async def test_who_stays_away_for_longer_has_nothing_there_any_more_and_is_told(monkeypatch):
    async with a_hub() as hub, a_program(hub) as program:
        clock = asyncio.get_running_loop().time
        pool = await program.begin()
        pool.submit(1)
        await pool.until(pool.answers)
        await hub.proxy.refuse()
        hub.proxy.cut()
        began = clock()
        await hub.until(lambda: hub.rooms[0].over)
        assert guests.LINGER <= clock() - began < guests.LINGER + 1
        await hub.proxy.heal()
        assert "has ended what it held" in await program.ended()
        assert pool.over


@virtual
async def test_a_program_that_is_killed_is_waited_for_as_long_as_a_cut_one():
    async with a_hub() as hub, a_program(hub) as program:
        clock = asyncio.get_running_loop().time
        pool = await program.begin()
        pool.submit(1)
        await pool.until(pool.answers)
        began = clock()
        await program.vanish()
        await hub.until(lambda: hub.rooms[0].over)
        assert guests.LINGER <= clock() - began < guests.LINGER + 1


@virtual
async def test_a_program_that_leaves_in_order_is_gone_at_once():
    async with a_hub() as hub, a_program(hub) as program:
        clock = asyncio.get_running_loop().time
        pool = await program.begin()
        pool.submit(1)
        await pool.until(pool.answers)
        began = clock()
        pool.channel.close()
        await program.line.leave()
        await program.holding
        await hub.until(lambda: hub.rooms[0].over)
        await asyncio.sleep(0.5)  # and of its connection
        assert clock() - began < 2.5
        assert hub.guests._guests == {}


@virtual
async def test_a_hub_that_cannot_be_reached_any_more_is_given_up():
    async with a_hub() as hub, a_program(hub) as program:
        clock = asyncio.get_running_loop().time
        pool = await program.begin()
        began = clock()
        await hub.proxy.refuse()
        hub.proxy.cut()
        assert "could not be reached for 30 s" in await program.ended()
        assert GIVE_UP <= clock() - began < GIVE_UP + 15
        assert pool.over


@virtual
async def test_a_hub_that_ends_says_so_to_every_conversation():
    async with a_hub() as hub, a_program(hub) as program:
        pool = await program.begin()
        pool.submit(1)
        await pool.until(pool.answers)
        await hub.guests.close()
        await pool.until(lambda: pool.over)


@virtual
async def test_two_programs_are_two_guests():
    async with a_hub() as hub, a_program(hub) as one, a_program(hub, ident="program-2") as other:
        first, second = await one.begin(), await other.begin()
        first.submit(1)
        second.submit(2)
        await first.until(first.answers)
        await second.until(second.answers)
        await one.vanish()
        await hub.until(lambda: any(room.over for room in hub.rooms))
        second.submit(3)
        await second.until(lambda: second.answers() == [2, 3])
        assert sum(room.over for room in hub.rooms) == 1


# ── strangers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_the_certificate_without_the_token_opens_nothing():
    async with a_hub() as hub:
        thief = Program(msgspec.structs.replace(hub.key, token="guessed"))
        assert "token is missing or wrong" in await thief.ended()
        assert hub.rooms == []
        assert TOKEN not in "".join(hub.complaints)


@virtual
async def test_a_thief_with_the_token_but_an_executors_certificate_hears_no_answer():
    async with a_hub() as hub:
        agent = hub.gate.authority().certify("agent", "owner")
        thief = Program(msgspec.structs.replace(hub.key, certificate=agent.certificate, key=agent.key))
        assert "HTTP 403" in await thief.ended()
        assert hub.guests._guests == {}


@virtual
async def test_another_version_is_refused_in_words(monkeypatch):
    async with a_hub() as hub:
        hello = keyfile.HubKey.hello

        def older(self, role, ident, **more):
            return msgspec.structs.replace(hello(self, role, ident, **more), version=0)

        monkeypatch.setattr(keyfile.HubKey, "hello", older)
        program = Program(hub.key)
        with pytest.raises(VersionMismatch):
            await program.holding


@virtual
async def test_another_hub_in_its_place_is_told_apart():
    async with a_hub() as hub, a_hub() as other:
        program = Program(msgspec.structs.replace(hub.key, hub=other.key.hub))
        assert "another hub answers" in await program.ended()


@virtual
async def test_what_is_no_hello_is_cut_off():
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    async with a_hub() as hub:
        for nonsense in (b"\xc1", bytes(wire.MAX_HELLO + 1)):
            async with connect(f"wss://{NAME}/client", **hub.key.way()) as connection:
                await connection.send(nonsense)
                with pytest.raises(ConnectionClosed):
                    await connection.recv()
        assert len(hub.complaints) == 2
