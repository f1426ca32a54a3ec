"""Watchers: clients that want to hear what happens to a pool. Knows the wire's events of a pool, not why they come."""

from __future__ import annotations

from yonder import wire
from yonder.hub.clients import Client
from yonder.hub.worker import clock


class Watchers:
    """Those who watch the pool of that name."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._clients: dict[Client, None] = {}

    def watch(self, client: Client, *, on: bool) -> None:
        """From now on, or no more."""
        if on:
            self._clients[client] = None
        else:
            self._clients.pop(client, None)

    def dismiss(self, client: Client) -> None:
        """It has left the pool, which may go on for others."""
        if client in self._clients:
            del self._clients[client]
            client.say(wire.PoolEvent(self._pool, "closed", clock(), sentence="this program has left the pool"))

    def tell(self, kind: str, executor: str = "", sentence: str = "") -> None:
        """Something happened; see wire.PoolEvent for the kinds."""
        if self._clients:
            event = wire.PoolEvent(self._pool, kind, clock(), executor, sentence)
            for client in list(self._clients):
                client.say(event)
            if kind == "closed":  # nothing comes after it
                self._clients.clear()
