"""Two machines of paper: network namespaces with one real kernel's TCP between them, over a wire that is slow or loses.

    namespace a (A) ── tun ── Wire (a thread of this process) ── tun ── namespace b (B)

Only as root on Linux; `why_not` says what is missing. The wire decides about each packet, so its losses can be counted
and one direction can be dead, which no proxy can show: TCP sends again by itself.
"""

import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import secrets
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.links.proxy import Pace

A, B = "10.71.0.1", "10.71.0.2"
QUEUE = 0.1
"""Seconds of the rate's worth that may wait for the wire; what comes then is lost, as in a router."""

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x1001
_CLONE_NEWNET = 0x40000000


def why_not():
    """Why there can be no namespaces here, "" when there can."""
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid():
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the program ip (package iproute2) is missing"
    if not Path("/dev/net/tun").exists():
        return "the kernel has no /dev/net/tun"
    name = f"yl-{secrets.token_hex(4)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no namespace can be made: {made.stderr.strip()}"
    _ip("netns", "delete", name)
    return ""


class Way:
    """One direction: packets take `delay` seconds, `loss` of them (0 … 1) are lost, `rate` bytes a second go through
    (0: any); `dead`: none does. `lost` counts."""

    def __init__(self, seed):
        self.pace = Pace()
        self.loss = 0.0
        self.dead = False
        self.passed = 0
        self.lost = 0
        self._dice = random.Random(seed)

    def due(self, now, size):
        """When this packet comes out; None: never."""
        if self.dead or self._dice.random() < self.loss:
            self.lost += 1
            return None
        at = self.pace.arrival(now, size)
        if at - now - self.pace.delay > QUEUE:
            self.lost += 1
            self.pace.arrival(now, -size)
            return None
        self.passed += 1
        return at


class Wire:
    """`a` and `b` name the namespaces, in which A and B are the addresses; `up` leads from a to b."""

    def __init__(self, *, mtu=1500, seed=7):
        mark = secrets.token_hex(3)
        self.a, self.b = f"yl-{mark}-a", f"yl-{mark}-b"
        self.up, self.down = Way(seed), Way(seed + 1)
        self._mtu = mtu
        self._ends = {}
        self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self):
        with contextlib.ExitStack() as undone:
            undone.callback(self._take_down)
            for name, own, other in ((self.a, A, B), (self.b, B, A)):
                self._ends[name] = self._end(name, own, other)
            undone.pop_all()
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.write(self._stop[1], b"x")
        self._thread.join()
        self._take_down()

    def command(self, namespace, *words):
        """A command line that runs in a namespace. The folders /run/netns and /sys are the only other thing that differs."""
        return ["ip", "netns", "exec", namespace, *words]

    def socket(self, namespace, *kind):
        """A socket that lives in a namespace, for this process."""
        found = []

        def make():
            with open(f"/run/netns/{namespace}") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            found.append(socket.socket(*kind))

        # A namespace belongs to a thread: this one ends with it, ours is left alone.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not found:
            raise OSError(f"no socket could be made in {namespace}")
        return found[0]

    def slow(self, *, delay=0.0, rate=0.0, loss=0.0):
        """Both ways."""
        for way in (self.up, self.down):
            way.pace, way.loss = Pace(delay, rate), loss

    def _end(self, namespace, own, other):
        _ip("netns", "add", namespace)
        device = namespace.replace("yl-", "yt")
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _TUN_WITHOUT_HEADER))
        _ip("link", "set", device, "netns", namespace)
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", own, "peer", other, "dev", device),
            ("link", "set", device, "mtu", str(self._mtu), "up"),
        ):
            _ip("-n", namespace, *words)
        return descriptor

    def _take_down(self):
        for name, descriptor in self._ends.items():
            os.close(descriptor)
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        self._ends.clear()
        for descriptor in self._stop:
            os.close(descriptor)

    def _run(self):
        a, b = self._ends[self.a], self._ends[self.b]
        under_way, order = [], itertools.count()
        while True:
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, _, to, packet = heapq.heappop(under_way)
                with contextlib.suppress(OSError):
                    os.write(to, packet)
            wait = max(0.0, under_way[0][0] - now) if under_way else None
            ready, _, _ = select.select([a, b, self._stop[0]], [], [], wait)
            if self._stop[0] in ready:
                return
            now = time.monotonic()
            for source, to, way in ((a, b, self.up), (b, a, self.down)):
                if source in ready:
                    packet = os.read(source, 1 << 16)
                    if (at := way.due(now, len(packet))) is not None:
                        heapq.heappush(under_way, (at, next(order), to, packet))


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)
