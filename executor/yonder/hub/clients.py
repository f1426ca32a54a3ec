"""Clients: programs and workers that hold a `Pool`. Their connection, the functions that they have sent, and what they
wait for.

Knows the wire; not executors. A client is a Unix socket (a worker's nested pool) or a queue inside this process (a plain
program); both speak ClientToHub and HubToClient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from yonder import segments, wire
from yonder.hub.parts import Parts
from yonder.hub.worker import Worker

PROGRAM_ROLES: tuple[wire.Role, ...] = ("client",)


class Requests(Protocol):
    """Who answers clients."""

    def client_said(self, client: Client, message: wire.ClientToHub) -> None: ...

    def client_lost(self, client: Client) -> None: ...


class Asked(Protocol):
    """Something that a client waits for: a call, a stream, an actor, a broadcast. What does not fit is let pass."""

    def cancel(self) -> None:
        """The client does not want it any more."""

    def credit(self, upto: int) -> None:
        """The stream's reader has room up to this value."""

    def act(self, message: wire.ActorCall) -> None:
        """A method of the actor."""

    def finish(self) -> None:
        """The actor gets nothing more to do."""

    def hold(self) -> None:
        """The client reads, or does not read, what it is told (`Client.slow`): what is made for it waits where it is made."""


def unheard(message: wire.HubToClient) -> None:
    """This is said to nobody: memory of this machine that its values lie in is free again."""
    match message:
        case wire.CallDone(body=body) | wire.CallYield(body=body) | wire.ActorReply(body=body):
            segments.leave(body)
        case wire.BroadcastDone(ends=ends):
            for end in ends:
                unheard(end)
        case _:
            pass  # it has no value


class Client:
    """One client. `worker` is the worker whose code opened it, None for a plain program; `elsewhere`: that worker is on
    another machine; `near`: it may be named memory of this machine's processes; `asked` what it waits for, by its own
    numbers."""

    def __init__(
        self,
        send: Callable[[wire.HubToClient], None],
        requests: Requests,
        worker: Worker | None,
        *,
        elsewhere: bool = False,
        near: bool = False,
    ) -> None:
        self._send = send
        self._requests = requests
        self._functions: dict[bytes, wire.Body] = {}
        self._name = f"client-{id(self):x}"
        self.worker = worker
        self.elsewhere = elsewhere
        self.near = near
        self.asked: dict[int, Asked] = {}
        self.parts = Parts()
        self.gone = False
        self.slow = False
        """It does not read what it is told: more of it would only fill the hub's memory."""

    @property
    def run(self) -> str:
        """The run that this client's calls belong to: what its worker runs now."""
        task = self.worker.task if self.worker else None
        return task.run if task else ""

    @property
    def tenant(self) -> str:
        """Whose calls these are when pools serve in turns: the run's, else this client's own."""
        return self.run or self._name

    @property
    def holder(self) -> Client | Worker:
        """Who holds what this client is given: the worker of a pool that it lives in, which keeps count, else itself."""
        return self if self.worker is None or self.worker.keeper is None else self.worker

    def say(self, message: wire.HubToClient) -> None:
        """Tell the client; nothing when it is gone."""
        if self.gone:
            unheard(message)
        else:
            self._send(message)

    def pressed(self, slow: bool) -> None:
        """Its connection is full, or has room again."""
        self.slow = slow
        for asked in list(self.asked.values()):
            asked.hold()

    def function(self, message: wire.Submit | wire.Broadcast) -> wire.Body:
        """The pickled function of a call: sent along the first time, remembered later. Raises KeyError when neither."""
        if message.function_body:
            self._functions[message.function] = message.function_body
            return message.function_body
        return self._functions[message.function]

    def received(self, message: wire.ClientToHub) -> None:
        if isinstance(message, wire.Forget):
            for function in message.functions:
                self._functions.pop(function, None)
        elif not isinstance(message, wire.Hello):
            self._requests.client_said(self, message)

    def lost(self) -> None:
        if not self.gone:
            self.gone = True
            self._requests.client_lost(self)
