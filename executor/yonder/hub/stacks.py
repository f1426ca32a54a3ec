"""Where the threads of workers stand: asked of their agents, all at once, and answered together.

    GetStacks ──▶ Stacks.ask ── TakeStack each ──▶ agents ── StackTaken ──▶ Stacks.taken ──▶ say(wire.Stacks)

Knows agents and workers; not sessions, pools or who asks. An agent may be hostile: it is believed about its own workers, and
what all of them say is bounded.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from yonder import wire
from yonder.hub.agents import Agent
from yonder.hub.executor import Executor
from yonder.hub.worker import Worker

ANSWERED_WITHIN = 5.0
"""Seconds after which who asks is told what has come, and of the rest that it has not."""

MOST_FRAMES = 50_000
"""Frames of one answer."""

Say = Callable[[wire.Stacks], None]


@dataclass(slots=True, eq=False)
class Round:
    """One question. `missing` maps the numbers that agents were asked with to places in `found`."""

    say: Say
    number: int
    more: int
    found: list[wire.ProcessStack]
    missing: dict[int, int] = field(default_factory=dict)
    frames: int = 0


class Stacks:
    """All of one owner's. `agent_of` finds an executor's agent while it is here."""

    def __init__(self, agent_of: Callable[[Executor], Agent | None]) -> None:
        self._agent_of = agent_of
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[str, Round]] = {}

    def ask(self, number: int, executors: Sequence[Executor], sessions: dict[str, str], say: Say) -> None:
        """Answer `number` through `say`, once. `sessions` are the sessions' names by their executors'."""
        both = [(one, worker) for one in executors for worker in one.workers.values()]
        told = both[: wire.MOST_PROCESSES]
        found = [_about(one, worker, sessions.get(one.id, "")) for one, worker in told]
        asking = Round(say, number, len(both) - len(told), found)
        for place, (executor, worker) in enumerate(told):
            agent = self._agent_of(executor)
            if agent is None or not worker.pid:
                _note(asking, place, "the process has not begun" if worker.alive else "the process has ended")
                continue
            if agent.owed.away:
                _note(asking, place, "its machine cannot be reached at present")
                continue
            asked = next(self._numbers)
            asking.missing[asked] = place
            self._asked[asked] = (agent.id, asking)
            agent.say(wire.TakeStack(asked, worker.id))
        if asking.missing:
            asyncio.get_running_loop().call_later(ANSWERED_WITHIN, self._anyway, asking)
        else:
            self._over(asking)

    def taken(self, agent: str, message: wire.StackTaken) -> None:
        """An agent has answered."""
        asked = self._asked.get(message.id)
        if asked is None or asked[0] != agent:
            return
        del self._asked[message.id]
        asking = asked[1]
        place = asking.missing.pop(message.id)
        asking.frames += sum(len(thread.frames) for thread in message.threads)
        fits = asking.frames <= MOST_FRAMES
        asking.found[place] = msgspec.structs.replace(
            asking.found[place],
            threads=message.threads if fits else [],
            note=message.note if fits else "there is no room for more; ask for this executor alone",
        )
        if not asking.missing:
            self._over(asking)

    def _anyway(self, asking: Round) -> None:
        if not asking.missing:
            return
        for asked, place in asking.missing.items():
            del self._asked[asked]
            _note(asking, place, f"its machine has not answered within {ANSWERED_WITHIN:g} s")
        asking.missing.clear()
        self._over(asking)

    @staticmethod
    def _over(asking: Round) -> None:
        asking.say(wire.Stacks(asking.number, asking.found, asking.more))


def _about(executor: Executor, worker: Worker, session: str) -> wire.ProcessStack:
    task = worker.task
    doing = str(getattr(task, "label", "") or task.call or task.run) if task is not None else ""
    return wire.ProcessStack(worker.id, executor.id, executor.pool, session, worker.pid, doing, [])


def _note(asking: Round, place: int, sentence: str) -> None:
    asking.found[place] = msgspec.structs.replace(asking.found[place], note=sentence)
