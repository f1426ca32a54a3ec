"""`Actor`: an object that lives on an executor and answers methods, until it is closed.

What this file must not know: how an object is placed, or what runs its methods.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from types import TracebackType
from typing import Any, Literal, Self

from yonder import payload, wire
from yonder.errors import UsageError
from yonder.future import ActorFuture, Future, error_of
from yonder.switchboard import Switchboard, Told


class Actor:
    """An object elsewhere: `actor.method(x)` waits for the value, `actor.method.submit(x)` is a Future,
    `await actor.method.acall(x)` is for asyncio. Its methods run one after the other, in the order of the calls.

    It holds a slot of its pool until `close`, or the end of the `with` block. `executor` says where it lives. When it
    dies, calls under way and later ones raise ExecutorLost.
    """

    def __init__(self, board: Switchboard, name: str) -> None:
        self._board = board
        self._name = name
        self._numbers = itertools.count(1)
        self._order = threading.Lock()
        self._pending: dict[int, ActorFuture[Any]] = {}
        self._placing: Future[Any] | None = None
        self._up = threading.Event()
        self._methods: frozenset[str] = frozenset()
        self._end: wire.CallDone | None = None
        self._closed = False
        self.executor = ""

    # ── placing (Pool.place) ──

    def attach(self, placing: Future[Any]) -> None:
        """The call that makes the object and holds its slot."""
        self._placing = placing

    def wait(self, timeout: float | None) -> bool:
        """Until the object stands; False after `timeout` seconds. Raises the constructor's exception, ExecutorLost, …"""
        with self._board.waiting([self._call]):
            if not self._up.wait(timeout):
                return False
        if self._end is not None:
            self._call.result()
        return True

    def told(self, message: Told) -> None:
        """The object stands, a method is over, or all is (in the hub's or the reader's thread)."""
        match message:
            case wire.ActorReady():
                self.executor = message.executor
                self._methods = frozenset(message.methods)
                self._up.set()
            case wire.ActorReply():
                future = self._pending.pop(message.number, None)
                if future is not None:
                    outcome: Literal["ok", "error"] = "ok" if message.ok else "error"
                    future.arrived(
                        wire.CallDone(message.call, outcome, message.body, message.failure, executor=self.executor)
                    )
            case wire.CallDone():
                self._over(message)
            case _:
                pass  # actors do not yield

    def _over(self, done: wire.CallDone) -> None:
        closed = f"the actor {self._name} is closed; place a new one"
        end = done if done.outcome in ("lost", "error") else wire.CallDone(done.call, "closed", sentence=closed)
        with self._order:
            self._end = end
            pending, self._pending = list(self._pending.values()), {}
        self._up.set()
        for future in pending:
            future.arrived(end)

    # ── methods ──

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_") or name not in self._methods:
            known = ", ".join(sorted(self._methods)) or "none"
            raise AttributeError(f"{self._name} has no public method {name!r}; it has: {known}", name=name, obj=self)
        return Method(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._methods})

    def submit_method(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorFuture[Any]:
        """Send a call of a method. Raises SerializationError when its arguments cannot travel."""
        arguments = payload.pack_call(args, kwargs)
        self._board.check()
        placing = self._call.number
        with self._order:
            number = next(self._numbers)
            future: ActorFuture[Any] = ActorFuture(self._board, placing)
            if self._end is None and not self._closed:
                self._pending[number] = future
                self._board.send(wire.ActorCall(placing, number, name, arguments))
                return future
            end = self._end or wire.CallDone(
                placing, "closed", sentence=f"the actor {self._name} is closed; place a new one"
            )
        future.arrived(end)
        return future

    # ── the end ──

    def end(self, *, cancel: bool) -> None:
        """Ask for the end, without waiting: after what it was sent, or (`cancel`) now."""
        with self._order:
            closed, self._closed = self._closed, True
        if self._end is None:
            if cancel:
                self._call.cancel()
            elif not closed:
                self._board.tell(wire.ActorClose(self._call.number))

    def close(self) -> None:
        """Let it finish what it was sent, then free its slot. Harmless when it has ended."""
        if not self._board.foreign():
            self.end(cancel=False)
            self._call.exception()

    async def aclose(self) -> None:
        """`close` for asyncio."""
        self.end(cancel=False)
        await asyncio.wait([asyncio.wrap_future(self._call)])

    @property
    def _call(self) -> Future[Any]:
        assert self._placing is not None  # noqa: S101 - attached before anybody gets hold of it
        return self._placing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> str:
        raise UsageError(f"the actor {self._name} stays with the program that placed it; pass its results on instead")

    def __repr__(self) -> str:
        state = repr(error_of(self._end)) if self._end else f"on {self.executor}" if self.executor else "being placed"
        return f"<yonder.Actor {self._name}, {state}>"


class Method:
    """One method of an actor."""

    def __init__(self, actor: Actor, name: str) -> None:
        self._actor = actor
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there and wait for its value; its exception is raised here."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it there; a Future. It can be given up (`cancel`), not stopped."""
        return self._actor.submit_method(self._name, args, kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there and await its value."""
        return await asyncio.wrap_future(self.submit(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<method {self._name} of {self._actor!r}>"
