"""A window and its hub on another machine, over TCP and TLS: whatever happens to the line, the store has everything once,
and the person is told."""

import asyncio
import random

import msgspec
import pytest
from tests.links.far import TOKEN, Elsewhere, FarRoom, a_far_room
from tests.links.virtual import virtual
from tests.links.window import CONFIGURE, SILENCE, story, told
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from yonder import keyfile, wire
from yonder.errors import CannotRun
from yonder.version import __version__
from yonder_lsp import ways

LINES = 20_000


def tell_all(room, run, lines):
    for event in story(run, lines):
        room.link.tell(event)


# ── the line ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_a_slow_far_line_carries_everything(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.proxy.slow(delay=0.025, rate=1e6)
        tell_all(room, "r", LINES)
        await room.everything()
        await told(room, "r", LINES)
        assert room.proxy.accepted == 1


@virtual
async def test_cuts_at_any_byte_lose_and_double_nothing(tmp_path):
    dice = random.Random(20)
    async with a_far_room(tmp_path) as room:
        room.proxy.slow(delay=0.025, rate=1e6)
        down, up = room.proxy.down.passed, room.proxy.up.passed
        room.proxy.down.cut_at(*(down + dice.randrange(1, 600_000) for _ in range(10)))
        room.proxy.up.cut_at(*(up + dice.randrange(1, 10_000) for _ in range(5)))
        tell_all(room, "r", LINES)
        await room.everything()
        await told(room, "r", LINES)
        assert room.proxy.broken == 15
        assert room.life.cluster == "on"


@virtual
async def test_a_message_that_is_long_under_way_is_a_sign_of_life(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.proxy.slow(rate=1e5)
        data = bytes(1_500_000)  # 15 s, and no message is whole before its end
        room.link.tell(wire.Display("r", "", "image/png", data, "", 1.0))
        await room.everything()
        assert room.proxy.accepted == 1


@virtual
@pytest.mark.parametrize("seconds", [1.0, 60.0])
@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_a_run_that_ends_in_the_cut_delivers_its_result(tmp_path, seconds, how):
    async with a_far_room(tmp_path) as room:
        events = list(story("r", 1000))
        for event in events[: len(events) // 2]:
            room.link.tell(event)
        await room.everything()
        if how == "refused":
            await room.proxy.refuse()
            room.proxy.cut()
        else:
            room.proxy.deaf()
        for event in events[len(events) // 2 :]:
            room.link.tell(event)
        await asyncio.sleep(seconds)
        assert (await room.run("r")).state == "running"
        await room.proxy.heal()
        await room.everything()
        await told(room, "r", 1000)
        assert room.life.cluster == "on"
        assert "lost" not in room.ear.clusters


@virtual
async def test_two_reconnects_at_once_are_one_return(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.proxy.slow(delay=0.05, rate=1e5)
        tell_all(room, "r", 2000)
        room.proxy.cut()
        await room.proxy.met(2)
        await room.proxy.up.reached(room.proxy.up.passed + 2000)  # the second is in the middle of its hello
        room.proxy.cut()
        await room.proxy.met(3)
        await room.everything()
        await told(room, "r", 2000)
        assert room.life.cluster == "on"


@virtual
async def test_a_silent_line_is_given_up_and_said_to_be_away(tmp_path):
    async with a_far_room(tmp_path) as room:
        clock = asyncio.get_running_loop().time
        assert room.life.where == f"The hub is at {room.address}."
        room.proxy.deaf()
        began = clock()
        await room.ear.until(lambda: room.life.cluster == "away")
        assert clock() - began < 13
        assert "cannot be reached since" in room.life.where
        with pytest.raises(CannotRun, match="cannot be reached since"):
            await room.life.ensure(CONFIGURE)
        with pytest.raises(CannotRun, match="cannot be told to stop"):
            await room.life.stop()
        await room.proxy.heal()
        await room.ear.until(lambda: room.life.cluster == "on")
        assert room.life.where == f"The hub is at {room.address}."


@virtual
async def test_the_hub_too_notices_that_a_line_is_dead(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.proxy.deaf()
        await asyncio.sleep(15)
        assert room.desk.lease._state == "cut"
        for number in range(100):  # nothing piles up in front of a line that is dead
            room.link.reply(wire.Status(number, [], [], [], 0, 0, 0))
        assert room.link._connection is None
        await room.proxy.heal()
        await room.ear.until(lambda: room.life.cluster == "on")


@virtual
async def test_a_hub_cut_off_for_good_is_called_lost_when_it_must_have_ended(tmp_path):
    async with a_far_room(tmp_path) as room:
        clock = asyncio.get_running_loop().time
        room.link.tell(wire.Phase("r", "running", 1.0))
        await room.everything()
        await room.proxy.refuse()
        room.proxy.cut()
        began = clock()
        reason = await room.desk.ended()
        assert "did not come back" in reason
        assert clock() - began >= SILENCE
        assert room.life.cluster == "away"
        await room.ear.until(lambda: room.life.cluster == "lost")
        assert SILENCE + ways.MARGIN <= clock() - began < SILENCE + ways.MARGIN + 3
        assert (await room.run("r")).state == "lost"


@virtual
async def test_a_hub_that_says_that_it_ends_is_not_waited_for(tmp_path):
    async with a_far_room(tmp_path) as room:
        await room.link.close()
        await room.ear.until(lambda: room.life.cluster == "lost")
        assert "away" not in room.ear.clusters


@virtual
async def test_a_hub_that_is_just_ending_is_none(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.link.ending = "the window was closed"
        room.proxy.cut()
        await room.ear.until(lambda: room.life.cluster == "lost")


@virtual
async def test_another_hub_in_its_place_is_another_hub(tmp_path):
    async with a_far_room(tmp_path) as room:
        other = Elsewhere(tmp_path, "other.hub.yonder")
        room.proxy.target = ("127.0.0.1", int((await other.open()).hub.rpartition(":")[2]))
        room.proxy.cut()
        await room.ear.until(lambda: room.life.cluster == "lost")
        with pytest.raises(CannotRun, match="another hub answers"):
            await room.life.ensure(CONFIGURE)
        keyfile.write(room.file, other.key(room.address))
        await room.life.ensure(CONFIGURE)
        assert room.life.cluster == "on"
        assert other.desk.came == 1
        await room.life.close()
        await other.close()


# ── coming and going ──────────────────────────────────────────────────────────────────────────────────────────────────


async def configured():
    return CONFIGURE


@virtual
async def test_looking_takes_up_a_hub_where_this_window_has_run_something_and_no_other(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.link.tell(wire.Phase("r", "running", 1.0))
        await room.everything()
        await room.life.close()
        again = FarRoom(tmp_path)
        again.life.hub_pid = 1
        assert await again.life.find(configured)
        assert again.life.connected
        await again.life.close()
        again.storing.close()
        fresh = FarRoom(tmp_path / "fresh")
        fresh.file = room.file
        assert not await fresh.life.find(configured)
        assert not fresh.life.connected
        fresh.storing.close()


@virtual
async def test_a_window_that_comes_back_while_the_hub_cannot_be_reached_waits_for_it(tmp_path):
    async with a_far_room(tmp_path) as room:
        room.link.tell(wire.Phase("r", "running", 1.0))
        await room.everything()
        await room.life.close()
        await room.proxy.refuse()
        again = FarRoom(tmp_path)
        assert await again.life.find(configured)
        assert again.life.cluster == "away"
        await room.proxy.heal()
        await again.ear.until(lambda: again.life.cluster == "on")
        await again.life.close()
        again.storing.close()


@virtual
async def test_a_key_file_that_is_not_there_is_said_and_nothing_else_is_started(tmp_path):
    async with a_far_room(tmp_path) as room:
        await room.life.close()
        room.file.unlink()
        again = FarRoom(tmp_path)
        assert not await again.life.find(configured)
        assert "cannot be read" in again.ear.notices[0]
        with pytest.raises(CannotRun, match="yonder hub --listen"):
            await again.life.ensure(CONFIGURE)
        again.storing.close()


@virtual
async def test_a_hub_that_does_not_answer_is_named_with_its_key_file(tmp_path):
    async with a_far_room(tmp_path) as room:
        await room.life.close()
        await room.proxy.refuse()
        again = FarRoom(tmp_path)
        with pytest.raises(CannotRun, match=r"hub at 127\.0\.0\.1:\d+ \(.*hub.json\) does not answer"):
            await again.life.ensure(CONFIGURE)
        assert again.life.cluster == "off"
        again.storing.close()


@virtual
async def test_another_window_is_refused_in_words_while_the_first_keeps_its_connection(tmp_path):
    async with a_far_room(tmp_path) as room:
        other = FarRoom(tmp_path)
        other.life = other.ear.life = _another(other)
        with pytest.raises(CannotRun, match="belongs to another window"):
            await other.life.ensure(CONFIGURE)
        tell_all(room, "r", 200)
        await room.everything()
        assert room.proxy.broken == 0
        assert room.desk.came == 1
        other.storing.close()


def _another(room):
    from yonder_lsp.lifecycle import Lifecycle

    return Lifecycle("another-window", room.storing, room.ear, key_file=lambda: str(room.file))


# ── strangers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def greeted(key, *, path="/owner", token=TOKEN, ident="o"):
    """The hub's answer to a hello."""
    hello = wire.Hello(version=wire.VERSION, package=__version__, role="owner", token=token, id=ident)
    async with connect(f"wss://{key.name}{path}", **key.way()) as connection:
        await connection.send(wire.encode(hello))
        return wire.Parser(wire.HubToOwner).message(await connection.recv(decode=False))


async def test_the_certificate_without_the_token_opens_nothing(tmp_path):
    hub = Elsewhere(tmp_path)
    key = await hub.open()
    assert isinstance(await greeted(key), wire.Welcome)
    refused = await greeted(key, token="guessed")
    assert refused.code == "token"
    assert TOKEN not in refused.sentence + "".join(hub.complaints)
    await hub.close()


async def test_the_token_without_a_certificate_of_an_owner_opens_nothing(tmp_path):
    hub, other = Elsewhere(tmp_path), Elsewhere(tmp_path, "other.hub.yonder")
    key = await hub.open()
    with pytest.raises(InvalidStatus):
        await greeted(hub.key(key.hub, "agent"))
    stolen = other.key(key.hub)
    with pytest.raises((OSError, InvalidHandshake, ConnectionClosed)):
        await greeted(msgspec.structs.replace(stolen, name=key.name, authority=key.authority))
    assert hub.desk.came == 0
    await hub.close()


async def test_there_is_no_plaintext(tmp_path):
    hub = Elsewhere(tmp_path)
    key = await hub.open()
    host, port = key.hub.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /owner HTTP/1.1\r\nHost: {key.name}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await hub.close()
