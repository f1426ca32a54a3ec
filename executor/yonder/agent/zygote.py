"""The zygote: a process that has done the heavy imports and does nothing but fork workers.

What belongs here: importing what is asked for, the double fork, the canary. What this file must not know: the hub, loops,
threads (it has none), user code of any task.

The double fork: zygote -> middle -> worker, and the middle exits, so that the worker's parent becomes the agent (a
subreaper). The agent alone then knows how a worker ended, and a dead zygote takes no worker with it.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
import traceback
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from yonder.agent import ahead, birth, processes, shelf, worker

CANARY_SECONDS = 2.0
CANARY_AT_MOST = 30.0
_DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def main() -> None:
    """Entry: argv is core folder, the descriptor of the agent's socket, the agent's pid."""
    sock = socket.socket(fileno=int(sys.argv[2]))
    agent = int(sys.argv[3])
    sock.setblocking(True)
    os.set_inheritable(sock.fileno(), False)
    processes.die_with_parent()
    if os.getppid() != agent:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processes.mark("YONDER_EXECUTOR", os.environ.pop("YONDER_AGENT", ""))
    processes.mark("YONDER_WORKER", "")
    sys.argv = [""]
    worker.ahead()
    zygote = Zygote(sock)
    zygote.serve_who_waits()
    package = importlib.import_module("yonder")
    for name in package.__all__:  # for user code, like everything that is imported ahead
        getattr(package, name)
    zygote.serve()


class Zygote:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._finalizers: list[weakref.finalize[..., Any]] = []

    def serve_who_waits(self) -> None:
        """A program's first call waits for the first worker: that one is born before the rest is made ready."""
        ahead.note()
        gc.freeze()
        while select.select([self._sock], [], [], 0)[0]:
            self._serve_next()

    def serve(self) -> NoReturn:
        """Until the agent hangs up."""
        self._settle()
        while True:
            self._serve_next()

    def _serve_next(self) -> None:
        received = birth.receive(self._sock)
        if received is None:
            os._exit(0)
        message, fds = received
        match message:
            case birth.Import():
                birth.send(self._sock, self._import(message))
                self._settle()
            case birth.Read(store=store, snapshot=snapshot):
                shelf.read_ahead(store, snapshot)
                gc.freeze()
            case birth.Birth():
                _import_from(message.overlay)
                if message.become:
                    self._become(message, fds)
                self._fork(message, fds)
                for fd in fds:
                    os.close(fd)

    def _settle(self) -> None:
        """Make what is imported by now common property: workers neither collect it nor end it when they end. A preloaded
        module's temporary folder belongs to all of them, and torch's finalizers would take 25 ms of every worker's end."""
        ahead.note()
        gc.collect()
        gc.freeze()
        for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # noqa: SLF001 - has no public name
            if finalizer.atexit:
                finalizer.atexit = False
                self._finalizers.append(finalizer)

    def _import(self, asked: birth.Import) -> birth.Imported:
        begun = time.monotonic()
        failed: dict[str, str] = {}
        _import_from(asked.overlay)
        with _hidden_devices():
            for name in asked.modules:
                birth.send(self._sock, birth.Importing(name))
                try:
                    importlib.import_module(name)
                except BaseException as error:  # noqa: BLE001 - a preload is a convenience; its users see the error themselves
                    failed[name] = f"{type(error).__name__}: {error}"
                    continue
                if asked.careful and not canary():
                    failed[name] = f"children forked after importing {name} hang; workers import it themselves"
                    return birth.Imported(time.monotonic() - begun, failed, poisoned=True)
        poisoned = bool(asked.modules) and not asked.careful and not canary()
        return birth.Imported(time.monotonic() - begun, failed, poisoned)

    def _fork(self, message: birth.Birth, fds: list[int]) -> None:
        """Fork the worker through a middle process and tell its pid once the agent is its parent."""
        try:
            pid = self._double_fork(message, fds)
        except OSError as error:
            birth.send(self._sock, birth.Unborn(message.worker, f"the system refused a new process: {error}"))
            return
        birth.send(self._sock, birth.Born(message.worker, pid))

    def _double_fork(self, message: birth.Birth, fds: list[int]) -> int:
        pid_read, pid_write = os.pipe()
        go_read, go_write = os.pipe()
        try:
            middle = _fork()
            if middle == 0:
                _middle(message, fds, pid_write, go_read, go_write)
            os.close(pid_write)
            pid_write = -1
            told = os.read(pid_read, 32)
            os.waitpid(middle, 0)  # after this the worker's parent is the agent …
            os.write(go_write, b"g")  # … and it may look
        finally:
            for fd in (pid_read, pid_write, go_read, go_write):
                if fd >= 0:
                    os.close(fd)
        if not told.isdigit():
            raise OSError(told.decode() or "the process in the middle ended")
        return int(told)

    def _become(self, message: birth.Birth, fds: list[int]) -> NoReturn:
        """No fork: this process is the worker, and already the agent's child. For systems where forks are not safe."""
        for finalizer in self._finalizers:  # all of it is its own
            finalizer.atexit = True
        birth.send(self._sock, birth.Born(message.worker, os.getpid()))
        _be_worker(message, fds)


def _import_from(overlay: str) -> None:
    """What was installed for these workers comes before what the machine has, and behind everything else."""
    if overlay and overlay not in sys.path:
        marks = ("site-packages", "dist-packages")
        places = [at for at, entry in enumerate(sys.path) if entry.rstrip("/").endswith(marks)]
        sys.path.insert(places[0] if places else len(sys.path), overlay)


def _fork() -> int:
    with warnings.catch_warnings():
        # Newer Pythons warn of threads that C libraries made on import (numpy's); forking with those is safe, and what
        # is not safe the canary finds.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _middle(message: birth.Birth, fds: list[int], pid_write: int, go_read: int, go_write: int) -> NoReturn:
    try:
        pid = os.fork()
    except OSError as error:
        os.write(pid_write, str(error).encode()[:32])
        os._exit(1)
    if pid:
        os.write(pid_write, str(pid).encode())
        os._exit(0)
    os.close(go_write)
    os.read(go_read, 1)
    processes.die_with_parent()
    if processes.LINUX and os.getppid() != message.agent:
        os._exit(0)  # the agent is gone already
    _be_worker(message, fds)


def _be_worker(message: birth.Birth, fds: list[int]) -> NoReturn:
    """Everything after this is the worker; nothing of it returns to the zygote's loop."""
    code = 70
    try:
        _keep_only(fds)
        code = worker.main(message, fds)
    except BaseException:  # noqa: BLE001 - the last net before the process ends: the agent reads these words
        traceback.print_exc()
    finally:
        os._exit(code)


def _keep_only(fds: list[int]) -> None:
    """Close every descriptor but the standard three and the given ones: a worker inherits no lane of anybody else."""
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = max(low, fd + 1)
    highest = max((int(name) for name in _open_descriptors()), default=low + 256)
    os.closerange(low, highest + 1)


def _open_descriptors() -> list[str]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return [name for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 - names only
        except OSError:
            continue
    return []


@contextmanager
def _hidden_devices() -> Iterator[None]:
    """No module shall open a device while it is imported: a device's state does not survive a fork."""
    before = {name: os.environ.get(name) for name in _DEVICES}
    os.environ.update(dict.fromkeys(_DEVICES, ""))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ── the canary ────────────────────────────────────────────────────────────────────────────────────────────────────────


def canary() -> bool:
    """Does a child of this process get through a little arithmetic? A library that has computed before the fork makes
    its children hang in their first parallel loop, silently; better found here than in a person's run."""
    pid = _fork()
    if pid == 0:
        try:
            _sing()
        finally:
            os._exit(0)
    begun = still = time.monotonic()
    spent = 0
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        if done:
            return not os.WIFSIGNALED(status)
        if (used := _ticks(pid)) != spent:
            spent, still = used, now  # it computes: a slow machine, not a hang
        if now - still > CANARY_SECONDS or now - begun > CANARY_AT_MOST:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.002)


def _sing() -> None:
    if torch := sys.modules.get("torch"):
        weight = torch.ones(128, 128, requires_grad=True)
        (weight @ weight).sum().backward()
    elif numpy := sys.modules.get("numpy"):
        square = numpy.ones((128, 128))
        float((square @ square).sum())


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
