"""What is offered when a session is late: never another process's, never an older class's, never as if it were complete."""

import asyncio
import random

import pytest

from yonder import wire
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.live import Live, Look
from yonder_lsp.names import Names
from yonder_lsp.sessions import Epoch

FIRST = Epoch("main", 7, 1, busy=False)
SECOND = Epoch("main", 7, 2, busy=False)
BUSY = Epoch("main", 7, 2, busy=True)
OTHER = Epoch("main", 8, 2, busy=False)
ALL = wire.Query("members")
LATE = Look(None, late=True)


def members(*path: str) -> wire.Query:
    return wire.Query("members", [wire.Step("attr" if n else "name", part) for n, part in enumerate(path)])


def seen(kind: str, kin: int, own: str = "own", shared: str = "shared") -> wire.Answer:
    found = [wire.Member(own, "f", 0), wire.Member(shared, "m", 1), wire.Member("far", "m", 2)]
    return wire.Answer(True, type=kind, members=found, kin=kin)


class Known:
    def __init__(self) -> None:
        self.names = Names()
        self.hindsight = Hindsight(self.names)

    def names_are(self, epoch: Epoch, total: int = -1, **rows: tuple[str, int]) -> None:
        told = [wire.Row(name, "v", kind, kind, kin=kin) for name, (kind, kin) in rows.items()]
        count = len(told) if total < 0 else total
        self.names.apply(epoch, 0, wire.Answer(True, rows=told, whole=True, mark=1, total=count), 1.0)

    def offered(self, epoch: Epoch, query: wire.Query, look: Look = LATE) -> list[str] | None:
        found = self.hindsight.instead(epoch, query, look)
        assert found.late
        return None if found.answer is None else [member.name for member in found.answer.members]


@pytest.fixture
def known() -> Known:
    made = Known()
    made.hindsight.heard(FIRST, members("x"), seen("T", 5))
    return made


def test_another_object_of_a_known_type_has_its_members_and_not_the_others_own(known: Known) -> None:
    known.names_are(SECOND, y=("T", 5))
    assert known.hindsight.ready(SECOND, members("y"))
    assert known.offered(SECOND, members("y")) == ["shared", "far"]


def test_a_class_that_was_written_anew_shows_nothing_old(known: Known) -> None:
    known.names_are(SECOND, x=("T", 6))
    assert not known.hindsight.ready(SECOND, members("x"))
    assert known.offered(SECOND, members("x")) is None
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) is None


def test_an_older_answer_of_the_same_type_stays_with_what_the_object_has_of_its_own(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5))
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) == ["own", "shared", "far"]


def test_a_name_that_is_of_another_type_now_does_not_show_the_older_answer(known: Known) -> None:
    known.names_are(SECOND, x=("int", 9))
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) is None


def test_a_name_that_went_shows_nothing(known: Known) -> None:
    known.names_are(SECOND, y=("T", 5))
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) is None


def test_a_name_that_may_have_been_left_out_shows_what_was_seen(known: Known) -> None:
    known.names_are(SECOND, total=5000, y=("T", 5))
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) == ["own", "shared", "far"]


def test_without_names_the_older_answer_is_all_there_is(known: Known) -> None:
    assert not known.hindsight.ready(SECOND, members("x"))
    assert known.offered(SECOND, members("x"), Look(seen("T", 5), late=True)) == ["own", "shared", "far"]


def test_another_process_gets_nothing_of_it(known: Known) -> None:
    known.names_are(SECOND, y=("T", 5))
    assert known.offered(OTHER, members("y")) is None
    known.names_are(OTHER, y=("T", 5))  # the same type and kin: numbers of another process
    assert known.offered(OTHER, members("y")) is None


def test_an_answer_in_time_is_left_as_it_is(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5))
    look = Look(seen("T", 7, own="new"))
    assert known.hindsight.instead(SECOND, members("x"), look) is look


def test_deeper_paths_and_other_questions_are_left_alone(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5))
    for query in (members("x", "y"), wire.Query("describe", [wire.Step("name", "x")])):
        assert not known.hindsight.ready(SECOND, query)
        assert known.hindsight.instead(SECOND, query, LATE) is LATE


def test_names_come_from_the_table_when_the_session_is_late(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5), y=("int", 9))
    assert known.hindsight.ready(SECOND, ALL)
    assert known.offered(SECOND, ALL) == ["x", "y"]


def test_a_name_of_an_older_answer_that_went_is_not_offered_and_builtins_stay(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5))
    older = wire.Answer(True, members=[wire.Member("went", "v", 0), wire.Member("print", "m", 2)])
    assert known.offered(SECOND, ALL, Look(older, late=True)) == ["x", "print"]


def test_while_busy_an_older_answer_of_all_names_is_as_good(known: Known) -> None:
    known.names_are(SECOND, x=("T", 5))
    assert not known.hindsight.ready(BUSY, ALL)
    older = wire.Answer(True, members=[wire.Member("seen", "v", 0)])
    assert known.offered(BUSY, ALL, Look(older, late=True)) == ["seen"]
    assert known.offered(BUSY, ALL) == ["x"]


@pytest.mark.parametrize(
    "answer",
    [seen("T", 0), wire.Answer(False, kin=3, members=[wire.Member("a", "m", 1)])],
)
def test_what_is_no_instance_teaches_nothing(answer: wire.Answer) -> None:
    known = Known()
    known.hindsight.heard(FIRST, members("x"), answer)
    known.names_are(FIRST, x=(answer.type, answer.kin))
    assert known.offered(FIRST, members("x")) is None


def test_a_filtered_list_teaches_nothing() -> None:
    known = Known()
    known.hindsight.heard(FIRST, wire.Query("members", [wire.Step("name", "x")], prefix="sh"), seen("T", 5))
    known.names_are(FIRST, x=("T", 5))
    assert known.offered(FIRST, members("x")) is None


async def test_a_namespace_that_changes_a_thousand_times_a_second_is_never_told_wrong() -> None:
    """Each generation gives `x` members named after it. Whatever comes when: a list that is called complete is of this
    generation, and none is of a class that is not there any more."""
    chance = random.Random(7)
    known, now = Known(), 0
    waiting: list[tuple[int, asyncio.Future[wire.Answer]]] = []

    def answer(generation: int) -> wire.Answer:
        found = seen(f"T{generation % 3}", generation, own=f"own{generation}", shared=f"shared{generation}")
        return wire.Answer(True, type=found.type, members=found.members, kin=generation, generation=generation)

    async def peek(session: str, query: wire.Query) -> wire.Answer:
        future: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()
        waiting.append((now, future))
        return await future

    eyes = Live(peek, clock=lambda: float(now), slow_changed=lambda: None, heard=known.hindsight.heard)
    complete = 0
    for now in range(1, 1001):
        epoch = Epoch("main", 7, now, busy=False)
        if chance.random() < 0.5:
            known.names_are(epoch, x=(f"T{now % 3}", now))
        for _ in range(chance.randrange(3)):
            if waiting:
                # The session answers when it can: with what is there at that moment.
                _, future = waiting.pop(chance.randrange(len(waiting)))
                if not future.done():
                    future.set_result(answer(now))
        await asyncio.sleep(0)
        query = members("x")
        task = asyncio.create_task(eyes.ask("d", epoch, query, 0.0005))
        for _ in range(3):
            await asyncio.sleep(0)
        if chance.random() < 0.5 and waiting and waiting[-1][0] == now:
            waiting.pop()[1].set_result(answer(now))
        look = known.hindsight.instead(epoch, query, await task)
        if look.answer is not None and not look.late:
            complete += 1
            assert look.answer.generation == now
        elif look.answer is not None and known.names.current(epoch) is not None:
            assert look.answer.kin == now
    eyes.forget()
    await asyncio.sleep(0)
    assert complete > 200
