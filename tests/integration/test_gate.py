"""The hub's TCP door against real TLS connections: who comes in, who does not, and when an agent elsewhere is lost."""

import asyncio
import socket
import ssl

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from yonder import wire
from yonder.carrier import LARGEST, SMALL_WINDOW, Carrier
from yonder.credentials import client_context
from yonder.errors import BootFailed
from yonder.hub import distant as distant_module
from yonder.hub.distant import Manners
from yonder.hub.gate import Gate, Path, joined, reached, split
from yonder.version import __version__


class Echo:
    """A conversation's receiver that answers each beat with a preload."""

    def __init__(self, conversation, ended):
        self._conversation = conversation
        self._ended = ended

    def received(self, message):
        self._conversation.send(wire.Preload([f"heard {len(message.usage)}"]))

    def lost(self):
        self._ended.set()


class House:
    """A gate, and everything that its hub is told."""

    def __init__(self, silence=600.0):
        self.trouble = []
        self.away = []
        self.lost = {}
        self.over = asyncio.Event()
        self.ended = []
        manners = Manners(self._accept, lambda *told: self.away.append(told), self._lost, self.trouble.append)
        self.gate = Gate(
            "abc.hub.yonder", "me", manners, silence=lambda: silence, told_ended=lambda *told: self.ended.append(told)
        )

    def _accept(self, distant, conversation, hello):
        if hello.token != distant.lane:
            return wire.Refused("token", "no", wire.VERSION, __version__)
        conversation.send(wire.Welcome(version=wire.VERSION, package=__version__, hub="h"))
        return Echo(conversation, self.over)

    def _lost(self, agent, report):
        self.lost[agent] = report

    async def invite(self, agent="agent-1"):
        return msgspec.json.decode(await self.gate.invite(agent, listen="127.0.0.1"), type=wire.Invitation)


@pytest.fixture
async def house():
    made = House()
    yield made
    await made.gate.close()


class Agent(asyncio.Protocol):
    """An agent elsewhere with one conversation over its small connection."""

    def __init__(self, invitation):
        self.invitation = invitation
        self.carrier = Carrier(dialled=True, window=SMALL_WINDOW)
        self.key = invitation.secret
        self.bulk = ""
        self.heard = asyncio.Queue()
        self.over = asyncio.Event()
        self._parser = wire.Parser(wire.HubToAgent)
        self._carrying = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        for message in self._parser.feed(data):
            self.heard.put_nowait(message)

    def connection_lost(self, exc):
        self.over.set()

    def say(self, message):
        self.transport.write(wire.frames(message))

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), 20)

    async def dial(self, **others):
        self.connection = await dial(self.invitation, **others)
        await self.connection.send(wire.encode(self._hello()))
        answer = wire.Parser(wire.HubToAgent).message(await self.connection.recv(decode=False))
        if isinstance(answer, wire.Refused):
            return answer
        resumed = asyncio.Queue()
        self._carrying = asyncio.create_task(self.carrier.carry(self.connection, told=resumed.put_nowait))
        told = await asyncio.wait_for(resumed.get(), 20)
        self.key, self.bulk = told.key, told.bulk or self.bulk
        return answer

    def _hello(self):
        return wire.Hello(
            version=wire.VERSION,
            package=__version__,
            role="agent",
            token=self.key,
            id=self.invitation.agent,
        )

    async def begin(self):
        self.carrier.open(self)
        self.say(self._lane())
        assert isinstance(await self.next(), wire.Welcome)

    def _lane(self):
        return msgspec.structs.replace(self._hello(), token=self.invitation.lane)

    async def cut(self):
        self.connection.transport.abort()
        await self._carrying


def dial(invitation, *, host="", name="", path="/link", context=None, **more):
    address, port = split(invitation.hub)
    return connect(
        f"wss://{host or invitation.name}{path}",
        host=address,
        port=port,
        ssl=context or client_context(invitation.authority, invitation.certificate, invitation.key),
        server_hostname=invitation.name,
        compression=None,
        max_size=LARGEST,
        **more,
    )


async def test_an_invited_agent_comes_in_and_its_conversation_outlives_a_cut(house):
    agent = Agent(await house.invite())
    assert isinstance(await agent.dial(), wire.Welcome)
    await agent.begin()
    agent.say(wire.Beat([]))
    assert await agent.next() == wire.Preload(["heard 0"])
    await agent.cut()
    agent.say(wire.Beat([wire.Usage("w", 1.0, 2)]))
    assert isinstance(await agent.dial(), wire.Welcome)
    assert await agent.next() == wire.Preload(["heard 1"])
    assert house.lost == {}


async def test_a_secret_that_was_used_lets_nobody_in_again(house):
    invitation = await house.invite()
    agent, thief = Agent(invitation), Agent(invitation)
    await agent.dial()
    await agent.begin()
    refused = await thief.dial()
    assert refused.code == "spent"
    agent.say(wire.Beat([]))
    assert await agent.next() == wire.Preload(["heard 0"])
    assert invitation.secret not in "".join(house.trouble)


async def test_an_answer_that_was_lost_in_a_cut_is_given_again(house):
    agent = Agent(await house.invite())
    for _ in range(2):
        connection = await dial(agent.invitation)
        await connection.send(wire.encode(agent._hello()))
        assert isinstance(wire.Parser(wire.HubToAgent).message(await connection.recv(decode=False)), wire.Welcome)
        await connection.send(wire.encode(wire.Resume(0)))  # which the agent says before it has heard the hub's
        await connection.close()
    assert isinstance(await agent.dial(), wire.Welcome)
    assert agent.bulk


async def test_the_bulk_connection_comes_in_by_its_own_secret(house):
    agent = Agent(await house.invite())
    await agent.dial()
    assert agent.bulk
    assert agent.bulk != agent.key
    hello = msgspec.structs.replace(agent._hello(), role="bulk", token=agent.bulk)
    connection = await dial(agent.invitation)
    await connection.send(wire.encode(hello))
    answer = wire.Parser(wire.HubToAgent).message(await connection.recv(decode=False))
    assert isinstance(answer, wire.Welcome)
    connection.transport.abort()


async def test_another_agents_certificate_opens_nothing(house):
    one, other = await house.invite("agent-1"), await house.invite("agent-2")
    mixed = Agent(msgspec.structs.replace(one, certificate=other.certificate, key=other.key))
    assert (await mixed.dial()).code == "token"


async def test_who_has_no_certificate_hears_nothing(house):
    invitation = await house.invite()
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.load_verify_locations(cadata=invitation.authority)
    with pytest.raises((ssl.SSLError, OSError, InvalidHandshake)):
        async with dial(invitation, context=stranger) as connection:
            await connection.recv()


async def test_the_hub_of_another_authority_is_not_trusted(house):
    invitation = await house.invite()
    other = House()
    try:
        elsewhere = await other.invite()
        with pytest.raises(ssl.SSLError):
            await Agent(msgspec.structs.replace(invitation, hub=elsewhere.hub)).dial()
    finally:
        await other.gate.close()


async def test_plain_http_is_not_answered(house):
    host, port = split((await house.invite()).hub)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /link HTTP/1.1\r\nHost: abc.hub.yonder\r\n\r\n")
    assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 20)
    writer.close()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"origin": "https://example.org"}, 403),
        ({"host": "localhost"}, 403),
        ({"path": "/elsewhere"}, 404),
    ],
    ids=["origin", "host", "path"],
)
async def test_requests_that_are_not_from_an_executor_are_refused(house, how, status):
    invitation = await house.invite()
    with pytest.raises(InvalidStatus) as refused:
        await dial(invitation, **how)
    assert refused.value.response.status_code == status


async def test_what_is_no_hello_is_cut_off(house):
    connection = await dial(await house.invite())
    await connection.send(b"\xc1 nonsense")
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(connection.recv(), 20)
    assert "broke the protocol" in house.trouble[-1]


async def test_a_machine_that_ended_is_lost_with_the_platforms_verdict(house):
    agent = Agent(await house.invite())
    await agent.dial()
    await agent.begin()
    verdict = wire.ExitReport(code=137, signal=9, out_of_memory=True)
    house.gate.ended("agent-1", "the container ended", verdict)
    await asyncio.wait_for(house.over.wait(), 20)
    assert house.lost == {"agent-1": verdict}
    assert house.ended == [("agent-1", "the container ended")]
    await agent.cut()
    assert (await agent.dial()).code == "spent"


async def test_an_agent_that_is_not_heard_of_is_away_and_then_lost(house, monkeypatch):
    monkeypatch.setattr(distant_module, "BEAT", 0.01)
    monkeypatch.setattr(distant_module, "AWAY", 0.05)
    monkeypatch.setattr(distant_module, "MARGIN", 0.2)
    monkeypatch.setattr("yonder.hub.gate.ALONE", 0.1)
    brief = House(silence=0.1)
    try:
        agent = Agent(await brief.invite())
        await agent.dial()
        await agent.begin()
        await agent.cut()
        await asyncio.wait_for(brief.over.wait(), 20)
        assert brief.away == [("agent-1", "cannot be reached; it goes on by itself for 0.2 s")]
        assert "was not heard of" in brief.lost["agent-1"].sentence()
    finally:
        await brief.gate.close()


async def test_a_withdrawn_agent_is_cut_off(house):
    agent = Agent(await house.invite())
    await agent.dial()
    await agent.begin()
    house.gate.withdraw("agent-1")
    assert house.over.is_set()
    await asyncio.wait_for(agent._carrying, 20)
    assert (await agent.dial()).code == "spent"


async def test_an_address_that_is_not_this_machines_is_refused_in_words(house):
    with pytest.raises(BootFailed, match="cannot listen on 192"):
        await house.gate.invite("agent-1", listen="192.0.2.1")


@pytest.mark.parametrize(("reach", "direct"), [("", True), ("hub.example.org", False)])
async def test_an_invitation_says_whether_the_door_is_the_hubs_own(house, reach, direct):
    invitation = await house.gate.invite("agent-1", listen="127.0.0.1", reach=reach)
    assert msgspec.json.decode(invitation, type=wire.Invitation).direct is direct


async def test_one_door_serves_everybody(house):
    assert (await house.invite("a")).hub == (await house.invite("b")).hub


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("host", ("host", 0)),
        ("host:1", ("host", 1)),
        ("[::1]", ("::1", 0)),
        ("[::1]:7", ("::1", 7)),
        ("fdaa::3", ("fdaa::3", 0)),
    ],
)
def test_addresses(address, parts):
    assert split(address) == parts


def test_what_executors_dial():
    assert reached("", "10.0.0.1:5") == "10.0.0.1:5"
    assert reached("hub.example", "10.0.0.1:5") == "hub.example:5"
    assert reached("hub.example:9", "10.0.0.1:5") == "hub.example:9"
    assert reached("[fdaa::3]", "10.0.0.1:5") == "[fdaa::3]:5" == joined("fdaa::3", 5)


async def test_small_messages_of_the_hub_do_not_wait_for_acknowledgements(house):
    at_once = asyncio.get_running_loop().create_future()

    async def look(connection):
        line = connection.transport.get_extra_info("socket")
        at_once.set_result(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    house.gate.serve("/look", Path(look))
    async with dial(await house.invite(), path="/look"):
        assert await at_once
