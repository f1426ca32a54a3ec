"""An agent whose hub is on another machine: the agent as anywhere, a relay for its workers, a link, and a lease.

    Agent ── channel 1 ──▶ small ══▶ hub              its lease, not the end of a connection, ends it
    workers ──▶ Relay ───▶ small, bulk ══▶ hub

What belongs here: putting them together, and the lease's clock. What this file must not know: what agent and hub say to each
other, where the invitation came from (`remote`).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import NoReturn

from yonder import wire
from yonder.agent import invitation as invitations
from yonder.agent import processes
from yonder.agent.agent import Agent, Conversation
from yonder.agent.dialling import Link
from yonder.agent.files import Desks
from yonder.agent.home import Home
from yonder.agent.launching import Launched
from yonder.agent.relay import Relay
from yonder.core.lease import AgentLease
from yonder.errors import CannotRun, VersionMismatch
from yonder.version import __version__


def main(line: bytes, core: str, zygote: Launched) -> None:
    """Live to the end. `line` is the invitation, `core` as for `bootstrap.command`, the zygote on its way already."""
    try:
        invitation = invited(line)
    except VersionMismatch as error:
        invitations.refuse(str(error), invitations.OTHER_VERSION)
    except ValueError as error:
        invitations.refuse(str(error), invitations.BAD_INVITATION)
    processes.become_subreaper()
    asyncio.run(_live(invitation, core, zygote))


def invited(line: bytes) -> wire.Invitation:
    """The invitation in these bytes. Raises VersionMismatch, or ValueError for what is none."""
    addressee = invitations.read(line, invitations.Addressee)
    if addressee.version != wire.VERSION:
        raise VersionMismatch(ours=__version__, theirs=addressee.package, where="hub")
    return invitations.read(line, wire.Invitation)


async def _live(invitation: wire.Invitation, core: str, zygote: Launched) -> None:
    home = Home()
    lease = AgentLease(
        reach=invitation.reach, silence=invitation.silence, lifetime=invitation.lifetime, at=time.monotonic()
    )
    desks = Desks(home.work, whole=True) if home.work is not None else Desks(home.folder / "work")
    agent = Agent(hub=home.socket, ident=invitation.agent, token=invitation.lane, core=core, desks=desks)
    agent.leaving = home.leave
    agent.begin(zygote)
    try:
        await _serve(invitation, agent, home, lease)
    except VersionMismatch as error:
        agent.end(str(error), code=invitations.OTHER_VERSION)
    except (CannotRun, wire.WireError) as error:
        agent.end(f"the hub at {invitation.hub} refused this executor: {error}", code=1)
    except Exception as error:  # noqa: BLE001 - a fault of our own must leave no process behind
        traceback.print_exc()
        agent.end(f"a fault of its own: {error}", code=1)


async def _serve(invitation: wire.Invitation, agent: Agent, home: Home, lease: AgentLease) -> None:
    link = Link(invitation, lambda refused: lease.dialled(time.monotonic(), refused=refused and invitation.direct))
    agent.leaving = lambda: _take_leave(link, home)
    processes.keep_to_itself()  # the keys, from the code that workers run; before there is any
    link.small.heard = link.bulk.heard = lambda: lease.heard(time.monotonic())
    link.small.open(Conversation(agent))
    link.bulk.open(Bulk(agent))
    relay = Relay(link.small, link.bulk)
    agent.dead = relay.bury
    async with await relay.listen(home.socket):
        await asyncio.gather(link.hold(), agent.beat(), _watch(lease, link, agent, home))


class Bulk(Conversation):
    """The agent's second conversation with the hub: contents of files, which hold up no word of the first."""

    def greet(self) -> None:
        self._agent.bulk = self
        self.send(self._agent.hello("bulk"))

    def pause_writing(self) -> None:
        """Nothing has to wait: who reads files asks for a few pieces at a time."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""


def _take_leave(link: Link, home: Home) -> None:
    """Nothing runs here any more. A hub that hears so does not wait for this machine until the silence is over."""
    link.small.farewell()
    home.leave()


async def _watch(lease: AgentLease, link: Link, agent: Agent, home: Home) -> NoReturn:
    """Judge the lease while this loop turns, and let the platform see that it does."""
    while True:
        home.beat()
        now = time.monotonic()
        if (reason := lease.judge(now)) is not None:
            agent.end(f"{reason} ({link.trouble})" if link.trouble else reason)
        await asyncio.sleep(lease.next_wake(now) - now)
