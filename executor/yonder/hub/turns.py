"""Whose turn it is to run a hub inside a program: its own thread's, or that of a thread that waits for a result.

A hand-over between threads costs more than everything else about a small call. So a thread that submits touches the hub
itself, and a thread that waits for a result runs the hub's loop itself until the result is there: the caller writes to
the worker and reads the answer, and no other thread is woken. One lock, the *turn*, keeps this safe: whoever holds it may
touch the hub, and it is let go only while the loop sleeps in `select`. The hub's own thread runs the loop whenever nobody
else does.

What belongs here: the loop, the turn, the shield against Ctrl-C in the middle of the hub's work. What this file must not
know: pools, calls, messages.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
import threading
import time
from _signal import getsignal  # type: ignore[import-not-found]  # signal.getsignal makes an enum of it, at ten times the cost
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from types import FrameType
from typing import Any

from yonder.errors import CannotRun

_running_loop = events._get_running_loop  # noqa: SLF001 - asyncio offers both to authors of loops (its __all__)
_now_running = events._set_running_loop  # noqa: SLF001

CALM = 0.001
"""Seconds without a driver after which the hub's own thread takes the loop back. A driver that stays longer says when it
leaves; for one that stays less, saying so would cost what driving saves."""


class _Turnstile(selectors.BaseSelector):
    """The loop's selector: while it sleeps, the turn is free.

    Between its waking and its turn others may have changed who waits for what. asyncio would then take the word for a
    handle that is cancelled as a reason to forget the one that came in its place (the rest of a large message would never
    be written, a new connection that got an old one's number never read). What still counts is told at the next look."""

    def __init__(self, turns: Turns) -> None:
        self._inner = selectors.DefaultSelector()
        self._registered = self._inner.get_map()
        self._turns = turns
        self.until = 0.0  # when the sleeper wakes by itself

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._inner.select(0)
        self.until = float("inf") if timeout is None else time.monotonic() + timeout
        self._turns.asleep()
        try:
            self._turns.shield.down()
            found = self._inner.select(timeout)
        finally:
            self._turns.awake()
        registered = self._registered
        return [event for event in found if registered.get(event[0].fd) is event[0]]

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()


class SharedLoop(asyncio.SelectorEventLoop):
    """An event loop whose rounds several threads run in turn. Only `Turns` calls what is here."""

    def __init__(self, turns: Turns) -> None:
        self.turnstile = _Turnstile(turns)
        super().__init__(self.turnstile)

    def round(self) -> None:
        """Wait for something to happen, then do what is due."""
        self._run_once()  # type: ignore[attr-defined]

    def wake(self) -> None:
        """End the sleep of whoever runs the loop."""
        self._write_to_self()  # type: ignore[attr-defined]

    def has_news(self) -> bool:
        """Is there work that whoever sleeps in `select` does not know of?"""
        if self._ready:  # type: ignore[attr-defined]
            return True
        timers = self._scheduled  # type: ignore[attr-defined]
        return bool(timers) and timers[0]._when < self.turnstile.until - CALM  # noqa: SLF001 - a TimerHandle says it nowhere else


class Turns:
    """The turn, who has it, and what is to be said once it is given back.

    `post` takes deliveries to the program (a future's result): they run user code, so they wait until the turn is free.
    """

    def __init__(self) -> None:
        self.loop = SharedLoop(self)
        # Collecting garbage may run a `__del__` that comes here, even between taking the turn and noting who has it (or
        # between forgetting that and giving it back): this thread may then pass, the hub is not being touched yet (or any more).
        self._turn = threading.RLock()
        self._holder = 0
        self._driver = 0
        self._drove_since = 0.0
        self._drove_until = 0.0
        self._sleeping = 0
        self._left = threading.Event()
        self._mail: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._delivering = threading.RLock()
        self.shield = Shield()
        self._over = False

    # ── the turn ──

    def _take(self) -> None:
        self.shield.up()
        self._turn.acquire()
        self._holder = threading.get_ident()

    def _give(self) -> None:
        self._holder = 0
        self._turn.release()

    def asleep(self) -> None:
        """Called by the loop before it sleeps."""
        self._sleeping += 1
        self._give()

    def awake(self) -> None:
        """Called by the loop after it slept."""
        self._take()
        self._sleeping -= 1

    def do(self, work: Callable[..., None], *arguments: Any) -> None:
        """Touch the hub: now, or, in a callback of the hub's own, when it is through with what it does. Raises CannotRun
        when the hub has ended."""
        if self._holder == threading.get_ident():
            self.loop.call_soon(work, *arguments)
            return
        if not self.shield.covers():
            self._do_later(work, *arguments)
            return
        self._take()
        before = _running_loop()
        try:
            if self._over:
                raise CannotRun("the hub of this program has ended")
            _now_running(self.loop)
            work(*arguments)
        finally:
            if self._sleeping and (self._driver or self.loop.has_news()):
                self.loop.wake()
            _now_running(before)
            self._give()
            self.shield.down()
        if self._mail:
            self.deliver()

    def _do_later(self, work: Callable[..., None], *arguments: Any) -> None:
        """Leave it to the hub's own thread: a signal might break off this one."""
        try:
            self.loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:
            raise CannotRun("the hub of this program has ended") from None

    # ── running the loop ──

    def serve(self, main: Coroutine[Any, Any, None]) -> None:
        """The hub's own thread: run the loop until `main` is done, except while others do. Raises what it raised."""
        ended: list[asyncio.Task[None]] = []

        def begin() -> None:
            ended.append(self.loop.create_task(main))
            ended[0].add_done_callback(lambda _: self._end())

        self.do(begin)
        while not self._over:
            self._await_turn()
            self._take()
            _now_running(self.loop)
            try:
                while not self._over and not self._driver:
                    self.loop.round()
                    if self._mail:
                        self._step_out()
            finally:
                self._rouse()
                _now_running(None)
                self._give()
                self.shield.down()
            self.deliver()
        self.loop.close()
        ended[0].result()

    def _step_out(self) -> None:
        """Give the turn back for as long as the program is told what is new."""
        _now_running(None)
        self._give()
        try:
            self.shield.down()
            self.deliver()
        finally:
            self._take()
            _now_running(self.loop)

    def _rouse(self) -> None:
        """Who leaves may have read the wake-up call of another that still sleeps, and knows of timers that it does not."""
        if self._sleeping:
            self.loop.wake()

    def _end(self) -> None:
        self._over = True

    def _await_turn(self) -> None:
        """Until nobody has driven for a moment."""
        while not self._over:
            now = time.monotonic()
            if self._driver:
                # One that drives for long says when it leaves; for a short one it is enough to look again.
                self._left.clear()
                self._left.wait(None if self._driver and now - self._drove_since > 2 * CALM else CALM)
            elif now - self._drove_until < CALM:
                time.sleep(CALM)
            else:
                return

    def drive(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Run the loop in this thread until `done` or for `timeout` seconds. Returns at once when another thread does
        already, or when this is a callback of the hub: then the caller waits as one waits for a thread."""
        if self._holder == threading.get_ident() or _running_loop() is not None or not self.shield.covers():
            return
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self.deliver()
            if done() or (end is not None and time.monotonic() >= end) or not self._climb_in():
                return
            self._drive_on(done, end)

    def _drive_on(self, done: Callable[[], bool], end: float | None) -> None:
        """Rounds, until there is something to tell (which may be the end) or the time is up."""
        began = self._drove_since
        timer = None if end is None else self.loop.call_later(max(0.0, end - began), _nothing)
        _now_running(self.loop)
        try:
            while not (self._mail or done() or self._over) and (end is None or time.monotonic() < end):
                self.loop.round()
        finally:
            if timer is not None:
                timer.cancel()
            _now_running(None)
            self._driver = 0
            self._rouse()
            now = self._drove_until = time.monotonic()
            self._give()
            if now - began > CALM or self._over:
                self._left.set()
            self.shield.down()

    def _climb_in(self) -> bool:
        """Be the one that drives, with the turn taken; False when there is one."""
        if self._driver:
            return False
        self._take()
        if self._driver or self._over:
            self._give()
            self.shield.down()
            return False
        self._drove_since = time.monotonic()  # before `_driver`: who sees that one must not see an older moment
        self._driver = threading.get_ident()
        if self._sleeping:  # the hub's thread is in the loop: it leaves at the end of its round
            self.loop.wake()
        return True

    # ── what the program is told ──

    def post(self, receive: Callable[[Any], None], message: Any) -> None:
        """Have `receive(message)` called when the turn is free, in the order of the posts."""
        self._mail.append((receive, message))

    def deliver(self) -> None:
        """Call what was posted; one thread at a time, so that the order holds. What is called may itself wait for a result,
        and so come here again."""
        told = bool(self._mail)
        while self._mail and self._delivering.acquire(blocking=False):
            try:
                while self._mail:
                    self.shield.up()  # a word that is taken and not told is lost, and who waits for it waits for ever
                    try:
                        receive, message = self._mail.popleft()
                        receive(message)
                    finally:
                        self.shield.down()
            finally:
                self._delivering.release()
        if told and self._driver and self._driver != threading.get_ident():
            self.loop.wake()  # what it waits for may be here


class Shield:
    """Ctrl-C in the main thread waits while it is up: an exception in the middle of the hub's work would leave half of it
    done. Handlers of other signals are the program's business and must not raise.

    It takes the place of the program's handler, and gives it back. Where it cannot (made in another thread, or the
    program has put a handler of its own there since), the main thread leaves the hub to the hub's own thread.
    """

    def __init__(self) -> None:
        self._up = 0
        self._waiting = False
        self._main = threading.main_thread().ident
        self._before: Any = None
        self._ours = self._interrupted  # one object, to be known again
        if threading.get_ident() == self._main and callable(before := getsignal(signal.SIGINT)):
            self._before = before
            signal.signal(signal.SIGINT, self._ours)

    def covers(self) -> bool:
        """Is this thread safe from exceptions out of nowhere while it does the hub's work?"""
        if threading.get_ident() != self._main:
            return True
        handler = getsignal(signal.SIGINT)
        return handler is self._ours or not callable(handler)

    def up(self) -> None:
        if threading.get_ident() == self._main:
            self._up += 1

    def down(self) -> None:
        """From here on it counts again; one that came meanwhile counts now."""
        if self._up and threading.get_ident() == self._main:
            self._up -= 1
            if self._waiting and not self._up:
                self._waiting = False
                self._before(signal.SIGINT, None)

    def remove(self) -> None:
        """Give the program its handler back, if it has not taken another one."""
        if self._before is not None and threading.get_ident() == self._main and self.covers():
            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._up:
            self._waiting = True
        else:
            self._before(number, frame)


def _nothing() -> None:
    """A timer that only ends a sleep."""
