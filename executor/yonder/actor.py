"""`Actor`: an object that lives on an executor and answers methods, until it is closed.

What this file must not know: how an object is placed, or what runs its methods.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from types import TracebackType
from typing import Any, Literal, Self

from yonder import wire
from yonder.errors import UsageError
from yonder.future import ActorFuture, Future, error_of
from yonder.line import Line, announce
from yonder.switchboard import Told


class Life:
    """One object elsewhere, from its placing to its end: who waits for which method."""

    def __init__(self, line: Line, name: str) -> None:
        self.name = name
        self.executor = ""
        self.methods: frozenset[str] = frozenset()
        self._pack = line.pack_call
        self._board = line.board
        self._numbers = itertools.count(1)
        self._order = threading.Lock()
        self._pending: dict[int, ActorFuture[Any]] = {}
        self._placing: Future[Any] | None = None
        self._up = threading.Event()
        self._end: wire.CallDone | None = None
        self._closed = False

    # ── placing (Calls.place) ──

    def attach(self, placing: Future[Any]) -> None:
        """The call that makes the object and holds its slot."""
        self._placing = placing

    def wait(self, timeout: float | None) -> bool:
        """Until the object stands; False after `timeout` seconds. Raises the constructor's exception, ExecutorLost, …"""
        end = None if timeout is None else time.monotonic() + timeout
        with self._board.waiting([self.call]):
            self._board.help(self._up.is_set, timeout)
            timeout = None if end is None else max(0.0, end - time.monotonic())
            if not self._up.wait(timeout):
                return False
        if self._end is not None:
            self.call.result()
        return True

    def told(self, message: Told) -> None:
        """The object stands, a method is over, or all is (in the hub's or the reader's thread)."""
        match message:
            case wire.ActorReady():
                self.executor = message.executor
                self.methods = frozenset(message.methods)
                self.call.let_go()
                self._up.set()
            case wire.ActorReply(call=call, ok=ok, body=body, failure=failure):
                future = self._pending.pop(message.number, None)
                if future is not None:
                    outcome: Literal["ok", "error"] = "ok" if ok else "error"
                    future.grips = self._board.holdings.held(message.refs)
                    future.arrived(wire.CallDone(call, outcome, body, failure, executor=self.executor))
            case wire.CallDone():
                self._over(message)
            case _:
                pass  # actors do not yield

    def _over(self, done: wire.CallDone) -> None:
        with self._order:
            self._end = end = done if done.outcome in ("lost", "error") else self._closed_end(done.call)
            pending, self._pending = list(self._pending.values()), {}
        self._up.set()
        for future in pending:
            future.arrived(end)

    def _closed_end(self, number: int) -> wire.CallDone:
        return wire.CallDone(number, "closed", sentence=f"the actor {self.name} is closed; place a new one")

    # ── methods ──

    def submit(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorFuture[Any]:
        """Send a call of a method. Raises SerializationError when its arguments cannot travel."""
        arguments = self._pack(args, kwargs)
        self._board.check()
        placing = self.call.number
        future: ActorFuture[Any] = ActorFuture(self._board, placing)
        future.hold = arguments.hold
        future.carried = arguments.carried
        number = next(self._numbers)
        with self._order:
            over = self._end or (self._closed_end(placing) if self._closed else None)
            if over is None:
                self._pending[number] = future
        if over is not None:
            future.arrived(over)
            return future
        try:
            announce(self._board, arguments.carried)
            self._board.send(
                wire.ActorCall(placing, number, method, arguments.body, arguments.refs, list(arguments.blobs))
            )
        except BaseException:
            self._pending.pop(number, None)
            raise
        return future

    # ── the end ──

    def end(self, *, cancel: bool) -> None:
        """Ask for the end, without waiting: after what it was sent, or (`cancel`) now."""
        with self._order:
            closed, self._closed = self._closed, True
        if self._end is None and self._placing is not None:
            if cancel:
                self.call.cancel()
            elif not closed:
                self._board.tell(wire.ActorClose(self.call.number))

    def abandon(self) -> None:
        """Nobody holds the object any more."""
        if not self._closed and self._end is None and self._placing is not None and not self._board.foreign():
            self._closed = True  # no lock: this may run while this very thread holds one
            self._board.tell(wire.ActorClose(self._placing.number))

    @property
    def call(self) -> Future[Any]:
        """The call that holds the slot."""
        assert self._placing is not None  # noqa: S101 - attached before anybody gets hold of it
        return self._placing

    @property
    def foreign(self) -> bool:
        """Is this a forked child's copy?"""
        return self._board.foreign()

    def state(self) -> str:
        """In words."""
        return repr(error_of(self._end)) if self._end else f"on {self.executor}" if self.executor else "being placed"


class Actor:
    """An object elsewhere: `actor.method(x)` waits for the value, `actor.method.submit(x)` is a Future,
    `await actor.method.acall(x)` is for asyncio. Its methods run one after the other, in the order of the calls.

    It holds a slot of its pool until `close`, the end of the `with` block, or until nobody holds it any more; then the object's own `close` (else its
    `__exit__`) runs there, where it has one. `executor` says where it lives. When it dies, calls under way and later ones
    raise ExecutorLost.
    """

    def __init__(self, life: Life) -> None:
        self._life = life

    @property
    def executor(self) -> str:
        """The executor that it lives on."""
        return self._life.executor

    def __getattr__(self, name: str) -> Method:
        if name == "_life":  # a copy that was never made whole
            raise AttributeError(name)
        life = self._life
        if name not in life.methods:
            known = ", ".join(sorted(life.methods)) or "none"
            raise AttributeError(f"{life.name} has no public method {name!r}; it has: {known}", name=name, obj=self)
        return Method(life, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The object's own `__call__`, waited for."""
        return self.__getattr__("__call__")(*args, **kwargs)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._life.methods})

    def __del__(self) -> None:
        # A belt: nobody can call it any more, and it holds a slot. What it was sent is still done.
        life = self.__dict__.get("_life")
        if life is not None and not sys.is_finalizing():
            life.abandon()

    def close(self) -> None:
        """Let it finish what it was sent, then free its slot. Harmless when it has ended."""
        if not self._life.foreign:
            self._life.end(cancel=False)
            self._life.call.exception()

    async def aclose(self) -> None:
        """`close` for asyncio."""
        if not self._life.foreign:
            self._life.end(cancel=False)
            await asyncio.wait([asyncio.wrap_future(self._life.call)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._give_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            await self.aclose()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """An exception leaves the block: nobody will read what is still under way, so it is not waited for."""
        if not self._life.foreign:
            self._life.end(cancel=True)

    def __reduce__(self) -> str:
        raise UsageError(
            f"the actor {self._life.name} stays with the program that placed it; pass its results on instead"
        )

    def __repr__(self) -> str:
        return f"<yonder.Actor {self._life.name}, {self._life.state()}>"


class Method:
    """One method of an actor."""

    def __init__(self, life: Life, name: str, actor: Actor) -> None:
        self._life = life
        self._name = name
        self._actor = actor  # held: who has a method has the object

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there and wait for its value; its exception is raised here."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it there; a Future. It can be given up (`cancel`), not stopped."""
        return self._life.submit(self._name, args, kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there and await its value."""
        return await asyncio.wrap_future(self.submit(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<method {self._name} of the actor {self._life.name}>"
