"""Clients: programs and workers that hold a `Pool`. Their connection, and the functions that they have sent.

Knows the wire; not executors. A client is a Unix socket (a worker's nested pool) or a queue inside this process (a plain
program); both speak ClientToHub and HubToClient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from yonder import wire
from yonder.hub.worker import Worker


class Requests(Protocol):
    """Who answers clients."""

    def client_said(self, client: Client, message: wire.ClientToHub) -> None: ...

    def client_lost(self, client: Client) -> None: ...


class Client:
    """One client. `worker` is the worker whose code opened it, None for a plain program."""

    def __init__(self, send: Callable[[wire.HubToClient], None], requests: Requests, worker: Worker | None) -> None:
        self._send = send
        self._requests = requests
        self._functions: dict[bytes, bytes] = {}
        self.worker = worker
        self.gone = False

    @property
    def run(self) -> str:
        """The run that this client's calls belong to: what its worker runs now."""
        task = self.worker.task if self.worker else None
        return task.run if task else ""

    def say(self, message: wire.HubToClient) -> None:
        if not self.gone:
            self._send(message)

    def function(self, message: wire.Submit) -> bytes:
        """The pickled function of a call: sent along the first time, remembered later. Raises KeyError when neither."""
        if message.function_body:
            self._functions[message.function] = message.function_body
        return self._functions[message.function]

    def received(self, message: wire.ClientToHub) -> None:
        if not isinstance(message, wire.Hello):
            self._requests.client_said(self, message)

    def lost(self) -> None:
        if not self.gone:
            self.gone = True
            self._requests.client_lost(self)
