"""The plain program that a detached hub serves: is it still there, and what its executors print.

What a call prints goes to the conversation that hears of the call's end, and so never comes after it. While such a
conversation is full, no agent is read: then the executors' own writes wait, and no text is lost. What this file must not
know: sockets, pools, the program's other business.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from yonder import wire
from yonder.core.lease import FIRST_CONTACT, spell
from yonder.hub.clients import Client


class Surroundings(Protocol):
    """What a patron needs of the hub."""

    def asker(self, call: str) -> Client | None:
        """The conversation of the program that hears of this call's end."""

    def hold_agents(self, paused: bool) -> None:
        """Read nothing more from agents, or read on."""


class Patron:
    """Implements hub.Teller. It is gone when its last conversation has ended, or when none began."""

    full = False
    last = 0

    def __init__(self, hub: Surroundings) -> None:
        self._hub = hub
        self._clients: list[Client] = []
        self._came = asyncio.Event()
        self._over = asyncio.Event()
        self._reason = ""
        self._held = False

    # ── is it there? ──

    def joined(self, client: Client) -> None:
        self._clients.append(client)
        self._came.set()

    def left(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            if not self._clients:
                self._end("the program has ended, or closed its last pool")
            self.relieved()

    def asked_to_end(self) -> None:
        """A signal: end now, in order."""
        self._end("stopped by a signal")

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._came.set()
        self._over.set()

    async def until_the_end(self) -> str:
        """Returns the reason to end. After it nothing is printed any more, and agents are read again."""
        try:
            async with asyncio.timeout(FIRST_CONTACT):
                await self._came.wait()
        except TimeoutError:
            self._end(f"the program did not connect within {spell(FIRST_CONTACT)}")
        await self._over.wait()
        self.relieved()
        return self._reason

    # ── what it is told (hub.Teller) ──

    def tell(self, event: wire.Event) -> None:
        if not isinstance(event, wire.Output) or self._over.is_set():
            return
        asker = self._hub.asker(event.call)
        for client in [asker] if asker in self._clients else self._clients[:1]:
            client.say(wire.Printed(event.fd, event.text))
            if client.slow and not self._held:
                self._held = True
                self._hub.hold_agents(True)

    def relieved(self) -> None:
        """A conversation has room again, or is over."""
        if self._held and (self._over.is_set() or not any(client.slow for client in self._clients)):
            self._held = False
            self._hub.hold_agents(False)

    def reply(self, message: wire.HubToOwner) -> None:
        """Nobody asked."""
