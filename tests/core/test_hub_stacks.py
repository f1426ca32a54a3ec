"""The hub's questions where threads stand: who is asked, who is believed, and that every question is answered."""

import asyncio

import pytest

from yonder import wire
from yonder.hub import stacks
from yonder.hub.stacks import Stacks


class Owed:
    away = False


class Agent:
    def __init__(self, name="m"):
        self.id = name
        self.owed = Owed()
        self.said = []

    def say(self, message):
        self.said.append(message)


class Worker:
    alive = True
    task = None

    def __init__(self, name, pid=7):
        self.id = name
        self.pid = pid


class Executor:
    pool = "p"

    def __init__(self, name, *workers):
        self.id = name
        self.workers = {worker.id: worker for worker in workers}


def thread(frames=1):
    return wire.ThreadStack("", True, False, [wire.StackFrame("f", 1, "g")] * frames)


@pytest.fixture
def agent():
    return Agent()


async def test_all_are_asked_and_answered_together(agent):
    told = []
    table = Stacks(lambda _: agent)
    table.ask(5, [Executor("e", Worker("e.0"), Worker("e.1"))], {"e": "main"}, told.append)
    first, second = agent.said
    assert [first.worker, second.worker] == ["e.0", "e.1"]
    table.taken("m", wire.StackTaken(second.id, 7, [thread()]))
    table.taken("liar", wire.StackTaken(first.id, 7, [thread()]))
    table.taken("m", wire.StackTaken(second.id, 7, []))
    assert told == []
    table.taken("m", wire.StackTaken(first.id, 7, [], "it is stopped"))
    ((answer),) = told
    assert answer.id == 5
    assert [(one.worker, one.session, len(one.threads), one.note) for one in answer.processes] == [
        ("e.0", "main", 0, "it is stopped"),
        ("e.1", "main", 1, ""),
    ]


async def test_who_cannot_be_asked_is_said_at_once(agent):
    told = []
    agent.owed.away = True
    Stacks(lambda _: agent).ask(1, [Executor("e", Worker("e.0"), Worker("e.1", pid=0))], {}, told.append)
    Stacks(lambda _: None).ask(2, [Executor("e", Worker("e.0"))], {}, told.append)
    Stacks(lambda _: None).ask(3, [], {}, told.append)
    assert ["reached" in one.note for one in told[0].processes] == [True, False]
    assert "not begun" in told[1].processes[0].note
    assert told[2].processes == []
    assert agent.said == []


async def test_an_agent_that_says_nothing_is_given_up(agent, monkeypatch):
    monkeypatch.setattr(stacks, "ANSWERED_WITHIN", 0.0)
    told = asyncio.Queue()
    table = Stacks(lambda _: agent)
    table.ask(1, [Executor("e", Worker("e.0"), Worker("e.1"))], {}, told.put_nowait)
    table.taken("m", wire.StackTaken(agent.said[0].id, 7, [thread()]))
    answer = await told.get()
    assert ["not answered" in one.note for one in answer.processes] == [False, True]
    table.taken("m", wire.StackTaken(agent.said[1].id, 7, [thread()]))  # too late
    assert told.empty()


async def test_what_all_of_them_say_is_bounded(agent, monkeypatch):
    monkeypatch.setattr(stacks, "MOST_FRAMES", 10)
    told = []
    table = Stacks(lambda _: agent)
    table.ask(1, [Executor("e", *(Worker(f"e.{n}") for n in range(wire.MOST_PROCESSES + 3)))], {}, told.append)
    assert len(agent.said) == wire.MOST_PROCESSES
    for asked in agent.said:
        table.taken("m", wire.StackTaken(asked.id, 7, [thread(6)]))
    assert told[0].more == 3
    assert [bool(one.threads) for one in told[0].processes[:3]] == [True, False, False]
    assert "no room" in told[0].processes[1].note
