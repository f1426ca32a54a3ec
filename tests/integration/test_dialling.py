"""Dialling a hub again and again: keys, refusals and pauses, over connections in memory; and what comes on stdin."""

import asyncio
import os

import pytest
from tests.integration.test_carrier import Talk, wires

from yonder import wire
from yonder.agent import dialling as module
from yonder.agent import invitation
from yonder.agent.dialling import Link
from yonder.carrier import BULK_WINDOW, SMALL_WINDOW, Carrier
from yonder.errors import CannotRun, VersionMismatch
from yonder.hub.tls import Authority

WELCOME = wire.Welcome(version=wire.VERSION, package="0", hub="h")


def refused(code, sentence="no"):
    return wire.Refused(code=code, sentence=sentence, version=7, package="7.7.7")


@pytest.fixture(scope="module")
def invited():
    authority = Authority("h.hub.yonder")
    ours = authority.certify("agent", "a")
    return wire.Invitation(
        version=wire.VERSION,
        package="0",
        owner="me",
        agent="a",
        hub="127.0.0.1:9",
        name="h.hub.yonder",
        authority=authority.pem,
        certificate=ours.certificate,
        key=ours.key,
        secret="first",
        lane="lane",
        reach=1.0,
        silence=1.0,
    )


class Far:
    """The hub's end: `answers` are the next ones' (an exception: the dial fails), then everybody is welcome."""

    def __init__(self, link):
        self.answers = []
        self.hellos = []
        self.ends = []
        self.ours = []
        self.changed = asyncio.Event()
        self._tasks = []
        accept = lambda: self.begun.put_nowait(Talk()) or self.begun._queue[-1]
        self.begun = asyncio.Queue()
        self._carriers = {
            "agent": Carrier(dialled=False, window=SMALL_WINDOW, accept=accept),
            "bulk": Carrier(dialled=False, window=BULK_WINDOW, accept=accept),
        }
        link._connect = self._connect

    async def _connect(self):
        answer = self.answers.pop(0) if self.answers else WELCOME
        if isinstance(answer, Exception):
            raise answer
        here, there = wires()
        self.ours.append(here)
        self._tasks.append(asyncio.create_task(self._serve(there, answer)))
        return here

    async def _serve(self, there, answer):
        hello = wire.Parser(wire.Hello).message(await there.recv())
        self.hellos.append(hello)
        self.ends.append(there)
        self.changed.set()
        await there.send(answer if isinstance(answer, bytes) else wire.encode(answer))
        if answer is WELCOME:
            number = len([one for one in self.hellos if one.role == hello.role])
            bulk = "bulk-0" if hello.token == "first" else ""
            await self._carriers[hello.role].carry(there, key=f"{hello.role}-{number}", bulk=bulk)

    async def said(self, count):
        """The first so many hellos."""
        async with asyncio.timeout(20):
            while len(self.hellos) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.hellos[:count]

    async def close(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def pair(invited, monkeypatch):
    monkeypatch.setattr(module, "SHORTEST", 0.001)
    failures = []
    link = Link(invited, failures.append)
    link.failures = failures
    far = Far(link)
    yield link, far
    await far.close()


async def hold(link, far, count):
    """Have the link held until the hub has heard so many hellos; what it raised, if it did."""
    holding = asyncio.create_task(link.hold())
    saying = asyncio.create_task(far.said(count))
    await asyncio.wait([holding, saying], return_when=asyncio.FIRST_COMPLETED)
    error = holding.exception() if holding.done() else None
    for task in (holding, saying):
        task.cancel()
    await asyncio.gather(holding, saying, return_exceptions=True)
    return error


async def test_the_second_connection_is_dialled_when_the_first_was_let_in(pair):
    link, far = pair
    assert await hold(link, far, 2) is None
    first, second = far.hellos
    assert (first.role, first.token, first.id) == ("agent", "first", "a")
    assert (second.role, second.token) == ("bulk", "bulk-0")
    assert first.version == wire.VERSION
    assert first.pid == os.getpid()
    assert link.trouble == ""


async def test_every_dial_shows_the_key_that_the_one_before_was_given(pair):
    link, far = pair
    holding = asyncio.create_task(link.hold())
    for count in (2, 4, 6):
        await far.said(count)
        async with asyncio.timeout(20):
            while not (link.small.connected and link.bulk.connected):  # noqa: ASYNC110 - the loop has to turn
                await asyncio.sleep(0)
        for end in far.ends[-2:]:
            end.abort()
    await far.said(8)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    shown = {role: [one.token for one in far.hellos if one.role == role] for role in ("agent", "bulk")}
    assert shown["agent"][:4] == ["first", "agent-1", "agent-2", "agent-3"]
    assert shown["bulk"][:4] == ["bulk-0", "bulk-1", "bulk-2", "bulk-3"]


async def test_who_is_to_come_later_comes_later_and_failures_are_told(pair):
    link, far = pair
    far.answers = [
        ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"),
        OSError("no way there"),
        TimeoutError(),
        refused("busy", "too many at once"),
    ]
    assert await hold(link, far, 3) is None
    assert [hello.token for hello in far.hellos] == ["first", "first", "bulk-0"]
    assert link.failures == [True, False, False, False]
    assert link.trouble == ""


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"), "127.0.0.1:9: Connection refused"),
        (OSError("no way there"), "127.0.0.1:9: no way there"),
        (TimeoutError(), "127.0.0.1:9: TimeoutError"),
        (refused("busy", "too many at once"), "127.0.0.1:9: too many at once"),
    ],
)
async def test_trouble_is_said_in_words(pair, monkeypatch, failure, words):
    link, far = pair
    monkeypatch.setattr(module, "SHORTEST", 1000.0)
    monkeypatch.setattr(module, "LONGEST", 1000.0)
    failed = asyncio.Event()
    link._failed = lambda _: failed.set()
    far.answers = [failure]
    holding = asyncio.create_task(link.hold())
    await asyncio.wait_for(failed.wait(), 20)
    assert link.trouble == words
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused("token", "who are you"), CannotRun, "who are you"),
        (refused("spent", "used before"), CannotRun, "used before"),
        (refused("closing", "too late"), CannotRun, "too late"),
        (refused("version"), VersionMismatch, "the hub is yonder 7.7.7"),
        (wire.Leave(), wire.WireError, "not a message of this conversation"),
        (b"\xc1", wire.WireError, "not a message of this conversation"),
    ],
    ids=["token", "spent", "closing", "version", "leave", "nonsense"],
)
async def test_a_no_for_good_is_the_end(pair, answer, kind, words):
    link, far = pair
    far.answers = [answer]
    error = await hold(link, far, 99)
    assert type(error) is kind
    assert words in str(error)
    assert not far.ours[0].open
    assert len(far.hellos) == 1


async def test_a_hub_that_says_nothing_is_dialled_again(pair, monkeypatch):
    link, far = pair
    monkeypatch.setattr(module, "DIAL_WITHIN", 0.01)
    silent, _ = wires()
    connect, link._connect = link._connect, None

    async def first():
        link._connect = connect
        return silent

    link._connect = first
    assert await hold(link, far, 2) is None
    assert not silent.open
    assert link.failures[0] is False


# ── stdin ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pipe(data):
    ours, theirs = os.pipe()
    os.write(theirs, data)
    return ours, theirs


def test_an_invitation_that_does_not_come_is_not_waited_for_for_ever():
    ours, theirs = _pipe(b"half")
    with pytest.raises(ValueError, match="within 0 s"):
        invitation.read_line(ours, seconds=0.0)
    os.close(ours)
    os.close(theirs)


def test_only_the_first_line_is_the_invitation():
    ours, theirs = _pipe(b"one\ntwo\n")
    assert invitation.read_line(ours) == b"one"
    os.close(ours)
    os.close(theirs)
