"""Every error a person can meet, in one tree, branched by what the caller can do.

    YonderError
    ├── UsageError            fix the call, the setting or the file; nothing was started
    │   ├── SettingsError     an unknown key or value; names itself, its place and what is allowed
    │   └── SerializationError  a value does not travel; says where in it the part stands that does not
    ├── CannotRun             the place to run is not there (yet); the code is innocent
    │   ├── BootFailed        an executor did not come up: phase, the platform's words, the remedy
    │   ├── VersionMismatch   two versions of Yonder met; names both
    │   ├── PoolClosed        the pool has ended; also the RuntimeError of concurrent.futures
    │   ├── QueueFull         as many calls wait as the pool allows; wait, or allow more
    │   └── PoolDeadlock      a call waits for a pool whose slots are all held by such waiters
    ├── ExecutorLost          the executor died under the call: exit code, signal, verdict, last words
    ├── FetchFailed           a file of an executor could not be fetched: it is gone, or changes all the time
    ├── NoRoom                the hub cannot keep a value: its disk or memory is full; the value is where it was
    ├── RemoteLost            the object of a handle is no more: its worker died, was replaced, or its pool closed
    ├── CallTimeout           the call's deadline passed; also a TimeoutError
    └── Cancelled             somebody asked for the end; also a CancelledError of concurrent.futures

`CaptureWarning` is no error: a UserWarning of a function that takes along a lot.

The user's own exceptions are never wrapped: a failed call raises the original type, with the remote traceback as its
cause (`RemoteTraceback`). Foreign errors are translated where they enter, never by their text.
"""

from __future__ import annotations

import concurrent.futures


class YonderError(Exception):
    """Base of everything Yonder raises on its own account."""


class UsageError(YonderError, ValueError):
    """The request itself is wrong; changing it helps."""


class SettingsError(UsageError):
    """A setting is unknown or has a value that is not allowed.

    `place` says where it stands (`pyproject.toml, [tool.yonder.pools.gpu]`), `key` which one it is.
    """

    def __init__(self, sentence: str, *, place: str = "", key: str = "") -> None:
        super().__init__(sentence)
        self.place = place
        self.key = key


class SerializationError(UsageError):
    """A value cannot travel to another process. `path` leads to the smallest part that does not, "" when that is all of it:
    `argument 2 -> ['model'] -> .lock`."""

    def __init__(self, sentence: str, *, path: str = "") -> None:
        super().__init__(sentence)
        self.path = path


class CannotRun(YonderError):  # noqa: N818 - read at the call site: "except CannotRun"
    """There is nowhere to run at present."""


class FetchFailed(YonderError):  # noqa: N818 - what happened, as with the others
    """A file that was written on an executor did not come here."""


class NoRoom(YonderError):  # noqa: N818 - what is missing
    """The hub cannot keep that value: its memory or its disk is full. Nothing was lost; the value is where it was."""


class BootFailed(CannotRun):
    """An executor did not come up. `phase` is where it stopped."""

    def __init__(self, sentence: str, *, phase: str = "") -> None:
        super().__init__(sentence)
        self.phase = phase


class VersionMismatch(CannotRun):
    """Two sides speak different versions of the wire."""

    def __init__(self, *, ours: str, theirs: str, where: str) -> None:
        super().__init__(
            f"version mismatch: this side is yonder {ours}, the {where} is yonder {theirs}. "
            f"Install the same version on both sides, or stop the older cluster (yonder reap) and run again."
        )
        self.ours = ours
        self.theirs = theirs


class CaptureWarning(UserWarning):
    """A function takes along so much that giving it as an argument, or putting it there first, is worth it."""


class PoolClosed(CannotRun, RuntimeError):  # noqa: N818 - the design's word
    """The pool has been closed; open a new one."""


class QueueFull(CannotRun):
    """As many calls wait already as the pool's `queue_limit` allows."""


class PoolDeadlock(CannotRun):
    """Every slot of the pool is held by a call that waits for calls of the same pool, so none of them can ever begin.

    A larger `max`, or a pool of another name for the inner calls, gets them on.
    """


class ExecutorLost(YonderError):  # noqa: N818 - the design's word
    """The executor died while it held the call.

    `exit_code` or `signal` is what the operating system reported, `out_of_memory` the platform's verdict, `stderr` the
    last lines that the process wrote.
    """

    def __init__(
        self,
        sentence: str,
        *,
        executor: str = "",
        exit_code: int | None = None,
        signal: int | None = None,
        out_of_memory: bool = False,
        stderr: str = "",
    ) -> None:
        super().__init__(sentence + (f"\nIts last words:\n{stderr}" if stderr else ""))
        self.executor = executor
        self.exit_code = exit_code
        self.signal = signal
        self.out_of_memory = out_of_memory
        self.stderr = stderr


class RemoteLost(YonderError):  # noqa: N818 - the design's word
    """The object of a `Remote` is no more; the sentence says why. Make it again."""


class CallTimeout(YonderError, TimeoutError):  # noqa: N818 - the design's word
    """The call's deadline passed. `phase` says what it was doing (queued, booting, running), `times` how many seconds it
    spent in each phase."""

    def __init__(self, sentence: str, *, phase: str = "", times: dict[str, float] | None = None) -> None:
        super().__init__(sentence)
        self.phase = phase
        self.times = times or {}


class Cancelled(YonderError, concurrent.futures.CancelledError):  # noqa: N818 - the design's word
    """The call was cancelled before it had a result."""


class RemoteTraceback(Exception):  # noqa: N818 - shown as a cause, never caught
    """The traceback of the process where an exception was raised; stands as the cause of the re-raised original."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'
