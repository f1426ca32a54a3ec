"""Agents: the first processes of executors. Their conversations, and who waits for one that has not dialled yet.

Knows the wire; not executors or what is forked for whom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from yonder import wire
from yonder.errors import BootFailed
from yonder.hub.cellar import Cellar
from yonder.hub.code import Library
from yonder.hub.connection import Conversation
from yonder.hub.owed import Owed
from yonder.hub.shelves import Shelf
from yonder.hub.worker import Worker

MOST_PRELOADS = 1000
LONGEST_NAME, LONGEST_REASON = 200, 500
"""How many modules an agent may tell of, and characters of a module's name and of why it could not be imported."""

MOST_STEPS = 500
"""How often an agent may say what its installer does, for one order."""

LONGEST_WORDS = 10_000
"""Characters of why packages could not be installed."""


class Floor(Protocol):
    """Where what agents tell is dealt with."""

    def worker_on(self, agent: str, worker: str) -> Worker | None:
        """This worker, if it lives on this agent's machine: an agent may speak for no other."""

    def changed(self) -> None:
        """Something in the status is new."""

    def fork_failed(self, worker: Worker, sentence: str) -> None:
        """A worker will not be born."""

    def preloaded(self, message: wire.Preloaded) -> None:
        """The zygote has imported what it was asked to."""

    def files_found(self, agent: Agent, message: wire.FilesFound) -> None:
        """It has looked through an executor's working directory."""

    def file_part(self, agent: str, message: wire.FilePart) -> None:
        """A piece of a file that was asked for."""

    def stack_taken(self, agent: str, message: wire.StackTaken) -> None:
        """Where the threads of a worker stand."""

    def agent_lost(self, agent: Agent) -> None:
        """Its conversation is over, and all its workers with it."""


class Order:
    """Packages that are being installed: who hears how far that is (`MOST_STEPS` times at most), and who waits."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._heard = heard
        self._left = MOST_STEPS
        self._last = ""

    def hear(self, detail: str) -> None:
        if self._left and detail != self._last and not self.done.done():
            self._left -= 1
            self._last = detail
            self._heard(detail)


T = TypeVar("T")


def _settle(asked: asyncio.Future[T], answer: T) -> None:
    if not asked.done():
        asked.set_result(answer)


class Agent:
    """One agent's conversation: forks are asked of it, and it tells of deaths and output."""

    def __init__(self, agent: str, conversation: Conversation, floor: Floor, library: Library) -> None:
        self.id = agent
        self.owed = Owed(self._moved)
        self.shelf = Shelf(self._stow, library, self.owed)
        self.cellar = Cellar(self._stow, self.owed)
        self.beside: Conversation | None = None
        """Its second conversation, where it has one: what is large holds up no word of the first."""
        self._stowing: Conversation | None = None
        self.verdict = wire.ExitReport()
        """How its machine ended, once the platform has said so."""
        self._conversation = conversation
        self._floor = floor
        self._preloads: set[str] = set()
        self._sweeps: dict[str, list[asyncio.Future[int]]] = {}
        self._surveys: list[asyncio.Future[wire.Environment]] = []
        self._orders: dict[str, list[Order]] = {}

    @property
    def elsewhere(self) -> bool:
        """Is it on another machine?"""
        return self._conversation.relayed

    def say(self, message: wire.HubToAgent) -> None:
        self._conversation.send(message)

    async def survey(self) -> wire.Environment:
        """Which Python it is, and what that has installed. Raises BootFailed when it is lost before it has said so."""
        asked: asyncio.Future[wire.Environment] = asyncio.get_running_loop().create_future()
        self._surveys.append(asked)
        self.say(wire.Survey())
        return await asked

    async def provide(self, message: wire.Provide, heard: Callable[[str], None]) -> str:
        """Have packages installed; `heard` is told what it does. Returns why they could not be, "" when they are there.
        Raises BootFailed when it is lost meanwhile."""
        order = Order(heard)
        self._orders.setdefault(message.key, []).append(order)
        self.say(message)
        return await order.done

    def _stow(self, message: wire.Blobs | wire.Publish | wire.Unpublish | wire.Stow | wire.Drop) -> None:
        """What is kept there goes over one conversation from the first to the last, so that it arrives in order."""
        if self._stowing is None:
            self._stowing = self.beside or self._conversation
        self._stowing.send(message)

    async def sweep(self, executor: str) -> int:
        """Have it end all that the executor has on its machine; how many processes are left. One that is lost leaves none."""
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._sweeps.setdefault(executor, []).append(asked)
        self.say(wire.Sweep(executor))
        return await asked

    def _swept(self, executor: str, left: int) -> None:
        for asked in self._sweeps.pop(executor, []):
            if not asked.done():
                asked.set_result(left)

    def _moved(self) -> object:
        both = (self._conversation, self.beside)
        return tuple(one.moved for one in both if one is not None)

    def hold(self, paused: bool) -> None:
        """Do not hear it for now, or hear it again."""
        self._conversation.hold(paused)

    def received(self, message: wire.AgentToHub) -> None:
        match message:
            case wire.WorkerOutput():
                if (worker := self._mine(message.worker)) is not None:
                    worker.printed(message)
            case wire.Beat():
                for usage in message.usage:
                    if (worker := self._mine(usage.worker)) is not None:
                        worker.usage = usage
                self._floor.changed()
            case wire.Forked():
                if (worker := self._mine(message.worker)) is not None:
                    worker.pid = message.pid
            case wire.Exited():
                if (worker := self._mine(message.worker)) is not None:
                    worker.exited(message.report)
            case wire.ForkFailed():
                if (worker := self._mine(message.worker)) is not None:
                    self._floor.fork_failed(worker, message.sentence)
            case wire.Preloaded():
                self._preloaded(message)
            case wire.Swept(executor=executor, left=left):
                self._swept(executor, left)
            case wire.Published():
                self.shelf.published(message)
            case wire.Stowed():
                self.cellar.stowed(message)
            case wire.Surveyed(environment=environment):
                for survey in self._surveys[:1]:
                    self._surveys.remove(survey)
                    _settle(survey, environment)
            case wire.Providing(key=key, detail=detail):
                for order in self._orders.get(key, []):
                    order.hear(detail)
            case wire.Provided(key=key, sentence=sentence):
                for order in self._orders.pop(key, []):
                    _settle(order.done, sentence[:LONGEST_WORDS])
            case wire.FilesFound():
                self._floor.files_found(self, message)
            case wire.FilePart():
                self._floor.file_part(self.id, message)
            case wire.StackTaken():
                self._floor.stack_taken(self.id, message)
            case wire.Hello():
                pass  # a second hello says nothing new

    def lost(self) -> None:
        self.owed.end()
        for executor in list(self._sweeps):
            self._swept(executor, 0)
        orders = [order.done for waiting in self._orders.values() for order in waiting]
        waiting: list[asyncio.Future[Any]] = [*self._surveys, *orders]
        for asked in waiting:
            if not asked.done():
                asked.set_exception(BootFailed("its agent is gone", phase="booting"))
        self._surveys, self._orders = [], {}
        self._floor.agent_lost(self)

    def _preloaded(self, message: wire.Preloaded) -> None:
        """Every module is told of once, and so many in all: it is an event that the owner keeps."""
        fresh = [name for name in dict.fromkeys(message.modules) if name not in self._preloads]
        fresh = [name for name in fresh if len(name) <= LONGEST_NAME][: MOST_PRELOADS - len(self._preloads)]
        if fresh:
            self._preloads.update(fresh)
            failed = {name: message.failed[name][:LONGEST_REASON] for name in fresh if name in message.failed}
            self._floor.preloaded(wire.Preloaded(fresh, message.seconds, failed))

    def _mine(self, worker: str) -> Worker | None:
        return self._floor.worker_on(self.id, worker)


class Agents:
    """All agents of one owner, by their ids."""

    def __init__(self, floor: Floor, library: Library) -> None:
        self._floor = floor
        self._library = library
        library.forgotten = self._forget
        self._here: dict[str, Agent] = {}
        self._waiters: dict[str, list[asyncio.Future[Agent]]] = {}
        self._ended: dict[str, str] = {}
        self._dismissed = ""
        self._held = False
        self._watchers: list[Callable[[str, bool], None]] = []

    def watch(self, told: Callable[[str, bool], None]) -> None:
        """Call this with an agent's id and whether it is here, whenever one comes or goes."""
        self._watchers.append(told)

    def here(self) -> list[str]:
        """The ids of those that are here, first come first."""
        return list(self._here)

    def said_hello(self, hello: wire.Hello, conversation: Conversation) -> Agent:
        """One has dialled: whoever waits for it goes on."""
        agent = self._here[hello.id] = Agent(hello.id, conversation, self._floor, self._library)
        for waiter in self._waiters.pop(hello.id, []):
            if not waiter.done():
                waiter.set_result(agent)
        if self._held:
            agent.hold(True)
        if self._dismissed:
            agent.say(wire.AgentExit(self._dismissed))
        for told in self._watchers:
            told(agent.id, True)
        return agent

    def ended(self, agent: str, sentence: str) -> None:
        """The platform says that its process has ended, perhaps before it said hello."""
        self._ended[agent] = sentence
        for waiter in self._waiters.pop(agent, []):
            if not waiter.done():
                waiter.set_exception(BootFailed(sentence, phase="booting"))

    def lost(self, agent: Agent) -> None:
        """Its conversation is over."""
        if self._here.get(agent.id) is agent:
            del self._here[agent.id]
            for told in self._watchers:
                told(agent.id, False)

    def find(self, agent: str) -> Agent | None:
        """The one of that id, if it is here."""
        return self._here.get(agent)

    async def arrival(self, agent: str) -> Agent:
        """The one of that id, as soon as it is here. Raises BootFailed when it has ended."""
        found = self._here.get(agent)
        if found is not None:
            return found
        if agent in self._ended:
            raise BootFailed(self._ended[agent], phase="booting")
        waiter: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(agent, []).append(waiter)
        return await waiter

    def _forget(self, snapshots: list[bytes]) -> None:
        """Nobody uses this code any more."""
        for agent in list(self._here.values()):
            agent.shelf.forget(snapshots)

    def hold(self, paused: bool) -> None:
        """Hear none of them for now, or all of them again."""
        self._held = paused
        for agent in list(self._here.values()):
            agent.hold(paused)

    def dismiss(self, reason: str) -> None:
        """All of them end, with everything below them, those included that have not dialled yet."""
        self._dismissed = reason
        for agent in list(self._here.values()):
            agent.say(wire.AgentExit(reason))
