"""When sessions are asked for their names: paced, one in flight, everything again when the difference fits nowhere."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from yonder import wire
from yonder.errors import CannotRun
from yonder_lsp.names import Names
from yonder_lsp.naming import PACE, WHILE_BUSY, Naming
from yonder_lsp.sessions import Sessions


class Timer:
    def __init__(self, due: float, do: Callable[[], None]) -> None:
        self.due, self.do, self.over = due, do, False

    def cancel(self) -> None:
        self.over = True


class World:
    """One session, a clock that a test moves, and answers that a test gives."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.asked: list[tuple[int, asyncio.Future[wire.Answer]]] = []
        self.changes: list[set[str]] = []
        self.wanted = True
        self.open = True
        self.sessions = Sessions()
        self.names = Names()
        self.naming = Naming(
            self.names,
            self.sessions,
            self.peek,
            clock=lambda: self.now,
            wanted=lambda: self.wanted,
            shown=lambda session: self.open,
            changed=lambda session, names: self.changes.append(names),
            later=self.later,
        )

    def later(self, seconds: float, do: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, do))
        return self.timers[-1]

    async def peek(self, session: str, query: wire.Query) -> wire.Answer:
        assert query.what == "names"
        waiting: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((query.since, waiting))
        return await waiting

    async def passes(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer.due <= self.now and not timer.over]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.do()
        await settled()

    async def is_now(self, state: str, generation: int, pid: int = 7) -> None:
        self.sessions.changed(wire.SessionChanged("main", state, generation, self.now, "", pid))
        self.naming.poke()
        await settled()

    async def answers(self, *names: str, mark: int = 1, **more: Any) -> None:
        rows = [wire.Row(name, "v", "int", "int") for name in names]
        total = more.pop("total", len(rows))
        self.asked[-1][1].set_result(wire.Answer(True, rows=rows, mark=mark, total=total, **more))
        await settled()

    @property
    def epoch(self):
        return self.sessions.get("main").epoch

    @property
    def count(self) -> int:
        return len(self.asked)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def world():
    made = World()
    yield made
    made.naming.stop()
    await settled()


async def test_after_a_run_the_difference_is_asked_for(world: World) -> None:
    await world.is_now("idle", 1)
    assert [since for since, _ in world.asked] == [0]
    await world.answers("a", mark=5, whole=True)
    assert world.changes == [{"a"}]
    assert world.names.current(world.epoch) is not None
    await world.passes(10)
    await world.is_now("idle", 2)
    assert [since for since, _ in world.asked] == [0, 5]


async def test_what_is_known_is_not_asked_again(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", whole=True)
    for _ in range(5):
        await world.passes(10)
        await world.is_now("idle", 1)
    assert world.count == 1


async def test_one_question_is_in_flight_however_often_it_changes(world: World) -> None:
    for generation in range(1, 1001):
        await world.is_now("idle", generation)
    assert world.count == 1
    await world.answers("a", whole=True)
    assert world.names.current(world.epoch) is None  # it was asked in another generation
    assert world.count == 1  # and the next question waits its turn
    await world.passes(PACE)
    assert world.count == 2


async def test_a_thousand_changes_a_second_are_a_few_questions(world: World) -> None:
    for generation in range(1, 1001):
        await world.is_now("idle", generation)
        if world.asked and not world.asked[-1][1].done():
            await world.answers("a", whole=True)
        await world.passes(0.001)
    assert 3 <= world.count <= 1 / PACE + 2


async def test_while_a_run_is_on_it_is_asked_now_and_then(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", mark=1, whole=True)
    await world.is_now("busy", 1)
    assert world.count == 1
    await world.passes(WHILE_BUSY)
    assert world.count == 2
    await world.answers("b", mark=2)
    assert world.changes[-1] == {"b"}
    await world.passes(WHILE_BUSY / 2)
    assert world.count == 2
    await world.passes(WHILE_BUSY / 2)
    assert world.count == 3
    await world.answers(mark=2)
    await world.is_now("idle", 2)
    await world.passes(PACE)
    assert world.count == 4


async def test_without_an_open_document_a_busy_session_is_left_alone(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", mark=1, whole=True)
    world.open = False
    await world.is_now("busy", 1)
    await world.passes(10 * WHILE_BUSY)
    assert world.count == 1


async def test_a_run_that_begins_during_a_question_makes_it_an_older_answer(world: World) -> None:
    await world.is_now("idle", 1)
    await world.is_now("busy", 1)
    await world.answers("a", whole=True)
    await world.is_now("idle", 1)
    assert world.names.current(world.epoch) is None


async def test_a_restart_empties_at_once(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", whole=True)
    await world.is_now("booting", 1, pid=0)
    assert world.names.known() == []
    assert world.changes[-1] == set()
    await world.is_now("idle", 1, pid=8)
    assert world.asked[-1][0] == 0


async def test_another_process_that_came_unnoticed_empties_at_once(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", mark=5, whole=True)
    await world.is_now("idle", 1, pid=8)
    assert world.names.known() == []


async def test_an_answer_of_the_process_before_is_not_taken(world: World) -> None:
    await world.is_now("idle", 1)
    await world.is_now("idle", 1, pid=8)
    await world.answers("a", whole=True)
    assert world.names.known() == []
    assert world.changes == []
    await world.passes(PACE)
    assert world.count == 2


async def test_a_difference_that_fits_nowhere_is_followed_by_the_whole(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", mark=5)  # a difference, though nothing was there
    await world.passes(PACE)
    assert [since for since, _ in world.asked] == [0, 0]
    await world.answers("a", mark=6, whole=True)
    assert world.names.current(world.epoch) is not None


async def test_the_rest_of_many_names_is_asked_for(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", mark=1, whole=True, total=2, rest=1)
    assert world.names.current(world.epoch) is None
    await world.passes(PACE)
    assert world.count == 2
    await world.answers("b", mark=2, total=2)
    assert world.names.current(world.epoch) is not None
    await world.passes(10)
    assert world.count == 2


async def test_names_that_were_not_looked_at_since_the_run_are_of_before_it(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", "b", whole=True)
    await world.is_now("idle", 2)
    await world.passes(PACE)
    await world.answers("a", mark=2, total=2, rest=1)
    assert world.names.current(world.epoch) is None
    await world.passes(PACE)
    await world.answers("b", mark=3, total=2)
    assert world.names.current(world.epoch) is not None


async def test_a_name_that_cannot_be_shown_is_not_asked_for_again(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", "not one", whole=True)
    await world.passes(10)
    assert world.count == 1


@pytest.mark.parametrize("cut", [True, False])
async def test_after_a_failure_it_is_asked_again_later(world: World, cut: bool) -> None:
    await world.is_now("idle", 1)
    if cut:
        world.asked[-1][1].set_exception(CannotRun("cut"))
    else:
        world.asked[-1][1].set_result(wire.Answer(False, why="no session is running"))
    await settled()
    await world.is_now("idle", 2)
    await world.passes(WHILE_BUSY - 0.01)
    assert world.count == 1
    await world.passes(0.02)
    assert world.count == 2


async def test_in_static_only_nothing_is_asked_and_what_was_known_goes(world: World) -> None:
    await world.is_now("idle", 1)
    await world.answers("a", whole=True)
    world.wanted = False
    await world.is_now("idle", 2)
    assert (world.count, world.names.known()) == (1, [])
