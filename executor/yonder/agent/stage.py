"""What tasks of every kind need of their worker: run user code, pack what it gave, tell what it raised, say it.

What belongs here: what a call, a stream and an actor share. What this file must not know: how a task begins and ends, what
comes in on the lanes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from yonder import holding, payload, segments, wire
from yonder.agent.guard import Guard
from yonder.agent.keeping import Keeping
from yonder.agent.looping import Looping
from yonder.agent.missing import explain
from yonder.errors import SerializationError
from yonder.holding import Carried

MAX_RESULT = wire.MAX_MESSAGE - 1024 * 1024


class Stage:
    """`say` sends on the call lane; main thread, user code off. `folder` is the workspace's."""

    def __init__(
        self,
        guard: Guard,
        looping: Looping,
        folder: str,
        say: Callable[[wire.CallToHub], None],
        flush: Callable[[], None],
        counts: Callable[[int], tuple[int, int]],
        keeping: Keeping,
    ) -> None:
        self.guard = guard
        self.looping = looping
        self.say = say
        self.flush = flush
        """Pushes out what user code has printed and drawn so far. User code on."""
        self.counts = counts
        """After `flush`: the numbers of a task's last control-lane message and last output so far. User code off."""
        self.keeping = keeping
        self.carried: Carried | None = None
        """Handles in what was packed last and is not said yet."""
        self.nanos = 0
        """How long user code ran in the current task, as far as it was counted."""
        self.near = False
        """May who gets the current task's values open memory of this process?"""
        self._folder = folder
        self._workspace = payload.Workspace(folder, payload.served)
        self._functions: dict[bytes, Callable[..., Any]] = {}
        # Those that are not unpacked yet (they were sent once, though unpacking may fail), and the small ones of the others.
        self._bodies: dict[bytes, wire.Body] = {}

    # ── functions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, call: wire.Call) -> None:
        """Take what the call says of itself, and the function that came along; let go of those that will come again when they are needed."""
        self.near = call.near
        for digest in call.forget:
            self._functions.pop(digest, None)
            self._bodies.pop(digest, None)
        if call.function_body:
            self._bodies[call.function] = call.function_body

    def function(self, digest: bytes) -> Callable[..., Any]:
        """The function of that digest. User code on: it may be unpacked now, and raise whatever that raises."""
        function = self._functions.get(digest)
        if function is None:
            body = self._bodies[digest]
            function = self._functions[digest] = payload.unpack(body)
            if (len(body) if isinstance(body, bytes) else sum(map(len, body))) > wire.LARGE:
                del self._bodies[digest]
        return function

    @property
    def renewable(self) -> bool:
        """Is there what every function could be unpacked from again?"""
        return self._functions.keys() <= self._bodies.keys()

    def renew(self) -> None:
        """Modules were loaded again: unpack every function again when it is asked for."""
        self._functions.clear()

    def arguments(self, body: wire.Body) -> tuple[Any, dict[str, Any]]:
        """A call's arguments, objects in the places of their handles. User code on."""
        both: tuple[Any, dict[str, Any]] = payload.unpack(body)
        if holding.in_use():
            taken = self.keeping.taken
            return tuple(map(taken, both[0])), {name: taken(value) for name, value in both[1].items()}
        return both

    # ── user code on ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, function: Callable[..., Any], arguments: Any, keywords: Any) -> Any:
        """Call it, counting its time; what an `async def` gives is awaited. Raises what it raises."""
        begun = time.perf_counter_ns()
        try:
            value = function(*arguments, **keywords)
            if type(value) is CoroutineType:
                value = self.looping.complete(value)
            return value
        finally:
            self.nanos += time.perf_counter_ns() - begun

    def pack(self, value: object, what: str = "the result", *, near: bool = True) -> wire.Body:
        """Raises SerializationError, also for a value that is too large; `what` names it. `near`: it may be put into memory
        that is shared, where the receiver can open that. To be said before user code goes on."""
        if (tiny := payload.pack_tiny(value)) is not None:
            return tiny
        self._workspace.register()
        body = payload.pack(value, segments.OWN.put if near and self.near else None, lent=True, name=what)
        if (size := len(body) if type(body) is bytes else wire.weight(body)) > MAX_RESULT:
            raise SerializationError(f"{what} is {size:,} bytes large; at most {MAX_RESULT:,} travel at once")
        if holding.in_use():
            self._note()
        return body

    def _note(self) -> None:
        if (carried := holding.noted()) is not None:
            if self.carried is not None:
                carried.holds.update(self.carried.holds)
            self.carried = carried

    def refs(self) -> list[bytes]:
        """The names of the handles in what is going to be said now. They are held until `said`."""
        return self.carried.refs if self.carried is not None else []

    def said(self) -> None:
        """What was packed is said."""
        self.carried = None

    # ── user code off ─────────────────────────────────────────────────────────────────────────────────────────────────

    def told(self, error: BaseException) -> tuple[bytes, wire.Failure]:
        """An exception as it travels: the pickled original (b"" where it does not pickle) and its data."""
        if isinstance(error, SystemExit):  # leaving the process is not for a call to decide
            code = "" if error.code is None else repr(error.code)
            error = RuntimeError(f"the call ended with exit({code})").with_traceback(error.__traceback__)
        explain(error)
        shown = error
        failure = payload.failure(shown, self._folder)
        packed = self.guard.run(lambda: payload.pack_exception(shown))
        body = packed.value or b""
        return body if len(body) <= MAX_RESULT else b"", failure
