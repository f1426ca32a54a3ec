"""A person who types while the session does nothing for a minute: every answer by its deadline, on the loop's own clock, which
here is a virtual one; patience with the session, and the first reply."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
from tests.links.virtual import virtual

from yonder import wire
from yonder_lsp.live import COMPLETION, HOVER, LIFETIME, MISSES, RESOLVE, SIGNATURE, SLOW_PAUSE, Live
from yonder_lsp.sessions import Epoch

EPOCH = Epoch("main", 7, 1, busy=True)
DOC = "file:///a.py"
KEY = 0.1
MINUTE = 600


def members(number: int) -> wire.Query:
    return wire.Query("members", [wire.Step("name", f"x{number}")])


class Stuck:
    """A session that does not answer until it is let go."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.going = asyncio.Event()

    async def peek(self, session: str, query: wire.Query) -> wire.Answer:
        self.asked.append(asyncio.get_running_loop().time())
        await self.going.wait()
        return wire.Answer(found=True, type="T", members=[wire.Member("size", "f", 0)])


def looking(stuck: Stuck, changed: Callable[[], None] = lambda: None) -> Live:
    return Live(stuck.peek, clock=asyncio.get_running_loop().time, slow_changed=changed)


@pytest.mark.parametrize("within", [COMPLETION, HOVER, SIGNATURE, RESOLVE])
@virtual
async def test_every_key_of_a_minute_is_answered_by_its_deadline(within: float) -> None:
    stuck, loop = Stuck(), asyncio.get_running_loop()
    eyes = looking(stuck)
    waited = []
    for number in range(MINUTE):
        begun = loop.time()
        look = await eyes.ask(DOC, EPOCH, members(number), within)
        waited.append(loop.time() - begun)
        assert (look.answer, look.late) == (None, True)
        await asyncio.sleep(max(0.0, KEY - waited[-1]))
    assert max(waited) == pytest.approx(within)
    assert sorted(waited)[MINUTE // 2] == 0.0  # most of them did not wait at all
    eyes.forget()


@virtual
async def test_a_stuck_session_is_asked_every_two_seconds_and_no_oftener() -> None:
    stuck, told = Stuck(), list[bool]()
    eyes = looking(stuck, lambda: told.append(eyes.slow))
    for number in range(MINUTE):
        await eyes.ask(DOC, EPOCH, members(number), COMPLETION)
        await asyncio.sleep(KEY)
    assert told == [True]
    later = stuck.asked[MISSES:]
    assert min(after - before for before, after in itertools.pairwise(later)) >= SLOW_PAUSE
    assert 0.8 * MINUTE * KEY / SLOW_PAUSE <= len(later) <= MINUTE * (KEY + COMPLETION) / SLOW_PAUSE + 1
    assert len(eyes._flights) <= LIFETIME / SLOW_PAUSE + MISSES + 1
    eyes.forget()


@virtual
async def test_the_first_reply_after_a_minute_makes_everything_as_before() -> None:
    stuck, told = Stuck(), list[bool]()
    eyes = looking(stuck, lambda: told.append(eyes.slow))
    for number in range(MINUTE):
        await eyes.ask(DOC, EPOCH, members(number), COMPLETION)
        await asyncio.sleep(KEY)
    stuck.going.set()
    await asyncio.sleep(0.001)
    assert told == [True, False]
    look = await eyes.ask(DOC, EPOCH, members(MINUTE), COMPLETION)
    assert (look.answer is not None, look.late) == (True, False)
    eyes.forget()


@virtual
async def test_keys_faster_than_the_deadline_are_each_answered_at_once_but_the_last() -> None:
    """Each newer question releases the one before it; none piles up behind another."""
    stuck, loop = Stuck(), asyncio.get_running_loop()
    eyes = looking(stuck)
    spent: list[float] = []

    async def key(number: int) -> None:
        begun = loop.time()
        await eyes.ask(DOC, EPOCH, members(number), COMPLETION)
        spent.append(loop.time() - begun)

    async with asyncio.TaskGroup() as keys:
        for number in range(50):
            keys.create_task(key(number))
            await asyncio.sleep(0.01)
    assert len(spent) == 50
    assert max(spent[:-1]) == pytest.approx(0.01)
    assert spent[-1] == pytest.approx(COMPLETION)
    assert not eyes.slow  # who was overtaken has not waited in vain
    eyes.forget()
