"""`Future`: a call on its way, and the exception that its bad end raises.

Unpickling happens here, in the thread that asks for the value: never in the hub's thread or the reader's. This file must
not know how calls reach a hub.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from concurrent.futures._base import CANCELLED
from typing import Any, TypeVar, cast

from yonder import payload, wire
from yonder.errors import BootFailed, CallTimeout, Cancelled, ExecutorLost

T = TypeVar("T")


class Future(concurrent.futures.Future[T]):
    """A call on its way. A `concurrent.futures.Future` whose value is unpickled by the thread that asks for it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self._stop = stop
        self._unpacking = threading.Lock()
        self._packed: wire.CallDone | None = None
        self._value: Any = None
        self._error: BaseException | None = None

    def arrived(self, done: wire.CallDone) -> None:
        """The hub delivered the end; nothing is unpickled yet."""
        self._packed = done
        if self.cancelled():
            return
        if self.set_running_or_notify_cancel_once():
            self.set_result(cast(T, None))

    def set_running_or_notify_cancel_once(self) -> bool:
        """Like set_running_or_notify_cancel, and harmless when the call runs already."""
        with self._condition:  # one step: the hub's thread comes here while the program's may cancel
            if self.running():
                return True
            return not self.done() and self.set_running_or_notify_cancel()

    def _unpack(self) -> None:
        with self._unpacking:
            done = self._packed
            if done is None:
                return
            try:
                if done.outcome == "ok":
                    self._value = payload.unpack(done.body)
                else:
                    self._error = error_of(done)
            except Exception as error:  # noqa: BLE001 - whatever a user's __setstate__ raises is the call's error here
                self._error = error
            self._packed = None  # last: who is interrupted while unpacking may ask again

    def result(self, timeout: float | None = None) -> T:
        """The value, or the call's own exception. Raises TimeoutError when it takes longer than `timeout` seconds."""
        super().result(timeout)
        self._unpack()
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The call's exception, None when it has a value."""
        found = super().exception(timeout)
        self._unpack()
        return found or self._error

    def cancel(self) -> bool:
        """Cancel the call; one that runs already is interrupted and ends with `Cancelled`. False when it has ended."""
        if self.done():
            return False
        if super().cancel():
            self._tell_waiters()
        self._stop()
        return True

    def _tell_waiters(self) -> None:
        """Once, though two threads may cancel at once."""
        with self._condition:
            if self._state == CANCELLED:
                self.set_running_or_notify_cancel()


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
            return CallTimeout(done.sentence, phase=done.phase)
        case "boot_failed":
            return BootFailed(done.sentence, phase=done.phase)
        case "cancelled":
            return Cancelled(done.sentence or "the call was cancelled")
        case _:
            return payload.exception(done.body, done.failure)
