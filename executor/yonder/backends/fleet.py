"""The containers that one hub has on one Docker Engine: what is heard of them, and how they are ended.

The engine keeps its latest events and forgets them when it restarts. So each round of listening hears what was missed,
compares the engine's list with what should be there, and then hears what happens in the next minute.

What this file must not know: pools, images, how a container is made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from yonder.backends import containers, told
from yonder.backends.base import Boarding, Handle
from yonder.backends.engine import Engine, EngineAwayError, Refusal, Words
from yonder.backends.told import Happening, Seen
from yonder.errors import CannotRun
from yonder.places import answers
from yonder.wire import ExitReport

T = TypeVar("T")

PATIENCE: Final = 15.0
"""Seconds for which an engine that does not answer is asked again to end something."""

WINDOW: Final = 60.0
"""Seconds of one request for events: a connection that died silently is noticed after so long."""

LAST_WORDS: Final = 1.0
"""Seconds in which what a dead container printed must have arrived."""

PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
_KINDS: Final = {"type": ["container"], "event": ["create", "oom", "die"]}


@dataclass(slots=True, eq=False)
class Container:
    """One that was started. starved: it ran out of memory; dying: its end is being told; told: the hub knows of it."""

    handle: Handle
    name: str
    words: Words
    listening: asyncio.Task[None]
    starved: bool = False
    dying: bool = False
    told: bool = False

    async def hush(self) -> None:
        """Listen no more."""
        self.listening.cancel()
        await self.words.close()


class Fleet:
    """`boarding` is told of each end once. `log` takes what belongs to no executor of this hub."""

    def __init__(
        self, engine: Engine, *, owner: str, installation: str, boarding: Boarding, log: Callable[[str], None]
    ) -> None:
        self.engine = engine
        self.unwanted: set[str] = set()
        """Executors whose boot was cut short: what the engine makes of them late is removed."""
        self._owner = owner
        self._installation = installation
        self._boarding = boarding
        self._log = log
        self._here: dict[str, Container] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Find what dead hubs left, and begin to listen. Raises EngineAwayError, Refusal."""
        left = await self.all("")
        self.spawn(self._sweep(left))
        self.spawn(self._listen())

    async def close(self) -> None:
        """Hear no more; ends nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *(here.hush() for here in self._here.values()), return_exceptions=True)
        await self.engine.close()

    # ── who is there ──

    def started(self, handle: Handle, name: str, words: Words) -> Container:
        """One more; what happens to it from now on is told."""
        here = Container(handle, name, words, self.spawn(words.listen()))
        self._here[handle.native] = here
        return here

    async def all(self, owner: str) -> list[Seen]:
        """What the engine has of this installation, of one owner or ("") of all. Raises EngineAwayError, Refusal."""
        return [Seen.read(one) for one in await self.engine.listed(told.marked(self._installation, owner))]

    async def _sweep(self, left: list[Seen]) -> None:
        """Remove what has no hub any more. What is of this owner is older than this hub, and has none."""
        for one in left:
            if one.handle.owner == self._owner or not await asyncio.to_thread(answers, one.hub):
                with contextlib.suppress(EngineAwayError, Refusal):  # the next sweep finds it again
                    await self.engine.gone(one.handle.native)
                    self._log(f"removed the container {one.name}: its hub was dead")

    # ── ending ──

    async def end(self, handle: Handle) -> None:
        """Have the engine say that it is gone; one that is silent is asked again for a while. Raises CannotRun."""
        here = self._here.get(handle.native)
        if here is not None:
            self._boarding.withdraw(here.handle.agent)
        why = "no answer"
        pause = PAUSE
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await self.engine.gone(handle.native)
                        break
                    except (EngineAwayError, Refusal) as error:
                        why = str(error)
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_PAUSE, pause * 2)
        except TimeoutError:
            name = containers.name_of(handle.executor)
            raise CannotRun(
                f"the container {name} may still run on {self.engine.address.host} ({why}). Its agent ends it when it "
                f"has not heard of its hub for long; to end it now: docker rm -f {name}, or yonder reap"
            ) from None
        if self._here.pop(handle.native, None) is not None and here is not None:
            self._tell(here, f"the container {here.name} was removed", None)
            await here.hush()

    # ── listening ──

    async def _listen(self) -> None:
        """For ever, from the moment at which the engine was opened."""
        filters = {**told.marked(self._installation, self._owner), **_KINDS}
        since, pause, said = self.engine.opened, PAUSE, ""
        while True:
            try:
                now = told.moment(await self.engine.info())
                await self.engine.events(filters, since, now, self._heard)
                await self._compare()
                since, pause, said = now, PAUSE, ""
                await self.engine.events(filters, now, now + WINDOW, self._heard)
            except Exception as error:  # noqa: BLE001 - whatever it says: who does not listen hears of no end
                words = str(error) if isinstance(error, EngineAwayError | Refusal) else f"not understood: {error!r}"
                if words != said:
                    self._log(words)
                said = words
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    def _heard(self, line: Mapping[str, Any]) -> None:
        """One event, perhaps not for the first time."""
        event = Happening.read(line)
        if event is None:
            return
        here = self._here.get(event.native)
        if event.kind == "create" and event.executor in self.unwanted and here is None:
            self.spawn(self._gone_late(event))
        elif here is not None and event.kind == "oom":
            here.starved = True
        elif here is not None and event.kind == "die":
            self._died(here, told.report(event.exit_code))

    async def _gone_late(self, event: Happening) -> None:
        with contextlib.suppress(EngineAwayError, Refusal):  # the next sweep finds it again
            await self.engine.gone(event.native)

    async def _compare(self) -> None:
        expected = list(self._here.values())  # before the list is made: what is started meanwhile is not in it
        states = {one.handle.native: one.state for one in await self.all(self._owner)}
        for here in expected:
            if states.get(here.handle.native, "dead") in ("exited", "dead", "removing"):
                found = await self.engine.container(here.handle.native) or {}
                self._died(here, told.state_report(found.get("State") or {}))

    def _died(self, here: Container, report: ExitReport) -> None:
        if not here.dying:
            here.dying = True
            self.spawn(self._tell_end(here, report))

    async def _tell_end(self, here: Container, report: ExitReport) -> None:
        """It has ended by itself: how, and what it said last."""
        await asyncio.wait({here.listening}, timeout=LAST_WORDS)
        whole = told.completed(report, starved=here.starved, words=here.words.last)
        self._tell(here, told.ending(here.name, whole), whole)

    def _tell(self, here: Container, sentence: str, report: ExitReport | None) -> None:
        if not here.told:
            here.told = True
            self._boarding.ended(here.handle.agent, sentence, report)

    # ── tasks ──

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run beside. Whoever waits for it is told how it failed; nobody may, so what is not the engine's no is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if (
            not task.cancelled()
            and (error := task.exception()) is not None
            and not isinstance(error, CannotRun | Refusal)
        ):
            self._log(f"a task of the docker backend failed: {error!r}")
