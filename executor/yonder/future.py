"""`Future`: a call on its way, and the exception that its bad end raises.

Unpickling happens here, in the thread that asks for the value: never in the hub's thread or the reader's. This file must
not know how calls reach a hub.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any, Protocol, TypeVar, cast

from yonder import payload, wire
from yonder.errors import (
    BootFailed,
    CallTimeout,
    Cancelled,
    ExecutorLost,
    NoRoom,
    PoolClosed,
    PoolDeadlock,
    QueueFull,
    RemoteLost,
    UsageError,
)
from yonder.files import File, Mail, listed
from yonder.holding import Carried, Grip

T = TypeVar("T")


class Hold(Protocol):
    """What a call needs until its end."""

    def release(self) -> None: ...


_CANCELLED = (CANCELLED, CANCELLED_AND_NOTIFIED)
_OVER = (FINISHED, CANCELLED, CANCELLED_AND_NOTIFIED)

_NOT_UNPACKED = Exception("an exception that nobody has asked for yet")
"""Stands in a future for the exception that its holder will unpack."""


class Board(Mail, Protocol):
    """The side of a switchboard that a call needs."""

    @property
    def nested(self) -> bool: ...

    @property
    def explain(self) -> Callable[[BaseException], None]: ...

    def foreign(self) -> bool: ...

    def tell(self, message: wire.ClientToHub) -> None: ...

    def help(self, done: Callable[[], bool], timeout: float | None) -> None: ...

    def waiting(self, futures: list[Future[Any]]) -> contextlib.AbstractContextManager[None]: ...


class Future(concurrent.futures.Future[T]):
    """A call on its way. A `concurrent.futures.Future` whose value is unpickled by the thread that asks for it.

    `attempts` says how often the call was begun (more than once only with retries), `executor` where it ran, `times` how
    many seconds it spent in each phase, `code` which version of the workspace's code made it ("" = none was sent); they
    hold once it has ended.
    """

    def __init__(self, board: Board, number: int) -> None:
        super().__init__()
        self.number = number
        self.attempts = 0
        self.executor = ""
        self.times: dict[str, float] = {}
        self.micros = 0
        self.code = ""
        self.hold: Hold | None = None
        """On the memory that its arguments lie in."""
        self.carried: Carried | None = None
        """The handles that the call took along: held until it has ended."""
        self.grips: list[Grip] = []
        """Of the handles in its value, which may not be unpacked yet."""
        self._board = board
        self._unpacking = threading.Lock()
        self._packed: wire.CallDone | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        if board.nested:
            self._waiters: list[Any] = _Waiters(self)

    # ── what the hub says (in its thread or the reader's) ──

    def arrived(self, done: wire.CallDone) -> None:
        """The hub delivered the end; nothing is unpickled yet."""
        if self.hold is not None:
            self.let_go()
        self._packed = done
        self.carried = None
        self.attempts, self.executor, self.times, self.micros = done.attempts, done.executor, done.times, done.micros
        self.code = done.code
        if self.cancelled():
            return
        if self.set_running_or_notify_cancel_once():
            if done.outcome == "ok":
                self.set_result(cast(T, None))
            else:
                self.set_exception(_NOT_UNPACKED)  # who waits for the first exception must be told that there is one

    def let_go(self) -> None:
        """Its arguments will not be asked for again."""
        if self.hold is not None:
            self.hold.release()
            self.hold = None

    def begun(self, attempt: int) -> None:
        """The call runs, for the `attempt`th time."""
        self.attempts = attempt
        self.set_running_or_notify_cancel_once()

    def set_running_or_notify_cancel_once(self) -> bool:
        """Like set_running_or_notify_cancel, and harmless when the call runs already."""
        if self._state == RUNNING:  # only who comes here ends it
            return True
        with self._condition:  # one step: the hub's thread comes here while the program's may cancel
            if self._state == PENDING:
                self._state = RUNNING
                return True
            return not self.done() and self.set_running_or_notify_cancel()

    # ── what its holder asks ──

    # Asked ten times a call. A state is one word, and what belongs to it was written before: there is nothing to lock.

    def done(self) -> bool:
        """Has it ended, or been cancelled?"""
        return self._state in _OVER

    def cancelled(self) -> bool:
        """Has it been cancelled?"""
        return self._state in _CANCELLED

    def running(self) -> bool:
        """Does it run now?"""
        return self._state == RUNNING

    @property
    def files(self) -> list[File]:
        """What this call wrote in the working directory of an executor elsewhere, as far as that is known to be its own. Raises CannotRun when the hub is gone."""
        return listed(self._board, "", self.number)

    def result(self, timeout: float | None = None) -> T:
        """The value, or the call's own exception. Raises TimeoutError when it takes longer than `timeout` seconds."""
        if not self.done():
            self._wait(timeout)
        if self.cancelled():
            raise concurrent.futures.CancelledError
        self._unpack()
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The call's exception, None when it has a value."""
        if not self.done():
            self._wait(timeout)
        if self.cancelled():
            raise concurrent.futures.CancelledError
        self._unpack()
        return self._error

    def _wait(self, timeout: float | None) -> None:
        if self._board.foreign():
            raise UsageError("this call belongs to the process that made it; its end never comes to a forked child")
        if not self._board.nested:
            self._help(timeout)
            return
        with self._board.waiting([self]):
            self._help(timeout)

    def _help(self, timeout: float | None) -> None:
        """Wait, and help the hub along if it is in this process: then no thread has to be woken for the result. A callback
        in the thread that listens to a hub elsewhere listens meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        self._board.help(self.done, timeout)
        if not self.done():
            with contextlib.suppress(concurrent.futures.CancelledError):
                super().exception(None if end is None else max(0.0, end - time.monotonic()))

    def _unpack(self) -> None:
        with self._unpacking:
            done = self._packed
            if done is None:
                return
            try:
                if done.outcome == "ok":
                    self._value = self._open(done.body)
                else:
                    self._error = error_of(done)
                    self._board.explain(self._error)
            except Exception as error:  # noqa: BLE001 - whatever a user's __setstate__ raises is the call's error here
                self._error = error
            self._packed = None  # last: who is interrupted while unpacking may ask again

    def _open(self, body: wire.Body) -> Any:
        return payload.unpack(body)

    def __reduce__(self) -> str:
        raise UsageError("a future stays with the program that made the call; give its result() on instead")

    def cancel(self) -> bool:
        """Cancel the call; one that runs already is interrupted and ends with `Cancelled`. False when it has ended."""
        if self.cancelled():
            return True
        if self.done() or self._board.foreign():
            return False
        if super().cancel():
            self._tell_waiters()
        self._stop()
        return True

    def _stop(self) -> None:
        self._board.tell(wire.Cancel(self.number))

    def _tell_waiters(self) -> None:
        """Once, though two threads may cancel at once."""
        with self._condition:
            if self._state == CANCELLED:
                self.set_running_or_notify_cancel()


class SpawnedFuture(Future[T]):
    """The handle of a spawned call: if it fails and nobody asks for its end, that is said on stderr, once, when its last
    holder lets go of it or its pool closes."""

    called = ""
    _said = False

    def surface(self) -> None:
        """Say it, if there is something to say."""
        done = self._packed  # unpacked is it only when somebody has asked
        if self._said or done is None or done.outcome in ("ok", "cancelled") or self.cancelled():
            return
        if self._board.foreign():
            return  # a forked child's copy: the parent says it
        self._said = True
        words = done.failure.text if done.failure is not None else _words(error_of(done)) + "\n"
        with contextlib.suppress(
            ValueError, OSError, AttributeError
        ):  # a terminal that is gone must not end the caller
            sys.stderr.write(f"yonder: the spawned call {self.called} failed, and nobody asked for its end:\n{words}")
            sys.stderr.flush()

    def __del__(self) -> None:
        self.surface()


class ChunkFuture(Future[list[payload.Outcome]]):
    """Several calls that travelled as one; its value is their ends."""

    def _open(self, body: wire.Body) -> list[payload.Outcome]:
        return payload.unpack_outcomes(body)


class ToldFuture(Future[None]):
    """Something that is done or fails, without a value."""

    def _open(self, body: wire.Body) -> None:
        return None


class ActorFuture(Future[T]):
    """A method of an actor on its way. It can be given up, not stopped: the actor is one thread of work."""

    def _stop(self) -> None:
        pass


class _Waiters(list[Any]):
    """The waiters of `concurrent.futures.wait` and `as_completed`: in a worker, the hub is told while they wait."""

    def __init__(self, future: Future[Any]) -> None:
        super().__init__()
        self._future = weakref.ref(future)  # no ring: what a call gave is let go of when nobody has the future any more

    def append(self, waiter: Any) -> None:
        if not isinstance(waiter.event, _Announcing):
            waiter.event = _Announcing()
        if (future := self._future()) is not None:
            waiter.event.futures.append(future)
        super().append(waiter)


class _Announcing(threading.Event):
    """An event whose wait is said to the hubs of the calls that are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.futures: list[Future[Any]] = []

    def wait(self, timeout: float | None = None) -> bool:
        with contextlib.ExitStack() as stack:
            for board, futures in _by_board(self.futures):
                stack.enter_context(board.waiting(futures))
            return super().wait(timeout)


def _by_board(futures: Iterable[Future[Any]]) -> Iterable[tuple[Board, list[Future[Any]]]]:
    found: dict[int, tuple[Board, list[Future[Any]]]] = {}
    for future in futures:
        board = future._board  # noqa: SLF001 - the same noun
        found.setdefault(id(board), (board, []))[1].append(future)
    return found.values()


def error_of(done: wire.CallDone) -> BaseException:
    """The exception that a call's bad end raises."""
    match done.outcome:
        case "lost":
            report = done.report or wire.ExitReport()
            return ExecutorLost(
                done.sentence or f"the executor {report.sentence()}",
                executor=done.executor,
                exit_code=report.code if report.code >= 0 else None,
                signal=report.signal or None,
                out_of_memory=report.out_of_memory,
                stderr=report.stderr,
            )
        case "timeout":
            return CallTimeout(done.sentence, phase=done.phase, times=done.times)
        case "boot_failed":
            return BootFailed(done.sentence, phase=done.phase)
        case "cancelled":
            return Cancelled(done.sentence or "the call was cancelled")
        case "queue_full":
            return QueueFull(done.sentence or "as many calls wait as the pool allows")
        case "deadlock":
            return PoolDeadlock(
                done.sentence or "every slot of the pool is held by a call that waits for the same pool"
            )
        case "remote_lost":
            return RemoteLost(done.sentence)
        case "no_room":
            return NoRoom(done.sentence)
        case "closed":
            return PoolClosed(done.sentence or "the pool was closed before the call began")
        case _:
            return payload.exception(done.body, done.failure)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
