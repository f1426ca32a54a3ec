"""Files that code wrote on executors elsewhere: which there are, whose they are, and their pieces on the way to who reads.

    end of a run or call ──▶ LookForFiles ──▶ agent ──▶ FilesFound ──▶ FilesWritten to the owner, Files to clients

Knows agents' words and moments; not sessions, pools or disks. An agent may be hostile: what it tells is bounded, and it is
believed about its own executors only. On the hub's own machine nothing is looked for: runs there write into the
workspace itself, where everybody sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from yonder import wire
from yonder.core.writers import Span, writer
from yonder.hub.agents import Agent
from yonder.hub.executor import Executor
from yonder.hub.worker import clock
from yonder.paths import spell
from yonder.snapshot import outside

PAUSE = 0.5
"""Seconds between two looks at one executor: calls that end every moment are looked after together."""

MOST_KNOWN = 10_000
"""Files of one executor that are remembered."""

MOST_SPANS = 1000
REMEMBERED = 60.0
"""So many runs and calls of an executor are remembered, and for so many seconds: one may be found to have written a file."""

PATIENCE = 60.0
"""Seconds for which the end of an executor waits for who is reading its files."""

ANSWERED_WITHIN = 30.0
"""Seconds that an agent has to look before who asks for files is told what is known: its link may be cut, or it lies."""

NAMED = 5

Say = Callable[[wire.FilePart], None]


@dataclass(slots=True)
class Known:
    """One file. `span` is who wrote it."""

    written: wire.Written
    span: Span | None
    fetched: bool = False


@dataclass(slots=True, eq=False)
class Table:
    """What is known of one executor's files."""

    executor: Executor
    agent: Agent
    files: dict[str, Known] = field(default_factory=dict)
    more: int = 0
    spans: deque[Span] = field(default_factory=lambda: deque(maxlen=MOST_SPANS))  # what has ended of late
    due: bool = False  # something has ended since the last look began
    looking: bool = False  # or resting after it
    asked: float = 0.0
    readers: set[tuple[object, str]] = field(default_factory=set)  # files that somebody has begun to read
    unread: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Asked:
    """A piece that an agent was asked for."""

    table: Table
    asker: object
    request: wire.ReadFile
    say: Say


class Over(Protocol):
    """Something that ran and has ended."""

    @property
    def span(self) -> Span:
        """What it was, and when it ran."""


class Surroundings(Protocol):
    """What is needed of the hub's executors."""

    all: dict[str, Executor]

    def agent_of(self, executor: Executor) -> Agent | None:
        """Its agent, while it is here."""

    def running(self, executor: Executor) -> list[Span]:
        """What its workers are at."""

    def tell(self, event: wire.Event) -> None: ...


class Files:
    """All files of one owner's executors elsewhere."""

    def __init__(self, executors: Surroundings) -> None:
        self._executors = executors
        self._numbers = itertools.count(1)
        self._tables: dict[str, Table] = {}
        self._here: set[str] = set()  # executors on this machine: small calls end there every few microseconds
        self._looks: dict[int, Table] = {}
        self._reads: dict[int, Asked] = {}
        self._waiting: list[tuple[Callable[[Table], bool], Callable[[], None]]] = []
        self.news: Callable[[Executor, list[Known], int], None] = lambda *_: None
        """Told what was written on an executor, and how many more there are."""
        self.lost: Callable[[Executor, list[Known], str], None] = lambda *_: None
        """Told which files that nobody has read end with their executor, and why."""

    # ── looking ──

    def over(self, executor: str, task: Over) -> None:
        """A run or call has ended there: what has it written?"""
        if executor in self._here:
            return
        table = self._table(executor)
        if table is None:
            return
        table.spans.append(task.span)
        table.due = True
        if not table.looking:
            self._look(table)

    def _table(self, executor: str) -> Table | None:
        """None where nothing is looked for."""
        table = self._tables.get(executor)
        if table is None and (found := self._executors.all.get(executor)) is not None:
            agent = self._executors.agent_of(found)
            if agent is not None and agent.elsewhere:
                table = self._tables[executor] = Table(found, agent)
            elif agent is not None:
                self._here.add(executor)
        return table

    def _look(self, table: Table) -> None:
        table.looking, table.due, table.asked = True, False, clock()
        number = next(self._numbers)
        self._looks[number] = table
        table.agent.say(wire.LookForFiles(number, table.executor.id))

    def found(self, agent: Agent, message: wire.FilesFound) -> None:
        """An agent has looked."""
        table = self._looks.get(message.id)
        if table is None or table.agent is not agent:
            return
        del self._looks[message.id]
        now = clock()
        apart = (table.asked + now) / 2 - message.now
        while table.spans and table.spans[0].ended < table.asked - REMEMBERED:
            table.spans.popleft()
        spans = [*table.spans, *self._executors.running(table.executor)]
        fresh: list[Known] = []
        more = message.more
        for written in message.files:
            if outside(written.path) or (written.path not in table.files and len(table.files) >= MOST_KNOWN):
                more += 1
                continue
            known = table.files[written.path] = Known(written, writer(written.at + apart, spans))
            fresh.append(known)
        table.more = more
        if fresh or more:
            self._tell(table, fresh, more, spans)
        asyncio.get_running_loop().call_later(PAUSE, self._rested, table)
        self._answer()

    def _rested(self, table: Table) -> None:
        table.looking = False
        if table.due and table.executor.id in self._tables:
            self._look(table)

    def _tell(self, table: Table, fresh: list[Known], more: int, spans: Sequence[Span]) -> None:
        """One event for each run and call; what nobody is known to have written is the run's, if there is only one."""
        runs = {span.run for span in spans}
        unknown = next(iter(runs)) if len(runs) == 1 else ""
        groups: dict[tuple[str, str], list[wire.Written]] = {}
        for known in fresh:
            span = known.span
            groups.setdefault((span.run, span.call) if span else (unknown, ""), []).append(known.written)
        if not groups:
            groups[unknown, ""] = []
        for (run, call), files in groups.items():
            self._executors.tell(wire.FilesWritten(run, call, table.executor.id, files, more, clock()))
            more = 0
        self.news(table.executor, fresh, table.more)

    def ask(self, mine: Callable[[Table], bool], answer: Callable[[], None]) -> None:
        """Call `answer` as soon as everything that has ended on these executors was looked after; with what is known then,
        when an agent takes longer than ANSWERED_WITHIN."""
        one = (mine, answer)
        self._waiting.append(one)
        for table in filter(mine, self._tables.values()):
            if table.due and table not in self._looks.values():
                self._look(table)
        self._answer()
        if one in self._waiting:
            asyncio.get_running_loop().call_later(ANSWERED_WITHIN, self._answer_anyway, one)

    def _answer_anyway(self, one: tuple[Callable[[Table], bool], Callable[[], None]]) -> None:
        if one in self._waiting:
            self._waiting.remove(one)
            one[1]()

    def _answer(self) -> None:
        for one in list(self._waiting):
            mine, answer = one
            if not any(table.due or table in self._looks.values() for table in filter(mine, self._tables.values())):
                self._waiting.remove(one)
                answer()

    def of(self, mine: Callable[[Table], bool], asker: object) -> tuple[list[wire.FileThere], int]:
        """What is known of these executors, as this asker may see it."""
        tables = list(filter(mine, self._tables.values()))
        files = [there(table.executor, known, asker) for table in tables for known in table.files.values()]
        return files[: wire.MOST_FILES], max(0, len(files) - wire.MOST_FILES) + sum(table.more for table in tables)

    def pool_of(self, executor: str) -> str | None:
        """The pool of an executor that has files, None when there is none."""
        table = self._tables.get(executor)
        return table.executor.pool if table is not None else None

    # ── reading ──

    def read(self, asker: object, request: wire.ReadFile, say: Say) -> None:
        """Somebody wants a piece. It is answered in any case."""
        table = self._table(request.executor)
        if table is None:
            say(_none(request, f"the executor {request.executor!r} is gone, and its files with it"))
            return
        if sum(asked.asker is asker for asked in self._reads.values()) >= wire.PIECES:
            say(_none(request, f"at most {wire.PIECES} pieces may be asked for at a time"))
            return
        number = next(self._numbers)
        self._reads[number] = Asked(table, asker, request, say)
        table.readers.add((asker, request.path))
        table.unread.clear()
        table.agent.owed.ask(number, lambda why: self._unanswered(number, why))
        table.agent.say(wire.ReadFile(number, request.executor, request.path, request.offset, request.size))

    def part(self, agent: str, message: wire.FilePart) -> None:
        """A piece has come, or why it did not."""
        asked = self._reads.get(message.id)
        if asked is None or asked.table.agent.id != agent:
            return
        del self._reads[message.id]
        request, table = asked.request, asked.table
        table.agent.owed.answered(message.id)
        whole = not message.sentence and request.offset + len(message.data) >= message.total
        if whole and (known := table.files.get(request.path)) is not None:
            known.fetched = True
        if whole or message.sentence:
            self._read(table, asked.asker, request.path)
        asked.say(_readdressed(message, request.id))

    def _unanswered(self, number: int, why: str) -> None:
        """No piece comes."""
        asked = self._reads.pop(number, None)
        if asked is not None:
            self._read(asked.table, asked.asker, asked.request.path)
            asked.say(
                _none(asked.request, f"{asked.request.path[:200]!r} did not come from {asked.request.executor}: {why}")
            )

    @staticmethod
    def _read(table: Table, asker: object, path: str) -> None:
        table.readers.discard((asker, path))
        if not table.readers:
            table.unread.set()

    def forsaken(self, asker: object) -> None:
        """Whoever asked is gone."""
        for number in [number for number, asked in self._reads.items() if asked.asker is asker]:
            self._reads.pop(number).table.agent.owed.forget(number)
        for table in self._tables.values():
            for reader in [reader for reader in table.readers if reader[0] is asker]:
                self._read(table, *reader)

    # ── ends ──

    async def released(self, executor: Executor) -> None:
        """Nobody is reading its files any more, or has read for too long; what was not read is said to be lost."""
        table = self._tables.get(executor.id)
        if table is None:
            return
        if table.readers:
            with contextlib.suppress(TimeoutError):  # it is ended all the same: it costs money
                await asyncio.wait_for(table.unread.wait(), PATIENCE)
        if left := [known for known in table.files.values() if not known.fetched]:
            self.lost(executor, left, lost_words(executor, left))

    def gone(self, executor: str) -> None:
        """It is no more: nothing of it can be read."""
        self._here.discard(executor)
        table = self._tables.pop(executor, None)
        if table is None:
            return
        for number in [number for number, one in self._looks.items() if one is table]:
            del self._looks[number]
        for number in [number for number, asked in self._reads.items() if asked.table is table]:
            asked = self._reads.pop(number)
            asked.table.agent.owed.forget(number)
            asked.say(_none(asked.request, f"the executor {executor!r} ended while its file was read"))
        self._answer()


class Beside:
    """An agent's second conversation: pieces of files, and nothing else."""

    def __init__(self, agent: str, files: Files) -> None:
        self._agent = agent
        self._files = files

    def received(self, message: wire.AgentBulk) -> None:
        if isinstance(message, wire.FilePart):
            self._files.part(self._agent, message)

    def lost(self) -> None:
        """Its first conversation says what that means."""


def there(executor: Executor, known: Known, asker: object) -> wire.FileThere:
    """A file as this asker may see it: calls have the numbers that it gave them."""
    span = known.span
    number = span.number if span is not None and span.asker is asker else 0
    written = known.written
    return wire.FileThere(executor.id, written.path, written.size, written.at, number, known.fetched)


def lost_words(executor: Executor, left: list[Known]) -> str:
    """What ends with an executor and was never fetched, in a sentence with the remedy."""
    left = sorted(left, key=lambda known: -known.written.size)
    named = ", ".join(f"{known.written.path} ({spell(known.written.size)})" for known in left[:NAMED])
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    reason = f" ({executor.reason})" if executor.reason else ""
    return (
        f"the executor {executor.id} ends{reason}, and with it {_files(len(left))} that nobody has fetched: {named}{more}; "
        f'`outputs = ["*{_ending(left[0].written.path)}"]` has such files fetched by themselves'
    )


def _files(count: int) -> str:
    return "a file" if count == 1 else f"{count} files"


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2]}" if "." in name else f"/{name}"


def _none(request: wire.ReadFile, sentence: str) -> wire.FilePart:
    return wire.FilePart(request.id, b"", 0, "", b"", sentence)


def _readdressed(part: wire.FilePart, number: int) -> wire.FilePart:
    return wire.FilePart(number, part.data, part.total, part.stamp, part.digest, part.sentence)
