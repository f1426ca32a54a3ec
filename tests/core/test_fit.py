"""Whether an executor suits the code: an agent that answers from a list."""

import asyncio

import msgspec
import pytest

from yonder import wire
from yonder.backends.base import BootSpec
from yonder.hub.agents import MOST_STEPS, Agent
from yonder.hub.code import Library
from yonder.hub.environments import LONGEST, MOST_PACKAGES, Fit, Unfit, bounded, fit, sent_from

HERE = wire.Environment("cpython", "3.11.7", "linux_x86_64", {"numpy": "2.0"})
NEEDS = wire.Needs(HERE, ["numpy"], ["numpy==2.0"], [], "requirements.txt")


class Answers:
    """An agent's conversation: what is said to it is answered at once. `lost`: it hangs up instead."""

    def __init__(self, *answers):
        self.said = []
        self._answers = list(answers)
        self.agent = Agent("agent", self, self, Library())

    def send(self, message):
        self.said.append(message)
        answer = self._answers.pop(0)
        later = asyncio.get_running_loop().call_soon
        if answer is None:
            later(self.agent.lost)
        elif callable(answer):
            later(answer, self.agent, message)
        else:
            later(self.agent.received, answer)

    def agent_lost(self, agent):
        pass


def spec(needs=NEEDS, **pool):
    return BootSpec(
        executor="x",
        owner="o",
        kind="pool",
        workers=("x.0",),
        place=wire.Place(env={"A": "1"}),
        pool=wire.PoolSpec(**{"backend": "standing", "env": {"B": "2"}, **pool}),
        preload=[],
        needs=needs,
    )


def surveyed(version="3.11.2", **packages):
    return wire.Surveyed(wire.Environment("cpython", version, "linux_x86_64", packages))


def provided(sentence=""):
    def answer(agent, order):
        agent.received(wire.Providing(order.key, "Collecting numpy"))
        agent.received(wire.Provided(order.key, sentence))

    return answer


async def test_nobody_asks_where_nothing_is_needed():
    answers = Answers()
    assert await fit(answers.agent, spec(None), print) == Fit()
    assert answers.said == []


async def test_what_differs_is_told_or_not():
    assert "numpy is missing there" in (await fit(Answers(surveyed()).agent, spec(), print)).differs
    assert (await fit(Answers(surveyed(numpy="2.0+build")).agent, spec(), print)).differs == ""
    assert (await fit(Answers(surveyed()).agent, spec(dependencies="off"), print)).differs == ""


async def test_a_remedy_names_the_image():
    words = (await fit(Answers(surveyed()).agent, spec(backend="docker", image="lab/x"), print)).differs
    assert words.startswith("on the image lab/x (pool 'default'): numpy is missing there.")
    assert 'yonder image --extras "numpy==2.0"' in words


@pytest.mark.parametrize("dependencies", ["report", "off", "lock"])
async def test_another_python_is_refused_whatever_was_wished(dependencies):
    with pytest.raises(Unfit, match=r"runs Python 3\.11, the executor on docker .* Python 3\.12.*--base python:3\.11"):
        await fit(Answers(surveyed("3.12.1")).agent, spec(backend="docker", dependencies=dependencies), print)


async def test_a_session_may_have_another_python_as_it_is_sent_text():
    made = msgspec.structs.replace(spec(backend="docker"), kind="session")
    found = await fit(Answers(surveyed("3.12.1", numpy="2.0")).agent, made, print)
    assert (found.there.version, found.differs) == ("3.12.1", "")


def test_what_another_python_sends_needs_that_python_and_the_owners_packages():
    there = wire.Environment("cpython", "3.12.1", "linux_x86_64", {})
    assert sent_from(there, None) == wire.Needs(there)
    found = sent_from(there, NEEDS)
    assert (found.environment, found.requirements, found.used) == (there, NEEDS.requirements, NEEDS.used)


async def test_a_refusal_says_which_python_it_met():
    with pytest.raises(Unfit) as raised:
        await fit(Answers(surveyed("3.12.1")).agent, spec(), print)
    assert raised.value.there.version == "3.12.1"


async def test_the_lock_is_ordered_with_the_pools_variables_and_its_progress_is_heard():
    phases = []
    answers = Answers(surveyed(), provided())
    found = await fit(answers.agent, spec(dependencies="lock"), lambda *phase: phases.append(phase))
    order = answers.said[1]
    assert found.overlay == order.key
    assert (order.requirements, order.env) == (["numpy==2.0"], {"A": "1", "B": "2"})
    assert phases == [("installing", "requirements.txt"), ("installing", "Collecting numpy")]


async def test_an_installer_may_say_so_much_and_no_more():
    def talks(agent, order):
        for n in range(3 * MOST_STEPS):
            agent.received(wire.Providing(order.key, f"Collecting {n // 2}"))
        agent.received(wire.Provided(order.key))

    phases = []
    await fit(Answers(surveyed(), talks).agent, spec(dependencies="lock"), lambda *phase: phases.append(phase))
    assert len(phases) == MOST_STEPS + 1
    assert len(set(phases)) == len(phases)


async def test_an_installer_that_fails_is_told_with_its_words():
    answers = Answers(surveyed(), provided("no such version"))
    with pytest.raises(Unfit, match=r"from requirements\.txt: no such version"):
        await fit(answers.agent, spec(dependencies="lock"), lambda *_: None)


async def test_nothing_is_installed_into_a_machine_that_serves_others():
    with pytest.raises(Unfit, match="machine of their own"):
        await fit(Answers(surveyed()).agent, spec(backend="local", dependencies="lock"), print)


@pytest.mark.parametrize("answers", [[None], [surveyed(), None]])
async def test_an_agent_that_goes_meanwhile_is_no_verdict_about_its_python(answers):
    with pytest.raises(Exception, match="its agent is gone") as raised:
        await fit(Answers(*answers).agent, spec(dependencies="lock"), lambda *_: None)
    assert not isinstance(raised.value, Unfit)


def test_what_an_agent_says_of_itself_is_bounded():
    many = {f"p{n}": "1" for n in range(MOST_PACKAGES + 5)}
    assert len(bounded(wire.Environment("cpython", "3.11.1", "x", many)).packages) == MOST_PACKAGES
    odd = {"a" * (LONGEST + 1): "1", "b": "1" * (LONGEST + 1), "c\x1b[31m": "1", "fine": "1"}
    found = bounded(wire.Environment("cpython\n", "3." + "1" * 1000, "x", odd))
    assert found.packages == {"fine": "1"}
    assert found.implementation == "?"
    assert len(found.version) == LONGEST
