"""`Switchboard`: one conversation with a hub. Numbers what is asked, and brings each answer to the one who waits for it.

What belongs here: numbers, who listens to which, the end of the conversation, and that a forked child has no part in
it. What this file must not know: what is in pickles, pools, what the messages mean to those who listen.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import msgspec

from yonder import paths, payload, seat, segments, wire
from yonder.door import Door, SocketDoor
from yonder.errors import CannotRun, UsageError, VersionMismatch
from yonder.future import Future
from yonder.holding import Grip, Holdings
from yonder.hubs import PROGRAM, Hub
from yonder.terminal import show
from yonder.version import __version__

F = TypeVar("F", bound=Future[Any])
Told = wire.CallDone | wire.CallYield | wire.ActorReady | wire.ActorReply


class Listener(Protocol):
    """Who hears what a call says before its end, and the end; in the hub's or the reader's thread."""

    def attach(self, future: Future[Any]) -> None:
        """It is this call."""

    def told(self, message: Told) -> None: ...


class Switchboard:
    """With the hub of the worker that this is, else with that of this program where pools of this `backend` live; `lends`
    says that the program's strategy is to size the pool. Raises CannotRun when there is no way to a hub."""

    def __init__(
        self, watching: Callable[[wire.PoolEvent | wire.Files], None], backend: str, *, lends: bool = False
    ) -> None:
        self._pid = os.getpid()
        self._watching = watching
        self._numbers = itertools.count(1)
        self._futures: dict[int, Future[Any]] = {}
        self._listeners: dict[int, Listener] = {}
        self._replies: dict[int, concurrent.futures.Future[Any]] = {}
        self._broken: CannotRun | None = None
        self.published: Callable[[wire.Published], None] = lambda _: None
        """Who hears that a snapshot has arrived, or has not."""
        self.explain: Callable[[BaseException], None] = lambda error: paths.explain(error, "")
        """Adds to an error that came from elsewhere what this side knows of it."""
        here = seat.current()
        keeper = here.keeper if here is not None else None
        self.alone = keeper is None
        """Does nobody but this conversation say what this process has let go of? (The worker of a pool does.)"""
        self.holdings = keeper.holdings if keeper is not None else Holdings()
        """The objects elsewhere that this process holds; in a worker of a pool those of all its conversations."""
        self._nested = here is not None
        self._hub: Hub | None = None
        self._door: Door
        if here is not None:
            self._door = SocketDoor(here.hub, here.token, here.worker, self._received, self._lost)
            return
        self._hub = PROGRAM.enter(backend, lends=lends)
        try:
            self._door = self._hub.client(self._received, self._lost)
        except BaseException:
            PROGRAM.leave(self._hub)
            raise

    # ── out ──

    def check(self) -> None:
        """Raises UsageError in a forked child, CannotRun when the hub is gone."""
        if os.getpid() != self._pid:
            raise UsageError(
                f"this pool belongs to process {self._pid}; a forked child (this is process {os.getpid()}) "
                f"opens a Pool of its own"
            )
        if self._broken is not None:
            raise CannotRun(str(self._broken))

    def foreign(self) -> bool:
        """Is this a forked child of the process that opened the conversation?"""
        return os.getpid() != self._pid

    def future(self, kind: type[F]) -> F:
        """A call to be: numbered, and listened for from now on."""
        number = next(self._numbers)
        future = kind(self, number)
        self._futures[number] = future
        if self._broken is not None:  # it broke while we came: nobody would ever end this one
            self._futures.pop(number, None)
            raise CannotRun(str(self._broken))
        return future

    def forget(self, number: int) -> None:
        """The call never left."""
        self._futures.pop(number, None)
        self._listeners.pop(number, None)

    def listen(self, number: int, listener: Listener) -> None:
        """Bring what the call says to `listener`; say so before the call goes out."""
        self._listeners[number] = listener

    def send(self, message: wire.ClientToHub) -> None:
        """Say something, in the order of the callers. Raises CannotRun, and UsageError in a forked child."""
        self.check()
        self._door.send(message)

    def tell(self, message: wire.ClientToHub) -> None:
        """Say something that means nothing any more when the hub is gone, and nothing in a forked child."""
        if not self.foreign():
            with contextlib.suppress(CannotRun):
                self._door.send(message)

    def ask(self, question: Callable[[int], wire.ClientToHub], unwanted: Callable[[int], None] | None = None) -> Any:
        """Say something and wait for its answer; `unwanted` is called when the wait is given up. Raises CannotRun."""
        number, waiter = self.post(question)
        try:
            return self.answer(waiter)
        except BaseException:
            self._replies.pop(number, None)
            if unwanted is not None:
                unwanted(number)
            raise

    def post(self, question: Callable[[int], wire.ClientToHub]) -> tuple[int, concurrent.futures.Future[Any]]:
        """Say something that is answered some time: its number, and where the answer will be. Raises CannotRun."""
        self.check()
        number = next(self._numbers)
        waiter: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._replies[number] = waiter
        try:
            self.send(question(number))
        except BaseException:
            self._replies.pop(number, None)
            raise
        return number, waiter

    def answer(self, waiter: concurrent.futures.Future[Any]) -> Any:
        """Wait for the answer to a `post`. Raises CannotRun."""
        if self._broken is not None and not waiter.done():
            raise CannotRun(str(self._broken))
        self.help(waiter.done, None)
        return waiter.result()

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Let the hub use this thread until `done` or for `timeout` seconds, if it can; may return at any time."""
        try:
            self._door.help(done, timeout)
        except KeyboardInterrupt as interrupt:
            raise interrupt.with_traceback(None)  # noqa: B904 - itself; where in the hub's work it came says nothing

    def open_calls(self) -> list[Future[Any]]:
        """Calls that have not ended."""
        return list(self._futures.values())

    @contextlib.contextmanager
    def waiting(self, futures: list[Future[Any]]) -> Iterator[None]:
        """The main thread of a worker does nothing but wait for these: the hub is told, so that it can find a deadlock."""
        told = self._nested and threading.current_thread() is threading.main_thread()
        calls = [future.number for future in futures if not future.done()] if told else []
        if not calls:
            yield
            return
        self.tell(wire.Waits(calls))
        try:
            yield
        finally:
            self.tell(wire.Waits([]))

    @property
    def nested(self) -> bool:
        """Does this conversation begin inside a worker?"""
        return self._nested

    # ── in (the hub's or the reader's thread) ──

    def _received(self, message: wire.HubToClient) -> None:
        match message:
            case wire.CallDone(call=number):
                _take(message)
                future = self._futures.pop(number, None)
                listener = self._listeners.pop(number, None) if self._listeners else None
                holds = self.delivered(message.refs) if message.refs else []
                if future is not None:
                    future.grips = holds
                    future.arrived(message)
                if listener is not None:
                    listener.told(message)
            case wire.CallPhase(call=number):
                if (future := self._futures.get(number)) is not None:
                    future.begun(message.attempt)
            case wire.CallYield(call=number) | wire.ActorReady(call=number) | wire.ActorReply(call=number):
                _take(message)
                refs = [] if isinstance(message, wire.ActorReady) else message.refs
                holds = self.delivered(refs) if refs else []
                if (listener := self._listeners.get(number)) is not None:
                    listener.told(message)
                del holds  # from here on the listener holds them, or nobody does
            case wire.Lost(refs=refs, sentence=sentence):
                self.holdings.lost(refs, sentence)
            case wire.PoolEvent() | wire.Files(id=0):
                self._watching(message)
            case wire.Published():
                self.published(message)
            case (
                wire.PoolOpened(id=number)
                | wire.PoolClosedNow(id=number)
                | wire.PoolStatus(id=number)
                | wire.Environments(id=number)
                | wire.BroadcastDone(call=number)
                | wire.Files(id=number)
                | wire.FilePart(id=number)
                | wire.Stacks(id=number)
            ):
                _take(message)
                if (waiter := self._replies.pop(number, None)) is not None:
                    waiter.set_result(message)
                elif isinstance(message, wire.BroadcastDone):
                    for end in (one for one in message.ends if one.refs):  # nobody waits any more: let go of at once
                        self.delivered(end.refs)
            case wire.Problem(sentence=sentence):
                show(2, f"yonder: {sentence}\n")
            case wire.Refused():
                self._break(_refusal(message))
            case _:
                pass  # nothing to do

    def delivered(self, refs: list[bytes]) -> list[Grip]:
        """A message came that carries these."""
        if self.alone:
            self.holdings.attend(lambda gone: self.tell(wire.Release(gone)))
        return self.holdings.delivered(refs)

    def _lost(self) -> None:
        self._break(CannotRun("the connection to the hub is gone; it ended or was killed"))

    def _break(self, error: CannotRun) -> None:
        self._broken = self._broken or error
        for number in list(self._replies):
            waiter = self._replies.pop(number, None)
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
        for number in list(self._futures):
            self._received(wire.CallDone(number, "lost", sentence=str(error)))

    # ── the end ──

    def leave(self) -> None:
        """End the conversation. In a forked child nothing happens: it is the parent's."""
        if self.foreign():
            return
        if self.alone:
            self.holdings.end()
        self._door.close()
        segments.OWN.trim(0)
        if self._hub is not None:
            PROGRAM.leave(self._hub)


def _take(message: wire.HubToClient) -> None:
    """What lies in memory of a worker is opened as it comes: the worker may end before anybody asks for the value."""
    match message:
        case wire.CallDone(body=body) | wire.CallYield(body=body) | wire.ActorReply(body=body):
            if segments.is_reference(body):
                msgspec.structs.force_setattr(message, "body", payload.taken(body))
        case wire.BroadcastDone(ends=ends):
            for end in ends:
                _take(end)
        case _:
            pass  # it has no value


def _refusal(message: wire.Refused) -> CannotRun:
    if message.code != "version":
        return CannotRun(message.sentence)
    ours, theirs = f"{__version__} (wire {wire.VERSION})", f"{message.package} (wire {message.version})"
    return VersionMismatch(ours=ours, theirs=theirs, where="hub")
