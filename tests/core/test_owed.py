"""How long an agent may say nothing, on a clock that the test turns."""

import pytest

from yonder.hub.owed import PULSE, QUIET, Owed

TICKS = int(QUIET / PULSE)


class Agent:
    def __init__(self):
        self.moved = 0
        self.timers = []
        self.told = []
        self.owed = Owed(lambda: self.moved, lambda seconds, then: self.timers.append((seconds, then)))

    def ask(self, key):
        self.owed.ask(key, lambda why: self.told.append((key, why)))

    def pulse(self, times=1):
        for _ in range(times):
            ((seconds, then),) = self.timers
            assert seconds == PULSE
            self.timers.clear()
            then()


@pytest.fixture
def agent():
    return Agent()


def test_who_says_nothing_is_waited_for_so_long(agent):
    agent.ask("a")
    agent.pulse(TICKS - 1)
    assert agent.told == []
    agent.pulse()
    assert agent.told == [("a", "its machine can be reached, but has not answered for 60 s")]
    assert len(agent.owed) == 0
    agent.pulse()
    assert agent.timers == []  # nothing ticks where nothing is owed


@pytest.mark.parametrize("cut", [False, True])
def test_of_who_is_gone_nothing_is_waited_for_and_nothing_ticks(agent, cut):
    agent.ask("a")
    agent.owed.away = cut
    agent.owed.end()
    assert len(agent.owed) == 0
    agent.pulse()
    assert (agent.timers, agent.told) == ([], [])


def test_what_moves_is_waited_for(agent):
    agent.ask("a")
    for _ in range(3):
        agent.pulse(TICKS - 1)
        agent.moved += 1
    assert agent.told == []


def test_an_answer_gives_the_others_time(agent):
    agent.ask("a")
    agent.ask("b")
    agent.pulse(TICKS - 1)
    agent.owed.answered("a")
    agent.owed.answered("unknown")
    agent.pulse(TICKS - 1)
    assert agent.told == []
    agent.owed.answered("a")  # a second time is no sign of work
    agent.pulse()
    assert [key for key, _ in agent.told] == ["b"]


def test_while_the_link_is_cut_nobody_s_time_runs(agent):
    agent.ask("a")
    agent.owed.away = True
    agent.pulse(10 * TICKS)
    agent.owed.away = False
    agent.pulse(TICKS - 1)
    assert agent.told == []
    agent.pulse()
    assert len(agent.told) == 1


def test_what_nobody_waits_for_is_not_told(agent):
    agent.ask("a")
    agent.owed.forget("a")
    agent.pulse()
    assert agent.timers == agent.told == []


def test_who_is_told_may_ask_again(agent):
    agent.owed.ask("a", lambda why: agent.ask("a"))
    agent.pulse(TICKS)
    assert len(agent.owed) == 1
    assert agent.told == []
    agent.pulse(TICKS)
    assert len(agent.told) == 1
