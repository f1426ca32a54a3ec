"""The porch of a TCP door: how many may stand there who have not shown yet that they belong here.

Anybody on the network can dial, and each dial costs the hub a descriptor and some memory until TLS and hello are through or
time is up. The porch holds so many of them; when another comes, the one that has stood there longest is sent away. Whoever
is expected is through in milliseconds, so a crowd of silent strangers keeps nobody out. Knows sockets; not TLS or hellos.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any

MOST = 256


class Porch:
    """What all TCP doors of a hub have in common."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._strangers: dict[int, _Stranger] = {}

    def __len__(self) -> int:
        """How many stand here."""
        return len(self._strangers)

    async def door(self, host: str, port: int) -> socket.socket:
        """A socket bound to this address (port 0: a free one), for a server to listen on. Raises OSError."""
        flags = socket.AI_PASSIVE
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=flags)  # noqa: S104
        family, _, _, _, address = found[0]
        door = _Door(family, self)
        try:
            if os.name == "posix":  # elsewhere it would let two of us have one address
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(address)
        except BaseException:
            door.close()
            raise
        return door

    def came(self, connection: socket.socket) -> socket.socket:
        """Somebody has dialled."""
        stranger = _Stranger(self, connection)
        self._strangers[stranger.fileno()] = stranger
        while len(self._strangers) > self._most:
            self._strangers.pop(next(iter(self._strangers))).send_away()
        return stranger

    def let_in(self, descriptor: int) -> None:
        """The connection with this descriptor is no stranger any more; harmless when said of others."""
        self._strangers.pop(descriptor, None)


class _Door(socket.socket):
    """A listening socket that asyncio accepts from."""

    def __init__(self, family: int, porch: Porch) -> None:
        # asyncio sends small messages of what it knows to be TCP at once; others wait 40 ms for an acknowledgement.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._porch = porch

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        return self._porch.came(connection), address


class _Stranger(socket.socket):
    """One connection."""

    def __init__(self, porch: Porch, connection: socket.socket) -> None:
        super().__init__(connection.family, connection.type, connection.proto, fileno=connection.detach())
        self._porch = porch

    def send_away(self) -> None:
        """Whoever serves it reads its end, and closes it."""
        with contextlib.suppress(OSError):  # it has gone by itself
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._porch.let_in(self.fileno())
        super().close()
