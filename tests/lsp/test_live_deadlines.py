"""A person who types while the session does nothing for a minute: every answer by its deadline, on the loop's own clock, which
here is a virtual one; patience with the session, and the first reply."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.links.virtual import virtual

from yonder import wire
from yonder_lsp.documents import Document
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.live import COMPLETION, HOVER, LIFETIME, MISSES, RESOLVE, SIGNATURE, SLOW_PAUSE, Live
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.names import Names
from yonder_lsp.sessions import Epoch, Sessions
from yonder_lsp.static import Facts, Query

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
        return wire.Answer(found=True, type="T", members=[wire.Member("size", "f", 0)], generation=1)


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


# ── the whole answer, with a static engine that is stuck as well, or quick ────────────────────────────────────────────


class Engine:
    """Static facts that come after so many seconds."""

    def __init__(self, after: float) -> None:
        self.after = after
        self.asked = 0

    async def ask(self, query: Query) -> Facts:
        self.asked += 1
        await asyncio.sleep(self.after)
        signature = Facts(text="static", signature="f(a)", parameters=["a"])
        return signature if query.what != "complete" else Facts(names=[["thing", "instance"]])


TEXT = "x = made()\nf = made()\nd = {}\n"


def whole(stuck: Stuck, engine: Engine | None) -> Looking:
    sessions = Sessions()
    sessions.snapshot([wire.SessionState("main", "busy", 1, "/usr/bin/python3", 7, "")], 0.0)
    sessions.running("main", TEXT)
    eyes = looking(stuck)
    return Looking(Scene(folder="/w"), sessions, eyes, lambda: engine, lambda: 1.0, Hindsight(Names()))  # type: ignore[arg-type,return-value]


async def asked(looking: Looking, what: str, question: str) -> Any:
    document = Document("file:///w/a.py", TEXT + question)
    offset = len(document.text)
    if what == "complete":
        return await looking.complete(document, offset, "")
    return await getattr(looking, what)(document, offset)


QUESTIONS = [
    *[
        ("complete", text, COMPLETION)
        for text in ("x.", "x", "f(", "f(a, ", 'd["', "import o", "from os import p", "[].")
    ],
    ("hover", "x", HOVER),
    ("hover", "x.shape", HOVER),
    ("signature", "f(", SIGNATURE),
]


@pytest.mark.parametrize(("what", "question", "within"), QUESTIONS)
@virtual
async def test_a_request_has_one_deadline_whoever_is_stuck(what: str, question: str, within: float) -> None:
    for engine in (Engine(1000.0), None):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        found = await asked(whole(Stuck(), engine), what, question)
        assert loop.time() - begun <= within + 0.0001
        if what == "complete":
            assert found is None or found["isIncomplete"] or (question == "[]." and engine is None)
        else:
            assert found is None


@pytest.mark.parametrize(
    ("what", "question"), [("complete", "x."), ("complete", "x"), ("hover", "x"), ("signature", "f(")]
)
@virtual
async def test_a_stuck_session_leaves_the_static_engine_time_to_answer(what: str, question: str) -> None:
    engine = Engine(0.02)
    found = await asked(whole(Stuck(), engine), what, question)
    if what == "complete":
        assert "thing" in {item["label"] for item in found["items"]}
        assert found["isIncomplete"]
    else:
        assert "static" in str(found) or "f(a)" in str(found)


@virtual
async def test_a_session_that_answers_costs_the_static_engine_nothing() -> None:
    stuck, engine = Stuck(), Engine(0.02)
    stuck.going.set()
    found = await asked(whole(stuck, engine), "complete", "x.")
    assert [item["label"] for item in found["items"]] == ["size"]
    assert engine.asked == 0


@virtual
async def test_a_card_that_is_older_says_so_while_the_session_is_stuck() -> None:
    """It was seen in run 1; since then another one has begun, in which nothing answers."""
    stuck = Stuck()
    looks = whole(stuck, None)
    stuck.going.set()
    assert "live · now · a run is on" in (await asked(looks, "hover", "x"))["contents"]["value"]
    stuck.going.clear()
    looks._sessions.snapshot([wire.SessionState("main", "busy", 2, "/usr/bin/python3", 7, "")], 0.0)
    told = (await asked(looks, "hover", "x"))["contents"]["value"]
    assert "live" not in told
    assert "the session does not answer just now" in told
