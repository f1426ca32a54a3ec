"""`Calls`: the verbs. What a Python programmer can do with a pool, the same on a `Pool`, on `pool.with_options(...)`.

This file packs and unpacks; it decides nothing about executors.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from yonder import payload, wire
from yonder.actor import Actor, Life
from yonder.errors import CallTimeout, UsageError
from yonder.future import Future, SpawnedFuture, error_of
from yonder.line import Line, begin, call_label, name_of, packed, waited
from yonder.mapping import Flow, Mapped, Plan
from yonder.options import Wishes, placing_mode
from yonder.remotes import Remote
from yonder.stream import WINDOW, Stream

T = TypeVar("T")


class Calls(concurrent.futures.Executor):
    """Calls on a pool, with wishes of their own. All arguments after the function go to the function."""

    def __init__(self, line: Line, wishes: Wishes) -> None:
        self._line = line
        self._wishes = wishes

    # ── one call ──

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn(*args, **kwargs)` on an executor. Raises SerializationError when it cannot travel, PoolClosed."""
        line, wishes = self._line, self._wishes
        return begin(line, wishes, fn, args, kwargs, wishes.call_options(line.spec))

    def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run `fn` on an executor and wait for its value; its exception is raised here with the remote traceback.

        A deadline comes from the pool or from `with_options(timeout=…)`; then CallTimeout.
        """
        value: T = waited(self.submit(fn, *args, **kwargs))
        return value

    async def acall(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """`call` for asyncio; cancelling the task cancels the call."""
        return await asyncio.wrap_future(self.submit(fn, *args, **kwargs))

    def spawn(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """`submit` for a call that nobody waits for. If it fails and its future is never asked, the traceback is printed
        on stderr, once; closing the pool waits for it."""
        line, wishes = self._line, self._wishes
        line.check()
        label = call_label(fn, args, kwargs, wishes)
        options = wishes.call_options(line.spec)
        future: SpawnedFuture[T] = line.start(
            line.pack(fn), line.pack_call(args, kwargs), label, options, SpawnedFuture
        )
        future.called = name_of(fn)
        line.spawned.add(future)
        return future

    # ── objects that stay ──

    def keep(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[Remote[T]]:
        """`submit`, but the value stays on its worker: the future's is a `Remote`, a handle of it (docs/data.md).

        Raises UsageError where each call has a process or an executor of its own.
        """
        line, wishes = self._line, self._wishes
        return begin(line, wishes, fn, args, kwargs, wishes.keeping_options(line.spec))

    # ── many ──

    def map(
        self,
        fn: Callable[..., T],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
        ordered: bool = True,
    ) -> Mapped[T]:
        """Like the built-in `map`, with every call on an executor.

        Input is read as there is room: `buffersize` items are under way at most (None: 64 messages, or four for each slot
        of the pool, but no more than its `queue_limit`). Values come in the order of the input, or with `ordered=False` as they come. `chunksize` items
        travel in one message; None: single, until the function has shown that it takes less than 0.5 ms, then a few
        milliseconds of work at a time. What happens to an executor happens to all calls of a message.

        Raises TimeoutError when a value is not there `timeout` seconds after the call of `map`, the call's own exception,
        and what reading the input raises; the rest is cancelled then.
        """
        self._line.check()
        plan = Plan(ordered, chunksize, buffersize, None if timeout is None else time.monotonic() + timeout)
        flow: Flow[T] = Flow(self._line, self._wishes, fn, iterables, plan)
        flow.fill()
        return Mapped(flow)

    def stream(self, fn: Callable[..., Iterable[T]], /, *args: Any, **kwargs: Any) -> Stream[T]:
        """Run a generator function on an executor and iterate over its values here, as they come. The generator waits
        when it is far ahead; leaving the loop ends it, `finally` blocks included. Raises as `submit` does."""
        line, wishes = self._line, self._wishes
        line.check()
        stream: Stream[T] = Stream(line.board)
        label = call_label(fn, args, kwargs, wishes)
        options = wishes.call_options(line.spec, wire.Mode(kind="stream", credit=WINDOW))
        arguments = line.pack_call(args, kwargs)
        line.endings.add(stream)
        line.start(line.pack(fn), arguments, label, options, Future, stream.ear)
        return stream

    def astream(self, fn: Callable[..., Iterable[T]], /, *args: Any, **kwargs: Any) -> Stream[T]:
        """`stream`, to be read with `async for`."""
        return self.stream(fn, *args, **kwargs)

    def broadcast(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> list[T]:
        """Run `fn` once in every worker of the pool, and in each that comes later before its first call.

        Returns the values of those that are there now, in no order. Raises an ExceptionGroup of what failed.
        """
        line = self._line
        line.check()
        label = call_label(fn, args, kwargs, self._wishes)
        function = line.pack(fn)
        arguments, carried = packed(args, kwargs, None)  # no memory of ours: workers to come read them, too
        ends = line.broadcast(function, arguments, label, carried)
        errors = [error_of(end) for end, _ in ends if end.outcome != "ok"]
        if errors:
            raise BaseExceptionGroup(f"{len(errors)} of {len(ends)} workers could not run {label}", errors)
        return [payload.unpack(end.body) for end, _holds in ends]

    # ── objects ──

    def place(
        self,
        kind: Callable[..., Any],
        /,
        *args: Any,
        max_batch: int | None = None,
        max_wait: float = 0.01,
        **kwargs: Any,
    ) -> Actor:
        """Make `kind(*args, **kwargs)` on an executor and keep it there; returns when it stands.

        With `max_batch`, calls of a method that come within `max_wait` seconds of each other are gathered, up to so many:
        the method takes the list of their arguments and returns the list of their values. Raises the constructor's
        exception, and CallTimeout when it does not stand within the pool's or `with_options`' `timeout`.
        """
        line = self._line
        line.check()
        mode = placing_mode(max_batch, max_wait)
        limit = self._wishes.timeout(line.spec)
        options = self._wishes.placing_options(line.spec, mode)
        name = name_of(kind)
        life = Life(line, name)
        arguments = line.pack_call(args, kwargs)
        line.endings.add(life)
        try:
            line.start(line.pack(kind), arguments, self._wishes.label or name, options, Future, life)
            if not life.wait(limit or None):
                raise CallTimeout(f"{name} did not stand within {limit:g} s", phase="placing")
        except BaseException:
            life.end(cancel=True)
            raise
        return Actor(life)

    # ── the same pool, otherwise ──

    def with_options(
        self,
        *,
        timeout: float | None = None,
        queue_timeout: float | None = None,
        retries: int | None = None,
        grace: float | None = None,
        affinity: str | None = None,
        gpu: str | int | list[str] | None = None,
        cpus: float | None = None,
        memory: str | int | None = None,
        label: str | None = None,
    ) -> Calls:
        """The same pool with other wishes for the calls made through what this returns.

        `timeout` is the call's deadline in seconds, waiting and booting included; `queue_timeout` bounds the wait alone;
        `retries` is how often it is tried again after its executor was lost, `grace` how many seconds it may clean up
        when it has to end. Calls with the same `affinity` go to the same executor while it lives. `gpu`, `cpus` and
        `memory` ask for an executor that has them, `label` names the calls in tables. Raises UsageError.
        """
        more = {
            "timeout": timeout,
            "queue_timeout": queue_timeout,
            "retries": retries,
            "grace": grace,
            "affinity": affinity,
            "gpu": gpu,
            "cpus": cpus,
            "memory": memory,
            "label": label,
        }
        return Calls(self._line, self._wishes.over(more))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing: the pool is closed by its own `close`."""

    def __reduce__(self) -> str:
        raise UsageError(
            f"the pool {self._line.spec.name!r} stays with its program; a call opens a Pool of its own, which in a call "
            "is the hub's pool of that name"
        )

    def __repr__(self) -> str:
        return f"<calls on the pool {self._line.spec.name!r}>"
