"""A Docker engine of the tests' own: a `dockerd` in a slot, with its own socket, bridge, addresses and data.

Ten slots, so that several runs on one machine do not meet. The slot's lock is inherited by everything the engine starts:
a slot is free when nothing of its last engine lives, whatever happened to whoever started it. No firewall rule is made
(`--iptables=false`): containers reach this machine and each other, nothing else, and the machine's own Docker is left
as it is. What belongs here: slots, starting, ending, what the process table says. What this file must not know: images,
tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SLOTS = 10
READY_LIMIT = 60.0  # seconds until a dockerd answers; 2 on an idle machine
END_LIMIT = 30.0  # seconds that a dockerd gets to end in good order
RUN = Path("/run/yonder-engine")
MARK = "YONDER_ENGINE"


class NoEngineError(Exception):
    """No engine can be had; the text says why and what would help."""


class Left(NamedTuple):
    """A process that an engine left behind."""

    pid: int
    command: str


def cache_folder() -> Path:
    """Where things live that outlast a clone; the verbs and .ci/run use the same."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("YONDER_CACHE") or Path(base) / "yonder-ci")


def why_not() -> str:
    """Why this machine cannot start an engine, "" when it may try."""
    if os.uname().sysname != "Linux":
        return "an engine of the tests' own needs Linux; start Docker and run this again"
    if os.geteuid() != 0:
        return "an engine of the tests' own needs root; start Docker, or name an engine in DOCKER_HOST"
    missing = [name for name in ("dockerd", "docker", "ip", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found; on Debian and Ubuntu: apt-get install docker.io iproute2"
    return ""


class PrivateEngine:
    """One `dockerd` of ours. `start` it, use `host`, `stop` it; both are safe to call twice."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.folder = RUN / str(slot)
        self.data = cache_folder() / "docker" / f"data-{slot}"
        self.bridge = f"yonder{slot}"
        # Two /24 of a slot: the engine's own bridge, and sixteen further networks that tests may make.
        self.address = f"172.29.{100 + 2 * slot}.1/24"
        self.pool = f"172.29.{101 + 2 * slot}.0/24"
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """What DOCKER_HOST says to reach it."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def pid(self) -> int:
        """The daemon's process id, 0 when none runs."""
        try:
            pid = int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return 0
        return pid if f"{self.folder}/pid" in _command(pid) else 0

    def start(self, *, tied: bool) -> None:
        """Bring it up. A tied one ends, in good order, when the thread that called this ends, however that happens."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _TakenError from error
            self._remove_links()
            for words in (
                ("link", "add", self.bridge, "type", "bridge"),
                ("addr", "add", self.address, "dev", self.bridge),
                ("link", "set", self.bridge, "up"),
            ):
                _quiet("ip", *words)
            self._spawn(lock, tied=tied)
        finally:
            os.close(lock)
        self._wait_until_ready()

    def _spawn(self, lock: int, *, tied: bool) -> None:
        command = [
            *(("setpriv", "--pdeathsig", "TERM") if tied else ()),
            "dockerd",
            f"--data-root={self.data}",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/pid",
            f"--host={self.host}",
            f"--bridge={self.bridge}",
            f"--default-address-pool=base={self.pool},size=28",
            f"--cgroup-parent=/yonder-engine-{self.slot}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--iptables=false",
            "--ip-forward=false",
        ]
        # Of a daemon that was killed: their numbers may be somebody else's now, or zombies that nobody waits for.
        for stale in ("pid", "exec/containerd/containerd.pid"):
            (self.folder / stale).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                env={**os.environ, MARK: str(self.slot)},
            )

    def _wait_until_ready(self) -> None:
        limit = time.monotonic() + READY_LIMIT
        while not answers(self.host):
            if (self._daemon is not None and self._daemon.poll() is not None) or time.monotonic() > limit:
                log = (self.folder / "log").read_text(errors="replace").splitlines()
                self.stop()
                raise NoEngineError("dockerd did not come up; its last lines:\n" + "\n".join(log[-8:]))
            time.sleep(0.05)

    def kill(self) -> None:
        """As `kill -9` of the daemon: the kernel ends its containerd with it, shims and containers go on."""
        os.kill(self.pid, signal.SIGKILL)
        if self._daemon is not None:
            self._daemon.wait()
        _until(lambda: not any(one.command.startswith("containerd ") for one in self.processes()), END_LIMIT)

    def restart(self) -> None:
        """Bring the daemon up again after its end, on the same socket and data. Whatever else of the slot lives, stays."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._spawn(lock, tied=True)
        finally:
            os.close(lock)
        self._wait_until_ready()

    def stop(self) -> list[Left]:
        """End it with its containers and networks, and say what the process table still shows afterwards. Images stay in
        the cache for the next start."""
        if daemon := self.pid:
            if answers(self.host):
                self._empty()
            with contextlib.suppress(ProcessLookupError):
                os.kill(daemon, signal.SIGTERM)
            if self._daemon is not None:  # our child: until it is waited for, it is a line in the table
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._daemon.wait(END_LIMIT)
            _until(lambda: not self.processes(), END_LIMIT)
        left = self.processes()
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        _until(lambda: not self.processes(), END_LIMIT)
        self._remove_links()
        _unmount(str(self.folder), str(self.data))
        _remove_cgroups(f"yonder-engine-{self.slot}")
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _empty(self) -> None:
        containers = self._docker("ps", "--all", "--quiet").split()
        if containers:
            self._docker("rm", "--force", "--volumes", *containers)
        self._docker("network", "prune", "--force")
        self._docker("volume", "prune", "--force")

    def _docker(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", "--host", self.host, *words], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def _remove_links(self) -> None:
        """The slot's bridge, and those of tests' networks whose daemon did not live to remove them."""
        pool = ipaddress.ip_network(self.pool)
        shown = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
        for line in shown.splitlines():
            _, link, _, address, *_ = line.split()
            if link == self.bridge or ipaddress.ip_interface(address).ip in pool:
                _quiet("ip", "link", "delete", link)

    def processes(self) -> list[Left]:
        """Every process of this slot that lives: daemon, containerd, shims, and what runs in containers."""
        return _of_slot(self.slot)


class _TakenError(Exception):
    """Another run has this slot."""


def start_private(*, tied: bool = True) -> PrivateEngine:
    """An engine in the first free slot. Raises NoEngineError."""
    if reason := why_not():
        raise NoEngineError(reason)
    for slot in range(SLOTS):
        engine = PrivateEngine(slot)
        if _overlaps(engine):
            continue
        if not engine.pid and engine.processes():
            engine.stop()  # its daemon was killed: what it left behind still holds the slot
        try:
            engine.start(tied=tied)
        except _TakenError:
            continue
        return engine
    raise NoEngineError(f"all {SLOTS} slots for engines are taken; `scripts/engine.py status` shows them")


def answers(host: str) -> bool:
    """Does an engine answer there?"""
    asked = ["docker", "--host", host, "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(asked, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _quiet(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoEngineError(f"{' '.join(words)}: {done.stderr.strip()}")


def _overlaps(engine: PrivateEngine) -> bool:
    """Whether the slot's addresses are another network's on this machine."""
    ours = [ipaddress.ip_interface(engine.address).network, ipaddress.ip_network(engine.pool)]
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=False).stdout
    for line in routes.splitlines():
        words = line.split()
        if "/" not in words[0] or engine.bridge in words:
            continue
        theirs = ipaddress.ip_network(words[0], strict=False)
        if any(theirs.overlaps(one) for one in ours):
            return True
    return False


def _of_slot(slot: int) -> list[Left]:
    """By three marks: the environment (daemon and what it starts), containerd's socket in argv (shims), the cgroup
    (containers). Whoever talks to the engine has none of them."""
    mark, folder, group = f"{MARK}={slot}".encode(), f"{RUN}/{slot}/exec/containerd/", f"/yonder-engine-{slot}/"
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                continue
            command = _command(int(process.name))
            inside = (
                mark in (process / "environ").read_bytes().split(b"\0") or group in (process / "cgroup").read_text()
            )
            if inside or folder in command:
                found.append(Left(int(process.name), command))
    return [one for one in found if one.pid != os.getpid()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _until(condition: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.05)


def _unmount(*folders: str) -> None:
    """What a killed daemon left mounted: its data, bound to itself, and what containers had."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount in folders or mount.startswith(tuple(f"{folder}/" for folder in folders)):
            subprocess.run(["umount", mount], capture_output=True, check=False)


def _remove_cgroups(name: str) -> None:
    for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")):
        top = root / name
        if not top.is_dir():
            continue
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
