"""One way each to call functions in other processes, behind one face: ours, the standard library's, and the peers'.

What belongs here: how each of them is opened, called and closed, on two workers, over loopback only, without dashboards.
What this file must not know: clocks and figures. A peer that is not installed raises ImportError when it is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from tests.bench.work import count_to, nothing


class Caller:
    """What can be asked of each. What one of them has not is NotImplementedError, with the reason in words."""

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        """One call, waited for."""
        raise NotImplementedError("no calls")

    def fan(self, function: Callable[[Any], Any], value: Any, count: int) -> list[Any]:
        """That many calls with the same large value, as a person writes it who knows the house."""
        raise NotImplementedError("no many calls at once")

    def many(self, count: int) -> list[int]:
        """That many calls at once from one caller, each on its own."""
        raise NotImplementedError("no many calls at once")

    def map(self, count: int) -> list[int]:
        """The same by the `map` of the house, as a person writes it."""
        return self.many(count)

    async def gather(self, count: int) -> list[int]:
        """The same from a coroutine."""
        raise NotImplementedError("no awaitable calls")

    def stream(self, count: int) -> Iterator[int]:
        """Values of one generator that runs elsewhere, one by one."""
        raise NotImplementedError("no generators")

    def close(self) -> None:
        """End everything that was started."""


class OfFutures(Caller):
    """Whatever is a `concurrent.futures.Executor`."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        return self.executor.submit(function, value).result()

    def fan(self, function: Callable[[Any], Any], value: Any, count: int) -> list[Any]:
        return [future.result() for future in [self.executor.submit(function, value) for _ in range(count)]]

    def many(self, count: int) -> list[int]:
        futures = [self.executor.submit(nothing, number) for number in range(count)]
        return [future.result() for future in futures]

    def map(self, count: int) -> list[int]:
        return list(self.executor.map(nothing, range(count)))

    async def gather(self, count: int) -> list[int]:
        waiting = [asyncio.wrap_future(self.executor.submit(nothing, number)) for number in range(count)]
        return await asyncio.gather(*waiting)

    def close(self) -> None:
        self.executor.shutdown()


class Yonder(OfFutures):
    """Ours. `preload` as a person would have it: the third-party modules that calls will want."""

    def __init__(self, workers: int, preload: Iterable[str] = ()) -> None:
        import yonder

        self.pool = yonder.Pool(min=0 if preload else workers, max=workers, preload=list(preload))
        super().__init__(self.pool)

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        return self.pool.call(function, value)

    def fan(self, function: Callable[[Any], Any], value: Any, count: int) -> list[Any]:
        there = self.pool.put(value)
        return [future.result() for future in [self.pool.submit(function, there) for _ in range(count)]]

    async def gather(self, count: int) -> list[int]:
        return await asyncio.gather(*(self.pool.acall(nothing, number) for number in range(count)))

    def stream(self, count: int) -> Iterator[int]:
        if not hasattr(self.pool, "stream"):
            raise NotImplementedError("Pool.stream is not built yet")
        return iter(self.pool.stream(count_to, count))


class Standard(OfFutures):
    def __init__(self, workers: int) -> None:
        super().__init__(ProcessPoolExecutor(workers))


class StandardChunks(Standard):
    """With the chunk size that a person who measured would choose for calls of no length."""

    def map(self, count: int) -> list[int]:
        return list(self.executor.map(nothing, range(count), chunksize=500))


class Loky(OfFutures):
    def __init__(self, workers: int) -> None:
        import loky

        super().__init__(loky.ProcessPoolExecutor(workers))


class Dask(Caller):
    def __init__(self, workers: int) -> None:
        import distributed

        self.cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        )
        self.client = distributed.Client(self.cluster)  # type: ignore[no-untyped-call]

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        return self.client.submit(function, value, pure=False).result()

    def fan(self, function: Callable[[Any], Any], value: Any, count: int) -> list[Any]:
        there = self.client.scatter(value)  # type: ignore[no-untyped-call]
        return list(self.client.gather([self.client.submit(function, there, pure=False) for _ in range(count)]))

    def many(self, count: int) -> list[int]:
        return list(self.client.gather([self.client.submit(nothing, number, pure=False) for number in range(count)]))

    def map(self, count: int) -> list[int]:
        return list(self.client.gather(self.client.map(nothing, range(count), pure=False)))

    def close(self) -> None:
        self.client.close()
        self.cluster.close()


class Ray(Caller):
    def __init__(self, workers: int, memory: int = 100 * 1024 * 1024) -> None:
        """`memory` bytes for its objects."""
        import ray
        from ray._private import services

        # Ray turns 127.0.0.1 into the machine's public address, and its servers then listen to the whole network.
        services.resolve_ip_for_localhost = lambda host: host
        services.get_node_ip_address = lambda *_: "127.0.0.1"
        self.ray = ray
        self._remotes: dict[str, Any] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=memory,
            _node_ip_address="127.0.0.1",
            _temp_dir=self._folder.name,
        )

    def _remote(self, function: Callable[..., Any]) -> Any:
        if function.__name__ not in self._remotes:
            self._remotes[function.__name__] = self.ray.remote(function)
        return self._remotes[function.__name__]

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        return self.ray.get(self._remote(function).remote(value))

    def fan(self, function: Callable[[Any], Any], value: Any, count: int) -> list[Any]:
        there = self.ray.put(value)
        return list(self.ray.get([self._remote(function).remote(there) for _ in range(count)]))

    def many(self, count: int) -> list[int]:
        remote = self._remote(nothing)
        return list(self.ray.get([remote.remote(number) for number in range(count)]))

    async def gather(self, count: int) -> list[int]:
        remote = self._remote(nothing)
        return await asyncio.gather(*(remote.remote(number) for number in range(count)))

    def stream(self, count: int) -> Iterator[int]:
        for reference in self._remote(count_to).options(num_returns="streaming").remote(count):
            yield self.ray.get(reference)

    def close(self) -> None:
        self.ray.shutdown()
        self._folder.cleanup()


class IPythonParallel(Caller):
    def __init__(self, workers: int) -> None:
        self._cleanup = contextlib.ExitStack()
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ipyparallel-"))
        os.environ["IPYTHONDIR"] = folder  # else it makes a profile in the person's home
        import ipyparallel

        self.cluster = ipyparallel.Cluster(n=workers, profile_dir=folder, log_level=40)
        self.client = self.cluster.start_and_connect_sync()
        self.view = self.client.load_balanced_view()

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        return self.view.apply_async(function, value).get()

    def many(self, count: int) -> list[int]:
        results = [self.view.apply_async(nothing, number) for number in range(count)]
        return [result.get() for result in results]

    def map(self, count: int) -> list[int]:
        return list(self.view.map_sync(nothing, range(count)))

    def close(self) -> None:
        self.client.close()
        self.cluster.stop_cluster_sync()
        self._cleanup.close()


ECHO = """
import socket, sys
line = socket.socket(fileno=int(sys.argv[1]))
while data := line.recv(64):
    line.sendall(data)
"""


class Bare(Caller):
    """No executor: a byte to a child over a socket pair, and back. What no way of calling can beat."""

    def __init__(self, workers: int) -> None:
        self._line, theirs = socket.socketpair()
        command = [sys.executable, "-c", ECHO, str(theirs.fileno())]
        self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        self._line.sendall(b"x")
        if self._line.recv(64) != b"x":
            raise ConnectionError("the child at the other end is gone")
        return function(value)

    def close(self) -> None:
        self._line.close()
        self._child.wait()


def opened(name: str, workers: int) -> Caller:
    """Open one by its name, ready or starting. Raises ImportError when it is not installed."""
    makers: dict[str, Callable[[int], Caller]] = {
        "yonder": Yonder,
        "yonder with torch": lambda count: Yonder(count, ["torch"]),
        "ProcessPoolExecutor": Standard,
        "ProcessPoolExecutor, chunksize=500": StandardChunks,
        "loky": Loky,
        "Dask": Dask,
        "Ray": Ray,
        "Ray, 4 GB for objects": lambda count: Ray(count, 4 * 1024**3),
        "ipyparallel": IPythonParallel,
        "bare socket pair": Bare,
    }
    return makers[name](workers)
