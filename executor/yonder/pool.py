"""`Pool`: functions of this program run on executors that start when they are needed and end when they are not.

    with yonder.Pool(max=8) as pool:
        print(list(pool.map(train, variants)))

In a plain program the pool brings its own hub: a thread for local executors, else a process that ends with the program.
Inside the editor's session, or inside a call, it attaches to the hub that is already there. What belongs here: a pool's own life; its verbs are `calls.Calls`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar, cast

from yonder import seat, telling, wire
from yonder.calls import Calls
from yonder.choices import STRATEGIES
from yonder.core.scaling import Strategy
from yonder.errors import CannotRun, UsageError
from yonder.files import File, Outputs, left_behind, listed
from yonder.hubs import PROGRAM
from yonder.line import Line
from yonder.options import Wishes, check_name, check_sizes, check_whole, pool_fields
from yonder.remote import RemoteFunction
from yonder.remotes import Remote, put
from yonder.stacks import Stack, read
from yonder.switchboard import Switchboard
from yonder.watch import Events

if TYPE_CHECKING:
    from yonder.loaded import Loaded
    from yonder.preflight import Preflight

P = ParamSpec("P")
T = TypeVar("T")


class Pool(Calls):
    """Executors for calls; a `concurrent.futures.Executor`, a context manager for `with` and for `async with`.

    Arguments left out come from `[tool.yonder.pools.<name>]` when the editor runs the code, else from the defaults here.
    Times are seconds. Raises UsageError for values that make no sense.

    `backend` "local" or "docker", whose executors are made from `image` (that of this version) as `options` say
    (docs/docker.md); `min` 0 executors are kept and `max` 8 may be, `concurrency` 1 call at a time on each, `buffer` 0
    spare ones while there is work. An executor ends after `idle_timeout` 60 without a call, or `max_lifetime` (none);
    it may take `boot_timeout` 120 to come up.

    What calls get that say nothing else: `timeout` (none), their one deadline, waiting and booting included;
    `queue_timeout` (none) for the wait alone; `grace` 5 to clean up when they have to end; `retries` 0, how often a call
    is tried again after its executor was lost; `queue_limit` (none), how many may wait before QueueFull.

    `isolation` "worker": a process serves many calls; "process": a fresh process for each; "executor": a fresh executor.
    `gpu` "l40s", "l40s:2", 2, or a list of alternatives; `cpus`; `memory` bytes or "8GB". `strategy` "pack" fills one
    executor before the next, "spread" does not; a plain program may give an object (docs/pool.md). `preload` are modules imported before the first call (the third-party
    ones that the program itself has imported are), `env` extra environment variables. `dependencies` "report": packages that
    executors elsewhere lack are told of; "lock": they are installed there, from the lock file; "off" (docs/dependencies.md).
    Functions that take along more than `capture_warning` bytes (100 MB) raise a CaptureWarning, once each; 0: never.
    Contents of arguments of `blob_bytes` (256 kB) or more travel once however many calls they are in; 0: with each.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        backend: str | None = None,
        min: int | None = None,  # noqa: A002 - the field's word
        max: int | None = None,  # noqa: A002 - the field's word
        concurrency: int | None = None,
        buffer: int | None = None,
        idle_timeout: float | None = None,
        max_lifetime: float | None = None,
        timeout: float | None = None,
        boot_timeout: float | None = None,
        queue_timeout: float | None = None,
        grace: float | None = None,
        isolation: str | None = None,
        retries: int | None = None,
        gpu: str | int | list[str] | None = None,
        cpus: float | None = None,
        memory: str | int | None = None,
        env: dict[str, str] | None = None,
        preload: list[str] | None = None,
        strategy: str | Strategy | None = None,
        queue_limit: int | None = None,
        image: str | None = None,
        options: Mapping[str, wire.Option] | None = None,
        dependencies: str | None = None,
        outputs: list[str] | None = None,
        capture_warning: int | None = None,
        blob_bytes: int | None = None,
    ) -> None:
        wishes = {key: value for key, value in locals().items() if key not in ("self", "name", "__class__")}
        check_name(name)
        given = pool_fields(wishes)
        here = seat.current()
        place = None if here else own_place()
        loaded = _own_code(place.folder) if place is not None else None
        where = backend or "local"
        if here is None and where == "local":  # its executors have this program's packages
            _check_there(preload or [])
        # What the program itself imports is a good guess, not a wish: it is added to the settings', never put in their place.
        guess = {} if preload is not None else {"preload": imported_by_main()}
        self._watchers: list[Events] = []
        self._gone = threading.Event()
        self._outputs = Outputs(name or "default")
        own = None if isinstance(strategy, str) else strategy
        if own is not None and (here is not None or not PROGRAM.lends(where)):
            raise UsageError(
                "Pool(strategy=<object>): this pool's hub is another process, which runs no code of yours; "
                f"name one of {', '.join(STRATEGIES)}"
            )
        board = Switchboard(self._happened, where, lends=own is not None)
        try:
            if own is not None:
                given["strategy"] = PROGRAM.lend(own)
            spec = wire.PoolSpec(name=name or "default", **{**given, **guess})
            needs = None
            if here is None:  # else what is left out may come from settings, and the hub knows them
                check_whole(spec)
                if not PROGRAM.shares_python(where):
                    needs = what_is_needed(cast(wire.Place, place).folder, lock=spec.dependencies == "lock")
            opened = board.ask(lambda number: wire.OpenPool(number, spec, list(given), place, needs))
        except BaseException:
            board.leave()
            raise
        folder = here.folder if here else cast(wire.Place, place).folder
        super().__init__(Line(board, cast(wire.PoolOpened, opened), folder, loaded), Wishes())
        self._outputs.patterns = self._line.spec.outputs

    # ── facts ──

    @property
    def name(self) -> str:
        """The pool's name; in the editor `[tool.yonder.pools.<name>]` describes it."""
        return self._line.spec.name

    @property
    def max(self) -> int:
        """The most executors this pool will have."""
        return self._line.spec.max

    def status(self) -> wire.PoolState:
        """How many executors there are, how many work, how many calls wait, and why. Raises PoolClosed."""
        self._line.check()
        return cast(wire.PoolStatus, self._line.board.ask(lambda number: wire.GetPool(number, self.name))).state

    def explain(self) -> str:
        """Why the pool has the size it has, in a sentence. Raises PoolClosed."""
        return self.status().why

    def events(self) -> Events:
        """What happens in the pool from now on (`kind`, `executor`, `sentence`, `at`), until it closes: an iterator for
        `for` and for `async for`. Raises PoolClosed."""
        self._line.check()
        events = Events(self._unwatched)
        self._watchers.append(events)
        if len(self._watchers) == 1:
            self._line.board.send(wire.Watch(self.name, on=True))
        return events

    def files(self) -> list[File]:
        """What calls have written in the working directories of executors elsewhere, and in those of executors that have
        ended; see `docs/files.md`. On this machine calls write into the folder that the program is in, and nothing is
        listed. Raises PoolClosed."""
        self._line.check()
        return listed(self._line.board, self.name)

    def stacks(self) -> list[Stack]:
        """Where every thread of every worker of the pool stands now, also of one that is stuck in C code: `print` one, or
        read its `threads`. Takes up to 5 seconds where a machine does not answer. Raises PoolClosed."""
        self._line.check()
        return read(self._line.board.ask(lambda number: wire.GetStacks(number, self.name)))

    def _happened(self, event: wire.PoolEvent | wire.Files) -> None:
        if isinstance(event, wire.Files):
            self._outputs.heard(self._line.board, event.files)
            return
        for events in list(self._watchers):
            events.told(event)

    def _unwatched(self, events: Events) -> None:
        with contextlib.suppress(ValueError):  # closed twice
            self._watchers.remove(events)
            if not self._watchers and not self._line.closed:
                self._line.board.tell(wire.Watch(self.name, on=False))

    def resize(
        self,
        *,
        min: int | None = None,  # noqa: A002 - the field's word
        max: int | None = None,  # noqa: A002 - the field's word
        buffer: int | None = None,
    ) -> None:
        """Other sizes from now on; what is left out stays. Executors that are too many end when their calls are over.
        Raises UsageError, PoolClosed."""
        self._line.check()
        wishes = {"min": min, "max": max, "buffer": buffer}
        spec = self._line.spec
        check_sizes(wishes, spec)
        opened = self._line.board.ask(lambda number: wire.Resize(number, self.name, min, max, buffer))
        self._line.spec = cast(wire.PoolOpened, opened).spec

    def preflight(self, fn: Callable[..., object], *args: object, **kwargs: object) -> Preflight:
        """What `submit(fn, *args, **kwargs)` would do, without doing it: what the function takes along and how large that
        is, what does not pickle and where it stands, the program's modules that it needs, packages and Pythons that differ
        where it would run. Raises PoolClosed, and TypeError for what is no function."""
        from yonder.preflight import Call, look, paths_of  # most programs never ask

        self._line.check()
        elsewhere = not PROGRAM.shares_python(self._line.spec.backend)
        known = cast(wire.Environments, self._line.board.ask(wire.AskEnvironments)).known if elsewhere else {}
        spec = self._line.spec
        checks = [paths_of(self._line.folder, self._line.travels)] if spec.backend != "local" else []
        return look(Call(fn, args, kwargs, spec, self._line.packed, elsewhere, known.get(spec.name)), checks)

    def put(self, value: T) -> Remote[T]:
        """Hand a value over once, for any number of calls: what calls and workers are given of it is a handle (docs/data.md).
        Works before there is any executor. Raises SerializationError when it does not travel."""
        self._line.check()
        return put(self._line, value)

    def remote(self, fn: Callable[P, T]) -> RemoteFunction[P, T]:
        """A decorator: called plainly the function runs here; its `.call`, `.submit`, `.map`, … run it on the pool."""
        return RemoteFunction(fn, self)

    # ── the end ──

    def close(self, *, cancel: bool = False) -> None:
        """Wait for the calls (or cancel them) and close the actors, then let go of the executors: a program's are ended,
        a workspace's shrink by their own rules. In a forked child it does nothing: the pool is its parent's."""
        if self._line.board.foreign():
            return
        if self._line.close():
            self._close(cancel=cancel)
        else:
            self._gone.wait()

    def _close(self, *, cancel: bool) -> None:
        line = self._line
        try:
            for ending in list(line.endings):
                ending.end(cancel=cancel)
            waiting = line.board.open_calls()
            if cancel:
                for future in waiting:
                    future.cancel()
            concurrent.futures.wait(waiting)
            if line.spec.backend != "local":
                self._bring_home()
            line.board.ask(lambda number: wire.ClosePool(number, self.name, cancel))
        except CannotRun:
            pass  # the hub is gone: there is nothing left to close
        finally:
            line.left()  # first: what was kept for its calls is given back with the rest
            line.board.leave()
            for events in list(self._watchers):
                events.end()
            for spawned in list(line.spawned):
                spawned.surface()
            self._gone.set()

    def _bring_home(self) -> None:
        """Fetch the last outputs, and say what will be lost."""
        board = self._line.board
        found: wire.Files = board.ask(lambda number: wire.GetFiles(number, self.name))
        self._outputs.heard(board, [file for file in found.files if not file.fetched])
        self._outputs.finish()
        rest = [file for file in (File(board, one) for one in found.files) if not self._outputs.wants(file)]
        if sentence := left_behind(rest):
            warnings.warn(sentence, stacklevel=4)

    async def aclose(self, *, cancel: bool = False) -> None:
        """`close` for asyncio."""
        await asyncio.to_thread(self.close, cancel=cancel)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The standard library's name for `close`. cancel_futures cancels the calls that have not begun; wait=False
        closes in the background."""
        if self._line.board.foreign():
            return
        first = self._line.close()
        if cancel_futures:
            for future in self._line.board.open_calls():
                if not future.running():
                    future.cancel()
        if first and not wait:
            threading.Thread(target=self._close, kwargs={"cancel": False}, name="yonder-closing").start()
        elif first:
            self._close(cancel=False)
        elif wait:
            self._gone.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(cancel=kind is not None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose(cancel=kind is not None)

    def __repr__(self) -> str:
        spec = self._line.spec
        return f"<yonder.Pool {spec.name!r} on {spec.backend}, {'closed' if self._line.closed else f'max {spec.max}'}>"


def limit(*, executors: int | None = None, gpus: int | None = None, executor_hours: float | None = None) -> None:
    """Bound what all pools of this program have together (None: no bound): so many executors and GPUs at any time, and so
    many executor-hours in all while a pool is open; local pools and those elsewhere are counted apart, unless the first
    pool to be opened was elsewhere. When the hours are spent, calls that wait and later ones raise
    BootFailed; those that run come to their end.

    In the editor `max_executors`, `max_gpus` and `max_executor_hours` of `[tool.yonder]` do this; there it raises
    UsageError, and also for values that make no sense.
    """
    hours = executor_hours
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours < 1e9):
        raise UsageError(f"limit(executor_hours={hours!r}): must be a number above 0, or None")
    for name, value in (("executors", executors), ("gpus", gpus)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"limit({name}={value!r}): must be a whole number, at least 1, or None")
    if seat.current() is not None:
        raise UsageError("limit() is for plain programs; here max_executors and its like of [tool.yonder] say it")
    PROGRAM.limit(executors or 0, gpus or 0, hours or 0.0)


def what_is_needed(folder: str, *, lock: bool) -> wire.Needs:
    """This program's Python, the packages that its own modules use, and (lock) how to get them elsewhere. Raises UsageError."""
    from yonder import installed, requirements  # only who goes elsewhere asks

    here = installed.survey()
    used = sorted(installed.distributions(installed.tops_used()).values())
    if not lock:
        return wire.Needs(here, used)
    found = requirements.read(Path(folder), here, used)
    return wire.Needs(here, used, found.lines, found.constraints, found.source)


def own_place() -> wire.Place:
    """This program's own Python and folder."""
    script = sys.path[0] if sys.path and sys.path[0] and Path(sys.path[0]).exists() else ""
    return wire.Place(
        python=sys.executable, core=str(Path(wire.__file__).parent.parent.parent), folder=script or str(Path.cwd())
    )


def _own_code(folder: str) -> Loaded | None:
    """What this program has of its folder, looked at in the background; None where nothing of it travels."""
    if not telling.TRAVELS or folder == "/" or not Path(folder).is_dir():  # a zipped program is taken as it is
        return None
    # Only a plain program looks at folders: workers, which open pools, too, have no use for that.
    from yonder.loaded import PROGRAMS

    loaded = PROGRAMS.of(folder)
    loaded.begin()
    return loaded


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


def _check_there(preload: list[str]) -> None:
    """A name that is mistyped would only be slow, silently. Raises UsageError."""
    for name in preload:
        top = name.partition(".")[0]
        try:
            there = top in sys.modules or importlib.util.find_spec(top) is not None
        except (ImportError, ValueError):
            there = False
        if not there:
            raise UsageError(f"Pool(preload={preload!r}): there is no module {top!r} here; install it, or leave it out")


def _third_party(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return any(part in ("site-packages", "dist-packages") for part in Path(file).parts)
