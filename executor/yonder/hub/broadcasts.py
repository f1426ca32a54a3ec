"""Broadcasts: a function that runs once in every worker process of a pool, those to come included.

Two ways to it: workers that are there get a call of their own each (`Broadcasting` gathers the ends); a worker that comes
goes through all of the pool's rites, in their order, before its pool hears of it (`Initiation`). Knows workers and
clients; not executors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yonder import wire
from yonder.hub.calls import Call
from yonder.hub.clients import Client
from yonder.hub.room import passed_on
from yonder.hub.worker import End, Part, Worker, named


class Rite:
    """One broadcast as the pool keeps it for workers to come; `dropped` when it is not to be tried again."""

    def __init__(
        self,
        name: str,
        message: wire.Broadcast,
        function: wire.Body,
        run: str,
        code: bytes,
        give: Callable[[list[bytes], Rite, Worker], list[bytes]],
    ) -> None:
        self.name = name
        self.code = code
        self.function = function
        self.message = message
        self.run = run
        self.dropped = False
        self._give = give

    def refs(self, worker: Worker) -> list[bytes]:
        """The handles in the arguments, which this worker holds from now on."""
        return self._give(self.message.refs, self, worker) if self.message.refs else []


class Broadcasting:
    """A broadcast while the workers that were there run it. `failed` is called when every one of them failed. Implements
    clients.Asked."""

    def __init__(self, client: Client, number: int, failed: Callable[[], None]) -> None:
        self.client = client
        self._number = number
        self._failed = failed
        self.members: list[Call] = []
        self._left = 0
        self._ends: list[wire.CallDone] = []

    def begin(self, members: Sequence[Call]) -> None:
        """These are the workers that are there: one call for each."""
        self.members = list(members)
        self._left = len(self.members)
        self._finish_if_over()

    def heard(self, message: wire.HubToClient) -> None:
        """One of the members says something."""
        if not isinstance(message, wire.CallDone):
            return
        passed_on(wire.loads(message))  # they are told together at the end: none may wait for another's room
        if message.outcome != "lost" or message.attempts:  # else it ended before it ran: its successor will run it
            self._ends.append(message)
        self._left -= 1
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        if self._left:
            return
        self.members.clear()
        if self._ends and all(end.outcome == "error" for end in self._ends):
            self._failed()
        self.client.asked.pop(self._number, None)
        self.client.say(wire.BroadcastDone(self._number, self._ends))

    def cancel(self) -> None:
        for member in list(self.members):
            member.cancel()

    def credit(self, upto: int) -> None:
        """A broadcast is no stream."""

    def act(self, message: wire.ActorCall) -> None:
        """A broadcast has no methods."""

    def finish(self) -> None:
        """It ends by itself."""

    def hold(self) -> None:
        """Its values are told together, at the end."""


Supply = Callable[[Rite, Callable[[bytes, str], None]], None]
"""Has the code of a rite where its worker is, and tells which snapshot that is, or why it cannot be."""


class Initiation:
    """A fresh worker on its way through the rites, from the one with that number on. `ran` is told of each end, `done` ""
    or why it must not serve. Implements worker.Task."""

    def __init__(
        self,
        worker: Worker,
        rites: Sequence[Rite],
        supply: Supply,
        done: Callable[[str], None],
        ran: Callable[[Rite, wire.Done], None],
        passed: int = 0,
    ) -> None:
        self._worker = worker
        self._supply = supply
        self._rites = rites  # the pool's own list: what is added meanwhile is run too
        self._done = done
        self._ran = ran
        self._passed = passed
        self.run = ""
        self.call = ""

    def go_on(self) -> None:
        """The next rite, or the end."""
        while self._passed < len(self._rites) and self._rites[self._passed].dropped:
            self._passed += 1
        if self._passed == len(self._rites):
            self._done("")
            return
        rite = self._rites[self._passed]
        self._passed += 1
        self.run, self.call = rite.run, rite.name
        task = self._worker.start(self)
        if rite.code:
            self._supply(rite, lambda code, why: self._begin(task, rite, code, why))
        else:
            self._begin(task, rite, b"", "")

    def _begin(self, task: int, rite: Rite, code: bytes, why: str) -> None:
        if self._worker.task is not self:
            return  # it has died meanwhile
        if why:
            self._worker.abandon(self)
            self._done(f"the code of {rite.message.label or 'a broadcast'} did not come: {why}")
            return
        if code:
            self._worker.runs_on(code)
        known, forgotten = self._worker.learn(rite.message.function)
        body = b"" if known else rite.function
        message = rite.message
        call = wire.Call(
            task, message.function, body, message.arguments, None, forgotten, code, refs=rite.refs(self._worker)
        )
        self._worker.say(call)

    def ended(self, end: End) -> None:
        if not isinstance(end, wire.Done):
            return
        self._ran(self._rites[self._passed - 1], end)
        if not end.ok:
            failure = end.failure
            what = f"{failure.type}: {failure.message}" if failure else "it failed"
            rite = self._rites[self._passed - 1].message.label or "a broadcast"
            self._done(f"what every worker of the pool runs first, {rite}, failed there: {what}")
        else:
            self.go_on()

    def gave(self, part: Part) -> None:
        """A broadcast has one end and nothing before it."""

    def stale(self, modules: list[str]) -> None:
        """A worker that has run nothing but these rites, on one snapshot, holds no older code."""
        self._done(f"a fresh worker says that it holds older code of {named(modules)}")

    def reloaded(self, message: wire.Reloaded) -> None:
        """Whoever waits for the worker waits for its code, too."""

    def asked(self, question: wire.InputAsked) -> None:
        """Nobody is there to answer."""
        self._worker.control(wire.Typed(question.id, None))
