"""Objects as bytes and exceptions as data: the only file that pickles and unpickles.

What belongs here: pack and unpack, what travels by value, tracebacks as data. What this file must not know: sockets,
tasks, who asks. Bodies are pickles of protocol 5 made by cloudpickle, the large buffers of arrays and tensors beside them
(`parcel`); only a program and a worker of the same person ever open one.
"""

from __future__ import annotations

import hashlib
import itertools
import linecache
import pickle
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, Literal, Protocol, cast

import cloudpickle
import msgspec

from yonder import culprit, dates, errors, likeness, parcel, segments, tensors
from yonder.errors import ExecutorLost, RemoteTraceback, SerializationError, YonderError
from yonder.wire import LARGE, Before, Body, Failure, Frame, whole

MAX_TEXT = 100_000
MAX_FRAMES = 200
MAX_BEFORE, MAX_BEFORE_FRAMES, MAX_BEFORE_TEXT = 8, 20, 1000
SEARCH_SECONDS = 2.0
_ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})
_SMALL = _ATOMS - {bytes}
_TINY = _SMALL - {str}
_PICKLE = b"\x80\x05"
_FEW = 3
_FRAME = 128 * 1024
"""Bytes that a pickler never collects in one piece: it writes about half as many."""
BESIDE = 16 * 1024
"""Bytes of a buffer that is worth a place of its own beside the stream."""
_RUNTIME = (
    str(Path(__file__).parent / "agent") + "/",
    str(Path(traceback.__file__).parent / "asyncio") + "/",
    "<frozen importlib",
)
_NEVER_BY_VALUE = frozenset({"__main__", "yonder", "yonder_lsp"})
_FOREIGN = ("/site-packages/", "/dist-packages/", "/.venv/", "/venv/")


# ── objects ───────────────────────────────────────────────────────────────────────────────────────────────────────────


Place = Callable[[Sequence[parcel.Buffer]], bytes | None]
"""Where large bodies may be put for a receiver on this machine; gives what to send instead (`segments`), None when it cannot."""


class Naming(Protocol):
    """Who knows what may travel in the place of large contents, from `least` bytes on (`blobs`)."""

    @property
    def least(self) -> int: ...

    def name(self, content: memoryview, /) -> parcel.Named | None:
        """None: the content itself."""


class _Provision:
    """Where this process finds the parts that are named; set once, by the worker."""

    fetch: parcel.Fetch | None = None


_provision = _Provision()


def provide(fetch: parcel.Fetch) -> None:
    """Parts that are named are found there from now on."""
    _provision.fetch = fetch


def pack(value: object, place: Place | None = None, *, lent: bool = False, name: str = "") -> Body:
    """A value as a body; what it holds may change as soon as this returns, or, `lent`, when the body has been sent: then
    nothing of it is copied. Raises SerializationError that says which part of it did not travel; `name` is what it is."""
    try:
        return _dumps(value, place, lent=lent)
    except Exception as error:  # a `__reduce__` of the user's may raise anything
        raise _refused(f"{name or _called(value)} cannot travel to another process", name, value, error) from error


def pack_tiny(value: object) -> bytes | None:
    """`pack` of a number or the like, which needs nothing around it; None: it is something else."""
    if type(value) not in _TINY:
        return None
    body = pickle.dumps(value, 5)
    return body if len(body) <= LARGE else None


def _dumps(value: object, place: Place | None = None, naming: Naming | None = None, *, lent: bool = False) -> Body:
    if _plain(value, 3):
        return pickle.dumps(value, 5)
    stream = _Stream()
    _Pickler(stream).dump(value)
    return stream.body(place, naming, lent=lent)


class _Stream:
    """The file that a pickler writes: large bytes and the buffers are kept beside it as they are, until `body`."""

    def __init__(self) -> None:
        self._written: list[parcel.Buffer] = []
        self._buffers: list[memoryview] = []
        self.write = self._written.append

    def beside(self, buffer: pickle.PickleBuffer) -> bool:
        """See pickle.Pickler's buffer_callback: small ones stay in the stream."""
        view = buffer.raw()
        if view.nbytes < BESIDE:
            return True
        self._buffers.append(view)
        return False

    def body(self, place: Place | None, naming: Naming | None, *, lent: bool) -> Body:
        parts: list[memoryview | parcel.Named] = list(self._buffers)
        stream: Sequence[parcel.Buffer | parcel.Named] = self._written
        if naming is not None:
            parts = [naming.name(view) or view for view in self._buffers]
            stream = self._named(naming)
        size = sum(len(piece) for piece in (*stream, *parts) if not isinstance(piece, parcel.Named))
        alone = not parts and (stream is self._written or not any(isinstance(one, parcel.Named) for one in stream))
        if alone and size <= LARGE:
            return b"".join(self._written)
        if size < segments.LEAST:
            place = None
        pieces = self._written if alone else parcel.sealed(stream, parts)
        if place is not None and (body := place(pieces)) is not None:
            return body
        if size <= LARGE:
            return b"".join(pieces)
        return cast(Body, pieces) if lent else [bytes(piece) for piece in pieces]  # copies what may change, not bytes

    def _named(self, naming: Naming) -> Sequence[parcel.Buffer | parcel.Named]:
        """What was written, with names for large bytes and texts, and for long stretches of small values. Where such a
        stretch begins and ends, other arguments may be in the same piece: these pieces travel."""
        if len(self._written) < _FEW or sum(map(len, self._written)) < naming.least:
            return self._written
        found: list[parcel.Buffer | parcel.Named] = []
        for large, run in itertools.groupby(self._written, lambda piece: len(piece) >= max(naming.least, _FRAME)):
            pieces = list(run)
            if large:
                found += [naming.name(memoryview(piece)) or piece for piece in pieces]
            elif len(pieces) < _FEW:
                found += pieces
            else:
                middle = b"".join(pieces[1:-1])
                found += (pieces[0], naming.name(memoryview(middle)) or middle, pieces[-1])
        return found


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, but exceptions keep what their classes made of them, and torch's memory is buffers."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__(stream, 5, stream.beside)
        self._storages = tensors.storages()

    def reducer_override(self, obj: Any) -> Any:
        """See pickle.Pickler."""
        if self._storages is not None and (reduced := self._storages.reduction(obj)) is not None:
            return reduced
        if type(obj).__name__ == "ndarray" and (dates_of := dates.reduction(obj, BESIDE)) is not None:
            return dates_of
        if isinstance(obj, BaseException) and (likely := likeness.reduction(obj)) is not None:
            return likely
        return super().reducer_override(obj)


def unpack(body: Body) -> Any:
    """The value of `pack`'s body, with memory of its own; it may be that of the body. Raises SerializationError where it is
    damaged, ExecutorLost where its memory has gone, and whatever unpickling raises (it runs code of the classes inside)."""
    if isinstance(body, bytes) and body.startswith(_PICKLE):
        return pickle.loads(body)  # noqa: S301 - only between a program and its own workers, over token-checked sockets
    data = _own(body)
    if not parcel.is_parcel(data):
        return pickle.loads(data)  # noqa: S301 - as above
    stream, buffers = parcel.opened(data, _provision.fetch)
    if len(stream) == 1:
        return pickle.loads(stream[0], buffers=buffers)  # noqa: S301 - as above
    return pickle.load(_Stretches(stream), buffers=buffers)  # noqa: S301 - as above


class _Stretches:
    """The file that an unpickler reads: a stream in several places. Large bytes go from there to where they belong."""

    def __init__(self, views: list[memoryview]) -> None:
        self._views = deque(views)

    def readinto(self, target: bytearray | memoryview) -> int:
        """See io.RawIOBase; less than there is room for only at the end."""
        into, at = memoryview(target), 0
        while at < len(into) and self._views:
            view = self._views.popleft()
            some = view[: len(into) - at]
            into[at : at + len(some)] = some
            at += len(some)
            if len(some) < len(view):
                self._views.appendleft(view[len(some) :])
        return at

    def read(self, size: int) -> bytes:
        """See io.RawIOBase."""
        found = bytearray(min(size, sum(map(len, self._views))))
        self.readinto(found)
        return bytes(found)

    def readline(self) -> bytes:
        """Pickles of protocol 5 have no lines."""
        return b""


def _own(body: Body) -> memoryview:
    """A body in one piece that may be written to, and that nobody else has."""
    pieces: list[Any] = body if isinstance(body, list) else [body]
    if len(pieces) == 1:
        (only,) = pieces
        if segments.is_reference(only):
            return segments.take(only, read=True)
        if isinstance(only, bytearray | memoryview) and not memoryview(only).readonly:
            return memoryview(only)  # gathered, or taken, for us
    return memoryview(bytearray().join(pieces))


def taken(body: Body) -> Body:
    """The same, if it lies in memory that may soon be gone: opened, not yet unpacked. To be said once for what has come."""
    if not segments.is_reference(body):
        return body
    try:
        return cast(Body, [segments.take(cast(bytes, body))])
    except ExecutorLost:
        return body  # who unpacks it is told


def pack_function(function: Callable[..., Any]) -> tuple[bytes, bytes]:
    """A function as (digest of 16 bytes, bytes). Raises SerializationError that says what it holds."""
    try:
        body = bytes(cloudpickle.dumps(function, 5))
    except Exception as error:
        routine = isinstance(function, FunctionType | MethodType | BuiltinFunctionType | type)
        name = function.__qualname__ if routine else type(function).__name__
        raise _refused(f"the function {name} cannot travel to another process", "", function, error) from error
    return hashlib.blake2b(body, digest_size=16).digest(), body


def pack_small(arguments: Sequence[object], keywords: Mapping[str, object]) -> bytes | None:
    """`pack_call` of what needs no place, no names and no holds; None: it may need them."""
    if keywords or not _SMALL.issuperset(map(type, arguments)):
        return None
    body = pickle.dumps((tuple(arguments), {}), 5)
    return body if len(body) <= LARGE else None


def pack_call(
    arguments: Sequence[object],
    keywords: Mapping[str, object],
    place: Place | None = None,
    naming: Naming | None = None,
) -> Body:
    """A call's arguments as a body of `(tuple, dict)`. Raises SerializationError that names the argument."""
    if (small := pack_small(arguments, keywords)) is not None:
        return small
    both = (tuple(arguments), dict(keywords))
    try:
        return _dumps(both, place, naming)
    except Exception as error:
        named = [(f"argument {at + 1}", value) for at, value in enumerate(arguments)]
        named += [(f"argument {name!r}", value) for name, value in keywords.items()]
        for name, value in named:
            if _refusal(value):
                raise _refused(f"{name} cannot travel to another process", name, value, error) from error
        raise SerializationError(f"the arguments cannot travel to another process: {_words(error)}") from error


def _refusal(value: object) -> str:
    """Why a value does not travel, "" when it does."""
    try:
        _dumps(value)
    except Exception as error:  # noqa: BLE001 - foreign code; its words are the answer
        return _words(error)
    return ""


def _refused(sentence: str, root: str, value: object, error: Exception) -> SerializationError:
    end = time.monotonic() + SEARCH_SECONDS
    steps, part, words = culprit.Search(_refusal, lambda: time.monotonic() > end).descend(value, _words(error))
    path = " -> ".join(([root] if root else []) + steps)
    what = f" ({_called(value)})" if root and not steps else ""
    why = f"{path} is {_called(part)} ({words})" if steps else words  # which part comes first: an editor has one line
    return SerializationError(f"{sentence}{what}: {why}", path=path)


# ── chunks: several calls of one function in one message ──────────────────────────────────────────────────────────────

# Every member is a pickle of its own, so that two calls never share an object, a value that changes later has been
# taken as it was, and one that does not travel spoils only itself.


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """How one member of a chunk ended; the fields are those of `wire.CallDone`. outcome ok: `body` is the pickled value.
    error: `body` the pickled exception ("" if it did not pickle) and `failure` its data. cancelled: it was not run."""

    outcome: Literal["ok", "error", "cancelled"]
    body: bytes = b""
    failure: Failure | None = None


_chunks = msgspec.msgpack.Decoder(list[bytes])
_outcomes = msgspec.msgpack.Decoder(list[Outcome])


def pack_chunk(calls: Sequence[Body]) -> bytes:
    """The `arguments` of a call of mode chunk, from its members' own `pack_call`s. Raises nothing."""
    return msgspec.msgpack.encode([whole(call) for call in calls])


def unpack_chunk(body: Body) -> list[bytes]:
    """The members of `pack_chunk`, each still to be unpacked. Raises SerializationError where it is nothing of the kind."""
    try:
        return _chunks.decode(whole(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SerializationError(f"not the arguments of a chunk: {error}") from error


def pack_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """The body of a chunk's end, in the order of its members. Raises nothing."""
    return msgspec.msgpack.encode(outcomes)


def unpack_outcomes(body: Body) -> list[Outcome]:
    """The members' ends of `pack_outcomes`; what they hold is unpacked with `unpack` and `exception`.

    Raises SerializationError where it is nothing of the kind."""
    try:
        return _outcomes.decode(whole(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SerializationError(f"not the outcomes of a chunk: {error}") from error


def _plain(value: object, depth: int) -> bool:
    """Is it made of builtin values only, and small? Then the plain pickler does, at a tenth of the cost."""
    kind = type(value)
    if kind in _ATOMS:
        return (kind is not bytes and kind is not str) or len(cast(bytes, value)) <= LARGE
    if depth == 0 or (kind is not tuple and kind is not list and kind is not dict):
        return False
    items = list(value.values()) if isinstance(value, dict) else value
    assert isinstance(items, (list, tuple))  # noqa: S101 - narrows for the type checker; settled by `kind` above
    if len(items) > 16 or (isinstance(value, dict) and not all(type(key) in _ATOMS for key in value)):
        return False
    return all(_plain(item, depth - 1) for item in items)


def _called(value: object) -> str:
    kind = type(value)
    return f"a value of type {kind.__module__}.{kind.__qualname__}".replace(" builtins.", " ")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


# ── modules of the workspace travel by value ──────────────────────────────────────────────────────────────────────────


class Workspace:
    """The folder whose own modules are not installed where the code will run: what they define travels by value, unless
    `travels` says that the module itself is there."""

    def __init__(self, folder: str, travels: Callable[[ModuleType], bool] = lambda _: False) -> None:
        self._folder = folder.rstrip("/") + "/" if folder else ""
        self._travels = travels
        self._seen = 0
        self.modules: set[str] = set()
        """Names of the modules that travel by value."""

    def register(self) -> None:
        """Look for modules imported since the last time. Cheap when there are none; call it before packing."""
        if not self._folder or len(sys.modules) == self._seen:
            return
        self._seen = len(sys.modules)
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _NEVER_BY_VALUE:
                continue  # Yonder itself is on every executor, also when its own repository is the workspace
            if type(module) is not ModuleType or not is_under(_file_of(module), self._folder):
                continue
            if not self._travels(module):
                cloudpickle.register_pickle_by_value(module)
                self.modules.add(name)
            elif name in self.modules:
                cloudpickle.unregister_pickle_by_value(module)
                self.modules.remove(name)


def served(module: ModuleType) -> bool:
    """Did this worker get it from a snapshot? Then other workers that run on the same one find it, too."""
    return type(vars(module).get("__loader__")).__module__ == "yonder.agent.modules"


def _file_of(module: ModuleType) -> str:
    file = module.__dict__.get("__file__")
    return file if isinstance(file, str) else ""


def is_under(file: str, folder: str) -> bool:
    """Is it a file of the person's own: below `folder` and not in an environment's packages?"""
    if not folder:
        return False
    folder = folder.rstrip("/") + "/"
    return file.startswith(folder) and not any(part in "/" + file[len(folder) :] for part in _FOREIGN)


# ── exceptions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def failure(error: BaseException, user_folder: str, *, user_file: str = "") -> Failure:
    """An exception as data, with the source lines as they were when they ran; frames of the runtime are cut off."""
    trace = own_part(error.__traceback__)
    told = traceback.TracebackException(type(error), error, trace, compact=True)
    while len(told.stack) > 1 and _is_runtime(told.stack[-1].filename):
        told.stack.pop()  # input() raises in our code on the person's behalf
    frames = [_frame(summary, user_folder, user_file) for summary in told.stack]
    place = ""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        if not frames or error.filename != user_file:
            frames.append(_syntax_frame(error, user_folder, user_file))
        if error.filename != user_file:
            place = f" ({Path(error.filename).name}, line {error.lineno})"
    if len(frames) > MAX_FRAMES:
        frames = frames[: MAX_FRAMES // 2] + frames[-MAX_FRAMES // 2 :]
    text = "".join(told.format())
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT // 2] + "\n… (cut) …\n" + text[-MAX_TEXT // 2 :]
    only = "".join(told.format_exception_only()).strip()
    _, _, message = only.rpartition("\n") if isinstance(error, SyntaxError) else ("", "", only)
    name = _type_name(type(error))
    names = (f"{type(error).__module__}.{type(error).__qualname__}", name, type(error).__name__)
    for one in names:
        message = message.removeprefix(one + ": ")
    if message in names:
        message = ""
    return Failure(name, message[:MAX_TEXT] + place, text, frames, _before(told, user_folder, user_file))


def _before(told: traceback.TracebackException, folder: str, user_file: str) -> list[Before]:
    """What led to an exception: its causes, what was being handled, the parts of a group; the nearest first."""
    found: list[Before] = []
    waiting = deque([told])
    while waiting and len(found) < MAX_BEFORE:
        one = waiting.popleft()
        linked = [("part", part) for part in one.exceptions or ()]
        if one.__cause__ is not None:
            linked.append(("cause", one.__cause__))
        elif one.__context__ is not None and not one.__suppress_context__:
            linked.append(("context", one.__context__))
        for link, other in linked[: MAX_BEFORE - len(found)]:
            frames = [
                _frame(summary, folder, user_file) for summary in other.stack if not _is_runtime(summary.filename)
            ]
            kind, _, message = "".join(other.format_exception_only()).strip().partition(": ")
            found.append(Before(link, kind[:MAX_BEFORE_TEXT], message[:MAX_BEFORE_TEXT], frames[-MAX_BEFORE_FRAMES:]))
            waiting.append(other)
    return found


def own_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is neither the runtime's nor the event loop's under it."""
    found = trace
    while found is not None and _is_runtime(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found


def _is_runtime(file: str) -> bool:
    return file == __file__ or file.startswith(_RUNTIME)


def _type_name(kind: type[BaseException]) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in {"builtins", "__main__", errors.__name__} else f"{module}.{kind.__qualname__}"


def _frame(summary: traceback.FrameSummary, folder: str, user_file: str) -> Frame:
    line = summary.lineno or 0
    whole = linecache.getline(summary.filename, line).rstrip("\n")
    return Frame(
        summary.filename,
        line,
        summary.name,
        whole,
        summary.end_lineno or 0,
        _characters(whole, summary.colno),
        _characters(whole, summary.end_colno) if summary.end_lineno == line else -1,
        user=summary.filename == user_file or is_under(summary.filename, folder),
    )


def _characters(line: str, at: int | None) -> int:
    """A column counted in UTF-8 bytes, as the compiler counts, in characters."""
    return -1 if at is None else len(line.encode()[:at].decode(errors="replace"))


def _syntax_frame(error: SyntaxError, folder: str, user_file: str) -> Frame:
    line = error.lineno or 0
    return Frame(
        error.filename or "",
        line,
        "<module>",
        (error.text or "").rstrip("\n"),
        error.end_lineno or line,
        (error.offset or 0) - 1,
        (error.end_offset or 0) - 1,
        user=error.filename == user_file or is_under(error.filename or "", folder),
    )


def exception(body: Body, told: Failure | None) -> BaseException:
    """A failed call's exception, to be raised: the original, with the remote traceback as its cause; where it does not
    unpickle here, a YonderError that says the same."""
    error: BaseException | None = None
    if body:
        try:
            found = unpack(body)
        except Exception as problem:  # noqa: BLE001 - unpickling runs foreign code; the stand-in carries the words
            error = _stand_in(told, f" (the exception itself could not be unpacked here: {_words(problem)})")
        else:
            error = found if isinstance(found, BaseException) else None
    if error is None:
        error = _stand_in(told, "")
    if told is not None and told.text:
        BaseException.__setattr__(error, "__cause__", RemoteTraceback(told.text))  # a class may be frozen
    return error


def _stand_in(told: Failure | None, more: str) -> YonderError:
    what = f"{told.type}: {told.message}" if told is not None else "the call failed and its exception did not travel"
    return YonderError(what + more)


def pack_exception(error: BaseException) -> bytes:
    """The exception for `exception`, without its attributes that do not travel, or b"" where it does not survive the way
    there and back at all."""
    body = _survivor(error)
    if body:
        return body
    try:
        return _survivor(likeness.trimmed(error, lambda value: not _refusal(value)))
    except Exception:  # noqa: BLE001 - a class that refuses to be copied; its data travels as Failure in any case
        return b""


def _survivor(error: BaseException) -> bytes:
    try:
        body = bytes(whole(pack(error)))
        unpack(body)
    except Exception:  # noqa: BLE001 - its data travels as Failure in any case
        return b""
    return body
