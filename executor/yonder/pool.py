"""`Pool`: functions of this program run on executors that start when they are needed and end when they are not.

    with yonder.Pool(max=8) as pool:
        print(list(pool.map(train, variants)))

In a plain program the pool brings its own hub (a thread) and local executors. Inside the editor's session, or inside a
call, it attaches to the hub that is already there. This file packs and unpacks; it decides nothing about executors.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar, cast

from yonder import payload, seat, wire
from yonder.door import PROGRAM, Door, SocketDoor
from yonder.errors import (
    CannotRun,
    PoolClosed,
    SerializationError,
    UsageError,
    VersionMismatch,
)
from yonder.future import Future
from yonder.version import __version__

T = TypeVar("T")

MAX_CALL = wire.MAX_MESSAGE - 1024 * 1024
"""Bytes of a function and its arguments together."""


class Pool(concurrent.futures.Executor):
    """Executors for calls; a `concurrent.futures.Executor`.

    Arguments left out come from `[tool.yonder.pools.<name>]` when the editor runs the code, else from the defaults:
    `backend` "local", `min` 0 and `max` 8 executors, `concurrency` 1 call at a time on each, `idle_timeout` 60 s,
    `boot_timeout` 120 s, `preload` the third-party modules that the program itself has imported at its top, `env` extra
    environment variables. Raises UsageError for values that make no sense.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        backend: str | None = None,
        min: int | None = None,  # noqa: A002 - the field's word
        max: int | None = None,  # noqa: A002 - the field's word
        concurrency: int | None = None,
        idle_timeout: float | None = None,
        boot_timeout: float | None = None,
        preload: list[str] | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        wishes: dict[str, Any] = {
            "backend": backend,
            "min": min,
            "max": max,
            "concurrency": concurrency,
            "idle_timeout": idle_timeout,
            "boot_timeout": boot_timeout,
            "preload": preload,
            "env": env,
        }
        given = {key: value for key, value in wishes.items() if value is not None}
        check_wishes(given)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._futures: dict[int, Future[Any]] = {}
        self._replies: dict[int, concurrent.futures.Future[Any]] = {}
        self._functions: set[bytes] = set()
        self._closed = False
        here = seat.current()
        self._owns_hub = here is None
        self._place = None if here else own_place()
        self._workspace = payload.Workspace(here.folder if here else own_place().folder)
        self._door: Door = (
            SocketDoor(here, self._received, self._lost) if here else PROGRAM.enter().client(self._received)
        )
        # What the program itself imports is a good guess, not a wish: it is added to the settings', never put in their place.
        guess = {} if preload is not None else {"preload": imported_by_main()}
        spec = wire.PoolSpec(name=name or "default", **{**given, **guess})
        try:
            opened = self._ask(lambda number: wire.OpenPool(number, spec, list(given), self._place))
        except BaseException:
            self._leave()
            raise
        self._spec: wire.PoolSpec = opened.spec

    # ── facts ──

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def max(self) -> int:
        """The most executors this pool will have."""
        return self._spec.max

    def status(self) -> wire.PoolState:
        """How many executors there are, how many work, how many calls wait, and why. Raises PoolClosed."""
        if self._closed:
            raise PoolClosed(f"the pool {self._spec.name!r} is closed; open a new one")
        return cast(wire.PoolStatus, self._ask(lambda number: wire.GetPool(number, self.name))).state

    # ── calls ──

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn(*args, **kwargs)` on an executor. Raises SerializationError when it cannot travel, PoolClosed."""
        return self._submit(self._pack(fn), fn, args, kwargs, 0.0)

    def call(self, fn: Callable[..., T], /, *args: Any, timeout: float | None = None, **kwargs: Any) -> T:
        """Run `fn` on an executor and wait for its value; its exception is raised here with the remote traceback.

        `timeout` is the call's deadline in seconds, waiting for an executor included; then CallTimeout.
        """
        future = self._submit(self._pack(fn), fn, args, kwargs, timeout or 0.0)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def acall(self, fn: Callable[..., T], /, *args: Any, timeout: float | None = None, **kwargs: Any) -> T:
        """`call` for asyncio; cancelling the task cancels the call."""
        return await asyncio.wrap_future(self._submit(self._pack(fn), fn, args, kwargs, timeout or 0.0))

    def map(
        self, fn: Callable[..., T], /, *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """Like the built-in `map`, with every call on an executor; values come in order. `chunksize` is accepted for the
        standard library's sake: calls are cheap enough to go one by one."""
        if chunksize < 1:
            raise UsageError("chunksize must be at least 1")
        packed = self._pack(fn)
        end = None if timeout is None else time.monotonic() + timeout
        futures: list[Future[T]] = []
        try:
            for args in zip(*iterables, strict=False):
                futures.append(self._submit(packed, fn, args, {}, 0.0))  # noqa: PERF401 - those of before a bad one are cancelled
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return _in_order(futures, end)

    def _pack(self, fn: Callable[..., Any]) -> tuple[bytes, bytes]:
        self._workspace.register()
        return payload.pack_function(fn)

    def _submit(
        self,
        packed: tuple[bytes, bytes],
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float,
    ) -> Future[T]:
        digest, body = packed
        arguments = payload.pack_call(args, kwargs)
        if len(body) + len(arguments) > MAX_CALL:
            size = len(body) + len(arguments)
            raise SerializationError(f"a call of {size:,} bytes is too large; at most {MAX_CALL:,} travel at once")
        label = label_of(args, kwargs) or getattr(fn, "__name__", "")
        with self._lock:
            if self._closed:
                raise PoolClosed(f"the pool {self._spec.name!r} is closed; open a new one")
            number = next(self._numbers)
            future: Future[T] = Future(lambda: self._cancel(number))
            code = b"" if digest in self._functions else body
            self._futures[number] = future
            try:
                options = wire.CallOptions(timeout=timeout) if timeout else None
                self._door.send(wire.Submit(number, self.name, digest, code, arguments, label, options))
            except BaseException:
                self._futures.pop(
                    number, None
                )  # it never left: nobody would ever end it, and `close` would wait for it
                raise
            self._functions.add(digest)
        return future

    def _cancel(self, number: int) -> None:
        with contextlib.suppress(CannotRun):  # the hub is gone, and the call with it
            self._door.send(wire.Cancel(number))

    # ── what comes back (in the hub's or the reader's thread) ──

    def _received(self, message: wire.HubToClient) -> None:
        match message:
            case wire.CallDone(call=number):
                future = self._futures.pop(number, None)
                if future is not None:
                    future.arrived(message)
            case wire.CallPhase(call=number):
                if (future := self._futures.get(number)) is not None:
                    future.set_running_or_notify_cancel_once()
            case wire.PoolOpened(id=number) | wire.PoolClosedNow(id=number) | wire.PoolStatus(id=number):
                if (waiter := self._replies.pop(number, None)) is not None:
                    waiter.set_result(message)
            case wire.Refused():
                ours, theirs = f"{__version__} (wire {wire.VERSION})", f"{message.package} (wire {message.version})"
                mismatch = message.code == "version"
                self._fail(
                    VersionMismatch(ours=ours, theirs=theirs, where="hub") if mismatch else CannotRun(message.sentence)
                )
            case _:
                pass  # nothing to do

    def _lost(self) -> None:
        self._fail(CannotRun("the connection to the hub is gone; it ended or was killed"))

    def _fail(self, error: CannotRun) -> None:
        for waiter in list(self._replies.values()):
            if not waiter.done():
                waiter.set_exception(error)
        for number in list(self._futures):
            future = self._futures.pop(number, None)
            if future is not None:
                future.arrived(wire.CallDone(number, "lost", sentence=str(error)))

    def _ask(self, question: Callable[[int], wire.ClientToHub]) -> Any:
        number = next(self._numbers)
        waiter: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._replies[number] = waiter
        self._door.send(question(number))
        return waiter.result()

    # ── the end ──

    def close(self, *, cancel: bool = False) -> None:
        """Wait for the calls (or cancel them), then let go of the executors: a program's are ended, a workspace's shrink
        by their own rules."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting = list(self._futures.values())
        try:
            if cancel:
                for future in waiting:
                    future.cancel()
            concurrent.futures.wait(waiting)
            self._ask(lambda number: wire.ClosePool(number, self.name, cancel))
        except CannotRun:
            pass  # the hub is gone: there is nothing left to close
        finally:
            self._leave()

    def _leave(self) -> None:
        self._door.close()
        if self._owns_hub:
            PROGRAM.leave()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The standard library's name for `close`. wait=False closes in the background."""
        if wait:
            self.close(cancel=cancel_futures)
        else:
            threading.Thread(target=self.close, kwargs={"cancel": cancel_futures}, name="yonder-closing").start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(cancel=kind is not None)

    def __repr__(self) -> str:
        return f"<yonder.Pool {self._spec.name!r} on {self._spec.backend}, {'closed' if self._closed else f'max {self.max}'}>"


def _in_order(futures: list[Future[T]], end: float | None) -> Iterator[T]:
    futures.reverse()
    try:
        while futures:
            yield futures[-1].result(None if end is None else max(0.0, end - time.monotonic()))
            futures.pop()
    finally:
        for future in futures:
            future.cancel()


def own_place() -> wire.Place:
    """This program's own Python and folder."""
    script = sys.path[0] if sys.path and Path(sys.path[0]).is_dir() else ""
    return wire.Place(
        python=sys.executable, core=str(Path(wire.__file__).parent.parent), folder=script or str(Path.cwd())
    )


def label_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call's name in tables and legends: its arguments, as far as they are short and plain."""
    words: list[str] = []
    for value in args:
        if type(value) is dict:
            words += [f"{key}={_plain(part)}" for key, part in value.items()]
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            words += [f"{part.name}={_plain(getattr(value, part.name, None))}" for part in dataclasses.fields(value)]
        else:
            words.append(_plain(value))
    words += [f"{key}={_plain(value)}" for key, value in kwargs.items()]
    text = " ".join(words)
    return text if len(text) <= 80 else text[:79] + "…"


def _plain(value: object) -> str:
    if type(value) in (int, bool, type(None)):
        return str(value)
    if type(value) is float:
        return f"{value:g}"
    if type(value) is str:
        return value if len(value) <= 24 else value[:23] + "…"
    if type(value) in (tuple, list) and len(cast(list[object], value)) <= 4:
        return "(" + ", ".join(_plain(part) for part in cast(list[object], value)) + ")"
    return getattr(value, "__name__", None) or type(value).__name__


def check_wishes(given: dict[str, Any]) -> None:
    """Refuse sizes and times that make no sense. Raises UsageError."""
    for key, least in (("min", 0), ("max", 1), ("concurrency", 1)):
        value = given.get(key)
        if value is not None and (type(value) is not int or value < least):
            raise UsageError(f"Pool({key}={value!r}): must be a whole number, at least {least}")
    for key in ("idle_timeout", "boot_timeout"):
        value = given.get(key)
        if value is not None and (not isinstance(value, (int, float)) or value <= 0):
            raise UsageError(f"Pool({key}={value!r}): must be a number of seconds above 0")
    if given.get("min", 0) > given.get("max", given.get("min", 0)):
        raise UsageError(f"Pool(min={given['min']}, max={given['max']}): min is larger than max")


def imported_by_main() -> list[str]:
    """Top-level third-party packages that the program's main module uses, so that executors begin with them imported."""
    main = sys.modules.get("__main__")
    names: list[str] = []
    for value in list(vars(main).values()) if main else []:
        origin = (
            value.__name__
            if type(value) is ModuleType
            else getattr(type(value), "__module__", "")
            if callable(value)
            else ""
        )
        if callable(value) and type(getattr(value, "__module__", None)) is str:
            origin = value.__module__
        top = origin.partition(".")[0] if type(origin) is str else ""
        if top and top != "yonder" and top not in names and _third_party(top):
            names.append(top)
    return names


def _third_party(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return any(part in ("site-packages", "dist-packages") for part in Path(file).parts)
