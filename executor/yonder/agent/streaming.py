"""Streams: the values of a generator, one message each, never further ahead than the reader allows.

What belongs here: producing, waiting for credit, closing early. What this file must not know: the task's begin and end,
where credit comes from. An interrupt while the generator computes is a KeyboardInterrupt in it, one while it waits for
credit closes it; its `finally` blocks run here either way, as user code.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import msgspec

from yonder import segments, wire
from yonder.agent.guard import Ran
from yonder.agent.looping import Looping
from yonder.agent.stage import Stage
from yonder.errors import SerializationError, UsageError


class Credit:
    """How far each stream may go. The side thread allows, the main thread waits."""

    def __init__(self) -> None:
        self._upto: dict[int, int] = {}
        self._news = threading.Lock()  # held: nothing new; no condition, whose wait an interrupt could leave half done
        self._news.acquire()
        self.listener: Callable[[], None] | None = None
        """Told of news in the side thread."""

    def begin(self, task: int, upto: int) -> None:
        """`task` is next, with so much to begin with; what was said of those before it is forgotten."""
        for old in [known for known in list(self._upto) if known < task]:
            self._upto.pop(old, None)
        self.allow(task, upto)

    def allow(self, task: int, upto: int) -> None:
        """On its own lane it may be heard before the call itself."""
        if upto > self._upto.get(task, -1):
            self._upto[task] = upto
        if self._news.locked():
            try:
                self._news.release()
            except RuntimeError:  # the other thread has just done the same
                return
        if (listener := self.listener) is not None:
            listener()

    def covers(self, task: int, n: int) -> bool:
        return n <= self._upto.get(task, 0)

    def wait(self, task: int, n: int) -> None:
        """Until the `n`th value is allowed. Interruptible."""
        while not self.covers(task, n):
            self._news.acquire()


class _Over(msgspec.Struct, frozen=True):
    """The generator has returned this."""

    value: Any


class Stream:
    """One stream: `run` is its whole life."""

    def __init__(self, stage: Stage, credit: Credit, task: int) -> None:
        self._stage = stage
        self._credit = credit
        self._task = task
        self._n = 0

    def run(self, call: wire.Call) -> Ran[Any]:
        """Say every value; the result is what the generator returns."""
        guard = self._stage.guard
        begun = guard.run(lambda: self._begin(call))
        if begun.value is None:
            return Ran(None, begun.error, begun.interrupted)
        items = begun.value
        while True:
            made = guard.run(lambda: self._next(items))
            if made.value is None or guard.missed:
                try:
                    return self._broken(items, made)
                finally:
                    del made  # see Ran
            if isinstance(made.value, _Over):
                return Ran(made.value.value)
            self._n += 1
            self._stage.say(wire.Yielded(self._task, self._n, made.value, self._stage.refs()))
            self._stage.said()

    def _begin(self, call: wire.Call) -> Iterator[Any]:
        function = self._stage.function(call.function)
        arguments, keywords = self._stage.arguments(call.arguments)
        value = self._stage.run(function, arguments, keywords)
        if isinstance(value, AsyncIterator):
            return _Steps(self._stage.looping, value)
        if isinstance(value, Iterable):
            return iter(value)
        name = getattr(function, "__qualname__", type(function).__name__)
        raise UsageError(
            f"{name} is streamed, so it must yield its values or return something iterable; "
            f"it returned {type(value).__name__}"
        )

    def _next(self, items: Iterator[Any]) -> wire.Body | _Over:
        """The next value, packed, as soon as it may be made. User code on."""
        if not self._credit.covers(self._task, self._n + 1):
            self._stage.flush()  # what was printed is seen while the reader takes its time
            self._wait(items)
        try:
            value = self._stage.run(next, (items,), {})
        except StopIteration as over:
            return _Over(over.value)
        try:
            return self._stage.pack(value, "the value")
        except SerializationError as error:
            raise SerializationError(f"value {self._n + 1} of the stream: {error}") from error.__cause__

    def _wait(self, items: Iterator[Any]) -> None:
        if isinstance(items, _Steps):
            items.wait(self._credit, self._task, self._n + 1)
        else:
            self._credit.wait(self._task, self._n + 1)

    def _broken(self, items: Iterator[Any], made: Ran[Any]) -> Ran[Any]:
        """It ends early: its `finally` blocks run now. What they raise is told, the reason itself is the outcome."""
        segments.leave(made.value)  # it was made, and is said to nobody
        close = getattr(items, "close", None)
        closed: Ran[Any] = self._stage.guard.run(close) if callable(close) else Ran(None)
        if closed.error is not None:
            traceback.print_exception(closed.error)
        return Ran(None, made.error or KeyboardInterrupt(), made.interrupted or self._stage.guard.missed)


class _Steps(Iterator[Any]):
    """An asynchronous iterator, step by step from outside the loop. All its code runs in one task, as under `async for`:
    time-outs and task groups that last over a `yield` need that."""

    def __init__(self, looping: Looping, source: AsyncIterator[Any]) -> None:
        self._looping = looping
        self._source = source
        self._producer: asyncio.Task[None] | None = None
        self._made: asyncio.Future[Any] | None = None
        self._wanted = asyncio.Event()

    def __next__(self) -> Any:
        """The next value. Raises StopIteration at the end."""
        found = self._looping.complete(self._step())
        if isinstance(found, _Over):
            raise StopIteration
        return found

    def wait(self, credit: Credit, task: int, n: int) -> None:
        """Wait for credit while the loop runs, for the sake of other tasks in it."""
        self._looping.complete(self._room(credit, task, n))

    def close(self) -> None:
        if self._producer is not None and not self._producer.done():
            self._looping.complete(self._stop())

    async def _step(self) -> Any:
        self._made = asyncio.get_running_loop().create_future()
        self._wanted.set()
        if self._producer is None:
            self._producer = asyncio.create_task(self._produce())
        self._looping.inner = self._producer
        try:
            await asyncio.wait({self._producer, self._made}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not self._producer.done():  # the interrupt, which is meant for the generator
                await self._stop()
            raise
        finally:
            self._looping.inner = None
        if self._made.done():
            return self._made.result()
        self._producer.result()  # raises what the generator raised
        return _Over(None)

    async def _produce(self) -> None:
        try:
            async for value in self._source:
                if self._made is not None:
                    self._made.set_result(value)
                self._wanted.clear()
                await self._wanted.wait()
        finally:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()

    async def _stop(self) -> None:
        """End the generator where it stands, and wait for its `finally` blocks. Raises what they raise."""
        producer = self._producer
        while producer is not None and not producer.done():  # again, if it yields in spite of it: then it is closed
            self._made = asyncio.get_running_loop().create_future()
            producer.cancel()
            await asyncio.wait({producer, self._made}, return_when=asyncio.FIRST_COMPLETED)
        if producer is not None and not producer.cancelled():
            producer.result()

    async def _room(self, credit: Credit, task: int, n: int) -> None:
        news, loop = asyncio.Event(), asyncio.get_running_loop()

        def heard() -> None:
            loop.call_soon_threadsafe(news.set)

        credit.listener = heard
        try:
            while not credit.covers(task, n):
                await news.wait()
                news.clear()
        finally:
            credit.listener = None
