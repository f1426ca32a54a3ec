"""`Line`: what all that call on one pool share: its name and sizes, its switchboard, the functions it has sent.

What belongs here: how a function and its arguments get out, in order. What this file must not know: what comes back.
"""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import msgspec

from yonder import holding, payload, seat, segments, wire
from yonder.blobs import Blobs, Packing
from yonder.errors import PoolClosed, SerializationError
from yonder.functions import Pickles, Sent
from yonder.future import Future, SpawnedFuture
from yonder.gifts import Gift
from yonder.holding import Carried, Grip, Handle, Taken
from yonder.options import Wishes
from yonder.switchboard import Listener, Switchboard
from yonder.telling import Telling

if TYPE_CHECKING:
    from yonder.loaded import Loaded  # only plain programs import it
    from yonder.preflight import Watch

MAX_CALL = wire.MAX_MESSAGE - 1024 * 1024
"""Bytes of a function and its arguments together."""

_MOST_WORDS = 16

F = TypeVar("F", bound=Future[Any])


class Arguments(NamedTuple):
    """Packed ones; `hold` is on the memory that they lie in, `carried` are the handles among them."""

    body: wire.Body
    hold: Packing | None = None
    carried: Carried | None = None

    @property
    def refs(self) -> list[bytes]:
        """The names of the handles."""
        return self.carried.refs if self.carried is not None else []

    @property
    def blobs(self) -> list[bytes]:
        """The names of the parts that were stowed."""
        return self.hold.digests if self.hold is not None else []


class Ending(Protocol):
    """What has to be asked to end before a pool can wait for its calls."""

    def end(self, *, cancel: bool) -> None: ...


class Line:
    """A pool's line to its hub."""

    def __init__(self, board: Switchboard, opened: wire.PoolOpened, folder: str, loaded: Loaded | None = None) -> None:
        """`loaded` is the code of this program; in a worker there is none, what it runs on is known to its hub."""
        self.board = board
        self.spec = opened.spec
        self.folder = folder
        self._loaded = loaded
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
            board.explain = loaded.explain
        self._sent = Sent()
        self._watch: Watch | None = None
        self._unnoticed = self.spec.capture_warning or MAX_CALL
        self._lock = threading.Lock()
        self._blobs = Blobs(board.send, near=self._near, least=self.spec.blob_bytes)
        if board.alone:
            board.holdings.line = self

    @property
    def slots(self) -> int:
        """How many calls the pool runs at a time at most."""
        return self.spec.max * self.spec.concurrency

    def pack(self, fn: Callable[..., Any]) -> tuple[bytes, bytes]:
        """A function as (digest, bytes). Raises SerializationError."""
        packed = self._pickles.packed(fn)
        if len(packed[1]) > self._unnoticed:
            self._weigh(fn, len(packed[1]))
        return packed

    def _weigh(self, fn: Callable[..., Any], size: int) -> None:
        if self._watch is None:
            from yonder.preflight import Watch  # with all that looks into functions; most take little along

            self._watch = Watch(self.spec.capture_warning)
        self._watch.leaving(fn, size)

    def travels(self, path: str) -> bool:
        """Does the file of that path go along with the code? In a worker that is not known: it is taken to."""
        return self._loaded is None or path in self._loaded.snapshot().files

    def packed(self, fn: Callable[..., Any]) -> tuple[bytes, bytes]:
        """As `pack`, for who only looks."""
        return self._pickles.packed(fn)

    def pack_call(self, args: tuple[Any, ...], kwargs: dict[str, Any], at: Handle | None = None) -> Arguments:
        """A call's arguments; large ones in memory that executors of this machine open. `at`: see `packed`. Raises
        SerializationError."""
        if at is None and (small := payload.pack_small(args, kwargs)) is not None:
            return Arguments(small)
        hold = self.hold()
        body, carried = packed(args, kwargs, hold, at)
        return Arguments(body, hold, carried)

    def pack_value(self, value: object, gift: Gift) -> wire.Body:
        """A value for any number of calls; a large one in memory for the hub, where that can open it. Raises
        SerializationError."""
        self._pickles.register()
        body = payload.pack(value, gift.put if self._near else None)
        if (
            size := segments.size_of(body)
            if isinstance(body, bytes) and segments.is_reference(body)
            else wire.weight(body)
        ) > MAX_CALL:
            raise SerializationError(f"a value of {size:,} bytes is too large; at most {MAX_CALL:,} travel at once")
        return body

    def hold(self) -> Packing:
        """What a call's arguments need until it has ended: memory that executors open, parts that are named."""
        return Packing(self._blobs, near=self._near)

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

    def left(self) -> None:
        """The conversation is over."""
        self._blobs.close()

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
        hold, telling = arguments.hold, self._telling
        code = telling.now() if telling is not None else b""
        with self._lock:
            future = self._register(kind, listener)
            future.hold, future.carried = hold, arguments.carried
            blobs = [] if hold is None else list(hold.digests)
            if self._sent.leaving(digest):
                body = b""
        # Without the lock: what the hub says in answer may run code of the program's here, and that may call again.
        try:
            submit = wire.Submit(
                future.number, self.spec.name, digest, body, arguments.body, label, options, code, blobs=blobs
            )
            board.send(submit if arguments.carried is None else _carrying(board, submit, arguments.carried))
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

    def ask(self, question: Callable[[int], wire.ClientToHub], kind: type[F]) -> F:
        """Ask for something that is answered like a call, with a value or without. Raises as `check` does."""
        self.board.check()
        with self._lock:
            future = self._register(kind, None)
        try:
            self.board.send(question(future.number))
        except BaseException:
            self.board.forget(future.number)
            raise
        return future

    def broadcast(
        self, packed: tuple[bytes, bytes], arguments: wire.Body, label: str, carried: Carried | None = None
    ) -> list[tuple[wire.CallDone, list[Grip]]]:
        """Have it run in every worker and wait for their ends, each with what holds the objects in it. Raises as `start`
        does."""
        announce(self.board, carried)
        refs = carried.refs if carried else []
        self._too_large(packed[1], arguments)
        self.check()
        code = self._telling.now() if self._telling is not None else b""

        def question(number: int) -> wire.Broadcast:
            # Rare: its bytes always go along.
            return wire.Broadcast(number, self.spec.name, *packed, arguments, label, code, refs)

        done = self.board.ask(question, lambda number: self.board.tell(wire.Cancel(number)))
        delivered = self.board.delivered
        return [(end, delivered(end.refs)) for end in cast(wire.BroadcastDone, done).ends]

    def _register(self, kind: type[F], listener: Listener | None) -> F:
        if self.closed:
            raise PoolClosed(f"the pool {self.spec.name!r} is closed; open a new one")
        future = self.board.future(kind)
        if listener is not None:
            listener.attach(future)  # here: an interrupt later would leave a call that nobody knows of
            self.board.listen(future.number, listener)
        return future

    def _too_large(self, body: bytes, arguments: wire.Body) -> None:
        size = len(body) + (len(arguments) if type(arguments) is bytes else wire.weight(arguments))
        if size > MAX_CALL:
            raise SerializationError(f"a call of {size:,} bytes is too large; at most {MAX_CALL:,} travel at once")


def begin(
    line: Line,
    wishes: Wishes,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: wire.CallOptions | None,
    at: Handle | None = None,
) -> Future[Any]:
    """Have `fn(*args, **kwargs)` run; `at`: where the object of that handle lives, which is then the first argument."""
    line.check()
    packed = line.pack(fn)
    label = call_label(fn, args, kwargs, wishes)
    return line.start(packed, line.pack_call(args, kwargs, at), label, options, Future)


def waited(future: Future[Any]) -> Any:
    """Its value; who is interrupted while waiting does not want it any more."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


# ── handles in arguments ──────────────────────────────────────────────────────────────────────────────────────────────


def packed(
    args: tuple[Any, ...], kwargs: dict[str, Any], hold: Packing | None, at: Handle | None = None
) -> tuple[wire.Body, Carried | None]:
    """A call's arguments as bytes, and the handles in them: one that is an argument itself arrives as its object. `at`: the
    first argument, where the object of that handle lives. Raises SerializationError."""
    put = hold.put if hold is not None else None
    if at is None and not holding.in_use():
        return payload.pack_call(args, kwargs, put, hold), None
    here = seat.current()
    keeper = here.keeper if here is not None else None
    needs: list[bytes] = []

    def prepared(value: Any) -> Any:
        if not isinstance(value, Handle):
            return value
        if keeper is not None and value is not at and keeper.has(value.ref):
            return keeper.own(value.ref)  # it may be this very call that waits for it: a copy goes along
        needs.append(value.ref)
        return Taken(value)

    values = args if at is None else (at, *args)
    named = {name: prepared(value) for name, value in kwargs.items()}
    body = payload.pack_call([prepared(value) for value in values], named, put, hold)
    carried = holding.noted()
    if carried is not None:
        carried.needs = needs
        carried.pin = b"" if at is None else at.ref
    return body, carried


def announce(board: Switchboard, carried: Carried | None) -> None:
    """Tell the hub of objects of this worker that it may not know yet, ahead of a message that names them."""
    here = seat.current() if carried is not None else None
    if here is None or here.keeper is None or carried is None:
        return
    for ref in carried.holds:
        if (kept := here.keeper.announcement(ref)) is not None:
            board.tell(kept)


def _carrying(board: Switchboard, submit: wire.Submit, carried: Carried) -> wire.Submit:
    announce(board, carried)
    return msgspec.structs.replace(submit, refs=carried.refs, needs=carried.needs, pin=carried.pin)


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
