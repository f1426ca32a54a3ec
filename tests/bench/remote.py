"""Group `remote`: executors on another machine, here containers of a real engine, beside the bare network to them.

`docker_click_to_first_call_s` is a program's first answer with the image present and nothing started; beside it the first
answer of a second pool, whose hub is there, and a bare container of the same image that does nothing. The call's overhead is what a call of an empty function takes beyond the
bare round trip of a byte to the same container. `remote_array_vs_tcp` is how fast 100 MB go there and back through a call,
as a share of the same bytes through a bare TCP connection. `reconnect_ms` is the time from a cut of both of an executor's
connections to the answer of the call that was sent at that moment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from scripts.engine import Engine, NoEngineError, get_engine
from tests.bench.figures import BenchError, Figure, median
from tests.links.proxy import Aside, a_proxy

import yonder

ARRAY = 100_000_000
FIRST = """
import sys, time, yonder
def first(name):
    begin = time.perf_counter()
    pool = yonder.Pool(name, backend="docker", image=sys.argv[1])
    pool.call(abs, -1)
    return pool, time.perf_counter() - begin
(one, cold), (two, warm) = first("cold"), first("warm")
print(cold, warm)
one.close()
two.close()
"""


def measure(quick: bool) -> Iterator[Figure]:
    """Raises BenchError where no engine can be had."""
    try:
        engine = get_engine()
    except NoEngineError as error:
        raise BenchError(str(error)) from error
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = engine.host
    try:
        yield from _measure(engine, 3 if quick else 9)
    finally:
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
        engine.close()


def _measure(engine: Engine, rounds: int) -> Iterator[Figure]:
    image = engine.image
    cold, warm, bare = [], [], []
    for _ in range(rounds):
        for seconds, found in zip(_first_calls(image), (cold, warm), strict=True):
            found.append(seconds)
        bare.append(_bare_container(engine, image))
    beside = {"its hub already there": median(warm), "a bare container of the image": median(bare)}
    yield Figure("docker_click_to_first_call_s", median(cold), "s", beside)
    with yonder.Pool("remote", backend="docker", image=image, max=1, concurrency=2) as pool:
        yield from _against_the_network(pool, rounds)
    yield _reconnecting(engine, image, rounds)


def _first_calls(image: str) -> list[float]:
    asked = [sys.executable, "-c", FIRST, image]
    said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=120).stdout
    return [float(word) for word in said.split()]


def _bare_container(engine: Engine, image: str) -> float:
    begin = time.perf_counter()
    engine.docker("run", "--rm", "--entrypoint", "true", image)
    return time.perf_counter() - begin


# ── beside the bare network ───────────────────────────────────────────────────────────────────────────────────────────


def _listen() -> socket.socket:
    listener = socket.create_server(("0.0.0.0", 0))
    listener.settimeout(60)
    return listener


class Mirror:
    """In the container: sends back what it gets over one bare connection."""

    def __init__(self) -> None:
        self._listener = _listen()

    def address(self) -> tuple[str, int]:
        return socket.gethostbyname(socket.gethostname()), self._listener.getsockname()[1]

    def serve(self) -> None:
        """One byte back for one byte, until a zero byte; then so many bytes as ARRAY there and back, until the end."""
        line, _ = self._listener.accept()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line:
            while (byte := line.recv(1)) != b"\0":
                line.sendall(byte)
            space = bytearray(ARRAY)
            while _fill(line, space):
                line.sendall(space)


def _fill(line: socket.socket, space: bytearray) -> bool:
    view = memoryview(space)
    while view:
        size = line.recv_into(view)
        if not size:
            return False
        view = view[size:]
    return True


def _nothing() -> None:
    pass


def _same(value: object) -> object:
    return value


def _against_the_network(pool: yonder.Pool, rounds: int) -> Iterator[Figure]:
    """Turn by turn, so that a slow moment of the machine meets both."""
    mirror = pool.place(Mirror)
    address = mirror.address()
    serving = mirror.serve.submit()
    line = socket.create_connection(address, timeout=60)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    calls, trips = [], []
    with line:
        for _ in range(rounds):
            calls += [_timed(pool.call, _nothing) for _ in range(100)]
            trips += [_timed(_trip, line) for _ in range(100)]
        call, trip = median(calls) * 1000, median(trips) * 1000
        yield Figure("remote_call_ms", call, "ms", {"a byte there and back": trip})
        yield Figure("remote_call_overhead_ms", call - trip, "ms")
        line.sendall(b"\0")
        yield _arrays(pool, line, max(3, rounds // 2))
    serving.result()
    mirror.close()


def _trip(line: socket.socket) -> None:
    line.sendall(b"x")
    line.recv(1)


def _arrays(pool: yonder.Pool, line: socket.socket, rounds: int) -> Figure:
    array = bytes(ARRAY)
    space = bytearray(ARRAY)
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(_timed(pool.call, _same, array))
        bare.append(_timed(_there_and_back, line, array, space))
    speed = {"yonder, MB/s": 2 * ARRAY / 1e6 / median(ours), "bare TCP, MB/s": 2 * ARRAY / 1e6 / median(bare)}
    return Figure("remote_array_vs_tcp", median(bare) / median(ours), "", speed)


def _there_and_back(line: socket.socket, array: bytes, space: bytearray) -> None:
    line.sendall(array)
    _fill(line, space)


def _timed(work: Callable[..., object], *arguments: object) -> float:
    begin = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begin


# ── coming back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _reconnecting(engine: Engine, image: str, rounds: int) -> Figure:
    gateway = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    gateway = gateway or "127.0.0.1"
    door = _free_port(gateway)
    seconds = []
    with Aside() as aside:
        opening = a_proxy((gateway, door), (gateway, 0))
        proxy = aside.do(opening.__aenter__)
        options = {"listen": f"{gateway}:{door}", "reach": f"{gateway}:{proxy.address[1]}"}
        with yonder.Pool("cut", backend="docker", image=image, max=1, options=options) as pool:
            pool.call(_nothing)
            for _ in range(rounds):
                aside.do(proxy.cut)
                seconds.append(_timed(pool.call, _nothing))
        aside.do(opening.__aexit__, None, None, None)
    return Figure("reconnect_ms", median(seconds) * 1000, "ms")


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        port: int = found.getsockname()[1]
    return port
