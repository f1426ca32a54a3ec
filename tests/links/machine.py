"""Both ends of another machine's link in one process, with a proxy between: the hub's gate and what it keeps of an agent,
the agent's dialling and its lease. Made for a virtual loop.

    Caller ── channel ── Link ══ small, bulk ══▶ Proxy ══▶ Gate ── Distant ── Conversation ── Ear
"""

import asyncio
import contextlib

import msgspec
from tests.links.proxy import Proxy

from yonder import wire
from yonder.agent.dialling import Link
from yonder.core.lease import AgentLease
from yonder.hub.connection import SPOKEN
from yonder.hub.distant import Manners
from yonder.hub.gate import Gate
from yonder.version import __version__

AGENT = "agent-1"
SILENCE = 540.0
"""Seconds for which the hub waits for its owner; an agent gets a minute more."""

HEARD = {"agent": wire.HubToAgent, "call": wire.HubToCall, "control": wire.HubToControl}


class Ear:
    """The hub's end of one conversation: keeps what it hears, and may say something."""

    def __init__(self, machine, conversation):
        self._machine = machine
        self._conversation = conversation
        self.heard = []
        self.over = False

    def received(self, message):
        self.heard.append(message)
        self._machine.ring()

    def lost(self):
        self.over = True
        self._machine.ring()

    def say(self, message):
        self._conversation.send(message)

    def hold(self, held):
        self._conversation.hold(held)


class Caller(asyncio.Protocol):
    """The other machine's end: a worker's lane, or the agent's own conversation."""

    def __init__(self, machine, role, name):
        self._machine = machine
        self._parser = wire.Parser(HEARD[role])
        self.heard = []
        self.over = False
        self.pressed = False
        carrier = machine.connections.bulk if role == "call" else machine.connections.small
        self.channel = carrier.open(self)
        lane = machine.invitation.lane
        self.say(wire.Hello(version=wire.VERSION, package=__version__, role=role, token=lane, id=name))

    def say(self, message):
        self.channel.write(wire.frames(message))

    def data_received(self, data):
        self.heard += self._parser.feed(data)
        self._machine.ring()

    def pause_writing(self):
        self.pressed = True

    def resume_writing(self):
        self.pressed = False
        self._machine.ring()

    def connection_lost(self, exc):
        self.over = True
        self._machine.ring()


class Machine:
    """One hub, one agent. `ears` are the hub's ends of conversations by role, `verdicts` what the hub said of the agent's
    end, `away` what it told people of it, `ended` why the agent ended itself (a future)."""

    def __init__(self):
        self.clock = asyncio.get_running_loop().time
        self.ears = {}
        self.verdicts = []
        self.away = []
        self.trouble = []
        self.ended = asyncio.get_running_loop().create_future()
        manners = Manners(
            self._accept,
            lambda agent, words: self._told(self.away, words),
            lambda agent, report: self._told(self.verdicts, report.sentence()),
            self.trouble.append,
        )
        self.gate = Gate("h1.hub.yonder", "owner", manners, silence=lambda: SILENCE, told_ended=lambda *_: None)
        self._changed = asyncio.Condition()
        self._tasks = set()

    def _accept(self, distant, conversation, hello):
        assert hello.token == distant.lane
        assert hello.role in SPOKEN
        ear = self.ears[hello.role] = Ear(self, conversation)
        conversation.send(wire.Welcome(version=wire.VERSION, package=__version__, hub="h1"))
        return ear

    def _told(self, where, words):
        where.append(words)
        self.ring()

    def ring(self):
        async def ring():
            async with self._changed:
                self._changed.notify_all()

        self._spawn(ring())

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, condition, within=3600.0):
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def open(self):
        host, _, port = (await self.gate.open("127.0.0.1")).rpartition(":")
        self.proxy = Proxy((host, int(port)))
        address = await self.proxy.listen()
        line = await self.gate.invite(AGENT, listen="127.0.0.1", reach="{}:{}".format(*address))
        self.invitation = msgspec.json.decode(line, type=wire.Invitation)
        self.lease = AgentLease(
            reach=self.invitation.reach, silence=self.invitation.silence, lifetime=0.0, at=self.clock()
        )
        self.connections = Link(self.invitation)
        self.keys = _kept(self.connections.small)
        self.connections.small.heard = self.connections.bulk.heard = lambda: self.lease.heard(self.clock())
        self.agent = Caller(self, "agent", AGENT)
        self.call = Caller(self, "call", "w")
        self.control = Caller(self, "control", "w")
        self._holding = asyncio.create_task(self.connections.hold())
        self._spawn(self._watch())

    async def connect(self):
        await self.until(lambda: len(self.ears) == 3)

    async def _watch(self):
        """The agent's end: its lease, or the hub's no."""
        while not self._holding.done():
            if (reason := self.lease.judge(self.clock())) is not None:
                self.ended.set_result(reason)
                self._holding.cancel()
                break
            wait = self.lease.next_wake(self.clock()) - self.clock()
            await asyncio.wait([self._holding], timeout=max(0.01, wait))
        if not self.ended.done() and not self._holding.cancelled():
            self.ended.set_result(f"no: {self._holding.exception()!r}")

    async def close(self):
        self._holding.cancel()
        await asyncio.gather(self._holding, return_exceptions=True)
        await self.gate.close()
        await self.proxy.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _kept(carrier):
    """The keys that the hub gives on one of the two connections, as they come."""
    keys, carry = [], carrier.carry

    def carried(connection, told):
        def tell(words):
            keys.append(words.key)
            told(words)

        return carry(connection, told=tell)

    carrier.carry = carried
    return keys


@contextlib.asynccontextmanager
async def a_machine():
    made = Machine()
    await made.open()
    try:
        await made.connect()
        yield made
    finally:
        await made.close()
