"""`Mapped`: the values of `Pool.map`. Input is read as room comes, calls go out singly or in parcels, the rest is
cancelled when nobody wants it any more.

What this file must not know: hubs; how large a parcel should be (`sizing`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from yonder import payload, wire
from yonder.blobs import Packing
from yonder.errors import Cancelled, UsageError
from yonder.future import ChunkFuture, Future
from yonder.holding import Carried
from yonder.line import Arguments, Line, call_label, packed
from yonder.mailbox import Mailbox
from yonder.options import Wishes
from yonder.sizing import Sizing

T = TypeVar("T")

LEAST_AHEAD = 64
"""Messages under way at least, unless `buffersize` says otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One message under way: a call, or several in one."""

    future: Future[Any]
    items: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a map goes out. `chunk` None: as it proves best. `ahead` None: LEAST_AHEAD messages, or four for each slot,
    but no more than may wait in the pool."""

    ordered: bool = True
    chunk: int | None = None
    ahead: int | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("chunksize", self.chunk), ("buffersize", self.ahead)):
            if value is not None and (type(value) is not int or value < 1):
                raise UsageError(f"map({name}={value!r}): must be a whole number, at least 1, or None")


class Flow(Generic[T]):
    """The calls of one map: what is under way, and where the next ones come from."""

    def __init__(
        self, line: Line, wishes: Wishes, fn: Callable[..., T], iterables: tuple[Iterable[Any], ...], plan: Plan
    ) -> None:
        self._line = line
        self._wishes = wishes
        self._fn = fn
        self._plan = plan
        self._packed = line.pack(fn)
        # A map alone never meets QueueFull: what it sends ahead would be what waits.
        self._room = line.spec.queue_limit or max(LEAST_AHEAD, 4 * line.slots)
        # One deadline for a whole parcel would end calls that had time left: with a deadline they go singly.
        single = plan.chunk is None and wishes.timeout(line.spec) > 0
        self._chunk = 1 if single else plan.chunk
        self._sizing = Sizing(line.slots, _length(iterables))
        self._input = zip(*iterables, strict=False) if iterables else iter(())
        self._dry = False
        self._items = 0
        self._over: Mailbox[Parcel] | None = None if plan.ordered else Mailbox()
        self.under_way: deque[Parcel] = deque()

    # ── out ──

    def fill(self) -> None:
        """Send as much as there is room for. What the input raises comes out of here, after the rest was cancelled."""
        try:
            while not self._dry and (items := self._next_size()) > 0:
                self._send(items)
        except BaseException:
            self.cancel()
            raise

    def _next_size(self) -> int:
        """How many items go out next; 0 while there is no room."""
        ahead = self._plan.ahead
        if ahead is None:
            room = len(self.under_way) < self._room
            return (self._chunk or self._sizing.next()) if room else 0
        room_left = ahead - self._items
        if self._chunk is None:
            return min(self._sizing.next(), room_left)
        wanted = min(self._chunk, ahead)
        return wanted if room_left >= wanted else 0

    def _send(self, items: int) -> None:
        calls: list[wire.Body] = []
        label = ""
        hold = self._line.hold()
        carried = None
        for args in self._input:
            label = label or call_label(self._fn, args, {}, self._wishes)
            body, carried = packed(args, {}, hold)
            calls.append(body)
            if len(calls) >= items or carried is not None:  # with a handle it goes to where the object is
                items = len(calls)
                break
        if len(calls) < items:
            self._dry = True
        if not calls:
            return
        parcel = Parcel(self._start(calls, label, hold, carried), len(calls))
        self._sizing.sent(len(calls), sum(map(wire.weight, calls)))
        self._items += parcel.items
        self.under_way.append(parcel)
        if (over := self._over) is not None:
            parcel.future.add_done_callback(lambda _: over.put(parcel))

    def _start(self, calls: list[wire.Body], label: str, hold: Packing, carried: Carried | None) -> Future[Any]:
        line = self._line
        if len(calls) == 1:
            options = self._wishes.call_options(line.spec)
            return line.start(self._packed, Arguments(calls[0], hold, carried), label, options, Future)
        options = self._wishes.call_options(line.spec, wire.Mode(chunk=len(calls)))
        more = f"{label} … {len(calls)} calls"
        arguments = Arguments(payload.pack_chunk(calls), hold, carried)
        return line.start(self._packed, arguments, more, options, ChunkFuture)

    # ── back ──

    def arrivals(self) -> Iterator[Parcel]:
        """Parcels as their turn comes, each of them over. Raises TimeoutError when the map's time is up."""
        while self.under_way:
            try:
                parcel = self._next_parcel()
            except TimeoutError:
                raise TimeoutError("a value was not there when the map's timeout was over") from None
            self._items -= parcel.items
            self._sizing.ended(parcel.items, parcel.future.micros)
            self.fill()
            yield parcel

    def _next_parcel(self) -> Parcel:
        left = self._left()
        if self._over is None:
            parcel = self.under_way[0]
            if not parcel.future.done():
                parcel.future.exception(left)
            return self.under_way.popleft()
        if self._over.empty():
            board, over = self._line.board, self._over
            with board.waiting([parcel.future for parcel in self.under_way] if board.nested else []):
                board.help(lambda: not over.empty(), left)
                parcel = over.take(self._left())
        else:
            parcel = self._over.take(left)
        self.under_way.remove(parcel)
        return parcel

    def _left(self) -> float | None:
        """Seconds of the map's time that are left, None when it has all the time."""
        return None if self._plan.end is None else max(0.0, self._plan.end - time.monotonic())

    def value(self, outcome: payload.Outcome) -> T:
        """What one call of a parcel gave. Raises what it raised."""
        if outcome.outcome == "ok":
            return cast(T, payload.unpack(outcome.body))
        if outcome.outcome == "cancelled":
            raise Cancelled("the call was cancelled before it began")
        error = payload.exception(outcome.body, outcome.failure)
        self._line.board.explain(error)
        raise error

    def cancel(self) -> None:
        """Whatever has not ended is not wanted; no more is sent."""
        self._dry = True
        under_way, self.under_way = self.under_way, deque()
        for parcel in reversed(under_way):
            parcel.future.cancel()


class Mapped(Iterator[T]):
    """The values of a map, in order or as they come. `close` cancels what is left, and so does letting go of it once it
    has begun."""

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._values = _values(flow)

    def __next__(self) -> T:
        return next(self._values)

    def close(self) -> None:
        """Cancel what has not been delivered."""
        self._flow.cancel()


def _values(flow: Flow[T]) -> Iterator[T]:
    try:
        for parcel in flow.arrivals():
            if isinstance(parcel.future, ChunkFuture):
                for outcome in parcel.future.result():
                    yield flow.value(outcome)
            else:
                yield parcel.future.result()
    finally:
        flow.cancel()


def _length(iterables: tuple[Iterable[Any], ...]) -> int | None:
    """How many items there are, where every iterable knows without being read."""
    known = [cast("list[Any]", one) for one in iterables if hasattr(type(one), "__len__")]
    return min(map(len, known)) if known and len(known) == len(iterables) else None
