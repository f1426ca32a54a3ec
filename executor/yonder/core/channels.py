"""One connection of a machine's link: many conversations over it, and no byte lost or doubled when it breaks.

    write ─▶ queue of a channel ── next ─▶ numbered frame ─▶ connection ─▶ received ─▶ Bytes of that channel
                  ▲ credit ◀──────────────── Grant ◀───────────────────────── consumed

Frames are numbered and kept until the other end has them (Got); after a break both say how far they came (Resume) and the
rest is sent again. Every channel has credit of its own, so that one which is not read holds up no other and what is kept
stays bounded; channels take turns frame by frame. Both ends are this same machine.

What this file must not know: sockets, clocks, what the bytes mean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, cast

from yonder import wire

MOST_CHANNELS = 4096
GOT_FRAMES = 32
GOT_BYTES = 256 * 1024
"""So much may have arrived before it is acknowledged."""


class Begun(NamedTuple):
    """The other end has opened a channel."""

    channel: int


class Bytes(NamedTuple):
    """These are next on a channel; say `consumed` when they are out of the way."""

    channel: int
    body: bytes


class Finished(NamedTuple):
    """Nothing more comes on a channel, and nothing more goes."""

    channel: int


Arrival = Begun | Bytes | Finished
Kept = wire.Begin | wire.Carry | wire.Finish


class _Channel:
    """One conversation at this end. Counts are bytes from its beginning."""

    def __init__(self, window: int, *, ours: bool) -> None:
        self.queue: deque[memoryview] = deque()
        self.queued = 0
        self.unsaid = ours  # its Begin has not been sent
        self.sent = 0
        self.allowed = window
        self.arrived = 0
        self.consumed = 0
        self.granted = window
        self.ending = False  # Finish follows the queue

    def sendable(self) -> bool:
        return self.unsaid or (self.queued > 0 and self.sent < self.allowed) or (self.ending and not self.queued)

    def cut(self) -> memoryview:
        """The next piece that may go."""
        view = self.queue[0]
        size = min(len(view), wire.MAX_PIECE, self.allowed - self.sent)
        if size == len(view):
            self.queue.popleft()
        else:
            self.queue[0] = view[size:]
        self.queued -= size
        self.sent += size
        return view[:size]


class Track:
    """`dialled`: this end made the connection and gives odd channels. `window` is every channel's credit in bytes, the same
    at both ends."""

    def __init__(self, *, dialled: bool, window: int) -> None:
        self.got = 0
        self._next_channel = 1 if dialled else 2
        self._theirs = 0 if dialled else 1  # the parity of channels that the other end opens
        self._window = window
        self._channels: dict[int, _Channel] = {}
        self._ready: dict[int, None] = {}  # in turn
        self._grants: dict[int, None] = {}
        self._last = 0
        self._sent = 0
        self._kept: deque[tuple[int, Kept]] = deque()
        self._owed_frames = 0
        self._owed_bytes = 0

    # ── conversations ──

    def open(self) -> int:
        """A new channel's number."""
        channel = self._next_channel
        self._next_channel += 2
        self._channels[channel] = _Channel(self._window, ours=True)
        self._ready[channel] = None
        return channel

    def write(self, channel: int, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes; nothing happens when the channel is over. `data` must not change afterwards."""
        one = self._channels.get(channel)
        if one is None or one.ending or not data:
            return
        one.queue.append(memoryview(data))
        one.queued += len(data)
        self._mark(channel, one)

    def queued(self, channel: int) -> int:
        """Bytes that wait for their turn or for credit."""
        one = self._channels.get(channel)
        return one.queued if one is not None else 0

    def finish(self, channel: int) -> None:
        """Nothing more will be written; what is queued still goes."""
        one = self._channels.get(channel)
        if one is not None:
            one.ending = True
            self._mark(channel, one)

    def consumed(self, channel: int, size: int) -> None:
        """So many bytes of what arrived are out of the way: the other end may send as many more."""
        one = self._channels.get(channel)
        if one is None:
            return
        one.consumed += size
        if one.consumed + self._window - one.granted >= self._window // 4:
            self._grants[channel] = None

    def _mark(self, channel: int, one: _Channel) -> None:
        if one.sendable():
            self._ready[channel] = None

    # ── out ──

    @property
    def kept(self) -> int:
        """Bytes that would be sent again after a break."""
        return sum(len(frame.body) for _, frame in self._kept if isinstance(frame, wire.Carry))

    def next(self) -> wire.LinkFrame | None:
        """The frame to send now; None: there is nothing to say."""
        if self._sent < self._last:
            self._sent += 1
            return self._kept[self._sent - self._last - 1][1]
        if self._grants:
            return self._grant()
        if self._owed_frames >= GOT_FRAMES or self._owed_bytes >= GOT_BYTES:
            return self.acknowledge()
        for channel in self._ready:
            del self._ready[channel]
            return self._turn(channel, self._channels[channel])
        return None

    def acknowledge(self) -> wire.Got:
        """What has arrived so far, said at once."""
        self._owed_frames = self._owed_bytes = 0
        return wire.Got(self.got)

    def _grant(self) -> wire.Grant:
        channel = next(iter(self._grants))
        del self._grants[channel]
        one = self._channels[channel]
        one.granted = one.consumed + self._window
        return wire.Grant(channel, one.granted)

    def _turn(self, channel: int, one: _Channel) -> Kept:
        self._last += 1
        frame: Kept
        if one.unsaid:
            one.unsaid = False
            frame = wire.Begin(self._last, channel)
        elif one.queued:
            frame = wire.Carry(self._last, channel, cast(bytes, one.cut()))
        else:
            frame = wire.Finish(self._last, channel)
            self._drop(channel)
            one.ending = False  # it is said
        self._kept.append((self._last, frame))
        self._sent = self._last
        self._mark(channel, one)
        return frame

    def _drop(self, channel: int) -> None:
        self._channels.pop(channel, None)
        self._ready.pop(channel, None)
        self._grants.pop(channel, None)

    # ── in ──

    def received(self, frame: wire.LinkFrame) -> Arrival | None:
        """Take what the other end sent. Raises WireError for what it must not say; the connection is closed then."""
        match frame:
            case wire.Begin() | wire.Carry() | wire.Finish():
                return self._arrived(frame)
            case wire.Grant(channel=channel, upto=upto):
                one = self._channels.get(channel)
                if one is not None:
                    one.allowed = max(one.allowed, upto)
                    self._mark(channel, one)
            case wire.Got(n=n):
                self._forget(n)
            case wire.Resume():
                raise wire.WireError("a second Resume on one connection")
        return None

    def _arrived(self, frame: Kept) -> Arrival | None:
        if frame.n <= self.got:
            return None  # a repetition
        if frame.n != self.got + 1:
            raise wire.WireError(f"frame {frame.n} came where {self.got + 1} was expected")
        self.got = frame.n
        self._owed_frames += 1
        channel = frame.channel
        if isinstance(frame, wire.Begin):
            return self._begun(channel)
        one = self._channels.get(channel)
        if one is None:
            return None  # this end was done with it
        if isinstance(frame, wire.Finish):
            one.queue.clear()
            one.queued = 0
            one.ending = True
            self._ready[channel] = None
            return Finished(channel)
        one.arrived += len(frame.body)
        self._owed_bytes += len(frame.body)
        if one.arrived > one.granted:
            raise wire.WireError(f"channel {channel} sent more than it was allowed to")
        return Bytes(channel, frame.body)

    def _begun(self, channel: int) -> Begun:
        if channel % 2 != self._theirs or channel in self._channels:
            raise wire.WireError(f"channel {channel} is not the other end's to open")
        if len(self._channels) >= MOST_CHANNELS:
            raise wire.WireError(f"more than {MOST_CHANNELS} conversations at once")
        self._channels[channel] = _Channel(self._window, ours=False)
        return Begun(channel)

    def _forget(self, n: int) -> None:
        if n > self._sent:
            raise wire.WireError(f"frame {n} was acknowledged, the last one sent is {self._sent}")
        while self._kept and self._kept[0][0] <= n:
            self._kept.popleft()

    # ── breaks ──

    def resume(self, received: int) -> None:
        """A new connection; the other end has everything up to `received`. Raises WireError when that cannot be."""
        first = self._last - len(self._kept)
        if not first <= received <= self._last:
            raise wire.WireError(f"the other end has frames up to {received}; kept are {first + 1} to {self._last}")
        self._sent = self._last
        self._forget(received)
        self._sent = received
        self._owed_frames = self._owed_bytes = 0
        self._grants = dict.fromkeys(self._channels)  # one that was said may never have arrived

    def channels(self) -> Iterator[int]:
        """Those that are open."""
        return iter(list(self._channels))
