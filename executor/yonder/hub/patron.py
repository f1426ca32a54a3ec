"""The plain programs that a hub process serves: are they still there, and what their executors print.

What a call prints goes to the conversation that hears of the call's end, and so never comes after it. While such a
conversation is full, no agent is read: then the executors' own writes wait, and no text is lost. What this file must not
know: sockets, pools, the programs' other business.
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


class Audience:
    """Programs whose executors print. Joined by each of their conversations."""

    def __init__(self, hub: Surroundings) -> None:
        self._hub = hub
        self._clients: list[Client] = []
        self._held = False
        self._deaf = False

    @property
    def present(self) -> bool:
        """Is a program there?"""
        return bool(self._clients)

    def joined(self, client: Client) -> None:
        self._clients.append(client)

    def left(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self.relieved()

    def asker(self, event: wire.Output) -> Client | None:
        """The conversation that hears of the end of this call; None: it is nobody's here."""
        found = self._hub.asker(event.call)
        return found if found in self._clients else None

    def show(self, client: Client, event: wire.Output) -> None:
        """Have the program print this."""
        client.say(wire.Printed(event.fd, event.text))
        if client.slow and not self._held:
            self._held = True
            self._hub.hold_agents(True)

    def relieved(self) -> None:
        """A conversation has room again, or is over."""
        if self._held and (self._deaf or not any(client.slow for client in self._clients)):
            self._held = False
            self._hub.hold_agents(False)

    def dismiss(self) -> None:
        """Nothing is printed any more, and agents are read again, whoever is slow."""
        self._deaf = True
        self.relieved()


class Patron(Audience):
    """The one program of a hub. Implements hub.Teller. It is gone when its last conversation has ended, or when none
    began."""

    full = False
    last = 0

    def __init__(self, hub: Surroundings) -> None:
        super().__init__(hub)
        self._came = asyncio.Event()
        self._over = asyncio.Event()
        self._reason = ""

    # ── is it there? ──

    def joined(self, client: Client) -> None:
        super().joined(client)
        self._came.set()

    def left(self, client: Client) -> None:
        super().left(client)
        if not self.present:
            self._end("the program has ended, or closed its last pool")

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
        self.dismiss()
        return self._reason

    # ── what it is told (hub.Teller) ──

    def tell(self, event: wire.Event) -> None:
        if isinstance(event, wire.Output) and not self._over.is_set():
            asker = self.asker(event)
            for client in [asker] if asker else self._clients[:1]:
                self.show(client, event)

    def reply(self, message: wire.HubToOwner) -> None:
        """Nobody asked."""
