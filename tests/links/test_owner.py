"""The owner's link over a line that is slow, silent or cut: whatever happens to it, the store has everything once."""

import asyncio
import itertools
import random

import pytest
from tests.links.virtual import virtual
from tests.links.window import CONFIGURE, LINGER, SILENCE, a_room, story, told

from yonder import wire
from yonder.errors import CannotRun

LINES = 100_000


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    """Sockets and notes of this test alone, in a short path."""
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))


def tell_all(room, run, lines):
    for event in story(run, lines):
        room.link.tell(event)


@virtual
async def test_a_slow_far_line_carries_everything(tmp_path):
    async with a_room(tmp_path) as room:
        room.proxy.slow(delay=0.025, rate=1e6)
        tell_all(room, "r", LINES)
        await room.everything()
        await told(room, "r", LINES)
        assert room.proxy.accepted == 1


@virtual
async def test_twenty_cuts_at_any_byte_lose_and_double_nothing(tmp_path):
    dice = random.Random(20)
    async with a_room(tmp_path) as room:
        room.proxy.slow(delay=0.025, rate=1e6)
        down, up = room.proxy.down.passed, room.proxy.up.passed
        room.proxy.down.cut_at(*(down + dice.randrange(1, 3_000_000) for _ in range(15)))
        room.proxy.up.cut_at(*(up + dice.randrange(1, 10_000) for _ in range(5)))
        tell_all(room, "r", LINES)
        await room.everything()
        await told(room, "r", LINES)
        assert room.proxy.broken == 20
        # One of the cuts may fall into a hello; nothing else is worth a word.
        assert not [words for words in room.complaints if "hello did not come" not in words]


@virtual
async def test_cuts_at_every_place_of_the_handshake_are_only_cuts(tmp_path):
    async with a_room(tmp_path) as room:
        places = list(itertools.accumulate(range(1, 800, 9)))
        room.proxy.up.cut_at(*(room.proxy.up.passed + place for place in places))
        room.proxy.down.cut_at(*(room.proxy.down.passed + place for place in places))
        tell_all(room, "r", 1000)
        room.proxy.cut()
        await room.everything()
        await told(room, "r", 1000)
        assert room.proxy.broken > len(places)
        assert room.life.cluster == "on"


@virtual
@pytest.mark.parametrize("seconds", [1.0, 60.0])
@pytest.mark.parametrize("how", ["refused", "held"])
async def test_a_run_that_ends_in_the_cut_delivers_its_result(tmp_path, seconds, how):
    async with a_room(tmp_path) as room:
        events = list(story("r", 1000))
        for event in events[: len(events) // 2]:
            room.link.tell(event)
        await room.everything()
        if how == "refused":
            await room.proxy.refuse()
            room.proxy.cut()
        else:
            room.proxy.up.hold()
            room.proxy.down.hold()
        for event in events[len(events) // 2 :]:
            room.link.tell(event)
        await asyncio.sleep(seconds)
        assert (await room.run("r")).state == "running"
        await room.proxy.heal()
        await room.everything()
        await told(room, "r", 1000)
        assert room.desk.came == (2 if how == "refused" else 1)
        assert "lost" not in room.ear.clusters


@virtual
async def test_when_only_the_answers_are_missing_the_window_of_the_hub_is_the_bound(tmp_path):
    async with a_room(tmp_path) as room:
        room.proxy.up.hold()
        for number in range(3000):
            room.link.tell(wire.Output("r", "", 1, f"{number}\n", 1.0))
        await room.ear.until(lambda: len(room.ear.numbers) == 1024)
        await asyncio.sleep(60)
        assert len(room.ear.numbers) == 1024
        await room.proxy.heal()
        await room.everything()
        assert await room.text("r") == "".join(f"{number}\n" for number in range(3000))


@virtual
async def test_a_request_that_gets_through_is_served_though_no_answer_comes_back(tmp_path):
    async with a_room(tmp_path) as room:
        room.proxy.down.hold()
        await room.life.send(wire.Execute("r", "main", "1", "/a.py", 0))
        assert (await room.desk.said.get()).run == "r"
        tell_all(room, "r", 200)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await room.life.peek("main", wire.Query("describe"))
        await room.proxy.heal()
        await room.everything()
        await told(room, "r", 200)
        assert (await room.life.peek("main", wire.Query("describe"))).found


@virtual
async def test_two_reconnects_in_quick_succession_are_one_return(tmp_path):
    async with a_room(tmp_path) as room:
        room.proxy.slow(delay=0.05, rate=1e5)
        tell_all(room, "r", 2000)
        room.proxy.cut()
        await room.proxy.met(2)
        await room.proxy.up.reached(room.proxy.up.passed + 300)  # the second is in the middle of its hello
        room.proxy.cut()
        await room.proxy.met(3)
        await room.everything()
        await told(room, "r", 2000)


@virtual
async def test_what_is_asked_in_a_cut_is_told_that_it_was_cut(tmp_path):
    async with a_room(tmp_path) as room:
        room.proxy.down.hold()
        asked = asyncio.create_task(room.life.peek("main", wire.Query("describe")))
        await room.proxy.up.reached(room.proxy.up.passed + 10)
        await room.proxy.refuse()
        room.proxy.cut()
        with pytest.raises(CannotRun, match="cut"):
            await asked
        with pytest.raises(CannotRun):
            await room.life.send(wire.Execute("r", "main", "1", "/a.py", 0))
        with pytest.raises(CannotRun, match="does not answer though its process lives"):
            await room.life.ensure(CONFIGURE)
        await room.proxy.heal()
        await room.life.ensure(CONFIGURE)
        assert room.life.connected


@virtual
@pytest.mark.parametrize(("distant", "patience"), [(True, SILENCE), (False, LINGER)])
async def test_an_owner_cut_off_for_good_is_waited_for_as_long_as_was_agreed(tmp_path, distant, patience):
    async with a_room(tmp_path, distant=distant) as room:
        clock = asyncio.get_running_loop().time
        await room.proxy.refuse()
        room.proxy.cut()
        began = clock()
        reason = await room.desk.ended()
        assert patience <= clock() - began < patience + 2.1
        assert "did not come back" in reason
        room.folder.note_file.unlink()
        await room.ear.until(lambda: room.life.cluster == "lost")


@virtual
async def test_a_silent_line_with_a_living_window_holds_the_lease_until_the_silence(tmp_path):
    async with a_room(tmp_path) as room:
        clock = asyncio.get_running_loop().time
        await room.life.send(wire.WindowAlive())
        room.proxy.up.hold()
        began = clock()
        reason = await room.desk.ended()
        assert SILENCE - 1 <= clock() - began < SILENCE + 2.1
        assert "was not heard of" in reason
