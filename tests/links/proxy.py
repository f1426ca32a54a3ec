"""A line between two ends of a link that can be slow, stand still, fall silent, or break at a chosen byte.

    one end ──▶ Proxy ──up────▶ other end        one `Way` per direction, shared by all connections of the proxy
    one end ◀──down── Proxy ◀── other end

Nothing here needs root. Counters and events, not clocks, say what has happened; delays and rates follow the loop's clock.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from pathlib import Path

CHUNK = 64 * 1024
AHEAD = 1 << 20
"""Bytes that may lie on a way without a rate before its sender must wait."""

SPAN = 0.05
"""Seconds of a slow way's capacity that may queue in front of it: what a network keeps in its buffers."""


class Pace:
    """When bytes that are sent now arrive: `delay` seconds later, and no more than `rate` of them a second (0: any)."""

    def __init__(self, delay=0.0, rate=0.0):
        self.delay = delay
        self.rate = rate
        self._free = 0.0

    def arrival(self, at, size):
        begun = max(at, self._free)
        self._free = begun + (size / self.rate if self.rate else 0.0)
        return self._free + self.delay

    @property
    def room(self):
        """How many bytes may be on the way."""
        return AHEAD + int(self.delay * 100e6) if not self.rate else int(self.rate * (self.delay + SPAN)) + 1024

    @property
    def chunk(self):
        """How many bytes go together: a slow way is shared fairly in small pieces."""
        return CHUNK if not self.rate else max(512, min(CHUNK, int(self.rate * SPAN / 8)))


class Way:
    """One direction. `passed` counts the bytes that came out of it, over all connections."""

    def __init__(self):
        self.pace = Pace()
        self.passed = 0
        self._cuts = deque()
        self._open = asyncio.Event()
        self._open.set()
        self._moved = asyncio.Condition()

    def hold(self):
        """What is sent from now on waits: the other end hears nothing, the sender sooner or later blocks."""
        self._open.clear()

    def go(self):
        """What waited arrives."""
        self._open.set()

    def cut_at(self, *numbers):
        """When the n-th byte of all has come out, everything breaks; the next number counts for what follows. A number
        that is passed already is passed over."""
        self._cuts = deque(sorted(numbers))

    async def reached(self, count):
        """Wait until so many bytes have come out."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.passed >= count)

    def next_cut(self):
        """How many more bytes may come out; None: any."""
        while self._cuts and self._cuts[0] <= self.passed:
            self._cuts.popleft()
        return self._cuts[0] - self.passed if self._cuts else None

    async def opened(self):
        await self._open.wait()

    async def came_out(self, count):
        self.passed += count
        async with self._moved:
            self._moved.notify_all()


class Proxy:
    """Listens in the place of `target`, a (host, port) or the path of a Unix socket, and connects to it; a function gives
    it at every connection."""

    def __init__(self, target):
        self.target = target
        self.up = Way()
        self.down = Way()
        self.accepted = 0
        self.broken = 0
        """How often everything was broken by `cut` or at a byte."""
        self._where = None
        self._server = None
        self._deaf = False
        self._lines = {}
        self._changed = asyncio.Condition()

    async def listen(self, where=("127.0.0.1", 0)):
        """Begin; gives the address to dial instead of the target's."""
        self._where = where
        if isinstance(where, tuple):
            # The same port again after `refuse`, also while an old connection of it lingers.
            self._server = await asyncio.start_server(self._met, *where, limit=CHUNK, reuse_address=True)
            self._where = self._server.sockets[0].getsockname()[:2]
        else:
            Path(where).unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._met, str(where), limit=CHUNK)
        return self._where

    async def met(self, count):
        """Wait until so many connections have been made in all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.accepted >= count)

    def slow(self, *, delay=0.0, rate=0.0):
        """Both ways take `delay` seconds and carry `rate` bytes a second."""
        self.up.pace, self.down.pace = Pace(delay, rate), Pace(delay, rate)

    def cut(self):
        """Every present connection ends at once, at both ends (TCP: by a reset)."""
        self.broken += 1
        for line in list(self._lines):
            line.end()

    def vanish(self):
        """Every present connection falls silent for ever, and neither end is told; new ones are as always."""
        for line in self._lines:
            line.lost = True

    def deaf(self):
        """Silence: present connections vanish, new ones are accepted and nothing comes of them until `heal`."""
        self.vanish()
        self._deaf = True

    async def refuse(self):
        """Nobody is let in any more; present connections stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            if not isinstance(self._where, tuple):
                Path(self._where).unlink(missing_ok=True)

    async def heal(self):
        """All is well again, for what has not been lost."""
        self._deaf = False
        self.up.go()
        self.down.go()
        if self._server is None:
            await self.listen(self._where)

    async def close(self):
        await self.refuse()
        self.cut()
        await asyncio.gather(*self._lines.values(), return_exceptions=True)

    async def _met(self, reader, writer):
        line = _Line(self, reader, writer, lost=self._deaf)
        self._lines[line] = asyncio.current_task()
        self.accepted += 1
        async with self._changed:
            self._changed.notify_all()
        try:
            await line.carry()
        finally:
            del self._lines[line]


class _Line:
    """One connection through the proxy. `lost`: what comes in goes nowhere, for ever."""

    def __init__(self, proxy, reader, writer, *, lost):
        self._proxy = proxy
        self._near = (reader, writer)
        self._far = None
        self.lost = lost
        self.over = asyncio.get_running_loop().create_future()

    async def carry(self):
        try:
            if self.lost:
                await self.over
                return
            self._far = await self._dialled()
            ways = [
                asyncio.create_task(self._along(self._proxy.up, self._near[0], self._far[1])),
                asyncio.create_task(self._along(self._proxy.down, self._far[0], self._near[1])),
            ]
            both = asyncio.gather(*ways)
            await asyncio.wait([both, self.over], return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(both, *ways, return_exceptions=True)
        except OSError:
            pass  # nobody listens behind us: so nobody listens
        finally:
            self.end()

    async def _dialled(self):
        target = self._proxy.target() if callable(self._proxy.target) else self._proxy.target
        if isinstance(target, tuple):
            return await asyncio.open_connection(*target, limit=CHUNK)
        return await asyncio.open_unix_connection(str(target), limit=CHUNK)

    async def _along(self, way, source, sink):
        """One direction of this connection, from its first byte to its end."""
        under_way = _UnderWay()
        bringing = asyncio.create_task(self._bring(way, source, under_way))
        try:
            await self._hand_over(way, sink, under_way)
        finally:
            bringing.cancel()
            await asyncio.gather(bringing, return_exceptions=True)

    async def _bring(self, way, source, under_way):
        loop = asyncio.get_running_loop()
        data = b"first"
        while data:
            try:
                data = await source.read(way.pace.chunk)
            except OSError:
                data = b""
            await under_way.put(data, way.pace.arrival(loop.time(), len(data)), way.pace.room)

    async def _hand_over(self, way, sink, under_way):
        loop = asyncio.get_running_loop()
        # A drain is over when the kernel has everything, so that a cut comes exactly behind its byte.
        sink.transport.set_write_buffer_limits(0)
        while True:
            data, at = await under_way.get()
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            await way.opened()
            if self.lost:
                continue
            left = way.next_cut()
            cut = left is not None and len(data) >= left
            part = data[:left] if cut else data
            try:
                if not part:
                    sink.write_eof()
                    return
                sink.write(part)
                await sink.drain()
            except OSError:
                return
            await way.came_out(len(part))
            if cut:
                # The end hears of it like of any end: what came before it is not taken back by a reset.
                sink.close()
                self._proxy.cut()
                return

    def end(self):
        """End both sides at once."""
        if not self.over.done():
            self.over.set_result(None)
        for _, writer in filter(None, (self._near, self._far)):
            connected = writer.get_extra_info("socket")
            if writer.is_closing() or connected is None:
                continue
            if connected.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class _UnderWay:
    """Bytes between the two ends, each with its time of arrival."""

    def __init__(self):
        self._waiting = deque()
        self._size = 0
        self._changed = asyncio.Event()

    async def put(self, data, at, room):
        while self._size and self._size + len(data) > room:
            self._changed.clear()
            await self._changed.wait()
        self._waiting.append((data, at))
        self._size += len(data)
        self._changed.set()

    async def get(self):
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        data, at = self._waiting.popleft()
        self._size -= len(data)
        self._changed.set()
        return data, at


@contextlib.asynccontextmanager
async def a_proxy(target, where=("127.0.0.1", 0)):
    """A proxy that listens: its address is `proxy.address`."""
    made = Proxy(target)
    made.address = await made.listen(where)
    try:
        yield made
    finally:
        await made.close()


class Aside:
    """A loop in a thread of its own, for proxies beside a program that blocks. `do(function, *arguments)` runs something
    there, also a coroutine, and gives what it gives."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aside", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, function, *arguments, **more):
        async def done():
            found = function(*arguments, **more)
            return await found if asyncio.iscoroutine(found) else found

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)
