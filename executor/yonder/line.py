"""`Line`: what all that call on one pool share: its name and sizes, its switchboard, the functions it has sent.

What belongs here: how a function and its arguments get out, in order. What this file must not know: what comes back.
"""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from yonder import payload, preflight, segments, wire
from yonder.errors import PoolClosed, SerializationError
from yonder.functions import Pickles, Sent
from yonder.future import Future, SpawnedFuture
from yonder.options import Wishes
from yonder.switchboard import Listener, Switchboard
from yonder.telling import Telling

if TYPE_CHECKING:
    from yonder.loaded import Loaded  # only plain programs import it

MAX_CALL = wire.MAX_MESSAGE - 1024 * 1024
"""Bytes of a function and its arguments together."""

_MOST_WORDS = 16

F = TypeVar("F", bound=Future[Any])


class Arguments(NamedTuple):
    """Packed ones; `hold` is on the memory that they lie in."""

    body: wire.Body
    hold: segments.Hold | None = None


class Ending(Protocol):
    """What has to be asked to end before a pool can wait for its calls."""

    def end(self, *, cancel: bool) -> None: ...


class Line:
    """A pool's line to its hub."""

    def __init__(self, board: Switchboard, opened: wire.PoolOpened, folder: str, loaded: Loaded | None = None) -> None:
        """`loaded` is the code of this program; in a worker there is none, what it runs on is known to its hub."""
        self.board = board
        self.spec = opened.spec
        self._near = opened.near
        # Weakly: the switchboard holds both while they have something to hear.
        self.endings: weakref.WeakSet[Ending] = weakref.WeakSet()
        self.spawned: weakref.WeakSet[SpawnedFuture[Any]] = weakref.WeakSet()
        self.closed = False
        self._pickles = Pickles(payload.Workspace(folder, payload.served if loaded is None else loaded.has))
        self._telling: Telling | None = None
        if loaded is not None:
            self._telling = Telling(loaded, board.send)
            board.published = self._telling.answered
        self._sent = Sent()
        self._watch = preflight.Watch(self.spec.capture_warning)
        self._lock = threading.Lock()

    @property
    def slots(self) -> int:
        """How many calls the pool runs at a time at most."""
        return self.spec.max * self.spec.concurrency

    def pack(self, fn: Callable[..., Any]) -> tuple[bytes, bytes]:
        """A function as (digest, bytes). Raises SerializationError."""
        packed = self._pickles.packed(fn)
        self._watch.leaving(fn, len(packed[1]))
        return packed

    def packed(self, fn: Callable[..., Any]) -> tuple[bytes, bytes]:
        """As `pack`, for who only looks."""
        return self._pickles.packed(fn)

    def pack_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """A call's arguments; large ones in memory that executors of this machine open. Raises SerializationError."""
        hold = self.hold()
        return Arguments(payload.pack_call(args, kwargs, hold.put if hold else None), hold)

    def hold(self) -> segments.Hold | None:
        """On memory for a call's arguments, where executors of this pool can open that."""
        return segments.Hold(segments.OWN) if self._near else None

    def check(self) -> None:
        """Raises PoolClosed, CannotRun when the hub is gone, UsageError in a forked child."""
        if self.closed and not self.board.foreign():
            raise PoolClosed(f"the pool {self.spec.name!r} is closed; open a new one")
        self.board.check()

    def close(self) -> bool:
        """Nothing new goes out from now on. False when that was so already."""
        with self._lock:
            before, self.closed = self.closed, True
        return not before

    def start(
        self,
        packed: tuple[bytes, bytes],
        arguments: Arguments,
        label: str,
        options: wire.CallOptions | None,
        kind: type[F],
        listener: Listener | None = None,
    ) -> F:
        """Send a call; its end comes to the future, what it says before to `listener`. Raises as `check` does, and
        SerializationError when it is too large."""
        board = self.board
        board.check()  # before the lock: in a forked child another thread may hold it for ever
        digest, body = packed
        self._too_large(body, arguments.body)
        code = self._code()
        with self._lock:
            future = self._register(kind, listener)
            future.hold = arguments.hold
            if self._sent.leaving(digest):
                body = b""
        # Without the lock: what the hub says in answer may run code of the program's here, and that may call again.
        try:
            board.send(wire.Submit(future.number, self.spec.name, digest, body, arguments.body, label, options, code))
        except BaseException:
            # It never left, or this thread was interrupted when it just had: nobody would ever end it.
            board.tell(wire.Cancel(future.number))
            board.forget(future.number)
            body = b""
            raise
        finally:
            with self._lock:
                forgotten = self._sent.left(digest, len(body))
            if forgotten:
                board.tell(wire.Forget(forgotten))
        return future

    def broadcast(self, packed: tuple[bytes, bytes], arguments: wire.Body, label: str) -> list[wire.CallDone]:
        """Have it run in every worker and wait for their ends. Raises as `start` does."""
        self._too_large(packed[1], arguments)
        self.check()
        code = self._code()

        def question(number: int) -> wire.Broadcast:
            # Rare: its bytes always go along.
            return wire.Broadcast(number, self.spec.name, *packed, arguments, label, code)

        done = self.board.ask(question, lambda number: self.board.tell(wire.Cancel(number)))
        return cast(wire.BroadcastDone, done).ends

    def _code(self) -> bytes:
        """The name of the code that a call runs on now; the hub knows it."""
        return self._telling.now() if self._telling is not None else b""

    def _register(self, kind: type[F], listener: Listener | None) -> F:
        if self.closed:
            raise PoolClosed(f"the pool {self.spec.name!r} is closed; open a new one")
        future = self.board.future(kind)
        if listener is not None:
            listener.attach(future)  # here: an interrupt later would leave a call that nobody knows of
            self.board.listen(future.number, listener)
        return future

    def _too_large(self, body: bytes, arguments: wire.Body) -> None:
        size = len(body) + wire.weight(arguments)
        if size > MAX_CALL:
            raise SerializationError(f"a call of {size:,} bytes is too large; at most {MAX_CALL:,} travel at once")


def label_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call's name in tables and legends: its arguments, as far as they are short and plain."""
    words: list[str] = []
    for value in args:
        if type(value) is dict and len(value) <= _MOST_WORDS:
            words += [f"{_plain(key)}={_plain(part)}" for key, part in value.items()]
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            words += [f"{part.name}={_plain(_asked(value, part.name))}" for part in dataclasses.fields(value)]
        else:
            words.append(_plain(value))
        if len(words) > _MOST_WORDS:
            break
    words += [f"{key}={_plain(value)}" for key, value in kwargs.items()]
    text = " ".join(words)
    return text if len(text) <= 80 else text[:79] + "…"


def _plain(value: object, depth: int = 3) -> str:
    if type(value) in (int, bool, type(None)):
        return str(value)
    if type(value) is float:
        return f"{value:g}"
    if type(value) is str:
        return value if len(value) <= 24 else value[:23] + "…"
    if type(value) in (tuple, list) and len(cast(list[object], value)) <= 4:
        parts = [_plain(part, depth - 1) for part in cast(list[object], value)] if depth else ["…"]
        return "(" + ", ".join(parts) + ")"
    return name_of(value)


def name_of(value: object) -> str:
    """The name of a function, a class or a module, else that of the value's type."""
    name = _asked(value, "__name__")
    return name if type(name) is str and name else type(value).__name__


def _asked(value: object, name: str) -> object:
    """An attribute that may not be there; a user's `__getattr__` may also raise what it likes."""
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - a label is not worth a failing call
        return None


def call_label(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], wishes: Wishes) -> str:
    """What the caller wished, else the arguments, else the function's name."""
    return wishes.label or label_of(args, kwargs) or name_of(fn)
