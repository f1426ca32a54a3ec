"""`Remote`: a handle of an object that stays where it was made, and `keep`, which makes one.

A handle is a name with facts. It is no stand-in for the object: what is to be done with that is said (`get`, `call`, an
argument of a call). What this file must not know: how the hub counts.
"""

from __future__ import annotations

import builtins
import contextlib
import os
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from yonder import holding, seat, wire
from yonder.errors import PoolClosed, RemoteLost, UsageError
from yonder.future import Future, ToldFuture
from yonder.gifts import Gift
from yonder.line import Line, announce, begin, waited
from yonder.options import Wishes
from yonder.paths import spell
from yonder.switchboard import Switchboard

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class Remote(holding.Handle, Generic[T]):
    """An object on the worker that made it, or, after `put` and `spill`, with the hub.

    As an argument of a call it arrives as the object itself; inside a list or another object it arrives as a handle. The
    object goes when its last handle has gone. Everything that needs the object raises RemoteLost when it is no more.
    """

    __slots__ = ()

    # ── facts: known without asking ──

    @property
    def type(self) -> str:
        """The name of the object's class."""
        return self._facts.type

    @property
    def size(self) -> int:
        """Its bytes, as far as they are seen without running code of its own."""
        return self._facts.size

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of an array or a tensor, else None."""
        return None if self._facts.shape is None else tuple(self._facts.shape)

    @property
    def dtype(self) -> str:
        """Of an array, a tensor or a table, else ""."""
        return self._facts.dtype

    @property
    def device(self) -> str:
        """Of a tensor, else ""."""
        return self._facts.device

    @property
    def preview(self) -> str:
        """One line to show."""
        return self._facts.preview

    @property
    def lost(self) -> str:
        """Why the object is no more, "" as far as is known here."""
        hold = self._hold
        if hold is None:
            return "this handle was not brought by a call, and nothing kept its object for it"
        line = hold.holdings.line
        return hold.lost or ("its pool was closed" if line is not None and line.closed else "")

    # ── verbs ──

    def get(self, timeout: float | None = None) -> T:
        """A copy of the object, here; on the worker where it lives, the object itself. Raises RemoteLost, TimeoutError when it
        takes longer than `timeout` seconds, SerializationError when it does not travel."""
        return cast(T, self._own()) if self._here() else self.fetch().result(timeout)

    def fetch(self) -> Future[T]:
        """`get`, as a Future."""
        return self._asked(lambda number: wire.Get(number, self._facts.ref))

    def call(self, fn: Callable[Concatenate[T, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn(object, *args, **kwargs)` where the object lives, and wait for its value. It waits for that worker."""
        if self._here():
            return fn(cast(T, self._own()), *args, **kwargs)
        value: R = waited(self.submit(fn, *args, **kwargs))
        return value

    def submit(self, fn: Callable[Concatenate[T, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """`call`, as a Future."""
        line, wishes = self._line(), Wishes()
        return begin(line, wishes, fn, args, kwargs, wishes.call_options(line.spec), self)

    def spill(self) -> None:
        """Have the hub keep the object's value and the worker let go of it, so that this handle pins no executor any more.
        What is called on it from now on gets a copy of its own. Raises as `get` does."""
        self._asked(lambda number: wire.Spill(number, self._facts.ref), ToldFuture).result()

    # ── inside ──

    def __getattr__(self, name: str) -> Any:
        """Only for what a handle has not: a library's method that was meant for the object."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"a handle has no {name!r}: the {self._facts.type} itself is on a worker. "
            f"handle.call(function) runs a function there with it, handle.get() brings a copy here",
            name=name,
            obj=self,
        )

    def _here(self) -> bool:
        here = seat.current()
        return here is not None and here.keeper is not None and here.keeper.has(self._facts.ref)

    def _own(self) -> Any:
        here = seat.current()
        assert here is not None and here.keeper is not None  # noqa: S101, PT018 - asked before
        return here.keeper.own(self._facts.ref)

    def _line(self) -> Line:
        if (lost := self.lost) or self._hold is None:
            raise RemoteLost(f"{self._name()} is lost: {lost}")
        holdings = self._hold.holdings
        if holdings.line is None:
            holdings.line = _line_of_worker()
        return cast(Line, holdings.line)

    def _asked(
        self, question: Callable[[int], wire.Get | wire.Spill], kind: builtins.type[Future[Any]] = Future
    ) -> Future[Any]:
        line = self._line()
        try:
            return line.ask(question, kind)
        except PoolClosed:
            raise RemoteLost(f"{self._name()} is lost: its pool was closed") from None

    def _name(self) -> str:
        return f"the remote {self._facts.type}"

    def __copy__(self) -> Remote[T]:
        return self

    def __deepcopy__(self, memo: object) -> Remote[T]:
        return self

    def __repr__(self) -> str:
        where = f"lost: {self.lost}" if self.lost else "here" if self._here() else spell(self.size)
        return f"<yonder.Remote {self.preview or self.type}, {where}>"


def keep(value: T) -> Remote[T]:
    """Inside a call: keep the object on this worker and return a handle, which may be returned, stored and passed on.
    Raises UsageError where no pool runs this code."""
    here = seat.current()
    if here is None or here.keeper is None:
        raise UsageError(
            "keep() is for code that a pool runs; here the value stays in its variable, and pool.put(value) makes a handle"
        )
    return Remote(*here.keeper.keep(value))


def put(line: Line, value: T) -> Remote[T]:
    """Have the hub of that pool keep the value. Raises SerializationError, PoolClosed."""
    from yonder.agent.portrait import facts_of  # with all that looks at values; most programs never put one

    facts = facts_of(os.urandom(wire.REF), value)
    with contextlib.closing(Gift()) as gift:
        body = line.pack_value(value, gift)
        carried = holding.noted()
        refs = carried.refs if carried is not None else []
        announce(line.board, carried)
        (grip,) = line.board.delivered([facts.ref])
        line.ask(lambda number: wire.Put(number, line.spec.name, facts, body, refs), ToldFuture).result()
    return Remote(facts, grip)


def _line_of_worker() -> Line:
    """The way of code in a worker to objects of other workers, when it has opened no pool of its own."""
    here = seat.current()
    if here is None:
        raise UsageError("this handle belongs to the process that received it")
    return Line(Switchboard(lambda _: None, ""), wire.PoolOpened(0, "", wire.PoolSpec(name="")), here.folder)
