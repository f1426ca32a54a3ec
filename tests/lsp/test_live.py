"""Deadlines, the cache, one look in flight, patience with a slow session."""

import asyncio

import pytest

from yonder import wire
from yonder.errors import CannotRun
from yonder_lsp.live import FARTHEST, MISSES, NEAR, REPLIES, SLOW_PAUSE, Live
from yonder_lsp.sessions import Epoch

IDLE = Epoch("main", 7, 1, busy=False)
BUSY = Epoch("main", 7, 1, busy=True)
DOC = "file:///a.py"
SOON = 0.01


def members(name: str) -> wire.Query:
    return wire.Query("members", [wire.Step("name", name)])


def answer(name: str) -> wire.Answer:
    return wire.Answer(found=True, type="T", members=[wire.Member(name, "f", 0)])


class Session:
    """A session whose answers come when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, asyncio.Future[wire.Answer]]] = []
        self.prompt = False

    async def peek(self, session: str, query: wire.Query) -> wire.Answer:
        name = str(query.path[0].value)
        if self.prompt:
            self.asked.append((name, asyncio.get_running_loop().create_future()))
            return answer(name)
        waiting: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((name, waiting))
        return await waiting

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def settled() -> None:
    """Everything that is ready to run has run."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changes() -> list[bool]:
    return []


@pytest.fixture
async def eyes(session: Session, clock: Clock, changes: list[bool]):
    made = Live(session.peek, clock=clock, slow_changed=lambda: changes.append(made.slow))
    yield made
    made.forget()
    await asyncio.sleep(0)


async def test_an_answer_in_time(eyes: Live, session: Session) -> None:
    session.prompt = True
    look = await eyes.ask(DOC, IDLE, members("x"), 5)
    assert look.answer == answer("x")
    assert not look.late


async def test_a_session_that_never_answers_costs_the_deadline(eyes: Live, session: Session) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    look = await eyes.ask(DOC, BUSY, members("x"), 0.05)
    assert look.late
    assert look.answer is None
    assert 0.045 <= loop.time() - begin < 1.0


async def test_an_idle_session_is_asked_once_a_generation(eyes: Live, session: Session) -> None:
    session.prompt = True
    await eyes.ask(DOC, IDLE, members("x"), 5)
    await eyes.ask(DOC, IDLE, members("x"), 5)
    assert session.names() == ["x"]
    await eyes.ask(DOC, Epoch("main", 7, 2, busy=False), members("x"), 5)
    assert session.names() == ["x", "x"]


async def test_a_busy_session_is_asked_again(eyes: Live, session: Session) -> None:
    session.prompt = True
    await eyes.ask(DOC, BUSY, members("x"), 5)
    await eyes.ask(DOC, BUSY, members("x"), 5)
    assert session.names() == ["x", "x"]


async def test_a_late_reply_is_remembered(eyes: Live, session: Session) -> None:
    assert (await eyes.ask(DOC, IDLE, members("x"), SOON)).late
    session.asked[0][1].set_result(answer("x"))
    await settled()
    look = await eyes.ask(DOC, IDLE, members("x"), SOON)
    assert look.answer == answer("x")
    assert not look.late
    assert session.names() == ["x"]


async def test_an_older_answer_helps_when_a_new_one_is_late(eyes: Live, session: Session) -> None:
    session.prompt = True
    await eyes.ask(DOC, IDLE, members("x"), 5)
    session.prompt = False
    look = await eyes.ask(DOC, Epoch("main", 7, 2, busy=True), members("x"), SOON)
    assert look.answer == answer("x")
    assert look.late


async def test_a_restarted_session_is_not_answered_for_by_the_one_before(eyes: Live, session: Session) -> None:
    session.prompt = True
    await eyes.ask(DOC, IDLE, members("x"), 5)
    session.prompt = False
    for epoch in (Epoch("main", 8, 1, busy=False), Epoch("main", 8, 1, busy=True)):
        look = await eyes.ask(DOC, epoch, members("x"), SOON)
        assert (look.answer, look.late) == (None, True)


async def test_a_reply_of_the_process_before_is_not_taken_for_the_new_one(eyes: Live, session: Session) -> None:
    assert (await eyes.ask(DOC, BUSY, members("x"), SOON)).late
    session.asked[0][1].set_result(answer("x"))  # it was under way while the session was restarted
    await settled()
    assert (await eyes.ask(DOC, Epoch("main", 8, 1, busy=True), members("x"), SOON)).answer is None


async def test_another_part_of_a_table_is_another_question(eyes: Live, session: Session) -> None:
    session.prompt = True
    whole = wire.Query("members", [wire.Step("name", "x")])
    for query in (whole, wire.Query("members", whole.path, prefix="a"), wire.Query("members", whole.path, limit=3)):
        await eyes.ask(DOC, IDLE, query, 5)
    assert session.names() == ["x", "x", "x"]


async def test_who_asked_is_forgotten_with_the_answer(eyes: Live, session: Session) -> None:
    session.prompt = True
    await eyes.ask(DOC, IDLE, members("x"), 1)
    session.prompt = False
    await eyes.ask(DOC, IDLE, members("y"), SOON)
    assert not eyes._newest


async def test_the_newest_question_of_a_document_releases_the_one_before(eyes: Live, session: Session) -> None:
    first = asyncio.create_task(eyes.ask(DOC, BUSY, members("x"), 60))
    await settled()
    second = asyncio.create_task(eyes.ask(DOC, BUSY, members("y"), 60))
    look = await asyncio.wait_for(first, 5)
    assert look.late
    await settled()
    session.asked[1][1].set_result(answer("y"))
    assert (await asyncio.wait_for(second, 5)).answer == answer("y")


async def test_the_same_question_shares_a_flight(eyes: Live, session: Session) -> None:
    first = asyncio.create_task(eyes.ask(DOC, BUSY, members("x"), 60))
    second = asyncio.create_task(eyes.ask("file:///b.py", BUSY, members("x"), 60))
    await settled()
    session.asked[0][1].set_result(answer("x"))
    assert (await first).answer == (await second).answer == answer("x")
    assert session.names() == ["x"]


async def test_three_misses_make_it_slow_and_one_reply_recovers(
    eyes: Live, session: Session, clock: Clock, changes: list[bool]
) -> None:
    for name in "abc"[:MISSES]:
        await eyes.ask(DOC, BUSY, members(name), SOON)
    assert eyes.slow
    assert changes == [True]
    await eyes.ask(DOC, BUSY, members("d"), 60)  # not asked: it would wait a minute
    assert session.names() == ["a", "b", "c"]
    clock.now += SLOW_PAUSE
    await eyes.ask(DOC, BUSY, members("e"), SOON)
    await eyes.ask(DOC, BUSY, members("f"), 60)
    assert session.names() == ["a", "b", "c", "e"]
    session.asked[0][1].set_result(answer("a"))  # even a late reply says that it is there again
    await settled()
    assert not eyes.slow
    assert changes == [True, False]


async def test_who_has_no_time_left_has_not_waited_in_vain(eyes: Live, session: Session) -> None:
    for name in "abcd":
        assert (await eyes.ask(DOC, BUSY, members(name), 0.0)).late
    assert not eyes.slow
    await settled()
    assert session.names() == ["a", "b", "c", "d"]  # the replies will be remembered all the same


async def test_a_cut_connection_is_no_miss(eyes: Live, session: Session) -> None:
    for _ in range(MISSES + 1):
        task = asyncio.create_task(eyes.ask(DOC, BUSY, members("x"), 60))
        await settled()
        session.asked[-1][1].set_exception(CannotRun("cut"))
        look = await task
        assert (look.answer, look.late) == (None, True)  # nothing is known: the editor asks again at the next key
    assert not eyes.slow


async def test_a_cancelled_asker_leaves_the_look_to_fill_the_cache(eyes: Live, session: Session) -> None:
    task = asyncio.create_task(eyes.ask(DOC, IDLE, members("x"), 60))
    await settled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    session.asked[0][1].set_result(answer("x"))
    await settled()
    assert (await eyes.ask(DOC, IDLE, members("x"), SOON)).answer == answer("x")


async def test_the_way_to_a_session_elsewhere_is_the_shortest_of_its_last_looks(
    eyes: Live, session: Session, clock: Clock
) -> None:
    async def reply(took: float) -> None:
        look = asyncio.create_task(eyes.ask(DOC, BUSY, members("y"), 1.0))
        await settled()
        clock.now += took
        session.asked[-1][1].set_result(answer("y"))
        await look
        await settled()

    assert eyes.way("main") == 0.0  # nothing is known
    await reply(NEAR / 2)
    assert eyes.way("main") == 0.0  # it is on this machine
    for took in [0.150, 0.120, FARTHEST + 0.1] + [0.130] * (REPLIES - 1):
        await reply(took)
    assert eyes.way("main") == pytest.approx(0.120)  # what was stuck for long says nothing of the way
    assert eyes.way("another") == 0.0
    eyes.forget()
    assert eyes.way("main") == 0.0
