"""The containers of one hub on an engine made of paper: what is heard of them over cuts and restarts, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from yonder.backends import fleet as fleets
from yonder.backends import told
from yonder.backends.base import Handle
from yonder.backends.engine import Address, EngineAwayError, Refusal
from yonder.backends.fleet import Fleet
from yonder.errors import CannotRun

NAMES = {"a": "a" * 64, "b": "b" * 64}


class PaperEngine:
    """Keeps containers and events in memory; `silent` makes it answer nothing, `forget` is what a restart does."""

    def __init__(self):
        self.address = Address("unix:///paper")
        self.clock = self.opened = 100.0
        self.states = {}
        self.removed = []
        self.refusing = ""
        self._log = []
        self._live = None
        self._over = asyncio.Event()
        self._silent = False
        self._noticed = asyncio.Event()
        self.less = asyncio.Event()
        self.listening = asyncio.Event()
        self.closed = False
        self.nonsense = False
        self.puzzled = asyncio.Event()

    def run(self, executor, owner="me", hub=""):
        marks = {told.OWNER: owner, told.EXECUTOR: executor, told.HUB: hub, told.INSTALLATION: "inst"}
        self.states[NAMES[executor]] = {"Labels": marks, "State": "running", "Names": [f"/yonder-{executor}"]}
        self.happens("create", executor)

    def happens(self, kind, executor, **attributes):
        marks = {told.EXECUTOR: executor, **attributes}
        event = {"Action": kind, "Actor": {"ID": NAMES[executor], "Attributes": marks}}
        self.clock += 1.0
        self._log.append((self.clock, event))
        if self._live is not None and not self._silent:
            self._live(event)

    async def silence(self):
        """From now on it answers nothing; comes back when somebody has noticed."""
        self._silent = True
        self._over.set()
        await asyncio.wait_for(self._noticed.wait(), 10)

    def answer(self):
        self._silent = False

    def forget(self):
        self._log.clear()

    def _ask(self):
        if self._silent:
            self._noticed.set()
            raise EngineAwayError("the engine does not answer")

    async def info(self):
        self._ask()
        if self.nonsense:
            self.puzzled.set()
            return {}
        return {"SystemTime": f"1970-01-01T00:{int(self.clock) // 60:02}:{int(self.clock) % 60:02}Z"}

    async def listed(self, filters):
        self._ask()
        owner = [label.partition("=")[2] for label in filters["label"] if label.startswith(told.OWNER)]
        return [
            {"Id": native, **one} for native, one in self.states.items() if owner in ([], [one["Labels"][told.OWNER]])
        ]

    async def container(self, native):
        self._ask()
        one = self.states.get(native)
        return one and {"State": one.get("End", {})}

    async def gone(self, native):
        self._ask()
        if self.refusing:
            raise Refusal(500, self.refusing)
        self.removed.append(native)
        self.states.pop(native, None)
        self.less.set()

    async def events(self, filters, since, until, heard):
        self._ask()
        for at, event in self._log:
            if since <= at <= until:
                heard(event)
        if until <= self.clock:
            return
        self._live, self._over = heard, asyncio.Event()
        self.listening.set()
        try:
            await self._over.wait()
        finally:
            self._live = None
            self.listening.clear()
        self._ask()

    async def close(self):
        self.closed = True


class Words:
    """What a container printed."""

    def __init__(self, last=""):
        self.last = last

    async def listen(self):
        """It has said all it had to say."""

    async def close(self):
        """Nothing is open."""


class Pier:
    """A boarding that can be waited at."""

    def __init__(self):
        self.withdrawn, self.ends = [], []
        self._told = asyncio.Event()

    def withdraw(self, agent):
        self.withdrawn.append(agent)

    def ended(self, agent, sentence, report=None):
        self.ends.append((agent, sentence, report))
        self._told.set()

    async def told(self):
        await asyncio.wait_for(self._told.wait(), 10)
        self._told.clear()
        return self.ends[-1]


@pytest.fixture
def engine():
    return PaperEngine()


@pytest.fixture
def pier():
    return Pier()


@pytest.fixture
async def fleet(engine, pier, monkeypatch):
    monkeypatch.setattr(fleets, "PAUSE", 0.001)
    said = []
    made = Fleet(engine, owner="me", installation="inst", boarding=pier, log=said.append)
    made.said = said
    await made.open()
    await asyncio.wait_for(engine.listening.wait(), 10)
    yield made
    await made.close()
    assert engine.closed


def start(fleet, engine, executor, words=""):
    engine.run(executor)
    handle = Handle(executor=executor, owner="me", native=NAMES[executor], agent=f"agent-{executor}")
    fleet.started(handle, f"yonder-{executor}", Words(words))
    return handle


async def test_a_container_that_ends_is_told_with_code_and_last_words(fleet, engine, pier):
    start(fleet, engine, "a", words="Traceback\nboom\n")
    engine.happens("die", "a", exitCode="3")
    agent, sentence, report = await pier.told()
    assert (agent, report.code, report.stderr) == ("agent-a", 3, "Traceback\nboom")
    assert sentence == "the container yonder-a ended with exit code 3:\nTraceback\nboom"


async def test_what_ran_out_of_memory_is_said_by_the_engine(fleet, engine, pier):
    start(fleet, engine, "a")
    engine.happens("oom", "a")
    engine.happens("die", "a", exitCode="137")
    _, sentence, report = await pier.told()
    assert (report.signal, report.out_of_memory) == (9, True)
    assert "ran out of memory" in sentence


async def test_an_end_that_is_heard_twice_is_told_once(fleet, engine, pier):
    handle = start(fleet, engine, "a")
    engine.happens("die", "a", exitCode="1")
    engine.happens("die", "a", exitCode="1")
    await pier.told()
    await fleet.end(handle)
    assert len(pier.ends) == 1


async def test_another_ones_end_is_not_ours(fleet, engine, pier):
    start(fleet, engine, "a")
    engine.happens("die", "b", exitCode="1")
    engine.happens("die", "a", exitCode="0")
    assert (await pier.told())[0] == "agent-a"
    assert len(pier.ends) == 1


async def test_what_happened_during_a_cut_is_heard_after_it(fleet, engine, pier):
    start(fleet, engine, "a")
    await engine.silence()
    del engine.states[NAMES["a"]]
    engine.happens("die", "a", exitCode="137")
    engine.answer()
    assert (await pier.told())[2].signal == 9
    assert fleet.said == ["the engine does not answer"]


async def test_after_a_restart_that_forgot_it_all_the_list_decides(fleet, engine, pier):
    start(fleet, engine, "a")
    start(fleet, engine, "b")
    await engine.silence()
    del engine.states[NAMES["a"]]
    engine.forget()
    engine.answer()
    agent, sentence, report = await pier.told()
    assert (agent, report.code, report.signal) == ("agent-a", -1, 0)
    assert "how is not known" in sentence
    await asyncio.wait_for(engine.listening.wait(), 10)
    assert len(pier.ends) == 1  # the other one runs


async def test_one_that_has_ended_and_lies_about_is_asked_how(fleet, engine, pier):
    start(fleet, engine, "a")
    await engine.silence()
    engine.states[NAMES["a"]] |= {"State": "exited", "End": {"ExitCode": 137, "OOMKilled": True}}
    engine.answer()
    assert (await pier.told())[2].out_of_memory


async def test_ending_withdraws_removes_and_tells(fleet, engine, pier):
    handle = start(fleet, engine, "a")
    await fleet.end(handle)
    assert (pier.withdrawn, engine.removed) == (["agent-a"], [NAMES["a"]])
    assert [sentence for _, sentence, _ in pier.ends] == ["the container yonder-a was removed"]
    await fleet.end(handle)
    assert len(pier.ends) == 1


async def test_a_silent_engine_is_asked_again(fleet, engine, pier):
    handle = start(fleet, engine, "a")
    await engine.silence()
    ending = asyncio.create_task(fleet.end(handle))
    await asyncio.sleep(0)
    engine.answer()
    await ending
    assert engine.removed == [NAMES["a"]]


@pytest.mark.parametrize("why", ["the engine does not answer", "cannot kill container"])
async def test_what_cannot_be_ended_is_said_with_what_to_do(fleet, engine, pier, monkeypatch, why):
    monkeypatch.setattr(fleets, "PATIENCE", 0.02)
    handle = start(fleet, engine, "a")
    if "kill" in why:
        engine.refusing = why
    else:
        await engine.silence()
    with pytest.raises(CannotRun, match=why) as failed:
        await fleet.end(handle)
    assert "docker rm -f yonder-a" in str(failed.value)
    assert pier.ends == []
    engine.refusing = ""
    engine.answer()
    await fleet.end(handle)
    assert len(pier.ends) == 1


async def test_what_comes_late_of_a_boot_that_was_cut_short_is_removed(fleet, engine):
    fleet.unwanted.add("b")
    engine.run("a")
    engine.run("b")
    await asyncio.wait_for(engine.less.wait(), 10)
    assert engine.removed == [NAMES["b"]]


async def test_what_an_engine_says_that_nobody_understands_does_not_end_the_listening(fleet, engine, pier):
    start(fleet, engine, "a")
    engine.listening.clear()
    engine.nonsense = True
    await engine.silence()
    engine.answer()
    await asyncio.wait_for(engine.puzzled.wait(), 10)
    engine.nonsense = False
    await asyncio.wait_for(engine.listening.wait(), 10)
    engine.happens("die", "a", exitCode="3")
    await pier.told()
    assert pier.ends[0][0] == "agent-a"
    assert any("not understood" in line for line in fleet.said)


async def test_opening_sweeps_what_has_no_hub(engine, pier, monkeypatch):
    engine.run("a", owner="me", hub="/alive")  # an earlier hub's of this owner, whatever serves its socket now
    engine.run("b", owner="another", hub="/alive")
    monkeypatch.setattr(fleets, "answers", lambda path: path == "/alive")
    fleet = Fleet(engine, owner="me", installation="inst", boarding=pier, log=lambda line: None)
    await fleet.open()
    await asyncio.wait_for(engine.less.wait(), 10)
    await fleet.close()
    assert engine.removed == [NAMES["a"]]


async def test_opening_sweeps_the_dead_of_other_owners(engine, pier, monkeypatch):
    engine.run("b", owner="another", hub="/dead")
    monkeypatch.setattr(fleets, "answers", lambda path: path == "/alive")
    said, spoke = [], asyncio.Event()

    def log(line):
        said.append(line)
        spoke.set()

    fleet = Fleet(engine, owner="me", installation="inst", boarding=pier, log=log)
    await fleet.open()
    await asyncio.wait_for(spoke.wait(), 10)
    await fleet.close()
    assert (engine.removed, said) == ([NAMES["b"]], ["removed the container yonder-b: its hub was dead"])
